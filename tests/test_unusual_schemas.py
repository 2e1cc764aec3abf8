"""Unusual schemas, parameters and bodies, which are valid or nearly valid, and need rules to be generated."""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import itertools
import json
import pkgutil
import re
import warnings
from typing import Any

import httpx
import pytest
from regeneration.documents import Document, dump, parse
from regeneration.errors import RegenerationError
from regeneration.operations import Body, Operation, Operations
from regeneration.pipeline import derive
from regeneration.select import ALL
from regeneration.validate import check_openapi

from tests.regenerating import one_line
from tests.soundness import made

STRING = {"type": "string"}
LEAF = {"$ref": "#/components/schemas/Leaf"}


def an_object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


SCHEMAS: dict[str, dict[str, Any]] = {
    "two_objects": {"allOf": [LEAF, an_object(z=STRING)]},
    "two_that_differ": {"allOf": [LEAF, an_object(v=STRING)]},
    "one_twice": {"allOf": [LEAF, LEAF]},
    "objects_of_objects": {"allOf": [{"allOf": [LEAF, an_object(z=STRING)]}, an_object(k=STRING)]},
    "object_and_string": {"allOf": [LEAF, STRING]},
    "part_of_itself": {"$ref": "#/components/schemas/Itself"},
    "no_alternatives": {"anyOf": []},
    "no_types": {"type": []},
    "no_values": {"enum": []},
    "every_type": {"type": ["string", "integer", "number", "boolean", "object", "array", "null"]},
    "alternatives": {"anyOf": [{"anyOf": [LEAF, STRING]}, {"oneOf": [an_object(q=STRING), {"type": "null"}]}]},
    "list_or_object": {"anyOf": [{"type": "array", "items": LEAF}, LEAF]},
    "mixed_values": {"enum": ["a", 1, None, True, {"a": 1}]},
    "only_null": {"const": None},
    "anything": {},
    "time": {"type": "string", "format": "date-time", "default": "never"},
    "file": {"type": "string", "format": "binary"},
    "number": {"type": "integer"},
}
DECLARED = (("b", "string"), ("a", "number"), ("b", "integer"))
PLACES = ("path", "query", "header", "cookie")


def operation(**parts: Any) -> Document:
    """A document with one operation."""
    content = {"application/json": {"schema": an_object(name=STRING)}}
    post = {"requestBody": {"content": content}, "responses": {"200": {"description": "", "content": content}}}
    path = parts.pop("path", "/v1/things/")
    leaf = an_object(v={"type": "number"})
    itself = {"allOf": [{"$ref": "#/components/schemas/Itself"}, leaf, an_object(w=STRING)]}
    # The copy goes through text, so that nothing is shared.
    return parse(
        json.dumps(
            {
                "openapi": "3.1.0",
                "info": {"title": "T", "version": "1"},
                "paths": {path: {"post": post | parts}},
                "components": {"schemas": {"Leaf": leaf, "Itself": itself}},
            }
        ),
        "x",
    )


def with_every_schema() -> Document:
    """A document with each schema as a property of the bodies and as a parameter in each place."""
    names = [name for name in SCHEMAS if name != "part_of_itself"]
    parameters = [
        {"name": f"{name}-{place}", "in": place, "schema": SCHEMAS[name], **({"required": True} if number % 2 else {})}
        for place in PLACES
        for number, name in enumerate(names)
    ]
    holes = "/".join(f"{{{name}-path}}" for name in names)
    content = {"application/json": {"schema": an_object(**{name: SCHEMAS[name] for name in names})}}
    return operation(
        path=f"/v1/things/{holes}/",
        parameters=parameters,
        requestBody={"content": content},
        responses={"200": {"description": "", "content": content}},
    )


@pytest.mark.parametrize("selection", ["operations.yaml", ALL])
def test_unusual_schemas_give_a_sound_client_wherever_they_are(selection: str) -> None:
    with made(with_every_schema(), selection) as (effective, package, _):
        check_openapi(effective)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            root = importlib.import_module(package)
            found = pkgutil.walk_packages(root.__path__, f"{package}.")
            modules = [importlib.import_module(each.name) for each in found]
        models = importlib.import_module(f"{package}.models")
        for name, value in itertools.product(models.MODULES, (None, {"v": 1}, [[1]], "text")):
            values = {key: value for key in SCHEMAS if value is not None or key != "number"}
            assert getattr(models, name).from_dict(values).to_dict() == values
        (build_request,) = [each.build_request for each in modules if hasattr(each, "build_request")]
        arguments: dict[str, Any] = {
            name: [] if "list" in str(parameter.annotation) else 7 if "int" in str(parameter.annotation) else "x"
            for name, parameter in inspect.signature(build_request).parameters.items()
            if name != "body" and not re.fullmatch("time_(path|query|cookie)", name)
        }
        times = {f"time_{place}": dt.datetime.now(dt.UTC) for place in ("path", "query", "cookie")}
        request = build_request(**arguments, **times, body={"number": 1})
        sent = httpx.Client(base_url="https://api.example").build_request(**request)
        assert len(sent.headers["cookie"].split("; ")) == len(SCHEMAS) - 1
        assert {f"{name}-header".encode() for name in SCHEMAS if name != "part_of_itself"} <= {
            name for name, _ in sent.headers.raw
        }


def derived(document: Document, selection: str = ALL) -> tuple[Document, dict[str, Any]]:
    """The effective specification, and its operation."""
    effective = derive(document, Operations((), {}), {"overlay": "1.0.0", "actions": []}, selection).effective
    ((post),) = [item["post"] for item in effective["paths"].values()]
    return effective, post


