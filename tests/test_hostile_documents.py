"""Hostile names and texts in a published document: the client is sound, or the document is refused in one line.

HOSTILE_EXAMPLES=200 tries that many documents for each selection.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import os
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from cekura_api import calls
from cekura_api.model import Model
from hypothesis import HealthCheck, Phase, event, given, settings
from regeneration.documents import Document, load
from regeneration.errors import RegenerationError
from regeneration.operations import Operations
from regeneration.pipeline import Derivation, derive
from regeneration.prose import literal, prose, sentence, wrapped
from regeneration.python_names import field_names, taken_by_classes, taken_by_functions, taken_by_models
from regeneration.select import ALL
from regeneration.validate import check_openapi

from tests.hostile import NASTY_TEXTS, Hostile, documents, with_known_bad_names
from tests.regenerating import ROOT
from tests.soundness import check_package, made, refusal

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "2"))


@pytest.mark.parametrize("selection", ["operations.yaml", ALL])
@given(hostile=documents())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],  # Shrinking a large document takes minutes.
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
def test_every_document_gives_a_sound_client_or_a_refusal(selection: str, hostile: Hostile) -> None:
    event(f"{selection}: {refusal(hostile.document, selection) or 'a client'}"[:120])


def test_known_bad_names_and_texts_give_a_sound_client_of_covered_operations() -> None:
    with made(with_known_bad_names(), "operations.yaml") as (effective, package, folder):
        check_package(effective, package, folder)


def test_known_bad_names_and_texts_give_a_sound_client_of_all_operations() -> None:
    with made(with_known_bad_names(), ALL) as (effective, package, folder):
        check_openapi(effective)
        check_package(effective, package, folder)
        command = [sys.executable, "-m", "mypy", "--cache-dir", os.devnull, "--config-file", os.devnull, "-p", package]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_names_do_not_depend_on_the_order_in_the_document() -> None:
    def turned(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: turned(value) for key, value in reversed(node.items())}
        return [turned(value) for value in reversed(node)] if isinstance(node, list) else node

    document = with_known_bad_names()
    one, other = (
        derive(each, Operations((), {}), {"overlay": "1.0.0", "actions": []}, ALL).effective
        for each in (document, turned(document))
    )
    assert turned(one) != one
    for name, schema in one["components"]["schemas"].items():
        assert schema.get("x-python-names") == other["components"]["schemas"][name].get("x-python-names")
    for path, item in one["paths"].items():
        assert item["post"].get("x-argument-names") == other["paths"][path]["post"].get("x-argument-names")


@pytest.mark.parametrize(
    ("published", "names"),
    [
        (["class", "class_"], ["class_", "class_2"]),
        (["a-b", "a_b", "a b", "aB"], ["a_b_3", "a_b", "a_b_2", "a_b_4"]),
        (["é", "e", "E", "\uff45"], ["e_3", "e", "e_2", "e_4"]),
        (["ﬁ", "fi"], ["fi_2", "fi"]),
        (["agent_id", "agent__id"], ["agent_id", "agent__id"]),
        (["next", "next_"], ["next_", "next_2"]),
        (["to_dict", "additionalProperties", "additional_properties"], None),
        (["", " ", "名"], None),
    ],
)
def test_names_that_become_one_in_python_are_numbered(published: list[str], names: list[str] | None) -> None:
    schema = {"properties": {name: {"type": "string"} for name in published}}
    turned = {"properties": {name: {"type": "string"} for name in reversed(published)}}
    found = field_names({}, schema)
    assert found == field_names({}, turned)
    assert len(set(found.values())) == len(published)
    assert not set(found.values()) & (set(dir(Model)) | set(dir(builtins)) | set(keyword.kwlist))
    assert names is None or [found[name] for name in published] == names


def test_reserved_names_are_read_from_the_templates() -> None:
    package = ROOT / "generated_client" / "cekura_api"
    schemas = set(load(ROOT / "spec" / "openapi.yaml")["components"]["schemas"])
    resources = {"Agents", "AsyncAgents", "Metrics", "AsyncMetrics", "Calls", "AsyncCalls"}
    for folder, taken in (("models", taken_by_classes()), ("api", taken_by_classes())):
        for file in (package / folder).rglob("*.py"):
            used = {each.id for each in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(each, ast.Name)}
            classes = {name for name in used if name[0].isupper()} - schemas - resources - set(dir(builtins))
            assert classes <= taken, file
    for file in (package / "api").glob("*/*.py"):
        for function in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                own = {each.arg for each in (*function.args.args, *function.args.kwonlyargs)}
                used = {each.id for each in ast.walk(function) if isinstance(each, ast.Name)}
                here = [each for each in ast.walk(function) if isinstance(each, ast.ImportFrom)]
                used -= own | schemas | resources | set(dir(builtins)) | {each.names[0].name for each in here}
                assert used <= taken_by_functions() | taken_by_classes() | {"result"}, (file, function.name)
    assert {"additional_properties", "from_dict", "to_dict", "_names", "required_fields"} <= taken_by_models()


def _one(parameters: list[dict[str, Any]], path: str = "/v1/things/", **others: Any) -> Document:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    answer = {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {path: {"get": {"parameters": parameters, "responses": answer}}},
        **others,
    }


def _derived(document: Document, selection: str = ALL) -> Derivation:
    return derive(document, Operations((), {}), {"overlay": "1.0.0", "actions": []}, selection)


@pytest.mark.parametrize(
    ("place", "name"),
    [
        *(("header", name) for name in ("X-CEKURA-API-KEY", "x-cekura-api-key", "Authorization", "COOKIE")),
        *(("header", name) for name in ("Content-Type", "content-length", "Host", "Accept", "Transfer-Encoding")),
        *(("header", name) for name in ("Connection", "X-Of-A-Scheme", "two words", "a:b", "a\r\nb: c", "", "é")),
        *(("query", "secret"), ("cookie", "session"), ("cookie", "a=b; c")),
    ],
)
def test_parameters_that_only_the_client_sends_are_dropped(place: str, name: str) -> None:
    schemes = [("header", "x-of-a-scheme"), ("query", "Secret"), ("cookie", "SESSION")]
    components = {
        "securitySchemes": {
            f"scheme{number}": {"type": "apiKey", "in": where, "name": key}
            for number, (where, key) in enumerate(schemes)
        }
    }
    parameters = [
        {"name": key, "in": where, "required": True, "schema": {"type": "string"}}
        for where, key in ((place, name), ("query", "kept"))
    ]
    derivation = _derived(_one(parameters, components=components))
    (operation,) = (item["get"] for item in derivation.effective["paths"].values())
    assert [each["name"] for each in operation["parameters"]] == ["kept"]
    assert derivation.rules_fired["headers-of-the-client"] == 1


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "é", "\u202e", "a\x00", " a", "a\t"])
def test_a_header_that_http_cannot_send_is_an_error_before_sending(value: str) -> None:
    with pytest.raises(ValueError, match="X-Mode"):
        calls.strings({"X-Mode": value})
    assert calls.strings({"X-Mode": "a; b", "X-Other": 1, "X-None": None}) == {"X-Mode": "a; b", "X-Other": "1"}
    with pytest.raises(ValueError, match="mode"):
        calls.strings({"mode": "a; b"}, forbidden=";")


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example/x", "http://evil.example/x", "x", "", "/a?b=c", "/a#b", "/a/../b", "/a\\b", "/a b"),
        *("/a\u202eb", "/a{b", "/a}b/", "/{a}{", "/{a}}/", "/{a{b}}", "/{}/"),
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(RegenerationError, match=r"GET .*would not be sent to this path") as refused:
        _derived(_one([], path))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", NASTY_TEXTS)
def test_texts_are_shown_without_hidden_characters(text: str) -> None:
    shown = prose(text)
    assert not [each for each in shown if unicodedata.category(each) in ("Cc", "Cf", "Cs", "Zl", "Zp") and each != "\n"]
    found = ast.parse(f'"""{wrapped(sentence(shown), 4)}"""').body
    assert len(found) == 1
    assert isinstance(found[0], ast.Expr)
    assert ast.literal_eval(literal(text)) == text


def test_hidden_characters_leave_the_effective_specification_and_are_counted() -> None:
    document = _one([], info={"title": "T", "version": "1", "description": "a\u202eb\u200bc\r\nd\U000e0041\ud800"})
    derivation = _derived(document)
    assert derivation.effective["info"]["description"] == "abc\nd"
    assert derivation.rules_fired["hidden-characters"] == 1


def test_half_of_a_surrogate_pair_in_a_name_is_refused_in_one_line() -> None:
    document = _one([{"name": "a\ud800", "in": "query", "schema": {"type": "string"}}])
    with pytest.raises(RegenerationError, match=r"surrogate pair .* at 'paths/") as refused:
        _derived(document)
    str(refused.value).encode()
