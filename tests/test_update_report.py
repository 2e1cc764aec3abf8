"""The report of an update: its beginning, and text of documents, which is data in the report and on the terminal."""

from __future__ import annotations

import copy
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given, settings, strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from regeneration.escaping import as_code, as_line
from regeneration.overlay import AppliedAction
from regeneration.report import Change, Report, compare, markdown, with_changes

AGENT = {"type": "object", "properties": {"agent_name": {"type": "string"}, "inbound": {"type": "boolean"}}}
LISTING = {"operationId": "list_agents", "tags": ["agents"], "x-resource-method": "list", "responses": {}}
EFFECTIVE: dict[str, Any] = {
    "openapi": "3.1.0",
    "paths": {"/agents/": {"get": LISTING}},
    "components": {"schemas": {"Agent": AGENT}},
}
HOSTILE = [
    "<!-- hidden",
    "--> <img src=x onerror=alert(1)>",
    "![seen](https://example.com/pixel.png)",
    "[safe](https://example.com) https://example.com <https://example.com>",
    "@acme/team please merge, @octocat",
    "Fixes #1, closes acme/repository#2, resolves GH-3",
    "# A heading\n## Unreleased\n\n### Added\n\n- an entry",
    "line\r\nbreak\u2028separator\x85next\x0bvertical\x0cpage",
    "a | b\n|---|---|",
    "`code` ``more`` ```",
    "` starts and ends `",
    " spaces ",
    "   ",
    "",
    "\\`escaped\\",
    "{} {0.__class__} %s {{ x }} {% y %}",
    "\x1b[31mred\x1b]0;title\x07\x9b2J",
    "\u202eright to left\u200b\u2066zero width\ufeff\U000e0041\u3164\u180e\u2800",
    "\ud800 alone",
    "a: b.c(d), in query: 'e'",
    "*strong* _emphasis_ ~~gone~~ &lt; &#64;team",
]
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=30),
    st.text(st.sampled_from("`<>![]()@#|*_~\\&\n\r\t -:{}'\"\x1b\u202e\u200bab1"), max_size=20),
    st.characters(exclude_categories=()),
)


BLANK = ("FILLER", "SELECTOR", "BLANK", "JOINER", "INHERENT", "MONGOLIAN VOWEL")


def is_seen(character: str) -> bool:
    """Whether a character is visible. Control, format, blank and unassigned characters, and surrogates, are not."""
    if any(word in unicodedata.name(character, "") for word in BLANK):
        return False
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def tokens(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """The tokens of GitHub's Markdown without code, and the code spans."""
    outline: list[tuple[str, str]] = []
    code: list[str] = []

    def walk(found: list[Token]) -> None:
        for token in found:
            if token.type == "code_inline":
                code.append(token.content)
            outline.append((token.type, "" if token.children or token.type == "code_inline" else token.content))
            walk(token.children or [])

    walk(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text))
    return outline, code


def report_of(text: str) -> Report:
    """A report with a text in every place that can contain text of a document or file."""
    changes = (
        Change("breaking", "{} is gone", (text,)),
        Change("breaking", "{} was {} and is {}", (text, text, text)),
        Change("added", "{} is new", (text,)),
        Change("wording only", "{} has a new description", (text,)),
    )
    action = AppliedAction(text, text, changed=False)
    return Report(changes, (text,), {text: 2, "idle": 0}, (action,), (text,), (text,))


@settings(deadline=None)
@given(TEXTS)
@example("x" * 5_000)
def test_text_of_a_document_is_data_in_the_report(text: str) -> None:
    outline, code = tokens(markdown(report_of(text), verbose=True))
    harmless, names = tokens(markdown(report_of("name"), verbose=True))
    assert outline == harmless
    kinds = {kind for kind, _ in harmless}
    assert kinds <= {
        *("bullet_list_open", "bullet_list_close", "list_item_open", "list_item_close", "paragraph_open"),
        *("paragraph_close", "heading_open", "heading_close", "inline", "text", "code_inline"),
        *("strong_open", "strong_close"),
    }
    assert not any(mark in content for _, content in harmless for mark in "@#<>[]|\\")
    shown = {content for content, name in zip(code, names, strict=True) if name == "name"}
    assert len(shown) == 1
    (content,) = shown
    assert all(map(is_seen, content))
    if text and len(text) <= 300 and all(map(is_seen, text)):
        assert content == text


@settings(deadline=None)
@given(TEXTS)
def test_text_of_a_document_is_data_in_the_changelog(text: str) -> None:
    log = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Mine.\n\n## 1.0.0\n\n### Changed\n\n- Old.\n"
    once = with_changes(log, report_of(text))
    assert tokens(once)[0] == tokens(with_changes(log, report_of("name")))[0]
    assert with_changes(once, report_of(text)) == once


@settings(deadline=None)
@given(TEXTS)
@example("\n" * 5_000)
def test_a_line_of_the_terminal_has_no_control_characters(text: str) -> None:
    line = as_line(text)
    assert all(map(is_seen, line))
    assert len(line) <= 2_000
    if all(map(is_seen, text)):
        assert line == text