def test_members_of_one_object_are_joined_under_all_names() -> None:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Itself"}}}
    effective, _ = derived(operation(responses={"200": {"description": "", "content": content}}))
    assert set(effective["components"]["schemas"]["Itself"]["properties"]) == {"v", "w"}


def test_objects_that_double_in_size_are_refused() -> None:
    document = operation()
    schemas = document["components"]["schemas"]
    for number in range(40):
        own = an_object(**{f"a{number}_{each}": STRING for each in range(100)})
        schemas[f"S{number + 1}"] = {"allOf": [{"$ref": f"#/components/schemas/S{number}"}, own]}
    schemas["S0"] = an_object(a=STRING)
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/S40"}}}
    document["paths"]["/v1/things/"]["post"]["requestBody"]["content"] = content
    with pytest.raises(RegenerationError, match=r"\(`allOf`\) have more than 20,000 parts") as caught:
        derived(document)
    one_line(caught)


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ({"multipart/form-data": {"schema": an_object(a=STRING)}}, "multipart/form-data"),
        ({"multipart/form-data": {"schema": LEAF}}, "multipart/form-data"),
        ({"multipart/form-data": {"schema": STRING}}, "application/json"),
        ({"multipart/form-data": {"schema": {"type": "array", "items": STRING}}}, "application/json"),
        ({"multipart/form-data": {}}, "application/json"),
        ({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}, "application/json"),
    ],
)
def test_only_an_object_is_sent_as_a_form_and_no_file_as_json(content: dict[str, Any], sent: str) -> None:
    _, post = derived(operation(requestBody={"content": content}))
    assert list(post["requestBody"]["content"]) == [sent]
    assert "binary" not in str(post["requestBody"]["content"])


@pytest.mark.parametrize("media_type", ["application/pdf", "image/png", "", "\n\u202e", "text/"])
def test_a_response_in_an_unknown_format_is_a_file(media_type: str) -> None:
    content = {media_type: {"schema": STRING}}
    with made(operation(responses={"200": {"description": "", "content": content}}), ALL) as (_, package, folder):
        text = (folder / package / "api" / "things" / "post_things.py").read_text("utf-8")
    assert "parse_file(response)" in text


def test_parameters_that_are_declared_twice_and_statuses_that_do_not_exist_are_left_out() -> None:
    twice = [{"name": name, "in": "query", "schema": {"type": kind}} for name, kind in DECLARED]
    statuses = ("200", "2", "0200", "20X", "2xx", "abc", "-1", "600", "\uff12\uff10\uff10")
    answers = {status: {"description": ""} for status in statuses}
    _, post = derived(operation(parameters=twice, responses=answers, requestBody={}))
    assert [(each["name"], each["schema"]["type"]) for each in post["parameters"]] == list(DECLARED[:2])
    assert {status for status in post["responses"] if not status.startswith("4")} == {"2XX"}


def test_an_error_of_the_validator_has_its_whole_place() -> None:
    content = {
        "application/json": {"schema": an_object(a={"type": "array", "items": {"type": "integer", "minimum": "1"}})}
    }
    document = operation(responses={"200": {"description": "", "content": content}}, requestBody={})
    effective, _ = derived(document)
    with pytest.raises(
        RegenerationError, match=r"^components\.schemas\.\w+\.properties\.a\.[\w.]*minimum is not"
    ) as caught:
        check_openapi(effective)
    assert "Failed validating" not in one_line(caught)


def test_a_refusal_of_the_generator_names_the_operation_and_what_to_do() -> None:
    why = r"POST /v1/\{id\}/: Incorrect path .* Use another version"
    with pytest.raises(RegenerationError, match=why) as caught, made(operation(path="/v1/{id}/"), ALL):
        pass
    assert "WARNING" not in one_line(caught)


def test_many_missing_operations_are_counted() -> None:
    entries = tuple(Operation(f"do_{each}", "things", "get", f"/v2/{each}/", None, Body("Got")) for each in range(30))
    with pytest.raises(RegenerationError, match="22 more are missing") as caught:
        derive(operation(), Operations(entries, {}), {"overlay": "1.0.0", "actions": []})
    assert len(one_line(caught)) < 2000


@pytest.mark.parametrize("hidden", ["\u202e", "\u2066", "\u200b", "\U000e0041", "\ufe0f", "\x85", "\u2028", "\x07"])
def test_hidden_characters_are_escapes_in_what_is_committed(hidden: str) -> None:
    document = {f"a{hidden}b": [f"# '\" {hidden}\\ é", hidden, f"{'word ' * 60}{hidden}"]}
    text = dump(document)
    assert hidden not in text
    assert "é" in text
    assert parse(text, "x") == document
    assert json.loads(json.dumps(document)) == document


def test_listed_values_are_not_compared_with_all_others() -> None:
    compared = itertools.count()

    class Text(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            next(compared)
            return str.__eq__(self, other) if isinstance(other, str) else NotImplemented

        __hash__ = str.__hash__

    values = [Text(f"value {number}") for number in range(500)]
    content = {"application/json": {"schema": an_object(kind=dict(STRING))}}
    document = operation(responses={"200": {"description": "", "content": content}})
    schema = document["paths"]["/v1/things/"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    schema["properties"]["kind"]["enum"] = values
    derived(document)
    assert next(compared) < 20 * len(values)
