"""`scripts/check_budget.py` counts only code, and fails above the ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from unittest import mock

import check_budget
import pytest
from check_budget import CEILING, code_lines, derived, hand_written, main, responsibility, template_lines

ROOT = Path(__file__).parent.parent
TEMPLATE = "scripts/regeneration/templates/model.py.jinja"
DERIVED = "# Derived by `python scripts/unasync.py` from _async.py. Do not edit.\n"


def write(root: Path, name: str, text: str) -> None:
    """Write a file, and the folders that it is in."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text)


@pytest.fixture(autouse=True, scope="module")
def counted_once() -> Iterator[None]:
    """Count the lines of each text once. Most tests count the same ones."""
    with mock.patch.multiple(check_budget, code_lines=cache(code_lines), responsibility=cache(responsibility)):
        yield


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A checkout whose facade has the maximum number of lines of code."""
    write(tmp_path, "cekura_facade/_full.py", '"""Sends requests.\n\nAnd more.\n"""\n' + "x = 1\n" * (CEILING - 2))
    write(tmp_path, TEMPLATE, "{# One model. #}\nx = 1\nx = 2\n")
    write(tmp_path, "scripts/unasync.py", "x = 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ("\n\n# a comment\n   \n", 0),
        ("x = 1  # a comment\n", 1),
        ("x = 1\n\n\ny = 2\n", 2),
        ('"""One line."""\n', 0),
        ('"""Several\n\nlines.\n"""\nx = 1\n', 1),
        ('def f() -> None:\n    """Do it.\n\n    Now.\n    """\n', 1),
        ('class A:\n    """A class."""\n\n    x: int\n    """An attribute,\n    with more."""\n', 2),
        ('async def f() -> None:\n    r"""Do it."""\n    await g()\n', 2),
        ('class A: """On the same line."""\n', 1),
        ('"""A docstring."""; x = 1\n', 1),
        ('x = """\nnot a docstring\n\n"""\n', 4),
        ("x = f(\n    1,\n    # a comment\n    2,\n)\n", 4),
        ('x = "# not a comment"\n', 1),
        ("x = 1; y = 2\n", 1),
    ],
)
def test_only_code_is_counted(text: str, lines: int) -> None:
    assert code_lines(text) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", 0),
        ("{# a comment #}\n{#- of\nseveral\nlines -#}\n", 0),
        ("{% if a %}\n{%- endif -%}\n\n", 0),
        ("{% set a = [\n    1,\n] %}\n", 0),
        ("{% for a in b %}{% if a %}\n{% endif %}{% endfor %}\n", 0),
        ("{% if a %}\nimport a\n{% endif %}\n", 1),
        ("{% if a %}import a{% endif %}\n", 1),
        ("{{ line }}\n    {{ line }}\n", 2),
        ("x = 1 {# a comment #}\n# a comment of Python\n", 1),
        ('"""One line."""\nx = 1\n', 1),
        ('def f():\n    """Several\n\n    {% for a in b %}\n    {{ a }}\n    {% endfor %}\n    """\n    return 1\n', 2),
        ('x = """\nnot a docstring\n"""\ny = 1\n', 4),
    ],
)
def test_only_python_is_counted_in_a_template(text: str, lines: int) -> None:
    assert template_lines(text) == lines


def test_a_template_without_markup_has_as_many_lines_as_the_module() -> None:
    text = (ROOT / "scripts" / "regenerate.py").read_text("utf-8")
    assert template_lines(text) == code_lines(text) > 100


def test_a_facade_at_the_ceiling_passes(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(full) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert f"{CEILING:,}  written by hand ({CEILING - 2:,} in cekura_facade, 2 in templates)" in printed.out


@pytest.mark.parametrize("name", ["cekura_facade/_new.py", "cekura_facade/new/_module.py", TEMPLATE])
def test_one_more_line_anywhere_fails(full: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = full / name
    write(full, name, (file.read_text() if file.exists() else "") + "z = 1\n")
    assert main(full) == 1
    assert f"{CEILING + 1:,} lines of code, and the ceiling is {CEILING:,}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cli", "sandbox", "contract"])
def test_the_subpackages_are_reported_and_have_no_ceiling(
    full: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(full, f"cekura_facade/{name}/_module.py", "x = 1\n" * 3000)
    assert main(full) == 0
    assert f"3,000  cekura_facade/{name}, no ceiling" in capsys.readouterr().out


def test_derived_modules_do_not_count(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(full, "cekura_facade/_sync.py", DERIVED + "x = 1\n" * 50)
    assert main(full) == 0
    assert "50  cekura_facade, derived by a script, no ceiling" in capsys.readouterr().out


@pytest.mark.parametrize(
    "first", [DERIVED.replace("unasync", "no_such_script"), "# Derived by hand.\n", "\n" + DERIVED]
)
def test_modules_that_only_claim_to_be_derived_count(full: Path, first: str) -> None:
    write(full, "cekura_facade/_sync.py", first + "x = 1\n")
    assert main(full) == 1


def test_the_table_shows_the_responsibility_of_each_module(full: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("api/agents/get_agent", "api/agents/list_agents", "api/agents/__init__", "client"):
        write(full, f"generated_client/cekura_api/{name}.py", "x = 1\n" * 10)
    main(full)
    rows = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert [f"{CEILING - 2:,}", "cekura_facade/_full.py", "Sends requests."] in rows
    assert ["2", TEMPLATE, "One model."] in rows
    assert ["40", "generated_client/cekura_api,", "20 for each of 2 operations, no ceiling"] in rows


def test_every_module_of_this_checkout_is_counted_once() -> None:
    own = [file for file in (ROOT / "cekura_facade").iterdir() if file.suffix == ".py"]
    templates = list((ROOT / "scripts" / "regeneration").rglob("*.jinja"))
    counted = [module.name for module in [*hand_written(ROOT), *derived(ROOT)]]
    assert sorted(counted) == sorted(file.relative_to(ROOT).as_posix() for file in own + templates)
    assert "cekura_facade/_errors.py" in counted


def test_every_module_of_this_checkout_states_its_responsibility() -> None:
    assert [module.name for module in hand_written(ROOT) if not module.responsibility] == []
