"""Type checkers and editors with the installed package, on typical programs of users.

The programs are in tests/typing: type checkers must not report errors for those in `good`. For those in `bad`, they
must report exactly the errors that comments expect:

    metric.nmae  # error: mypy "has no attribute 'nmae'" pyright "access attribute 'nmae'"

An expectation is a part of the message, with single quotes in place of double quotes. It may name a checker twice.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import attrs
import jedi  # type: ignore[import-untyped]
import pytest

from tests.installing import ROOT, Environment, clean_variables, environment_with, our_wheel
from tests.language_server import LanguageServer, language_server
from tests.once import once

PROGRAMS = ROOT / "tests" / "typing"
CHECKERS = ("mypy", "pyright")
# Programs that test this test: their expectations, and whether these are right.
HARNESS = {
    "right": ('number: int = "1"  # error: mypy "Incompatible types" pyright "not assignable"\n', True),
    "nothing_to_find": ("number: int = 1\n", True),
    "unexpected": ('number: int = "1"\n', False),
    "unexpected_by_pyright": ('number: int = "1"  # error: mypy "Incompatible types"\n', False),
    "unexpected_by_mypy": ('number: int = "1"  # error: pyright "not assignable"\n', False),
    "another_message": ('number: int = "1"  # error: mypy "has no attribute" pyright "not assignable"\n', False),
    "not_found": ('number: int = 1  # error: mypy "Incompatible types" pyright "not assignable"\n', False),
    "on_another_line": (
        'number: int = "1"\nprint(number)  # error: mypy "Incompatible types" pyright "not assignable"\n',
        False,
    ),
}
HOVERED = """\
from cekura_facade import AsyncCekura, Cekura


def use(cekura: Cekura) -> None:
    metrics = cekura.metrics.generate_and_create(agent_id=101)
    cekura.metrics.update(metrics[0].id, name="Tone")


async def use_async(async_cekura: AsyncCekura) -> None:
    await async_cekura.metrics.generate_and_create(agent_id=101)


client = Cekura()
"""


@attrs.frozen
class Diagnostic:
    """An error that a type checker reports, or that a comment expects with a part of its message."""

    line: int
    checker: str
    message: str


def expected(program: Path) -> list[Diagnostic]:
    """The errors that the comments of a program expect."""
    found = []
    for number, line in enumerate(program.read_text("utf-8").splitlines(), 1):
        _, marked, comment = line.partition("  # error: ")
        parts = re.findall(r'(mypy|pyright) "([^"]+)"', comment)
        left = re.sub(r'(mypy|pyright) "([^"]+)"', "", comment).strip()
        assert not left, f"{program.name}, line {number}: {left!r} is not an expectation"
        assert parts or not marked, f"{program.name}, line {number}: the comment expects nothing"
        found += [Diagnostic(number, checker, message) for checker, message in parts]
    return found


def complaints(reported: list[Diagnostic], wanted: list[Diagnostic]) -> list[str]:
    """The unexpected errors, and the expected errors that were not reported."""

    def meets(one: Diagnostic, other: Diagnostic) -> bool:
        return (one.line, one.checker) == (other.line, other.checker) and other.message in one.message

    unexpected = [one for one in reported if not any(meets(one, other) for other in wanted)]
    missing = [other for other in wanted if not any(meets(one, other) for one in reported)]
    return [
        *(f"line {each.line}: {each.checker} reports: {each.message}" for each in unexpected),
        *(f"line {each.line}: {each.checker} does not report: {each.message}" for each in missing),
    ]


def mypy(environment: Environment, folder: Path) -> dict[str, list[Diagnostic]]:
    """The errors that `mypy --strict` reports, by file."""
    # The folders are packages, because their programs may have the same names.
    options = ["--strict", "--explicit-package-bases", "--cache-dir", ".mypy", "--config-file", "", "--output", "json"]
    command = [sys.executable, "-m", "mypy", *options, "--python-executable", str(environment.python), "."]
    done = subprocess.run(command, cwd=folder, env=clean_variables(), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    reported = defaultdict(list)
    for each in map(json.loads, done.stdout.splitlines()):
        if each["severity"] == "error":
            message = each["message"].replace('"', "'")
            reported[Path(each["file"]).as_posix()].append(Diagnostic(each["line"], "mypy", message))
    return reported


def pyright(environment: Environment, folder: Path) -> dict[str, list[Diagnostic]]:
    """The errors that pyright reports, by file."""
    command = [sys.executable, "-m", "pyright", "--pythonpath", str(environment.python), "--outputjson"]
    done = subprocess.run(command, cwd=folder, env=clean_variables(), capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert result["summary"]["filesAnalyzed"] == len(list(folder.rglob("*.py"))), done.stderr
    reported = defaultdict(list)
    for each in result["generalDiagnostics"]:
        if each["severity"] == "error":
            message = each["message"].replace('"', "'")
            file = Path(each["file"]).relative_to(folder.resolve()).as_posix()
            reported[file].append(Diagnostic(each["range"]["start"]["line"] + 1, "pyright", message))
    return reported


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment with our wheel, as a user has it."""
    return environment_with(tmp_path_factory, "typing", our_wheel(tmp_path_factory))


