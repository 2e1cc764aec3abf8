"""The page of the package index: the README without what needs the repository, and what the package says of itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from email.message import Message
from email.parser import Parser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from readme_renderer import markdown

from tests.installing import ROOT, our_wheel
from tests.workflow_runner import WORKFLOWS

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PYTHON = "Programming Language :: Python :: "
SYSTEM = "Operating System :: "
# A README, and what the package index gets: None if it gets the same.
CASES = [
    ("See [the *guide*](docs/a.md), and more.", "See the *guide*, and more."),
    ("See [the\nguide](docs/a.md#b 'A title').", "See the\nguide."),
    ("See [Errors](#errors).", None),
    ("See [`metrics[0]`](docs/a.md).", "See `metrics[0]`."),
    ("See [one [of two]](a.md), [two](b.md).", "See one [of two], two."),
    ('See <a class="x" href="docs/a.md">it</a>.', "See it."),
    ("See [Cekura](https://docs.test) or [mail](mailto:a@b.test).", None),
    ('See <a href="https://docs.test">it</a>.', None),
    ("![A chart](docs/a.svg)\n\nText", "\n\nText"),
    ("![A chart](https://docs.test/a.svg)", None),
    ('<picture>\n<source srcset="a.svg">\n<img src="b.svg">\n</picture>\n\nText', "\n\nText"),
    ('<img width="9" src="b.svg" alt="B">', ""),
    ('<img src="https://docs.test/b.svg">', None),
    ("Call `rows[0](a)`, ``[a](`b`)`` and `![a](b)`.", None),
    ("```python\nfor [a](b) in c:\n    pass\n```\n\n[A](b)", "```python\nfor [a](b) in c:\n    pass\n```\n\nA"),
    ("~~~\n[a](b)\n```\n~~~\n", None),
]


class Page(HTMLParser):
    """A rendered README: its text, how many elements it has of each kind, and where its links and pictures lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        html = markdown.render(text)
        assert html is not None
        self.text = ""
        self.elements: Counter[str] = Counter()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.targets += [value or "" for name, value in attrs if name in ("href", "src", "srcset")]
        self.anchors |= {f"#{value}" for name, value in attrs if name == "id"}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Message:
    with zipfile.ZipFile(our_wheel(tmp_path_factory)) as packed:
        [name] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(packed.read(name).decode("utf-8"))


def is_absolute(target: str) -> bool:
    return re.match(r"https?://[^/]|mailto:", target) is not None


def test_the_page_has_no_dead_link_and_no_picture_and_every_word(metadata: Message) -> None:
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = Page((ROOT / "README.md").read_text("utf-8"))
    page = Page(str(metadata.get_payload()))
    kept = [target for target in readme.targets if is_absolute(target) or target in readme.anchors]
    assert page.targets == kept
    assert set(filter(is_absolute, kept))
    assert page.text.split() == readme.text.split()
    changed = {"a", "img", "picture", "source", "p"}
    assert {tag: number for tag, number in page.elements.items() if tag not in changed} == {
        tag: number for tag, number in readme.elements.items() if tag not in changed
    }


def test_only_what_needs_the_repository_is_left_out(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    between = "\n\n----\n\n"
    (tmp_path / "README.md").write_text(between.join(readme for readme, _ in CASES), encoding="utf-8")
    command = [sys.executable, "-m", "hatch_fancy_pypi_readme"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    expected = [readme if page is None else page for readme, page in CASES]
    assert done.stdout.removesuffix("\n").split(between) == expected


def test_the_package_says_who_makes_it_and_invents_no_address(metadata: Message) -> None:
    assert metadata["Author"] == "The cekura-facade contributors"
    assert len(metadata["Keywords"].split(",")) >= 5
    assert {"Author-email", "Maintainer-email", "Home-page", "Project-URL"}.isdisjoint(metadata.keys())


def test_the_extras_are_those_that_users_need(metadata: Message) -> None:
    assert metadata.get_all("Provides-Extra") == ["cli", "sandbox"]


def test_the_classifiers_name_what_the_workflow_tests() -> None:
    classifiers: list[str] = PROJECT["project"]["classifiers"]
    versions = {name.removeprefix(PYTHON) for name in classifiers if re.fullmatch(rf"{PYTHON}\d\.\d+", name)}
    matrix = WORKFLOWS["test.yml"]["jobs"]["test"]["strategy"]["matrix"]
    assert versions == set(matrix["python"])
    systems = {"ubuntu-latest": "POSIX :: Linux", "macos-latest": "MacOS"}
    named = {name.removeprefix(SYSTEM) for name in classifiers if name.startswith(SYSTEM)}
    assert named
    assert named <= {systems[name] for name in matrix["system"]}
    oldest = min(versions, key=lambda version: int(version.partition(".")[2]))
    assert PROJECT["project"]["requires-python"] == f">={oldest}"
