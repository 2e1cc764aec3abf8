"""Files of metrics: YAML preserves everything, and problems are reported with their line."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, example, given, settings, strategies as st

from cekura_facade.cli import _files, _text, _yaml
from cekura_facade.cli._errors import WrongUsage

ODD = "\n\r\t \x85\u2028\ufeff:#-'\"|>{}[]&*!%@`,?~=<\ud800\udc00\x1b\x00\x9b日😀"
WORDS = [
    "yes",
    "no",
    "on",
    "off",
    "null",
    "~",
    "true",
    "2024-01-01",
    "1:30",
    "0x1f",
    "1e5",
    ".inf",
    "<<",
    "=",
    "017",
    "0o17",
    "1_000",
    "+1",
    ".5",
    "-",
    "#",
    "a:",
    "b",
]
TEXTS = (
    st.text(st.one_of(st.characters(), st.sampled_from(ODD)), max_size=40)
    | st.from_regex(r"[-+]?[0-9_:.eExo-]{1,12}", fullmatch=True)
    | st.sampled_from(WORDS)
    | st.lists(st.sampled_from(["a", "word:", "#x", "-", "'q'", '"d"', "\n", "  ", "日本語"]), max_size=60).map(
        " ".join
    )
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
METRICS = st.builds(
    lambda fields, name: {**fields, "name": name},
    st.dictionaries(TEXTS | st.sampled_from(["description", "type", "eval_type"]), VALUES, max_size=4),
    TEXTS.filter(str.strip),
)


# Ten lines that expand to ten billion values.
BOMB = "  a0: &a0 x\n" + "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 11))


@given(st.lists(METRICS, max_size=3))
@settings(deadline=None)
@example([{"": ["\n\n"], "name": "0"}, {"name": "0"}])
def test_nothing_is_lost_in_the_round_trip(metrics: list[dict[str, Any]]) -> None:
    assume(not re.search("[\ud800-\udfff]", json.dumps(metrics, ensure_ascii=False)))  # Refused: a test below.
    text = _files.as_text(metrics, _files.header(metrics, "agent 1"))
    text.encode("utf-8")
    # They are compared by repr, because 1 == 1.0 == True.
    assert [sorted(map(repr, each.items())) for each in _files.parse(text)] == [
        sorted(map(repr, each.items())) for each in metrics
    ]


@given(st.lists(METRICS, max_size=2))
@settings(deadline=None)
def test_other_readers_of_yaml_understand_the_same(metrics: list[dict[str, Any]]) -> None:
    assert yaml.safe_load(_yaml.dump(metrics) or "[]") == metrics


@given(st.lists(METRICS, min_size=1, max_size=3))
@settings(deadline=None)
def test_json_is_read_as_json(metrics: list[dict[str, Any]]) -> None:
    assume(not re.search("[\ud800-\udfff]", json.dumps(metrics, ensure_ascii=False)))  # Refused: a test below.
    assert _files.parse(json.dumps(metrics)) == json.loads(json.dumps(metrics))


def test_important_fields_come_first_and_long_text_is_folded() -> None:
    long = "Was everything that the agent said: correct, and free of inventions? " * 4
    metric = {"agent": 1, "type": "llm_judge", "description": long.strip(), "name": "Accuracy", "scenarios": [5, 6]}
    lines = _yaml.dump([metric, {"name": "b", "description": "one\ntwo\n"}]).splitlines()
    assert lines[:3] == ["- name: Accuracy", "  type: llm_judge", "  description: >-"]
    assert max(map(len, lines)) <= 124
    assert "" in lines  # between one metric and the next
    assert lines[-3:] == ["  description: |", "    one", "    two"]


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("no", "no"),
        ("2024-01-01", "2024-01-01"),
        ("12:30:00", "12:30:00"),
        ("0x1F", "0x1F"),
        ("yes", "yes"),
        ("true", True),
        ("12", 12),
        ("1.5", 1.5),
        ("~", None),
        ("", None),
        ('"12"', "12"),
        ("[a, 1]", ["a", 1]),
        ("!!str 12", "12"),
    ],
)
def test_typed_values_are_sent_as_typed(typed: str, read: object) -> None:
    [metric] = _files.parse(f"- name: a\n  field: {typed}\n")
    assert metric["field"] == read
    assert type(metric["field"]) is type(read)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("- name: a\n  description: [b\n- name: c\n", 2, "in line 3"),
        ("- name: a\n  x: 'b\n- name: c\n", 2, "end of stream in line 4"),
        ("- name: a\n   x: b\n", 2, "mapping values"),
        ("- name: a\n\tx: b\n", 2, "cannot start any token"),
        ("- name: a\n- description: b\n", 2, "this metric has no name"),
        ("- name: a\n- name:\n", 2, "must be a string"),
        ("- name: a\n- name: 12\n", 2, "must be a string"),
        ("- name: a\n- just text\n", 2, "expected a metric"),
        ("# hi\nname: a\n", 2, "expected a list"),
        ("- name: a\n  name: b\n", 2, "appears twice"),
        ("- name: a\n  x: !thing b\n", 2, "is not supported"),
        ("- name: a\n  x: !thing {b: c}\n", 2, "is not supported"),
        ("- name: a\n  x: !thing [b]\n", 2, "is not supported"),
        ("- name: a\n  x: !!int b\n", 2, "is not a valid int"),
        ("- name: a\n  ? [b]\n  : c\n", 2, "must be a string"),
        ("- name: a\n---\n- name: b\n", 2, "expected a single document"),
        ("- name: a\n- name: \x1b[31m\n", 2, "does not allow"),
        ("- name: a\n  x: *b\n", 2, "undefined alias"),
        ('[{"name": "a"},\n {"name": 3}]', 2, "must be a string"),
        ('[{"name": "a"},\n {"name": "b" "c"}]', 2, "expected"),
        ("- name: a\n  x: " + "9" * 5000, 2, "too many digits"),
        ('[{"name": "a",\n "x": ' + "9" * 10_000 + "}]", 2, "too many digits"),
        ("- name: a\n  x: " + "[" * 200_000, 2, "more than 100 levels"),
        ('[{"name": "a",\n "x": ' + "[" * 101 + "]" * 101 + "}]", 2, "more than 100 levels"),
        ("- name: a\n" + BOMB, 8, "more than 500,000 values"),
        ("- name: a\n  x: &a [*a]\n", 2, "inside the value that it repeats"),
        ("- name: a\n  x: !!binary aGk=\n", 2, "is not supported"),
        ("- name: a\n  x: .inf\n", 2, "not finite"),
        ('[{"name": "a",\n "name": "b"}]', 2, "twice"),
    ],
)
def test_problems_are_reported_with_their_line(text: str, line: int, problem: str) -> None:
    with pytest.raises(_yaml.BrokenText, match=problem) as caught:
        _files.parse(text)
    assert caught.value.line == line
    assert re.match(rf"line {line}(, column \d+)?: ", str(caught.value))


@pytest.mark.parametrize("text", ["[" * 5000, "- name: a\n  x: " + "[" * 5000, '[{"name": "a", "x": ' + "[" * 5000])
def test_deeply_nested_text_is_refused(text: str) -> None:
    with pytest.raises(_yaml.BrokenText):
        _files.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "a", "x": NaN}]',
        "- name: a\n  x: .inf\n",
        '[{"name": "a", "name": "b"}]',
        '[{"name": "a", "😀": 1, "\\ud83d\\ude00": 2}]',
        '[{"name": "a", "x": ["\\ud800"]}]',
        '- {name: a, x: {"\\udfff": 1}}',
    ],
)
def test_unsendable_and_repeated_fields_are_refused(text: str) -> None:
    with pytest.raises(_yaml.BrokenText):
        _files.parse(text)


class Endless(io.RawIOBase):
    """A stream without end."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"y" * len(buffer)
        return len(buffer)


