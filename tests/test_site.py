"""The site: it builds without warnings or a network, documents the interface, and loads nothing from other hosts."""

from __future__ import annotations

import functools
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
from documentation import links
from regeneration.documents import Document, load

import cekura_facade
from cekura_facade import sandbox
from tests.installing import succeed
from tests.once import once

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}


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
    assert set(listed) == public | {
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
        ("metrics", "cekura_facade.AsyncMetrics.generate", ") -> AsyncGenerationJob", "generate async"),
        (
            "metrics",
            "cekura_facade.AsyncMetrics.create_in_bulk",
            "metrics: Iterable[MetricInput]",
            "create_in_bulk async",
        ),
        (
            "metrics",
            "cekura_facade.AsyncMetrics.job",
            "job( progress_id: str, *, agent_id: int | None = None",
            "Nothing is sent.",
        ),
        ("metrics", "cekura_facade.Metrics.list", ") -> list[Metric]", summary("list_metrics")),
        (
            "metrics",
            "cekura_facade.Metrics.update",
            "update( metric_id: int, body: MetricUpdate",
            summary("update_metric"),
        ),
        ("metrics", "cekura_facade.AsyncMetrics.create", "create async ¶ create( body:", summary("create_metric")),
        ("metrics", "cekura_facade.SavedMetrics", "Bases: list[Metric]", "Those that this call created."),
        ("metrics", "cekura_facade.Metrics.generate_and_create_many", ") -> Outcomes", "One that fails does not stop"),
        ("metrics", "cekura_facade.GenerationJob.wait", ") -> list[GeneratedMetric]", "A failed poll does not end"),
        ("metrics", "cekura_facade.AsyncGenerationJob.poll", "poll() -> GenerateMetricsProgress", "poll async"),
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
            "cekura_facade.AsyncCekura.with_options",
            "with_options( *, timeout: float | None",
            "shares the connec",
        ),
        ("client", "cekura_facade.Cekura.agents", "agents: Agents", "agents"),
        ("client", "cekura_facade.AsyncCekura.metrics", "metrics: AsyncMetrics", "list, update and delete them"),
        (
            "metrics",
            "cekura_facade.Review",
            "Review = Callable[ [list[GeneratedMetric]], Iterable[MetricInput]",
            "save",
        ),
        ("metrics", "cekura_facade.Job.wait", ") -> Result", "Poll the job"),
        ("metrics", "cekura_facade.AsyncMetrics.preview", "-> AsyncJob[PreviewMetricProgress", "preview async"),
        ("agents", "cekura_facade.Agents.get", "get(agent_id: int) -> Agent", summary("get_agent")),
        ("agents", "cekura_facade.AsyncAgents.list", ") -> AsyncIterator[Agent]", summary("list_agents")),
        ("client", "cekura_facade.AsyncCekura.api", "api: AuthenticatedClient", "The generated client"),
        ("client", "cekura_facade.AsyncCekura.aclose", "aclose() -> None", "Close the connections."),
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


@pytest.mark.parametrize(
    ("link", "fails"),
    [("page.md#top", False), ("page.md#nowhere", True), ("#nowhere", True), ("nowhere.md", True), ("/page.md", True)],
)
def test_a_dead_link_fails_the_build(tmp_path: Path, link: str, fails: bool) -> None:
    configuration = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))
    del configuration["nav"], configuration["plugins"], configuration["hooks"]
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
    with pytest.raises(FileNotFoundError, match=r"nowhere\.md"):
        links.on_page_markdown("[c](../../nowhere.md)", page=page, config=config)
