"""The issue forms have the keys that GitHub requires. Otherwise, GitHub does not show them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parent.parent / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(FOLDER.glob("*.yml"))
# The attribute that each type of element must have.
NEEDED = {"markdown": "value", "input": "label", "textarea": "label", "dropdown": "options", "checkboxes": "options"}


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def test_there_are_forms_for_bugs_and_features() -> None:
    assert {path.name for path in FORMS} == {"bug.yml", "config.yml", "feature.yml"}
    assert read(FOLDER / "config.yml") == {"blank_issues_enabled": False}


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_a_form_has_the_required_keys(name: str) -> None:
    form = read(FOLDER / name)
    assert form.keys() <= {"name", "description", "title", "labels", "assignees", "body"}
    assert all(isinstance(form[key], str) and form[key] for key in ("name", "description"))
    for element in form["body"]:
        assert element.keys() <= {"type", "id", "attributes", "validations"}
        assert element["attributes"][NEEDED[element["type"]]]
    ids = [element["id"] for element in form["body"] if element["type"] != "markdown"]
    assert ids
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[\w-]+", each) for each in ids)


def test_a_bug_report_has_the_version_and_a_warning_about_keys() -> None:
    text = (FOLDER / "bug.yml").read_text("utf-8")
    assert "python -m cekura_facade --version" in text
    assert "do not contain keys, but check the code around it for keys before you send it" in " ".join(text.split())