@pytest.fixture(scope="session")
def checked(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all programs, and the errors of each type checker, which runs once for all programs.

    Good programs are checked in the strictest mode of pyright. For bad ones, this would report consequential errors.
    """

    def make(folder: Path) -> None:
        programs = folder / "programs"
        shutil.copytree(PROGRAMS, programs, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        (programs / "harness").mkdir()
        for name, (program, _) in HARNESS.items():
            (programs / "harness" / f"{name}.py").write_text(program)
        (programs / "pyrightconfig.json").write_text('{"typeCheckingMode": "standard", "strict": ["good"]}')
        reported = [check(environment, programs) for check in (mypy, pyright)]
        for file in programs.rglob("*.py"):
            name = file.relative_to(programs).as_posix()
            found = [attrs.asdict(each) for by_file in reported for each in by_file.pop(name, [])]
            file.with_suffix(".json").write_text(json.dumps(found))
        assert not any(reported)

    return once(tmp_path_factory, "checked", make) / "programs"


def complaints_about(checked: Path, program: str) -> list[str]:
    """The differences between reported and expected errors of a program."""
    found = json.loads((checked / program).with_suffix(".json").read_text())
    return complaints([Diagnostic(**each) for each in found], expected(checked / program))


def programs(folder: str) -> list[str]:
    return sorted(f"{folder}/{file.name}" for file in (PROGRAMS / folder).glob("*.py"))


@pytest.mark.parametrize("program", programs("good"))
def test_good_programs_have_no_errors(checked: Path, program: str) -> None:
    assert expected(checked / program) == []
    assert complaints_about(checked, program) == []


@pytest.mark.parametrize("program", programs("bad"))
def test_each_error_of_a_bad_program_is_found(checked: Path, program: str) -> None:
    assert {each.checker for each in expected(checked / program)} == set(CHECKERS)
    assert complaints_about(checked, program) == []


@pytest.mark.parametrize("name", HARNESS)
def test_a_wrong_expectation_fails(checked: Path, name: str) -> None:
    assert (complaints_about(checked, f"harness/{name}.py") == []) is HARNESS[name][1]


@pytest.mark.parametrize("comment", ['mypi "x"', 'mypy "x" pyrihgt "y"', "mypy x", ""])
def test_a_comment_that_expects_nothing_fails(comment: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(f"print()  # error: {comment}\n")
    with pytest.raises(AssertionError, match=r"program\.py, line 1"):
        expected(program)


# Editors


@pytest.fixture(autouse=True, scope="module")
def jedi_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A separate cache for this process, because jedi cannot share it."""
    jedi.settings.cache_directory = str(tmp_path_factory.mktemp("jedi"))


def inferred(environment: Environment, folder: Path, expression: str) -> list[jedi.api.classes.Name]:
    """The type that jedi infers for an expression in a program, with the installed package."""
    program = f"from cekura_facade import AsyncCekura, Cekura\n\nresult = {expression}\nresult"
    # Without both, jedi may read the packages of the checkout, in the working directory or in PYTHONPATH.
    project = jedi.Project(folder, environment_path=str(environment.folder))
    interpreter = jedi.create_environment(str(environment.folder), safe=False, env_vars=clean_variables())
    return list(jedi.Script(program, project=project, environment=interpreter).infer(4, 0))


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ('"text"', "str"),
        ("Cekura().metrics.generate_and_create(agent_id=101)", "SavedMetrics"),
        ("Cekura().metrics.list()", "list"),
        ("Cekura().metrics.list()[0]", "Metric"),
        ("Cekura().metrics.generate_and_create(agent_id=101)[0]", "Metric"),
        ("Cekura().metrics.update(1001, name='Tone')", "Metric"),
        ("Cekura().metrics.create_in_bulk([])[0]", "Metric"),
        ("Cekura().metrics.job('…')", "GenerationJob"),
        ("Cekura().metrics.job('…').wait()[0]", "GeneratedMetric"),
        ("AsyncCekura().metrics.generate_and_create(agent_id=101)", "CoroutineType"),
    ],
)
def test_jedi_infers_results(environment: Environment, tmp_path: Path, expression: str, kind: str) -> None:
    assert {each.name for each in inferred(environment, tmp_path, expression)} == {kind}


