"""The site: it builds without warnings or a network, documents the interface, and loads nothing from other hosts."""

from __future__ import annotations

import functools
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import yaml
from documentation import links, options
from regeneration.documents import Document, load

import cekura_facade
from cekura_facade import contract, sandbox
from tests.installing import succeed
from tests.once import once

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
LOADING = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "object": "data",
    "source": "src",
    "track": "src",
    "video": "src",
}


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of `./scripts/docs`, which is built with a dead proxy, so that it cannot fetch anything."""
    proxies = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "HTTP", "HTTPS")}

    def make(folder: Path) -> None:
        succeed([str(ROOT / "scripts" / "docs"), str(folder)], folder, VENV=sys.prefix, **proxies)

    return once(tmp_path_factory, "site", make)


def shown(site: Path, page: str, path: str) -> str:
    """The entry of a name in the reference, as plain text."""
    html = (site / "reference" / f"{page}.html").read_text("utf-8")
    part = re.search(rf'<h\d id="{re.escape(path)}".*?(?=<h\d id=|</article>)', html, re.DOTALL)
    assert part is not None, f"{path} is not on the page"
    return " ".join(unescape(re.sub("<[^>]+>", "", part[0])).split())


@functools.cache
def specification() -> Document:
    return load(ROOT / "spec" / "openapi.yaml")


def described(model: str) -> str:
    """The description of a field in the specification, so that tests do not depend on its wording."""
    fields = specification()["components"]["schemas"][model]["properties"]
    said = (str(field.get("description", "")) for field in fields.values())
    return next(text for text in said if re.fullmatch(r"[\w ,]+", text))


def summary(operation: str) -> str:
    """The summary of an operation in the specification, which is the first line of its docstring."""
    paths = specification()["paths"].values()
    found = {each.get("operationId"): each for path in paths for each in path.values() if isinstance(each, dict)}
    return str(found[operation]["summary"])


def test_the_whole_public_interface_is_in_the_reference() -> None:
    listed = re.findall(r"^::: (\S+)$", "".join(page.read_text("utf-8") for page in REFERENCE.iterdir()), re.MULTILINE)
    assert len(listed) == len(set(listed))
    public = {f"cekura_facade.{name}" for name in cekura_facade.__all__}
    public |= {f"cekura_facade.sandbox.{name}" for name in sandbox.__all__}
    public |= {f"cekura_facade.contract.{name}" for name in contract.__all__}
    assert set(listed) == public | {
        "cekura_api.model.Model",
        "cekura_api.models.known_values",
        "cekura_facade.sandbox.pytest_plugin.cekura_sandbox",
    }


@pytest.mark.parametrize(
    ("page", "path", "signature", "said"),
    [
        (
            "metrics",
            "cekura_facade.Metrics.generate_and_create",
            (
                "generate_and_create( *, agent_id: int | None = None, assistant_id: str | None = None, "
                "num_metrics: int = 1, "
                "review: Review | None = None, timeout: float = 600.0, on_progress: OnProgress | None = None, "
                ") -> SavedMetrics"
            ),
            "Suggest metrics for an agent, wait for them, and save them",
        ),
        ("metrics", "cekura_facade.Metrics.generate", ") -> GenerationJob", "Nothing is saved."),
        ("metrics", "cekura_facade.Metrics.list", ") -> list[Metric]", summary("list_metrics")),
        (
            "metrics",
            "cekura_facade.Metrics.update",
            "update( metric_id: int, body: MetricUpdate",
            summary("update_metric"),
        ),
        ("metrics", "cekura_facade.SavedMetrics", "Bases: list[Metric]", "Those that this call created."),
        ("metrics", "cekura_facade.Metrics.generate_and_create_many", ") -> Outcomes", "the others continue"),
        ("metrics", "cekura_facade.GenerationJob.wait", ") -> list[GeneratedMetric]", "A failed poll does not end"),
        (
            "metrics",
            "cekura_facade.GenerationJob.wait",
            "Callable[[GenerateMetricsProgress], object]",
            "on_progress (Callable[[GenerateMetricsProgress], object] | None",
        ),
        (
            "metrics",
            "cekura_facade.GenerationJob.poll",
            "Returns: GenerateMetricsProgress",
            "if the job is not finished, such as queued",
        ),
        ("client", "cekura_facade.Cekura", "http_client: httpx.Client | None = None", "API key. Default:"),
        (
            "client",
            "cekura_facade.AsyncCekura",
            "http_client: httpx.AsyncClient | None = None",
            "An asynchronous client",
        ),
        (
            "client",
            "cekura_facade.Cekura.with_options",
            "with_options( *, timeout: float | None",
            "uses the same connections",
        ),
        ("client", "cekura_facade.Cekura.api", "api: AuthenticatedClient", "The generated client"),
        ("client", "cekura_facade.Cekura.close", "close() -> None", "Close the connections."),
        ("client", "cekura_facade.Cekura.agents", "agents: Agents", "agents"),
        (
            "metrics",
            "cekura_facade.Review",
            "Review = Callable[ [list[GeneratedMetric]], Iterable[MetricInput]",
            "save",
        ),
        ("metrics", "cekura_facade.Job.wait", ") -> Result", "Poll the job"),
        ("agents", "cekura_facade.Agents.get", "get(agent_id: int) -> Agent", summary("get_agent")),
        ("errors", "cekura_facade.UnexpectedResponseError", "Bases: APIError", "HTML, an empty body"),
        ("models", "cekura_facade.Metric", "id (int)", described("Metric")),
        ("models", "cekura_facade.MetricCreate", "eval_type (KnownEvalType | str)", described("MetricCreate")),
        ("models", "cekura_api.models.known_values.KnownEvalType", "Literal['binary', 'continuous", "KnownEvalType"),
        ("sandbox", "cekura_facade.sandbox.Sandbox", "job_seconds: float = 1.0", "How long a job takes"),
    ],
)
def test_the_reference_shows_what_users_call(site: Path, page: str, path: str, signature: str, said: str) -> None:
    text = shown(site, page, path)
    assert signature in text
    assert said in text


@pytest.mark.parametrize(
    ("page", "name"),
    [
        ("client", "AsyncCekura"),
        ("metrics", "AsyncMetrics"),
        ("metrics", "AsyncGenerationJob"),
        ("metrics", "AsyncJob"),
        ("metrics", "AsyncOutcomes"),
        ("agents", "AsyncAgents"),
    ],
)
def test_each_member_of_an_asynchronous_class_is_a_row_that_leads_to_the_blocking_one(
    site: Path, page: str, name: str
) -> None:
    html = (site / "reference" / f"{page}.html").read_text("utf-8")
    asynchronous, blocking = getattr(cekura_facade, name), name.removeprefix("Async")
    members = {each for each in dir(asynchronous) if not each.startswith("_")}
    assert members
    for member in members:
        (row,) = re.findall(rf'<tr>\s*<td><a id="cekura_facade.{name}.{member}"></a>.*?</tr>', html, re.DOTALL)
        found = getattr(asynchronous, member)
        assert ("<code>await</code>" in row) == inspect.iscoroutinefunction(found), member
        is_iterated = "AsyncIterator" in str(getattr(found, "__annotations__", ""))
        assert ("<code>async for</code>" in row) == is_iterated, member
        other = member if hasattr(getattr(cekura_facade, blocking), member) else member.removeprefix("a")
        assert f'href="#cekura_facade.{blocking}.{other}"' in row
        assert f'id="cekura_facade.{blocking}.{other}"' in html
    # The members themselves are not shown again.
    assert not re.findall(rf'<h\d id="cekura_facade.{name}\.', html)


def test_the_reference_shows_nothing_that_is_private(site: Path) -> None:
    for page in (site / "reference").glob("*.html"):
        text = unescape(re.sub("<[^>]+>", "", page.read_text("utf-8")))
        for private in (
            "GeneratedMetrics",
            "_Outcomes",
            "_ResponseError",
            "builtins",
            "handle:",
        ):
            assert private not in text, f"{page.name}: {private}"


def test_every_page_is_reached(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages <= {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    linked = re.findall(r'href="([^"#]+\.html)"', (site / "index.html").read_text("utf-8"))
    assert pages - {"index.html"} <= set(linked)


class _Requests(HTMLParser):
    """Collects the URLs that a browser would fetch automatically."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag in LOADING and given.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(given.get(LOADING[tag]) or "")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        parser = _Requests()
        parser.feed(page.read_text("utf-8"))
        assert len(parser.found) > 3
        assert not [address for address in parser.found if urlsplit(address).netloc], page
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import )['\"]?(?:https?:)?//", style.read_text("utf-8")), style
    for picture in site.rglob("*.svg"):
        assert not re.findall(r"(?:href=|url\(|@import )['\"]?(?:https?:)?//", picture.read_text("utf-8")), picture


def test_no_page_draws_what_the_theme_would_load_from_elsewhere(site: Path) -> None:
    """The theme loads mermaid, MathJax and the facts of a repository only for pages that ask for them."""
    for page in site.rglob("*.html"):
        html = page.read_text("utf-8")
        assert not re.findall('class="(?:mermaid|arithmatex)|data-md-component="source"', html), page


def test_the_search_works_from_a_disk(site: Path) -> None:
    """Browsers do not let a page read a file or start a worker from a disk: both have a script in their place."""
    index = (site / "search" / "search_index.js").read_text("utf-8")
    found = json.loads(index.removeprefix("var __index = "))["docs"]
    titles = {unescape(each["title"]) for each in found}
    assert {"Rate limits (429) and retries", "Choose a region", "Resume a job"} <= titles
    for page in site.rglob("*.html"):
        (script,) = re.findall(r'<script src="([^"]+iframe-worker/[^"]+)"', page.read_text("utf-8"))
        if page.name != "404.html":
            assert "IFrameWorker" in (page.parent / script).read_text("utf-8")


def test_every_page_has_the_icon(site: Path) -> None:
    for page in site.rglob("*.html"):
        (icon,) = re.findall(r'<link rel="icon" href="([^"]+)"', page.read_text("utf-8"))
        if page.name != "404.html":
            assert (page.parent / icon).read_text("utf-8") == (ROOT / "docs/pictures/favicon.svg").read_text("utf-8")


def test_the_page_for_missing_addresses_leads_on(site: Path) -> None:
    html = (site / "404.html").read_text("utf-8")
    article = re.search("<article.*?</article>", html, re.DOTALL)
    assert article is not None
    links = re.findall(r'href="([^"]+)"', article[0])
    assert len(links) >= 5
    # Absolute, because the address can have any depth.
    assert [link for link in links if not (link.startswith("/") and (site / link[1:]).is_file())] == []


@pytest.mark.parametrize(
    ("question", "page", "heading"),
    [
        ("install", "install", "Install"),
        ("authenticate", "reference/configuration", "API key and base URL"),
        ("choose a region", "reference/configuration", "Choose a region"),
        ("resume after a crash", "guides/resume", "Resume a job"),
        ("add an endpoint", "internals/contributing", "Add an endpoint"),
        ("test without the service", "guides/testing", "Test against the sandbox"),
        ("run in CI", "guides/ci", "Run in CI"),
        ("copy metrics", "guides/copy-metrics", "Copy metrics"),
        ("handle a 429", "guides/errors", "Rate limits (429) and retries"),
        ("log requests", "guides/logging", "Logging"),
    ],
)
def test_a_question_has_a_heading_on_a_page_that_the_first_page_leads_to(
    site: Path, question: str, page: str, heading: str
) -> None:
    html = (site / f"{page}.html").read_text("utf-8")
    headings = [re.sub("<[^>]+>", "", each) for each in re.findall(r"<h\d id=[^>]+>(.*?)<a ", html, re.DOTALL)]
    assert heading in headings, question
    article = re.search("<article.*?</article>", (site / "index.html").read_text("utf-8"), re.DOTALL)
    assert article is not None
    assert f'href="{page}.html"' in article[0], question


@pytest.mark.parametrize(
    ("link", "fails"),
    [("page.md#top", False), ("page.md#nowhere", True), ("#nowhere", True), ("nowhere.md", True), ("/page.md", True)],
)
def test_a_link_to_nothing_fails_the_build(tmp_path: Path, link: str, fails: bool) -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8").replace("!ENV", "")
    configuration = yaml.safe_load(text)
    for key in ("nav", "plugins", "hooks", "site_url"):
        del configuration[key]
    del configuration["theme"]["custom_dir"]
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(configuration))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Start\n\n[there]({link})\n")
    (tmp_path / "docs" / "page.md").write_text("# Top\n")
    (tmp_path / "scripts").mkdir()
    script = shutil.copy(ROOT / "scripts" / "docs", tmp_path / "scripts")
    environment = os.environ | {"VENV": sys.prefix}
    result = subprocess.run([script], env=environment, capture_output=True, text=True, check=False)
    assert (result.returncode != 0) == fails, result.stderr
    assert ("1 warnings in strict mode" in result.stdout + result.stderr) == fails


