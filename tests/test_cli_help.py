"""The help pages of all commands: their contents, and their layout at any width."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cekura_facade.cli._help import read_docstring
from cekura_facade.cli.app import COMMANDS
from tests.commands import every_command, leaves, options_of, plain, run_each, run_each_in_terminal
from tests.pages import ROOT
from tests.terminal import COMMAND, Shell, environment

PAGES = [words.split() for words in every_command()]
OPERATIONS = [words for words in leaves() if words.startswith("api ")]


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home))


def words(page: str) -> list[str]:
    """The words of a page, without the marks that continue a command on the next line."""
    return [word for word in plain(page).split() if word != "\\"]


def test_all_commands_are_found() -> None:
    assert {"generate", "metrics update", "agents list", "api list_metrics", "sandbox"} <= leaves().keys()


def test_the_summaries_of_the_help_are_those_of_the_commands() -> None:
    found = every_command()
    for name, entry in COMMANDS.items():
        assert entry.summary == read_docstring(found[name].help).description.partition("\n\n")[0].replace("\n", " ")


@pytest.mark.parametrize("name", [name for name in every_command() if name])
def test_a_command_has_examples_and_a_page(name: str) -> None:
    commands = every_command()
    text = read_docstring(commands[name].help)
    assert len(text.examples) >= 2
    assert (ROOT / text.page).is_file()
    for example in text.examples:
        command, *arguments = shlex.split(example.partition(" > ")[0])
        assert command == "cekura-facade"
        assert " ".join(arguments).startswith(name)
        longest = max((each for each in commands if f"{' '.join(arguments)} ".startswith(f"{each} ")), key=len)
        # This raises an error if an option does not exist or a value is not valid.
        commands[longest].make_context(longest, arguments[len(longest.split()) :])


@pytest.mark.parametrize("name", leaves())
def test_a_command_has_the_common_options(name: str) -> None:
    options = options_of(leaves()[name])
    assert {"--json", "--quiet", "-q", "--verbose"} <= options
    assert ({"--api-key-file", "--base-url"} <= options) == (name != "sandbox")


@pytest.mark.parametrize("columns", [100, 60, 40])
def test_a_help_page_fits_the_terminal(shell: Shell, columns: int) -> None:
    runs = [[*page, "--help"] for page in PAGES]
    pages = run_each_in_terminal(shell, runs, columns)
    wide = run_each(shell, runs, COLUMNS="100")
    for arguments, page, reference in zip(runs, pages, wide, strict=True):
        assert "\x1b[1m" in page, arguments  # headings are bold
        for line in plain(page).splitlines():
            assert len(line) <= columns, (arguments, line)
        shown, whole = words(page), words(reference.out)
        assert "".join(shown) == "".join(whole), arguments
        # Only text that is longer than a line, such as a URL, may be divided.
        assert {word for word in whole if len(word) <= columns - 4} <= {*shown}, arguments


def test_help_is_plain_without_a_terminal_or_with_no_color(shell: Shell) -> None:
    [run] = run_each(shell, [["--help"]])
    assert "\x1b" not in run.out
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        [page] = run_each_in_terminal(shell, [["--help"]], 80, **env)
        assert "\x1b" not in page


def test_a_command_that_is_wrapped_can_be_copied(shell: Shell) -> None:
    [run] = run_each(shell, [["generate", "--help"]], COLUMNS="40")
    section = run.out.partition("Examples:\n")[2].partition("\n\n")[0]
    assert [shlex.split(each) for each in section.replace("\\\n", "").splitlines()] == [
        shlex.split(each) for each in read_docstring(leaves()["generate"].help).examples
    ]


def test_help_has_no_noise(shell: Shell) -> None:
    for run in run_each(shell, [[*page, "--help"] for page in PAGES]):
        assert run.code == 0
        assert run.err == ""
        for noise in ("{", "}...", "<int", "x>=", "[default", "INTEGER", "[required]"):
            assert noise not in re.sub(r"^Sends .*$", "", run.out, flags=re.MULTILINE), (run.arguments, noise)
        assert run.out.count("130") == ("exit code" in run.out.lower() and not run.arguments[0].isalpha())


def test_the_help_names_the_environment_variables(shell: Shell) -> None:
    overall, generate = run_each(shell, [["--help"], ["generate", "--help"]])
    for name in ("CEKURA_API_KEY", "CEKURA_API_URL", "VISUAL", "EDITOR", "NO_COLOR"):
        assert name in overall.out
    assert "[env: CEKURA_API_KEY" in generate.out
    assert "[env: CEKURA_API_URL]" in generate.out


def test_the_commands_are_in_sections(shell: Shell) -> None:
    [run] = run_each(shell, [["--help"]])
    sections = re.findall(r"^([A-Z][\w ]+):$", run.out, re.MULTILINE)
    assert sections[:4] == ["Workflow", "Metrics and agents", "Setup and tools", "Options"]
    assert "\n  list " not in run.out  # the earlier name of `metrics list` still works
    assert "-V, --version" in run.out


def test_without_arguments_there_is_help(shell: Shell) -> None:
    runs = run_each(shell, [[], ["metrics"], ["agents"], ["api"]])
    for run in runs:
        assert run.code == 0
        assert run.out.startswith(" ".join(["Usage: cekura-facade", *run.arguments]))


@pytest.mark.parametrize("page", [[], ["generate"], ["metrics", "update"], ["api"], ["api", "list_metrics"]])
def test_help_imports_no_more_than_it_needs(shell: Shell, page: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", COMMAND, *page, "--help"],
        env=shell.env,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.split("|")[-1].strip() for line in result.stderr.splitlines()}
    assert "typer" in imported
    assert not imported & {"httpx", "attrs", "attr", "yaml", "rich", "asyncio", "starlette", "cekura_api"}
    if page == ["generate"]:
        assert not imported & {"cekura_facade.cli._api", "cekura_facade.cli._metrics", "cekura_facade.cli._tools"}


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["generat"], "`cekura-facade generate`"),
        (["list_"], "`cekura-facade metrics list`"),
        (["metrics", "updat"], "`cekura-facade metrics update`"),
        (["api", "get_metrc"], "`cekura-facade api get_metric`"),
        (["api", "get-agnet"], "`cekura-facade api get_agent`"),
        (["metrics", "update", "7", "--nmae", "x"], "--name"),
        (["api", "list_metrics", "--agnt-id", "1"], "--agent-id"),
        (["generate", "--agent-ids", "1"], "--agent-id"),
    ],
)
def test_misspelled_words_get_suggestions(shell: Shell, arguments: list[str], meant: str) -> None:
    [run] = run_each(shell, [arguments])
    assert (run.code, run.out) == (2, "")
    assert "Did you mean" in run.err
    assert meant in run.err
    assert "--help` shows how it is used." in run.err


def test_a_usage_error_is_wrapped_at_words(shell: Shell) -> None:
    runs = [["api", "get_metrc"], ["generate", "--num-metrics", "1000"], ["generate", "--agent-ids", "1"]]
    plainly = run_each(shell, runs)
    for run, shown in zip(plainly, run_each_in_terminal(shell, runs, 40), strict=True):
        assert max(map(len, shown.splitlines())) <= 40
        assert shown.split() == run.err.split()


def test_both_options_print_the_version(shell: Shell) -> None:
    short, long = run_each(shell, [["-V"], ["--version"]])
    assert short.out == long.out
    assert re.fullmatch(r"cekura-facade \d+\.\d+\.\d+\n", short.out)


def test_help_that_cannot_be_written_is_an_error(shell: Shell) -> None:
    result = subprocess.run(
        f"{shlex.quote(COMMAND)} --help > /dev/full",
        shell=True,
        env=shell.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.stderr
