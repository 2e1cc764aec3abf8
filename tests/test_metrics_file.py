"""Files of metrics for `plan` and `apply`: each mistake is named with its place, and exports are read unchanged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from cekura_facade.cli import _files, _metrics_file
from cekura_facade.cli._errors import WrongUsage
from cekura_facade.cli._metrics_file import CODE, MetricsFile
from tests.test_cli_files import BOMB, METRICS, TEXTS

QUOTES = "Put strings that begin with this character in quotes."
COLON = "Check the indentation. Put strings that contain `: ` in quotes."
TOKEN, FOUND = ", line 2, column", "while scanning for the next token, found character "
ALIAS = "while scanning an alias, expected alphabetic or numeric character"
AGENT = {"agent_id": 101}
PROJECT = {"project_id": 11}
TYPES = "Known values: basic, custom_code, custom_prompt, llm_judge."
CHANGE = "Change the field, or the option."
EVAL_TYPES = "Known values: binary, continuous_qualitative, enum, numeric."


def read(folder: Path, text: str | bytes, scope: dict[str, int] = AGENT) -> MetricsFile:
    path = folder / "m.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    file = _metrics_file.read(path, scope)
    file.problems = [each.replace(str(path), "m.yaml") for each in file.problems]
    return file


def exported(metrics: list[dict[str, Any]]) -> str:
    return _files.as_text(metrics, _metrics_file.header(len(metrics), "agent_id")) + _metrics_file.END


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- name: a\n- description: b\n", "line 2, column 3: this metric has no name."),
        ("- name: a\n- name: 12\n", "line 2, column 9: name: expected a string, not an integer. Put it in quotes."),
        ("- name: a\n- name:\n", "line 2, column 8: name: expected a string, not null."),
        ("- name: a\n  prompt: 1.5\n", "line 2, column 11: prompt: expected a string, not a number. Put it in quotes."),
        (
            "- &a {name: a}\n- <<: *a\n  name: b\n",
            "line 2, column 3: merge keys (`<<`) are not supported. Set the fields that metrics share in `defaults`.",
        ),
        ('- name: a\n- name: " "\n', "line 2, column 9: name: expected a string that is not empty."),
        ("- name: a\n- b\n", "line 2, column 3: expected a metric, with its fields as `name: value`."),
        (
            "- name: Tone\n  type: llm_judge\n- type: llm_judge\n  name: ' Tone'\n",
            "line 4, column 9: name: another metric in line 1 has the name ' Tone', too. Change one.",
        ),
        (
            "- name: a\n  vocera_defined_metric_code: x\n- name: b\n  vocera_defined_metric_code: x\n",
            f"line 4, column 31: {CODE}: another metric in line 2 has the code 'x', too. Change one.",
        ),
        (
            "- name: a\n  descripton: b\n",
            "line 2, column 3: there is no field 'descripton'. Did you mean 'description'?",
        ),
        ("- name: a\n  Eval-Type: b\n", "line 2, column 3: there is no field 'Eval-Type'. Did you mean 'eval_type'?"),
        ("- nmae: a\n  name: b\n", "line 1, column 3: there is no field 'nmae'. Did you mean 'name'?"),
        (
            "- name: a\n  project_id: 11\n",
            "line 2, column 3: there is no field 'project_id'. Did you mean 'project'?",
        ),
        (
            "- name: a\n  eval_type: binry\n",
            f"line 2, column 14: eval_type: unknown value 'binry'. Did you mean 'binary'? {EVAL_TYPES}",
        ),
        (
            "- name: a\n  eval_type: 5\n",
            f"line 2, column 14: eval_type: expected a string, not an integer. {EVAL_TYPES}",
        ),
        (
            "- name: a\n  audio_enabled: yes\n",
            "line 2, column 18: audio_enabled: expected a boolean, not a string. Write true or false.",
        ),
        (
            "- name: a\n  enum_values: [good, 1]\n",
            "line 2, column 16: enum_values: item 2: expected a string, not an integer. Put it in quotes.",
        ),
        (
            "- name: a\n  description:\n",
            "line 2, column 15: description: expected a string, not null. Remove the field, or set it.",
        ),
        (
            '- name: a\n  assistant_id: ""\n',
            "line 2, column 17: assistant_id: expected a string with a length of at least 1.",
        ),
        (
            "- name: a\n  agent: 102\n",
            "line 2, column 10: agent: expected agent 101 of --agent-id, not 102. Change the field, or the option.",
        ),
        (
            "- name: a\n  agents: [103, 102]\n",
            f"line 2, column 11: agents: expected agent 101 of --agent-id, not 102, 103. {CHANGE}",
        ),
        (
            "defaults:\n  agents: [102]\nmetrics:\n  - name: a\n",
            "line 2, column 11: agents: expected agent 101 of --agent-id, not 102. Change the field, or the option.",
        ),
        (
            "defaults:\n  sampling_enbled: true\nmetrics:\n  - name: a\n",
            "line 2, column 3: there is no field 'sampling_enbled'. Did you mean 'sampling_enabled'?",
        ),
        (
            "defaults:\n  type: basics\nmetrics:\n  - name: a\n",
            f"line 2, column 9: type: unknown value 'basics'. Did you mean 'basic'? {TYPES}",
        ),
        (
            "defaults:\n  name: a\nmetrics:\n  - name: b\n",
            "line 2, column 3: `defaults` cannot have the field 'name'. Set it in a metric.",
        ),
        ("defaults: [a]\nmetrics: []\n", "line 1, column 11: expected fields as `name: value` in `defaults`."),
        (
            "metrics: []\nversion: 1\n",
            "line 2, column 1: there is no top-level key 'version'. A file has `defaults` and `metrics`.",
        ),
        (
            "default: {}\nmetrics: []\n",
            "line 1, column 1: there is no top-level key 'default'. Did you mean 'defaults'?",
        ),
        ("metric:\n  - name: a\n", "line 1, column 1: there is no top-level key 'metric'. Did you mean 'metrics'?"),
        (
            '[{"name": "\\ud800"}]',
            "line 1, column 11: name: it contains half of a surrogate pair, such as \\ud800, which cannot be sent.",
        ),
        (
            '[\n\t{"name": "😀", "eval_typ": "binary"}]',
            "line 2, column 16: there is no field 'eval_typ'. Did you mean 'eval_type'?",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    assert read(tmp_path, text).problems == [f"m.yaml, {problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": expected a list of metrics"),
        ("# only a comment\n", ": expected a list of metrics"),
        ("just text\n", ", line 1, column 1: expected a list of metrics"),
        ("metrics:\n", ", line 1, column 9: expected a list of metrics"),
        ("metrics: {name: a}\n", ", line 1, column 10: expected a list of metrics"),
        ("defaults: {}\n", ", line 1, column 1: expected a list of metrics"),
        ("- name: a\n  name: b\n", ", line 2, column 3: the field 'name' appears twice."),
        ('[{"name": "a",\n  "name": "b"}]', ", line 2, column 3: the field 'name' appears twice."),
        ("- name: a\n  x: [b\n", ", line 2, column 6: while parsing a flow sequence"),
        (
            "- name: a\n...\n- name: b\n",
            ", line 3, column 1: expected a single document, but another one begins. Delete",
        ),
        (
            "- name: a\n---\n- name: b\n",
            ", line 2, column 1: expected a single document, but another one begins. Delete",
        ),
        ('[{"name": "a"}]}', ", line 1, column 16: expected a single document, but another one begins. Delete it, or"),
        ("- name: a\n\ttype: b\n", f"{TOKEN} 1: {FOUND}'\\t' that cannot start any token. Use spaces, not tabs."),
        ("- name: a\n  prompt: @b\n", f"{TOKEN} 11: {FOUND}'@' that cannot start any token. {QUOTES}"),
        ("- name: a\n  prompt: b: c\n", f", line 2, column 12: mapping values are not allowed here. {COLON}"),
        ("- name: a\n  prompt: {{b}}\n", f", line 2, column 12: the name of a field must be a string. {QUOTES}"),
        ("- name: a\n  prompt: !b c\n", f", line 2, column 11: the tag '!b' is not supported. {QUOTES}"),
        ("- name: a\n  prompt: *b\n", f", line 2, column 11: undefined alias 'b'. {QUOTES}"),
        ("- name: a\n  prompt: **b**\n", f", line 2, column 12: {ALIAS}, but found '*'. {QUOTES}"),
        ("- name: \x1b[31m\n", ", line 1, column 9: a character that YAML does not allow (U+001B)."),
        ("- name: a\n" + BOMB, ", line 8, column 27: more than 500,000 values"),
        (b"- name: a\n- name: caf\xe9\n", ", line 2: this is not UTF-8 text. Save it as UTF-8."),
        ("- name: a\n".encode("utf-16"), ", line 1: this is not UTF-8 text."),
    ],
)
def test_a_file_without_metrics_is_refused(tmp_path: Path, text: str | bytes, problem: str) -> None:
    with pytest.raises(WrongUsage) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'm.yaml'}{problem}")


def test_all_mistakes_are_named_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = read(tmp_path, "- nam: a\n- name: b\n  agent: 7\n  eval_type: x\n- name: b\n")
    assert [each.split(":")[0] for each in file.problems] == [
        "m.yaml, line 1, column 3",
        "m.yaml, line 1, column 3",
        "m.yaml, line 3, column 10",
        "m.yaml, line 4, column 14",
        "m.yaml, line 5, column 9",
    ]
    many = read(tmp_path, "- x\n" * 14)
    assert len(many.problems) == 11
    assert many.problems[-1].endswith("m.yaml has 4 more problems.")


def test_a_mistake_in_the_defaults_is_named_once(tmp_path: Path) -> None:
    file = read(tmp_path, "defaults: {eval_type: x}\nmetrics: [{name: a}, {name: b}]\n")
    assert len(file.problems) == 1


def test_a_metric_overrides_the_defaults_and_a_predefined_one_has_none(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        "defaults:\n  add_to_new_agents: false\n  eval_type: binary\n"
        "metrics:\n- name: a\n- name: b\n  eval_type: numeric\n- name: c\n  vocera_defined_metric_code: x\n",
    )
    assert file.problems == []
    assert file.metrics == [
        {"name": "a", "eval_type": "binary", "add_to_new_agents": False},
        {"name": "b", "eval_type": "numeric", "add_to_new_agents": False},
        {"name": "c", "vocera_defined_metric_code": "x"},
    ]
    assert file.place_of(0, "add_to_new_agents") == (2, 22)
    assert file.place_of(1, "eval_type") == (7, 14)
    assert file.place_of(2, "eval_type") == (8, 9)


def test_unknown_fields_are_kept_and_named_with_their_lines(tmp_path: Path) -> None:
    file = read(tmp_path, "- name: a\n  owner: me\n- name: b\n  owner: you\n  id: 5\n")
    assert file.problems == []
    assert file.unknown == {"owner": (2, 3)}
    assert file.ignored == {"id": (5, 3)}
    assert file.metrics[1] == {"name": "b", "owner": "you", "id": 5}


def test_the_content_of_a_predefined_metric_is_ignored(tmp_path: Path) -> None:
    file = read(tmp_path, f"- name: a\n  {CODE}: x\n  type: basic\n  owner: me\n- name: b\n  type: basic\n")
    assert file.problems == []
    assert file.unknown == {}
    assert file.ignored == {"type": (3, 3), "owner": (4, 3)}


def test_values_of_the_service_are_accepted(tmp_path: Path) -> None:
    file = read(
        tmp_path,
        "- name: a\n  eval_type: binary_qualitative\n  add_to_new_agents: null\n  agents: [101, 102]\n"
        "  scenarios: all\n  configuration: {any: [thing]}\n",
    )
    assert file.problems == []


@pytest.mark.parametrize(("fields", "is_refused"), [("project: 12", True), ("project: 11", False), ("agent: 7", False)])
def test_a_file_for_a_project(tmp_path: Path, fields: str, is_refused: bool) -> None:
    problems = read(tmp_path, f"- name: a\n  {fields}\n", PROJECT).problems
    message = (
        "line 2, column 12: project: expected project 11 of --project-id, not 12. Change the field, or the option."
    )
    assert problems == ([f"m.yaml, {message}"] if is_refused else [])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("- name: a\n", ""),
        ("- name: a", "it does not end with a line break"),
        ('[{"name": "a"}]', ""),
        (exported([{"name": "a"}]), ""),
        (exported([{"name": "a"}]) + "\n# The end.\n", "its last line is not `...`, the end of an export"),
        (exported([{"name": "a"}]).removesuffix("...\n"), "its last line is not `...`, the end of an export"),
        (exported([{"name": "a"}]).removesuffix("\n"), "it does not end with a line break"),
        (exported([{"name": "a"}, {"name": "b"}]).partition("\n- name: b")[0] + "\n", "its last line is not"),
    ],
)
def test_a_file_that_was_cut_short_is_recognized(tmp_path: Path, text: str, why: str) -> None:
    file = read(tmp_path, text)
    assert file.problems == []
    assert file.incomplete.startswith(why)
    assert bool(file.incomplete) == bool(why)


def test_no_prefix_of_an_export_is_complete(tmp_path: Path) -> None:
    text = exported([{"name": "a", "description": "one\n\ntwo\n"}, {"name": "b"}])
    for end in range(len(text)):
        try:
            file = read(tmp_path, text[:end])
        except WrongUsage:
            continue
        assert file.incomplete or file.problems or not file.entries, text[:end]


@given(st.lists(METRICS, max_size=3, unique_by=lambda metric: metric["name"]))
@settings(deadline=None)
def test_an_export_is_read_as_it_was(tmp_path_factory: pytest.TempPathFactory, metrics: list[dict[str, Any]]) -> None:
    value, _, is_json = _metrics_file._load(exported(metrics))  # noqa: SLF001 - Without the checks of fields.
    assert not is_json
    # They are compared by repr, because 1 == 1.0 == True.
    assert isinstance(value, list)
    assert [sorted(map(repr, each.items())) for each in value] == [sorted(map(repr, each.items())) for each in metrics]


@given(st.lists(TEXTS.filter(str.strip), min_size=2, max_size=2), TEXTS)
@settings(deadline=None)
def test_places_are_those_of_the_text(tmp_path_factory: pytest.TempPathFactory, names: list[str], text: str) -> None:
    metrics = [{"name": name, "eval_type": "no such type", "description": text} for name in names]
    content = json.dumps(metrics, indent=1, ensure_ascii=True)
    file = read(tmp_path_factory.getbasetemp(), content)
    lines = content.split("\n")
    for entry in file.entries:
        line, column = entry.values["eval_type"]
        assert lines[line - 1][column - 1 :].startswith('"no such type"')
