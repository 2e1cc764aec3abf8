"""The documentation is executed: every block of the README and of docs/ runs, top to bottom, against the sandbox."""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import yaml
from typer.core import TyperGroup
from typer.main import get_command

import cekura_facade
from cekura_facade.sandbox import Sandbox
from tests import test_metrics_workflow
from tests.commands import every_command, leaves, options_of
from tests.installing import distributions, require_registry
from tests.once import once
from tests.page_programs import page_environment
from tests.pages import INSTALL, PAGES, ROOT, as_shown, blocks, check_installation, follow, name, prerequisites

FOLLOWED = [page for page in PAGES if any(block.is_run for block in blocks(page))]
# These pages are not tutorials. They get a sandbox and a specification.
TELLING = {
    "README.md",
    "CONTRIBUTING.md",
    "docs/index.md",
    "docs/internals/contributing.md",
    "docs/internals/design.md",
    "docs/reference/command-line.md",
    "docs/reference/configuration.md",
    "docs/reference/models.md",
}
NOT_RUN = {"CONTRIBUTING.md": 3, "README.md": 1, "docs/guides/your-own-sdk.md": 4, "docs/internals/keeping-up.md": 1}


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy that looks like a clone after setup. Its `.venv` is the environment of the tests."""
    git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@localhost"]
    listing = [*git, "ls-files", "--cached", "--others", "--exclude-standard"]
    known = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=False)
    if known.returncode:
        pytest.skip("this is not a git checkout")

    def make(folder: Path) -> None:
        for file in (Path(line) for line in known.stdout.splitlines() if (ROOT / line).is_file()):
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "As it is"]):
            subprocess.run([*git, *command], cwd=folder, check=True)
        (folder / ".venv").symlink_to(sys.prefix)

    return shutil.copytree(once(tmp_path_factory, "clone", make), tmp_path / "checkout", symlinks=True)


@pytest.mark.parametrize("page", FOLLOWED, ids=name)
def test_a_page_works_from_top_to_bottom(
    page: Path, checkout: Path, home: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    built = None
    if name(page) == "docs/install.md":
        require_registry()
    else:
        built = distributions(tmp_path_factory)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    # No page needs the audit of `./scripts/build`, which sends requests to a registry.
    environment = page_environment() | {"VENV": sys.prefix, "UV_OFFLINE": "1"}
    if built:
        once(tmp_path_factory, "installable", lambda folder: check_installation(checkout, folder, environment))
    with Sandbox(job_seconds=0.3) as sandbox:
        if name(page) in TELLING:
            (home / ".cekura").mkdir()
            (home / ".cekura" / "config.toml").write_text(f'api_key = "{sandbox.api_key}"\napi_url = "{sandbox.url}"\n')
            shutil.copy(ROOT / "spec" / "upstream.yaml", checkout / "openapi.json")
            environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        follow(page, checkout, scratch, environment, built)


def test_blocks_that_are_not_run_are_few() -> None:
    assert len(FOLLOWED) >= 12
    assert {name(page): n for page in PAGES if (n := sum(b.mark == "not run" for b in blocks(page)))} == NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_each_block_is_run_or_compared_or_says_why_not(page: Path) -> None:
    found = blocks(page)
    for number, block in enumerate(found):
        known = block.is_run or block.title or block.mark == "not run"
        assert known or (block.is_output and found[number - 1].is_run), block.text


def test_every_page_that_leads_says_how_to_install() -> None:
    for page in FOLLOWED:
        if name(page) not in TELLING:
            first = next(block for block in prerequisites(page) + blocks(page) if block.is_run)
            assert first.text in (INSTALL, "./scripts/setup\n"), name(page)


def test_the_installation_is_described_once() -> None:
    saying = [name(page) for page in PAGES for block in blocks(page) if "-m venv" in block.text]
    assert sorted(saying) == ["README.md", "docs/install.md"]


def test_the_blocks_of_other_pages_run_first_if_a_page_names_them(tmp_path: Path) -> None:
    page = ROOT / "docs" / "guides" / "review.md"
    install, start = prerequisites(page)
    assert install.text == INSTALL
    assert "cekura-facade sandbox > sandbox.env" in start.text
    assert prerequisites(ROOT / "docs" / "quickstart.md") == [install]
    assert prerequisites(ROOT / "docs" / "internals" / "keeping-up.md") == []


def test_a_block_in_a_tab_is_a_block(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    text = """=== "A"

    <!-- answers: y -->

    ```sh
    if true; then
        echo
    fi
    ```

    ```python title="a.py"
    pass
    ```