def test_large_files_and_devices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    for path, problem in (
        (tmp_path / "large", "larger than 16 MB"),
        (Path("/dev/zero"), "larger than 16 MB"),
        (tmp_path, "directory"),
        (Path("a\0b"), "not a valid path"),
    ):
        with pytest.raises(WrongUsage, match=problem) as caught:
            _files.read_metrics(path)
        assert _text.visible(path) in str(caught.value)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    with pytest.raises(WrongUsage, match="standard input is larger than 16 MB"):
        _files.read_metrics(Path("-"))
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(WrongUsage, match="Standard input is closed"):
        _files.read_metrics(Path("-"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("- name: a\n" + BOMB, r"line 8, column \d+: more than 500,000 values"),
        ('[{"name": "a", "x": ' + "9" * 10_000 + "}]", "line 1, column 21: a number with too many digits"),
        (None, "Standard input is closed"),
    ],
)
def test_create_refuses_in_one_line(content: str | None, said: str, tmp_path: Path) -> None:
    (tmp_path / "metrics").write_text(content or "")
    program = f'"$0" -m cekura_facade create - {"< metrics" if content else "<&-"}'
    result = subprocess.run(
        ["sh", "-c", program, sys.executable],
        cwd=tmp_path,
        env=os.environ | {"CEKURA_API_KEY": "x", "CEKURA_API_URL": "http://127.0.0.1:1", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert re.fullmatch(rf"Error: .*{said}.*\n", result.stderr)


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "out.yaml"
    assert _files.write(path, [{"name": "a"}], "") is None
    assert _files.write(path, [{"name": "a"}], "") is None
    assert _files.write(path, [{"name": "b"}], "") == tmp_path / "out.yaml.bak"
    assert _files.write(path, [{"name": "c"}], "") == tmp_path / "out.yaml-2.bak"
    assert {each.name: _files.parse(each.read_text())[0]["name"] for each in tmp_path.iterdir()} == {
        "out.yaml": "c",
        "out.yaml.bak": "a",
        "out.yaml-2.bak": "b",
    }


def test_a_file_named_json_is_json(tmp_path: Path) -> None:
    _files.write(tmp_path / "out.json", [{"name": "日"}], "# not here\n")
    assert json.loads((tmp_path / "out.json").read_text("utf-8")) == [{"name": "日"}]


def test_a_rescue_uses_an_unused_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = [str(_files.write_unsaved([{"name": str(number)}], "")) for number in range(3)]
    assert names == ["cekura-suggestions.yaml", "cekura-suggestions-2.yaml", "cekura-suggestions-3.yaml"]
    assert [_files.parse(Path(name).read_text())[0]["name"] for name in names] == ["0", "1", "2"]
