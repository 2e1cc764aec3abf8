"""Documents that violate OpenAPI give a sound client, or a message on one line that names the place."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from regeneration.documents import Document, dump, load_specification, parse
from regeneration.errors import RegenerationError
from regeneration.operations import Body, Operation, Operations
from regeneration.pipeline import derive
from regeneration.validate import check_openapi

from tests.regenerating import one_line
from tests.support import examples

NO_OVERLAY = {"overlay": "1.0.0", "actions": []}
LEAF = "#/components/schemas/Leaf"


def responses(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "", "content": {"application/json": {"schema": schema}}}}


VALID: Document = {
    "openapi": "3.1.0",
    "info": {"title": "T", "version": "1"},
    "paths": {
        "/x/{id}/": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "post": {
                "summary": "Do it.",
                "security": [{"key": []}],
                "parameters": [{"$ref": "#/components/parameters/P"}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Sent"}}}},
                "responses": responses({"$ref": "#/components/schemas/Got"}) | {"404": {"description": ""}},
            },
        },
        "/y/": {"put": {"responses": {"204": {"$ref": "#/components/responses/R"}}}},
    },
    "components": {
        "parameters": {"P": {"name": "X-P", "in": "header", "schema": {"type": "string"}}},
        "responses": {"R": {"description": "x"}},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-KEY"}},
        "schemas": {
            "Sent": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
            "Got": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer", "nullable": True},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "list": {"type": "array", "items": {"$ref": LEAF}},
                    "all": {"allOf": [{"$ref": LEAF}, {"type": "object", "properties": {"z": {}}}]},
                    "one": {"oneOf": [{"type": "string"}, {"type": "null"}]},
                    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
                },
            },
            "Leaf": {"type": "object", "description": "d", "properties": {"v": {"type": "number"}}},
        },
    },
}
COVERED = Operations(
    (
        Operation("do_it", "things", "post", "/x/{id}/", request=Body("Sent"), response=Body("Got")),
        Operation("put_y", "things", "put", "/y/", resource_method="put"),
    ),
    {},
)


def put(place: str, value: object) -> Document:
    """The valid document with another value at a place."""
    document = copy.deepcopy(VALID)
    node: Any = document
    *steps, last = place.split("|")
    for step in steps:
        node = node[int(step)] if isinstance(node, list) else node[step]
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value
    return document


OPERATION = "paths|/x/{id}/|post"
GOT = "components|schemas|Got|properties"


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("components|schemas|Got|properties", [5], "components.schemas.Got.properties: expected an object, got a list"),
        (f"{OPERATION}|parameters", 5, "paths./x/{id}/.post.parameters: expected a list, got a number"),
        (f"{OPERATION}|parameters|0", 5, "paths./x/{id}/.post.parameters[0]: expected an object, got a number"),
        (f"{OPERATION}|parameters|0", {"name": 5, "in": "query"}, "parameters[0].name: expected a string"),
        (f"{OPERATION}|parameters|0", {"name": "a", "in": "body"}, "parameters[0].in: expected one of path, query"),
        (f"{OPERATION}|parameters|0", {"name": "a", "in": "query", "schema": None}, "parameters[0].schema"),
        (f"{OPERATION}|parameters|0", {"$ref": LEAF}, "expected a reference to #/components/parameters/"),
        (f"{OPERATION}|responses", [], "paths./x/{id}/.post.responses: expected an object, got a list"),
        (f"{OPERATION}|responses|200", "x", "paths./x/{id}/.post.responses.200: expected an object, got a string"),
        (f"{OPERATION}|requestBody", True, "paths./x/{id}/.post.requestBody: expected an object, got true or false"),
        (f"{OPERATION}|requestBody|content", [1], "paths./x/{id}/.post.requestBody.content: expected an object"),
        (f"{OPERATION}|security", {"a": 1}, "paths./x/{id}/.post.security: expected a list, got an object"),
        (f"{OPERATION}|security|0", 5, "paths./x/{id}/.post.security[0]: expected an object, got a number"),
        (f"{OPERATION}|summary", 5, "paths./x/{id}/.post.summary: expected a string"),
        (f"{GOT}|id|$ref", 5, "components.schemas.Got.properties.id.$ref: expected a string, got a number"),
        (f"{GOT}|id|type", "text", "components.schemas.Got.properties.id.type: expected one of string"),
        (f"{GOT}|id|nullable", "yes", "components.schemas.Got.properties.id.nullable: expected true or false"),
        (f"{GOT}|kind|enum", "a", "components.schemas.Got.properties.kind.enum: expected a list, got a string"),
        (f"{GOT}|all|allOf|1", None, "components.schemas.Got.properties.all.allOf[1]: expected an object, got null"),
        (f"{GOT}|map|additionalProperties", 5, "components.schemas.Got.properties.map.additionalProperties"),
        ("components|schemas|Sent|required", [["a"]], "components.schemas.Sent.required[0]: expected a string"),
        ("components|schemas|Leaf|description", ["d"], "components.schemas.Leaf.description: expected a string"),
        ("components|parameters|P", True, "components.parameters.P: expected an object, got true or false"),
        ("components|responses|R", {"$ref": "#/components/responses/R"}, "components.responses.R: refers to itself"),
        ("components|securitySchemes|key", 5, "components.securitySchemes.key: expected an object, got a number"),
    ],
)
def test_a_wrong_type_is_named_with_its_place(place: str, value: object, said: str) -> None:
    with pytest.raises(RegenerationError) as caught:
        derive(put(place, value), COVERED, NO_OVERLAY)
    assert said in one_line(caught)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("components", 7, "components is not an object"),
        ("components|schemas", [], "components.schemas is not an object"),
        ("paths", [1], "without paths"),
        ("openapi", 3.1, "not an OpenAPI 3 document"),
    ],
)
def test_a_document_without_an_outline_is_refused(place: str, value: object, said: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps(put(place, value)))
    with pytest.raises(RegenerationError, match=said) as caught:
        load_specification(tmp_path / "x")
    assert str(tmp_path / "x") in one_line(caught)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("paths|/z/", 3),
        ("paths|/z/", {"get": {"parameters": 5, "responses": []}}),
        ("paths|/x/{id}/|get", {"parameters": [{"name": 5}]}),
        ("components|schemas|Unused", {"properties": [5]}),
        ("components|parameters|Unused", {"$ref": "#/components/parameters/Unused"}),
        ("components|headers", 5),
        ("components|securitySchemes", None),
    ],
)
def test_unused_parts_may_have_any_shape(place: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps(put(place, value)))
    assert len(derive(load_specification(tmp_path / "x"), COVERED, NO_OVERLAY).operations.entries) == 2


def test_a_document_that_crashes_the_validator_is_refused() -> None:
    with pytest.raises(RegenerationError, match="cannot be checked") as caught:
        check_openapi(put("paths|/{a{b", {"get": {}}))
    one_line(caught)


def test_references_that_expand_to_millions_of_values_are_refused() -> None:
    document = copy.deepcopy(VALID)
    schemas = document["components"]["schemas"]
    for number in range(40):
        reference = {"$ref": f"#/components/schemas/S{number + 1}"}
        schemas[f"S{number}"] = {"type": "object", "properties": {"a": reference, "b": reference}}
    schemas["S40"] = {"type": "string"}
    schemas["Got"]["properties"]["s"] = {"$ref": "#/components/schemas/S0"}
    with pytest.raises(RegenerationError, match=r"do_it .*more than 50,000 values") as caught:
        derive(document, COVERED, NO_OVERLAY)
    one_line(caught)
    for number in range(2000):
        schemas[f"S{number}"] = {"type": "array", "items": {"$ref": f"#/components/schemas/S{number + 1}"}}
    schemas["S2000"] = {"type": "string"}
    with pytest.raises(RegenerationError, match=r"do_it .*more than 100 levels"):
        derive(document, COVERED, NO_OVERLAY)


def test_lists_inside_of_lists_give_a_specification_that_can_be_read_again() -> None:
    def nested(levels: int) -> Document:
        schema: dict[str, Any] = {"type": "string"}
        for _ in range(levels):
            schema = {"type": "array", "items": schema}
        return put(f"{GOT}|deep", schema)

    effective = derive(nested(25), COVERED, NO_OVERLAY).effective
    check_openapi(effective)
    assert parse(dump(effective), "the result") == effective
    with pytest.raises(RegenerationError, match="Got is nested too deeply") as caught:
        derive(nested(60), COVERED, NO_OVERLAY)
    one_line(caught)


def test_an_unforeseen_error_names_its_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regeneration.pipeline.check_components", lambda part: None)
    with pytest.raises(RegenerationError, match=r"^put_y \(PUT /y/\): ") as caught:
        derive(put("components|responses|R", 5), COVERED, NO_OVERLAY)
    one_line(caught)


KEYWORDS = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "$ref",
        "allOf",
        "anyOf",
        "oneOf",
        "required",
        "enum",
        "const",
        "default",
        "format",
        "nullable",
        "additionalProperties",
        "not",
        "description",
        "title",
        "name",
        "in",
        "schema",
        "content",
        "parameters",
        "responses",
        "requestBody",
        "security",
        "200",
        "example",
        "minimum",
        "maxLength",
        "pattern",
        "discriminator",
        "readOnly",
        "prefixItems",
        "summary",
        "x-a",
        "application/json",
    ]
)
TREES = st.recursive(
    st.sampled_from([None, True, False, 0, -1, 1.5, 10**299, "", "x", "string", "object", "array", "null", "query"])
    | st.sampled_from([LEAF, "#/components/schemas/Got", "#/components/parameters/P", "#/components/schemas/No", "#"])
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORDS | st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def places(node: object, above: tuple[str, ...] = ()) -> Iterator[str]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield "|".join((*above, str(key)))
        yield from places(child, (*above, str(key)))
    if isinstance(node, dict) and above:
        yield "|".join((*above, "|new"))


PLACES = list(places(VALID))


@given(st.sampled_from(PLACES), KEYWORDS, TREES, st.sampled_from(["", "all"]))
@example("paths|/x/{id}/|post|requestBody|content", "", None, "")
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_in_any_place_is_read_or_refused(place: str, key: str, value: Any, selection: str) -> None:
    document = put(place.replace("||new", f"|{key}"), value)
    try:
        with TemporaryDirectory() as folder:
            source = Path(folder, "x")
            source.write_text(json.dumps(document))
            published = load_specification(source)
        effective = derive(published, COVERED, NO_OVERLAY, selection).effective
        check_openapi(effective)
        assert parse(dump(effective), "the result") == effective
        said = ""
    except RegenerationError as error:
        said = one_line(error)
    # This message means that nobody foresaw the problem.
    assert "no rule knows" not in said