"""
    page.write_text(text)
    asking, file = blocks(page)
    assert (asking.mark, asking.about, asking.text) == ("answers", "y", "if true; then\n    echo\nfi\n")
    assert (file.title, file.text) == ("a.py", "pass\n")
    page.write_text(text.removesuffix("    ```\n") + "```\n")
    with pytest.raises(AssertionError, match="a block is not understood"):
        blocks(page)


def test_output_is_compared() -> None:
    assert as_shown("one 12  \ntwo\n", "one …\ntwo\n")
    assert not as_shown("one 12\ntwo\nthree\n", "one …\ntwo\n")
    assert not as_shown("one\n", "two\n")


def test_a_workflow_on_a_page_is_tested() -> None:
    files = sorted((ROOT / "docs" / "guides" / "examples").glob("*.yml"))
    found = [block.text for page in PAGES for block in blocks(page) if block.language == "yaml"]
    workflows = [text for text in found if isinstance(read := yaml.safe_load(text), dict) and "jobs" in read]
    assert workflows == [file.read_text("utf-8") for file in files]
    # This test runs each of its steps.
    assert files == [test_metrics_workflow.EXAMPLE]


def test_every_error_is_explained_and_caught() -> None:
    page = ROOT / "docs" / "guides" / "errors.md"
    code = "".join(block.text for block in blocks(page) if block.language == "python")
    table = re.findall(r"^\| \[?`(\w+)`", page.read_text("utf-8"), re.MULTILINE)
    public = [getattr(cekura_facade, each) for each in cekura_facade.__all__]
    errors = {
        each.__name__ for each in public if isinstance(each, type) and issubclass(each, cekura_facade.CekuraError)
    }
    assert len(errors) >= 17
    assert set(table) | {"CekuraError"} == errors
    assert {each for each in errors if re.search(rf"except \(?(\w+, )*{each}\b", code)} == errors


def rows(page: Path) -> list[list[str]]:
    """The cells of each table row of a page."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_command_and_option_is_in_the_reference() -> None:
    every = every_command()
    found = {words: command for words, command in leaves().items() if not words.startswith("api ")}
    position = [*every].index("api")
    names = [words for words in [*every][:position] if words in found] + ["api OPERATION"]
    names += [words for words in [*every][position:] if words in found]
    found["api OPERATION"] = every["api update_metric"]
    accepted: dict[str, set[str]] = {"-h": set(found), "--help": set(found), "--list": {"api"}}
    for words, command in found.items():
        for parameter in command.params:
            if not str(parameter.name).startswith(("body_", "parameter_")):  # These follow the API.
                for option in (each for each in parameter.opts if each.startswith("-")):
                    accepted.setdefault(option, set()).add(words)
    accepted |= {option: set() for option in options_of(every[""])}

    commands: list[str] = []
    options: dict[str, set[str]] = {}
    said: dict[str, str] = {}
    for first, second, *_ in rows(ROOT / "docs" / "reference" / "command-line.md"):
        if first.startswith("`-"):
            named = set(re.findall(r"`([^`]+)`", second))
            meant = set(found) - named if second.startswith("all") else named
            options |= dict.fromkeys(re.findall(r"`(--?[\w-]+)", first), meant)
        for command in re.findall(r"^`([a-z]+(?: [a-z]+| OPERATION)?)(?= [A-Z]|`)", first):
            commands.append(command)
            said[command] = second
    assert commands == names
    assert options == accepted
    for words, text in said.items():
        summary = str(every[words.removesuffix(" OPERATION")].help).strip().partition("\n\n")[0]
        assert text.startswith(" ".join(summary.split())), words