def test_each_character_that_is_not_visible_is_escaped() -> None:
    assert as_line("a\nb\x1b[0m\u202e\u200b\ud800\u3164\ufe0f") == r"a\nb\x1b[0m\u202e\u200b\ud800\u3164\ufe0f"
    assert as_line("Größe, 名前, שם and 🎉 stay") == "Größe, 名前, שם and 🎉 stay"
    assert as_code("a`b") == "``a`b``"
    assert as_code("`") == "`` ` ``"
    assert as_code("") == '`""`'


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
@example(["a: b"])
@example(["x.y"])
@example(["f(x)"])
def test_a_change_with_any_name_is_reported(names: list[str]) -> None:
    names = [name for name in names if name not in EFFECTIVE["components"]["schemas"]["Agent"]["properties"]]
    new = copy.deepcopy(EFFECTIVE)
    for name in names:
        new["components"]["schemas"]["Agent"]["properties"][name] = {"type": "string", "description": name}
    added, gone = compare(EFFECTIVE, new), compare(new, EFFECTIVE)
    assert {(change.kind, change.names[0]) for change in added} == {("added", f"Agent.{name}") for name in names}
    assert {(change.kind, change.names[0]) for change in gone} == {("breaking", f"Agent.{name}") for name in names}
    assert len(tokens(markdown(Report(added)))[1]) == 2 * len(names)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_text_in_every_place_of_a_document_is_data(text: str) -> None:
    def places(name: str) -> dict[str, Any]:
        document = copy.deepcopy(EFFECTIVE)
        schemas = document["components"]["schemas"]
        schemas[f"Class{name}"] = {"type": "object", "properties": {name: {"type": "string"}}, "description": name}
        schemas["Values"] = {"type": "string", "enum": [name]}
        schemas["Agent"]["properties"] |= {
            name: {"anyOf": [{"$ref": "#/components/schemas/Values"}, {"type": "string"}]},
            "inbound": {"const": name},
            "agent_name": {"$ref": f"#/components/schemas/Class{name}"},
        }
        listing = document["paths"]["/agents/"]["get"]
        listing["parameters"] = [{"in": "query", "name": name, "schema": {"type": "string"}}]
        listing["description"] = name
        document["paths"][f"/other/{name}"] = {
            "get": {"operationId": name, "tags": [name], "x-resource-method": name, "responses": {name: {}}}
        }
        return document

    def outline(name: str) -> list[tuple[str, str]]:
        return tokens(markdown(Report(compare(EFFECTIVE, places(name))), verbose=True))[0]

    assert sorted(outline(text)) == sorted(outline("a name"))


def changes(kind: Any, *names: str, is_part: bool = True) -> tuple[Change, ...]:
    return tuple(Change(kind, "{} is new", (name,), is_part) for name in names)


def test_the_report_begins_with_version_breaking_changes_and_additions() -> None:
    fields = changes("added", *(f"Agent.field_{number}" for number in range(9)))
    function = changes("added", "list_calls()", is_part=False)
    report = Report(
        changes("breaking", "Agent.name") + fields + function + changes("wording only", "Metric"),
        ("GET /v9/things/", "POST /v9/things/"),
    )
    assert markdown(report).splitlines()[:3] == [
        "- Suggested version bump: **major** (existing code breaks)",
        "- Breaking: 1 (`Agent.name`)",
        (
            "- New: 10 (`list_calls()`, `Agent.field_0`, `Agent.field_1`, `Agent.field_2`, `Agent.field_3`, …), "
            "and 2 operations that the client does not cover"
        ),
    ]
    assert markdown(Report(())).splitlines()[:3] == [
        "- Suggested version bump: **none** (nothing changes)",
        "- Breaking: nothing",
        "- New: nothing",
    ]


def test_changes_of_the_wording_are_counted_and_listed_with_verbose() -> None:
    report = Report(changes("wording only", *(f"Agent.field_{number}" for number in range(300))))
    text = markdown(report)
    assert "300 changes of descriptions and known values" in text
    assert "field_7" not in text
    assert len(text.splitlines()) < 10
    assert "- `Agent.field_7` is new" in markdown(report, verbose=True)


def test_operations_that_are_not_covered_are_listed_in_part() -> None:
    report = Report((), tuple(f"GET /things/{number}/" for number in range(200)))
    assert "- `GET /things/0/`" in markdown(report)
    assert "`GET /things/199/`" not in markdown(report)
    assert "- 180 more. `--verbose` lists them." in markdown(report)
    assert "- `GET /things/199/`" in markdown(report, verbose=True)


def test_a_report_fits_into_a_pull_request() -> None:
    report = Report(changes("breaking", *(f"{number:04}" * 60 for number in range(1_000))))
    assert len(markdown(report)) < 65_536
    assert markdown(report).endswith("This report is cut here. `--verbose` prints all of it.\n")
    assert markdown(report, verbose=True).count("is new") == 1_000


def test_a_removed_class_is_one_change() -> None:
    old = copy.deepcopy(EFFECTIVE)
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "string"}}}
    old["components"]["schemas"]["Thing"] = schema
    old["paths"]["/things/"] = {
        "post": {
            "operationId": "make_thing",
            "tags": ["things"],
            "x-resource-method": "make",
            "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
            "responses": {},
        }
    }
    assert [change.what for change in compare(old, EFFECTIVE)] == ["`Thing` is gone", "`make_thing()` is gone"]


def test_the_report_says_which_path_is_used() -> None:
    text = markdown(Report((), paths=("list_metrics: GET /test_framework/v2/metrics/",)))
    assert "## Paths\n\n- `list_metrics: GET /test_framework/v2/metrics/`\n" in text
