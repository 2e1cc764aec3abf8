"""With any mix of the known faults, the result can be validated, generated, imported and round-tripped."""

from __future__ import annotations

import copy
import importlib
import itertools
import json
import pickle
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings, strategies as st
from regeneration.documents import dump, parse
from regeneration.operations import Body, Operation, Operations
from regeneration.pipeline import derive
from regeneration.validate import check_openapi

from tests.regenerating import generate
from tests.support import examples

NAMES = st.sampled_from(["id", "name", "kind", "class", "Type", "self", "a-b", "x_1", "created_at", "data"])
SCALARS = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "format": "uuid"},
        {"type": "integer", "default": 5},
        {"type": "number"},
        {"type": "boolean", "readOnly": True},
        {"type": "string", "enum": ["a", "b"], "default": "a"},
        {"type": "string", "enum": ["", "no", "class"], "title": "Same"},
        {"type": ["string", "null"], "enum": ["a", None]},
        {"type": "integer", "enum": [1, 2]},
        {"type": ["integer", "null"]},
        {"type": "object"},
        {"type": "object", "additionalProperties": {}},
        {"oneOf": [{}, {"type": "null"}]},
        {"type": "string", "example": 5, "x-vendor": {"$ref": "not a reference"}},
        {},
    ]
)


def _objects(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda properties, required, extra: {
            "type": "object",
            "title": "Same",
            "properties": properties,
            "required": [name for name in required if name in properties],
            **extra,
        },
        st.dictionaries(NAMES, children, min_size=1, max_size=5),
        st.lists(NAMES, unique=True),
        st.sampled_from([{}, {"additionalProperties": False}, {"description": 'quotes """ and \\ there'}]),
    )


def _containers(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        _objects(children),
        st.builds(lambda items: {"type": "array", "items": items}, children),
        st.builds(lambda schema: {**schema, "nullable": True}, children),
        st.builds(lambda schema: {"allOf": [schema], "readOnly": False}, children),
        st.just({"$ref": "#/components/schemas/VendorLeaf"}),
    )


OBJECTS = _objects(st.recursive(SCALARS, _containers, max_leaves=8))
REQUESTS = st.one_of(
    st.just({}),
    st.builds(
        lambda schema, media: {"requestBody": {"content": {name: {"schema": schema} for name in media}}},
        OBJECTS,
        st.sampled_from([("application/json", "application/x-www-form-urlencoded", "multipart/form-data")]),
    ),
    st.builds(lambda schema: {"requestBody": {"content": schema}}, OBJECTS),
)
ERRORS = {"400": {"description": "", "content": {"application/json": {"schema": {"properties": {"field_name": {}}}}}}}


@st.composite
def published(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document with one operation, and the schema of its response."""
    answer = draw(OBJECTS)
    responses = {"200": {"description": "", "content": {"application/json": {"schema": answer}}}, **ERRORS}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {"/x/": {"post": {"operationId": draw(NAMES), "responses": responses, **draw(REQUESTS)}}},
        "components": {"schemas": {"VendorLeaf": draw(_objects(SCALARS))}},
    }
    return document, answer


def answers(schema: dict[str, Any], leaf: dict[str, Any]) -> st.SearchStrategy[Any]:  # noqa: PLR0911 - One for each kind of schema.
    """Values that a service may send for a schema, with missing and unknown fields, new enum values and nulls."""
    schema = leaf if "$ref" in schema else schema
    if "allOf" in schema:
        return answers(schema["allOf"][0], leaf)
    null = [st.none()] if schema.get("nullable") or "null" in schema.get("type", ()) else []
    match schema.get("type"):
        case "object" if schema.get("properties"):
            fields = {name: answers(child, leaf) for name, child in schema["properties"].items()}
            unknown: st.SearchStrategy[Any] = st.dictionaries(
                st.sampled_from(["new", "newer"]), st.sampled_from([1, None, [{}], {"a": "b"}])
            )
            known = st.fixed_dictionaries({}, optional=fields)
            return st.one_of(st.builds(lambda one, other: {**one, **other}, unknown, known), *null)
        case "array":
            return st.one_of(st.lists(answers(schema["items"], leaf), max_size=2), st.none())
        case "integer" | ["integer", "null"]:
            return st.one_of(st.integers(), *null)
        case "number":
            return st.one_of(st.integers(-5, 5), st.floats(allow_nan=False, allow_infinity=False), *null)
        case "boolean":
            return st.one_of(st.booleans(), *null)
        case "string" | ["string", "null"]:
            return st.one_of(st.sampled_from(["a", "tomorrow", "", "2024-01-01T00:00:00Z", "AB12"]), *null)
    return st.sampled_from([None, 1, "x", [1, {"a": None}], {"a": {"b": []}}])


OPERATION = Operation("do_it", "things", "post", "/x/", request=None, response=Body("Got"))
COUNTER = itertools.count()


@given(published())
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_result_is_valid_and_stable(example: tuple[dict[str, Any], dict[str, Any]]) -> None:
    document, _ = example
    overlay = {"overlay": "1.0.0", "actions": []}
    before = json.dumps(document)
    first = derive(document, Operations((OPERATION,), {}), overlay).effective
    check_openapi(first)
    assert json.dumps(document) == before
    assert derive(json.loads(before), Operations((OPERATION,), {}), overlay).effective == first
    assert parse(dump(first), "the written document") == first


@given(st.data(), published())
@settings(
    max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_the_client_imports_and_round_trips(
    data: st.DataObject, example: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    document, schema = example
    effective = derive(document, Operations((OPERATION,), {}), {"overlay": "1.0.0", "actions": []}).effective
    package = f"generated_{next(COUNTER)}"
    with TemporaryDirectory() as folder:
        specification, configuration = Path(folder, "openapi.yaml"), Path(folder, "generator.yaml")
        specification.write_text(dump(effective))
        configuration.write_text("literal_enums: true\npost_hooks: []\n")
        generate(specification, configuration, Path(folder, package))
        sys.path.insert(0, folder)
        try:
            endpoint = importlib.import_module(f"{package}.api.things.do_it")
            model = importlib.import_module(f"{package}.models").Got
            for _ in range(5):
                sent = data.draw(answers(schema, document["components"]["schemas"]["VendorLeaf"]))
                if sent is None:
                    continue
                parsed = endpoint.parse_response(httpx.Response(200, json=sent))
                assert parsed.to_dict() == sent
                assert model.from_dict(parsed.to_dict()) == parsed
                assert pickle.loads(pickle.dumps(parsed)) == copy.deepcopy(parsed) == parsed
        finally:
            sys.path.remove(folder)