def test_every_command_that_a_page_names_exists() -> None:
    pages = [*PAGES, ROOT / "SECURITY.md", *(ROOT / ".github").rglob("*.md"), *(ROOT / ".github").rglob("*.yml")]
    every = every_command()
    groups = {words.split()[0] for words in every if " " in words}
    command = re.compile(r"(?:`|^|\s)cekura-facade ((?:[a-z]+\b(?![.-]) ?)+)", re.MULTILINE)
    named = [(name(page), words.split()) for page in pages for words in command.findall(page.read_text("utf-8"))]
    assert len(named) >= 50
    for where, words in named:
        first = " ".join(words[: 2 if words[0] in groups - {"api"} else 1])
        assert first in every, (where, words)


def test_every_command_of_the_vendor_has_an_equivalent_or_a_reason() -> None:
    (entry,) = (each for each in entry_points(group="console_scripts") if each.name == "cekura")
    vendor = get_command(entry.load())
    assert isinstance(vendor, TyperGroup)
    meant = {"version"}
    for section in ("metrics", "agents", "auth", "config"):
        group = vendor.commands[section]
        assert isinstance(group, TyperGroup)
        meant |= {f"{section} {command}" for command in group.commands}
    table = {
        theirs.strip("`"): ours
        for theirs, ours, *_ in rows(ROOT / "docs" / "guides" / "switching.md")
        if theirs.startswith("`") and theirs != "`cekura`"
    }
    assert table.keys() == meant
    ours = leaves()
    for words, text in table.items():
        if text.startswith("None"):
            assert len(text) > len("None yet."), words
            continue
        for command in re.findall(r"`([^`-][^`]*)`", text):
            known = max((each for each in ours if f"{command} ".startswith(f"{each} ")), key=len, default=None)
            assert known, (words, command)
            assert set(re.findall(r"--[\w-]+", command)) <= options_of(ours[known]), (words, command)


def test_every_argument_of_a_client_is_in_the_reference() -> None:
    found = rows(ROOT / "docs" / "reference" / "configuration.md")
    defaults = {
        argument.strip("`"): default for argument, default, *_ in found if "`" in argument and default.startswith("`")
    }
    sources = {argument.strip("`") for _, argument, *more in found if len(more) == 3 and argument.startswith("`")}
    parameters = inspect.signature(cekura_facade.Cekura).parameters
    assert sources | defaults.keys() == parameters.keys()
    for argument, default in defaults.items():
        assert default.startswith(f"`{parameters[argument].default}`"), argument


def test_the_demo_saves_metrics(tmp_path: Path) -> None:
    result = subprocess.run([sys.executable, ROOT / "scripts" / "demo.py"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "agent 101: Done" in result.stderr
    assert "1005" in result.stdout
    assert "The second save created 0 metrics" in result.stdout
    assert "The sandbox has 5 metrics" in result.stdout


PICTURES = ROOT / "docs" / "pictures"


@pytest.mark.parametrize("script", ["pictures.py", "diagrams.py"])
def test_the_pictures_are_those_that_their_script_draws(script: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "scripts" / script, "--output", tmp_path], check=True)
    drawn = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert len(drawn) >= 3
    assert drawn == {each: (PICTURES / each).read_text("utf-8") for each in drawn}, f"run scripts/{script}"


def test_every_picture_is_shown_and_described() -> None:
    shown: set[str] = set()
    for page in PAGES:
        pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text("utf-8"))
        assert all(alternative for alternative, _ in pictures), name(page)
        paths = [path for _, path in pictures]
        # The site and GitHub show one of the two, after the color scheme that the reader chose.
        assert [path.replace("light", "dark") for path in paths if path.endswith("-light.svg#gh-light-mode-only")] == [
            path for path in paths if path.endswith("-dark.svg#gh-dark-mode-only")
        ], name(page)
        shown |= {Path(path.partition("#")[0]).name for path in paths}
    assert shown == {path.name for path in PICTURES.iterdir()} - {"favicon.svg"}