@pytest.mark.parametrize("client", ["Cekura", "AsyncCekura"])
def test_jedi_shows_the_docstring_of_a_method(environment: Environment, tmp_path: Path, client: str) -> None:
    (method,) = inferred(environment, tmp_path, f"{client}().metrics.generate_and_create")
    assert (method.type, method.name) == ("function", "generate_and_create")
    signature, _, text = method.docstring().partition("\n\n")
    assert signature.startswith("generate_and_create(")
    assert re.search("num_metrics: int *= *1", signature)
    assert text.startswith("Suggest metrics for an agent")
    assert "Args:" in text


@pytest.fixture(scope="module")
def editor(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LanguageServer, Path]]:
    """pyright's language server, and a program."""
    folder = tmp_path_factory.mktemp("editor")
    settings = {"venvPath": str(environment.folder.parent), "venv": environment.folder.name}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    (folder / "program.py").write_text(HOVERED)
    (folder / "other.py").write_text(
        'def answer(number: int) -> str:\n    """Answer a number."""\n    return str(number)\n'
    )
    with language_server(folder) as server:
        yield server, folder


def test_the_editor_shows_a_function(editor: tuple[LanguageServer, Path]) -> None:
    """This shows that the texts below come from the package, not from this test."""
    server, folder = editor
    shown = server.hover(folder / "other.py", "def answer")
    assert shown == "(function) def answer(number: int) -> str\n\nAnswer a number."


@pytest.mark.parametrize(
    ("what", "result"),
    [
        (" = cekura.metrics.generate_and_create", "SavedMetrics"),
        ("    cekura.metrics.update", "Metric"),
        ("await async_cekura.metrics.generate_and_create", "CoroutineType[Any, Any, SavedMetrics]"),
    ],
)
def test_the_editor_shows_a_method_with_its_docstring(
    editor: tuple[LanguageServer, Path], what: str, result: str
) -> None:
    server, folder = editor
    name = what.rpartition(".")[2]
    signature, _, text = server.hover(folder / "program.py", what).partition("\n\n")
    assert re.fullmatch(rf"\(method\) def {name}\(\n.*\) -> {re.escape(result)}", signature, re.DOTALL)
    assert "Args:" in text


@pytest.mark.parametrize("what", ["import AsyncCekura", ", Cekura", "client = Cekura"])
def test_the_editor_shows_what_a_client_is(editor: tuple[LanguageServer, Path], what: str) -> None:
    server, folder = editor
    signature, _, text = server.hover(folder / "program.py", what).partition("\n\n")
    assert re.match(r"\(?class\b", signature)
    assert re.match(r"[^.]*\bclient for the Cekura API\b", text)


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("Metrics.generate_and_create", "SavedMetrics"),
        ("Metrics.list", "builtins.list[Metric]"),
        ("Metrics.update", "Metric"),
        ("AsyncMetrics.generate_and_create", "SavedMetrics"),
        ("Agents.get", "Agent"),
    ],
)
def test_help_shows_types(environment: Environment, method: str, result: str) -> None:
    printed = environment.run("-c", f"import cekura_facade; help(cekura_facade.{method})")
    shown = re.search(r"-> (.+)$", printed, re.MULTILINE)
    assert shown is not None
    assert shown[1].strip("'\"") == result
    assert re.search(r": '?Any\b", printed) is None
    assert "Args:" in printed