def test_links_to_files_outside_of_the_site_are_text(site: Path) -> None:
    shown = site / "guides" / "your-own-sdk.html"
    html = shown.read_text("utf-8")
    assert "CHANGELOG.md" in html
    linked = {(shown.parent / link).resolve() for link in re.findall(r'<a [^>]*?href="([^"#:]+)["#]', html)}
    assert (site / "reference" / "metrics.html").resolve() in linked
    assert [path for path in linked if not (path.is_relative_to(site.resolve()) and path.exists())] == []
    page = SimpleNamespace(file=SimpleNamespace(abs_src_path=str(ROOT / "docs" / "guides" / "ci.md"), src_uri="ci.md"))
    config = SimpleNamespace(docs_dir=str(ROOT / "docs"))
    markdown = links.on_page_markdown("[a](../index.md) [b](../../LICENSE#x)", page=page, config=config)
    assert markdown == "[a](../index.md) b"
    markdown = links.on_page_markdown(
        "One.\n\n*In the repository, two\nlines.*\n\n*Three.*\n", page=page, config=config
    )
    assert markdown == "One.\n\n\n*Three.*\n"
    with pytest.raises(FileNotFoundError, match=r"nowhere\.md"):
        links.on_page_markdown("[c](../../nowhere.md)", page=page, config=config)


def test_a_browser_cannot_break_an_option_after_its_hyphens(site: Path) -> None:
    html = (site / "guides" / "ci.html").read_text("utf-8")
    assert '<code><span class="option">--dry-run</span> <span class="option">--output</span></code>' in html
    assert ".option {\n  white-space: nowrap;" in (site / "style.css").read_text("utf-8")
    assert options.on_page_content("<code>-y</code>") == '<code><span class="option">-y</span></code>'
    untouched = "<code>X-API-KEY</code> and <code>3 - 2</code>"
    assert options.on_page_content(untouched) == untouched
