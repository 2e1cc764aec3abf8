"""The pipeline: the fixes of each rule, refusals, and stable results."""

from __future__ import annotations

import contextlib
import copy
import json
import lzma
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from regeneration.documents import dump, load, load_specification, parse
from regeneration.errors import RegenerationError
from regeneration.lenience import make_lenient
from regeneration.normalise import normalise
from regeneration.operations import Body, Operation, Operations
from regeneration.overlay import apply_overlay
from regeneration.pipeline import build, derive, differing_files
from regeneration.schemas import join
from regeneration.select import select
from regeneration.validate import check_openapi

from tests.regenerating import Result, copied_checkout, run
from tests.support import reply, scripted

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "spec"
NEWEST = sorted((ROOT.parent / "shared" / "specs").glob("*.xz"))[-1:]
NO_OVERLAY = {"overlay": "1.0.0", "actions": []}
THING = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def document(operation: dict[str, Any], schemas: dict[str, Any] | None = None) -> dict[str, Any]:
    """A published document with one operation, POST /things/."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "paths": {
            "/things/": {
                "post": {"operationId": "vendor-name_2", "responses": {"200": {"description": ""}}} | operation
            }
        },
        "components": {"schemas": schemas or {}},
    }


def covered(request: str | None = "Sent", response: str | None = "Got", **parts: str) -> Operations:
    bodies = {"request": request and Body.parse(request), "response": response and Body.parse(response)}
    entry = Operation(name="do_it", tag="things", method="post", path="/things/", **bodies)  # type: ignore[arg-type]
    return Operations((entry,), {place: name for name, place in parts.items()})


def body(schema: dict[str, Any], *media_types: str) -> dict[str, Any]:
    return {"content": {name: {"schema": schema} for name in media_types or ("application/json",)}}


def got(schema: dict[str, Any], status: str = "200") -> dict[str, Any]:
    return {"responses": {status: {"description": "", **body(schema)}}}


def effective(published: dict[str, Any], operations: Operations, overlay: dict[str, Any] = NO_OVERLAY) -> Any:
    before = copy.deepcopy(published)
    result = derive(published, operations, overlay).effective
    check_openapi(result)
    assert published == before
    return result


def schemas(published: dict[str, Any], operations: Operations) -> Any:
    return effective(published, operations)["components"]["schemas"]


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        (["application/json", "application/x-www-form-urlencoded", "multipart/form-data"], "application/json"),
        (["multipart/form-data", "application/json"], "application/json"),
        (["application/x-www-form-urlencoded", "multipart/form-data"], "application/json"),
        (["application/x-www-form-urlencoded"], "application/json"),
        (["application/json; charset=utf-8", "multipart/form-data"], "application/json"),
        (["multipart/form-data"], "multipart/form-data"),
    ],
)
def test_one_body_is_sent_and_it_is_json_where_it_can_be(declared: list[str], kept: str) -> None:
    published = document({"requestBody": body(THING, *declared)})
    result = effective(published, covered(None, None))
    assert list(result["paths"]["/things/"]["post"]["requestBody"]["content"]) == [kept]


def test_a_schema_in_place_of_media_types_is_moved() -> None:
    published = document({"requestBody": {"content": THING}})
    assert schemas(published, covered("Sent", None))["Sent"] == {**THING}


@pytest.mark.parametrize(
    "untyped",
    [{}, {"content": {}}, {"content": {"application/json": {}}}, {"content": {"application/json": {"schema": {}}}}],
)
def test_an_untyped_success_is_any_json(untyped: dict[str, Any]) -> None:
    result = effective(document({"responses": {"200": {"description": "", **untyped}}}), covered(None, None))
    content = result["paths"]["/things/"]["post"]["responses"]["2XX"]["content"]
    assert content == {"application/json": {"schema": {"anyOf": [{}, {"type": "null"}]}}}


def test_a_success_without_body_stays_without() -> None:
    result = effective(document({"responses": {"204": {"description": "gone"}}}), covered(None, None))
    assert result["paths"]["/things/"]["post"]["responses"]["204"] == {"description": "gone"}


def test_the_overlay_states_a_named_body_without_a_type() -> None:
    with pytest.raises(RegenerationError, match=r"do_it \(POST /things/\).*the fields of Got in spec/overlay\.yaml"):
        effective(document({}), covered(None))
    overlay = {**NO_OVERLAY, "actions": [{"target": "$.components.schemas", "update": {"Got": THING}}]}
    assert (
        effective(document({}), covered(None), overlay)["components"]["schemas"]["Got"]["properties"]
        == THING["properties"]
    )


def test_errors_have_any_shape_and_are_left_to_the_caller() -> None:
    wrong = {"type": "object", "properties": {"field_name": {"type": "array", "items": {"type": "string"}}}}
    published = document({"responses": {"204": {"description": ""}, "400": {"description": "", **body(wrong)}}})
    result = effective(published, covered(None, None))
    error = {"$ref": "#/components/responses/Error"}
    responses = result["paths"]["/things/"]["post"]["responses"]
    assert {status for status, each in responses.items() if each == error} == {"400", "401", "403", "404", "429"}
    assert list(result["components"]["responses"]["Error"]["content"]) == ["*/*"]


def test_a_response_is_read_leniently_and_a_request_is_not() -> None:
    strict = {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "kind"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "readOnly": True},
            "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "at": {"type": "string", "format": "date-time"},
            "parts": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer"}}}},
            "free": {"type": "object", "additionalProperties": {}},
            "secret": {"type": "string", "writeOnly": True},
        },
    }
    published = document({"requestBody": body(strict), **got(strict)})
    result = schemas(published, covered())
    assert result["Got"] == {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "kind": {"anyOf": [{"$ref": "#/components/schemas/KnownKind"}, {"type": "string"}]},
            "at": {"type": "string"},
            "parts": {
                "anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/GotPartsItem"}}, {"type": "null"}]
            },
            "free": {},
        },
    }
    assert result["KnownKind"] == {"type": "string", "enum": ["a", "b"]}
    assert result["Sent"]["required"] == ["kind"]
    assert "id" not in result["Sent"]["properties"]
    assert "secret" in result["Sent"]["properties"]
    assert result["Sent"]["properties"]["kind"]["anyOf"][1] == {"type": "string"}


@pytest.mark.parametrize(
    ("published", "fixed"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        ({"$ref": "#/components/schemas/Other", "nullable": True}, {"type": ["integer", "null"]}),
        ({"allOf": [{"$ref": "#/components/schemas/Other"}], "nullable": True}, {"type": ["integer", "null"]}),
        ({"oneOf": [{}, {"type": "null"}]}, {"oneOf": [{}, {"type": "null"}]}),
    ],
)
def test_nullable_of_openapi_3_0(published: dict[str, Any], fixed: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"x": published}}
    result = schemas(document(got(schema), {"Other": {"type": "integer"}}), covered(None))
    found = result["Got"]["properties"]["x"]
    assert found in (fixed, {"anyOf": [{"type": "integer"}, {"type": "null"}]})


def test_names_do_not_depend_on_the_vendors_names() -> None:
    first = document(
        got({"$ref": "#/components/schemas/VendorThing"}), {"VendorThing": THING | {"title": "Vendor title"}}
    )
    text = json.dumps(first).replace("VendorThing", "SchemaThingEditV2").replace("vendor-name_2", "thing_create")
    one, other = (effective(each, covered(None)) for each in (first, json.loads(text)))
    assert one == other
    assert one["paths"]["/things/"]["post"]["operationId"] == "do_it"
    assert one["paths"]["/things/"]["post"]["tags"] == ["things"]
    assert list(one["components"]["schemas"]) == ["Got"]


def test_parts_of_a_body_can_be_named() -> None:
    nested = {"type": "object", "properties": {"rows": {"type": "array", "items": THING}}}
    assert set(schemas(document(got(nested)), covered(None, Row="Got.rows[]"))) == {"Got", "Row"}
    with pytest.raises(RegenerationError, match=r"names Row.*Got\.gone\[\]"):
        schemas(document(got(nested)), covered(None, Row="Got.gone[]"))


def page_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"results": {"type": "array", "items": item}}}


@pytest.mark.parametrize("place", ["Got.results[]", "Got.first"])
def test_a_part_that_is_a_body_elsewhere_is_the_same_class(place: str) -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}, "extra": {"type": "integer"}}}
    page = page_of(item)
    page["properties"]["first"] = item
    operations = covered("Thing", "Got")
    result = schemas(
        document({"requestBody": body(THING), **got(page)}), attrs.evolve(operations, parts={place: "Thing"})
    )
    assert list(result["Thing"]["properties"]) == ["name", "extra"]
    assert '"$ref": "#/components/schemas/Thing"' in json.dumps(result["Got"])
    named = {"Thing", "Got"} | ({"GotFirst"} if place != "Got.first" else {"GotResultsItem"})
    assert result.keys() == named


def test_the_overlay_states_a_part_without_a_type() -> None:
    operations = attrs.evolve(covered("Thing", "Got"), parts={"Got.results[]": "Thing"})
    update = {"Got": page_of({"$ref": "#/components/schemas/Thing"})}
    overlay = {**NO_OVERLAY, "actions": [{"target": "$.components.schemas", "update": update}]}
    result = effective(document({"requestBody": body(THING)}), operations, overlay)["components"]["schemas"]
    assert result.keys() == {"Thing", "Got"}


def optional() -> Operations:
    """Two operations. The second one is optional."""
    entry = Operation("look", "things", "get", "/looks/", response=Body.parse("Look"), optional=True)
    operations = covered("Sent", None)
    return attrs.evolve(operations, entries=(*operations.entries, entry), parts={"Look.thing": "LookedAt"})


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        ({}, "has no operation look"),
        ({"/looks/": {"get": got({"type": "array", "items": THING})}}, "is now an array"),
        ({"/looks/": {"get": got({"type": "string"})}}, "is no longer an object"),
        (
            {"/looks/": {"get": {"responses": {"200": {"description": ""}}}}},
            "State the fields of Look in spec/overlay.yaml",
        ),
        ({"/looks/": {"get": {"responses": {"400": {"description": ""}}}}}, "has no success response"),
    ],
)
def test_an_optional_operation_is_left_out_and_named(published: dict[str, Any], reason: str) -> None:
    whole = document({"requestBody": body(THING)})
    whole["paths"] |= published
    derivation = derive(whole, optional(), NO_OVERLAY)
    assert [why.operation.name for why in derivation.left_out] == ["look"]
    assert reason in str(derivation.left_out[0])
    assert list(derivation.effective["paths"]) == ["/things/"]
    assert derivation.effective["components"]["schemas"].keys() == {"Sent"}
    required = [attrs.evolve(entry, optional=False) for entry in optional().entries]
    with pytest.raises(RegenerationError, match=re.escape(reason)):
        derive(whole, attrs.evolve(optional(), entries=tuple(required)), NO_OVERLAY)


def test_an_optional_operation_that_fits_is_not_left_out() -> None:
    whole = document({"requestBody": body(THING)})
    looked_at = {"type": "object", "properties": {"thing": THING}}
    whole["paths"]["/looks/"] = {"get": got(looked_at)}
    derivation = derive(whole, optional(), NO_OVERLAY)
    assert derivation.left_out == ()
    assert derivation.effective["components"]["schemas"].keys() == {"Sent", "Look", "LookedAt"}


def test_overlay_schemas_of_other_operations_are_left_out() -> None:
    update = {"Got": page_of({"$ref": "#/components/schemas/Item"}), "Item": THING, "Foreign": THING}
    overlay = {**NO_OVERLAY, "actions": [{"target": "$.components.schemas", "update": update}]}
    assert effective(document({}), covered(None), overlay)["components"]["schemas"].keys() == {"Got", "Item"}


def test_arrays_are_named_by_their_items() -> None:
    published = document(
        {"requestBody": body({"type": "array", "items": THING}), **got({"type": "array", "items": THING})}
    )
    assert set(schemas(published, covered("Sent[]", "Got[]"))) == {"Got", "Sent"}
    with pytest.raises(RegenerationError, match="now an array"):
        schemas(published, covered("Sent[]", "Got"))
    with pytest.raises(RegenerationError, match="no longer an array"):
        schemas(document(got(THING)), covered(None, "Got[]"))


def test_one_name_for_two_bodies_reads_both() -> None:
    entries = tuple(
        Operation(name=f"{method}_it", tag="things", method=method, path="/things/", response=Body("Got"))
        for method in ("get", "post")
    )
    published = document(
        got({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}, "c": {"type": "string"}}})
    )
    published["paths"]["/things/"]["get"] = got(
        {
            "type": "object",
            "properties": {"a": {"type": ["integer", "null"]}, "b": THING, "c": {"type": "integer"}, "d": {}},
        }
    )
    properties = schemas(published, Operations(entries, {}))["Got"]["properties"]
    assert properties["a"] == {"type": ["integer", "null"]}
    assert properties["b"]["anyOf"][0] == {"$ref": "#/components/schemas/GotB"}
    assert properties["c"] == {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    assert properties["d"] == {}


def test_joining_allows_the_values_of_both_schemas() -> None:
    assert join({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b", "a"]})["enum"] == ["a", "b"]
    assert join({"type": "string", "maxLength": 5}, {"type": "string"}) == {"type": "string"}
    assert join({"type": "integer"}, {"type": "integer", "description": "d"}) == {"type": "integer"}


def test_an_object_in_the_query_is_json_text() -> None:
    parameter = {"in": "query", "name": "filters", "schema": {"type": "object", "properties": {"a": {}}}}
    result = effective(document({"parameters": [parameter]}), covered(None, None))
    assert result["paths"]["/things/"]["post"]["parameters"][0]["schema"] == {
        "type": "string",
        "contentMediaType": "application/json",
    }


@pytest.mark.parametrize(
    ("name", "schema", "limits"),
    [
        ("id", {"type": "integer"}, {"minimum": 1, "maximum": 2**63 - 1}),
        ("agent_id", {"type": "integer", "maximum": 9}, {"minimum": 1, "maximum": 9}),
        ("paid", {"type": "integer"}, {}),
        ("name", {"type": "string"}, {"maxLength": 1000}),
        ("name", {"type": "string", "maxLength": 5000}, {"maxLength": 5000}),
        ("at", {"type": "string", "format": "date"}, {}),
    ],
)
def test_parameters_have_limits(name: str, schema: dict[str, Any], limits: dict[str, int]) -> None:
    result = effective(document({"parameters": [{"in": "query", "name": name, "schema": schema}]}), covered(None, None))
    assert result["paths"]["/things/"]["post"]["parameters"][0]["schema"] == {**schema, **limits}


def test_fields_of_one_name_share_their_known_values() -> None:
    one, other = {"type": "string", "enum": ["a", "b"]}, {"type": "string", "enum": ["c"]}
    inner = {"type": "object", "properties": {"kind": {**one, "enum": ["b", "a"]}, "state": other}}
    schema = {"type": "object", "properties": {"kind": one, "state": one, "inner": inner}}
    names = [name for name, each in schemas(document(got(schema)), covered(None)).items() if "enum" in each]
    assert names == ["KnownGotInnerState", "KnownGotState", "KnownKind"]


def test_promised_fields_and_results_of_pages_stay_required() -> None:
    page = {"type": "object", "properties": {"next": {"type": "string"}, "results": {"type": "array", "items": THING}}}
    operations = covered(None, "Page", Thing="Page.results[]")
    operations = attrs.evolve(
        operations,
        promises={"Thing": ("name",)},
        entries=tuple(attrs.evolve(entry, resource_method="list") for entry in operations.entries),
    )
    result = effective(document(got(page)), operations)
    found = result["components"]["schemas"]
    assert found["Page"]["required"] == ["results"]
    assert found["Page"]["properties"]["results"]["type"] == "array"
    assert found["Thing"]["required"] == ["name"]
    assert result["paths"]["/things/"]["post"]["x-resource-method"] == "list"


def test_the_overlay_follows_the_standard_and_reports_its_changes() -> None:
    overlay = {
        "overlay": "1.0.0",
        "actions": [
            {"target": "$.list", "update": 3},
            {"target": "$.object", "update": {"x": {"b": 2}, "tags": ["new"], "required": ["a", "b"]}},
            {"target": "$.items[?@.drop]", "remove": True},
            {"target": "$.items[?@.drop]", "remove": True},
            {"target": "$.nowhere", "update": {"a": 1}},
        ],
    }
    before = {
        "list": [1],
        "object": {"x": {"a": 1}, "tags": ["old"], "required": ["a"]},
        "items": [{"drop": 1}, {}, {"drop": 2}],
    }
    result, actions = apply_overlay(before, overlay)
    assert result == {
        "list": [1, 3],
        "object": {"x": {"a": 1, "b": 2}, "tags": ["old", "new"], "required": ["a", "b"]},
        "items": [{}],
    }
    assert [action.changed for action in actions] == [True, True, True, False, False]


_NO_ACTIONS: list[Any] = [{"target": "$[", "remove": True}, 5, {"update": {}}]


@pytest.mark.parametrize(
    "overlay",
    [{}, {"overlay": "2.0", "actions": []}, {"overlay": "1.0.0", "actions": [{"target": "$["}]}]
    + [{"overlay": "1.0.0", "actions": [action]} for action in _NO_ACTIONS],
)
def test_an_invalid_overlay_is_refused(overlay: dict[str, Any]) -> None:
    with pytest.raises(RegenerationError, match=r"overlay\.yaml"):
        apply_overlay({"a": 1}, overlay)


def test_missing_and_circular_references_are_named() -> None:
    with pytest.raises(RegenerationError, match=r"no operation do_it \(POST /things/\)"):
        select({"paths": {"/other/": {}}}, covered())
    with pytest.raises(RegenerationError, match="components/schemas/Gone"):
        effective(document(got({"$ref": "#/components/schemas/Gone"})), covered(None))
    circle = {"A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}}}
    circle["B"] = {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}}
    with pytest.raises(RegenerationError, match=r"do_it \(POST /things/\).*A -> B -> A"):
        effective(document(got({"$ref": "#/components/schemas/A"}), circle), covered(None))


@pytest.mark.parametrize(
    "text", ["", "<!doctype html><p>no</p>", '{"openapi": "3.1.0", "paths": {', "[1]", "a: b: c", "5"]
)
def test_text_that_is_not_a_document_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text(text)
    with pytest.raises(RegenerationError, match=r"spec\.json"):
        load_specification(file)


def test_json_and_yaml_are_read_with_any_file_name(tmp_path: Path) -> None:
    value = {
        "openapi": "3.1.0",
        "paths": {"/": {}},
        "codes": ["no", "on", "2024-01-01", "1_000", "~x", "0x1", ""],
    }
    for name, text in (
        ("a.yaml", json.dumps(value)),
        ("b.json", yaml.safe_dump(value)),
        ("c.txt", dump(value, "Heading")),
    ):
        (tmp_path / name).write_text(text)
        assert load_specification(tmp_path / name) == value
    tricky = {"strings": ["1e3", "1.", "-0", "yes", "0o7", "null", "=", "#", "- x", ": "]}
    assert parse(dump(tricky), "x") == yaml.safe_load(dump(tricky)) == tricky
    assert parse("a: no\nb: 2024-01-01\nc: 5\nd: true\ne:\n", "x") == {
        "a": "no",
        "b": "2024-01-01",
        "c": 5,
        "d": True,
        "e": None,
    }


def test_a_url_is_read_unless_it_is_an_error_page() -> None:
    with scripted(
        reply(200, {"openapi": "3.1.0", "paths": {"/": {}}}), reply(404, b"no"), reply(200, b"<html>")
    ) as server:
        assert load_specification(server.url)["paths"] == {"/": {}}
        with pytest.raises(RegenerationError, match="responded with 404"):
            load_specification(server.url)
        with pytest.raises(RegenerationError, match="HTML"):
            load_specification(server.url)


def regenerate(*arguments: str | Path, root: Path) -> Result:
    return run(root, *arguments)


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files that the pipeline reads and writes."""
    return copied_checkout(tmp_path_factory, tmp_path / "checkout")


def test_the_committed_client_is_up_to_date(checkout: Path) -> None:
    shutil.rmtree(checkout / "generated_client")
    (checkout / "spec" / "openapi.yaml").unlink()
    assert regenerate(root=checkout).returncode == 0
    for name in ("spec", "generated_client"):
        assert differing_files(checkout / name, ROOT / name) == []


def test_check_names_the_differences_and_changes_nothing(checkout: Path) -> None:
    assert regenerate("--check", root=checkout).returncode == 0
    changed, extra = (
        checkout / "generated_client" / "cekura_api" / "client.py",
        checkout / "generated_client" / "cekura_api" / "mine.py",
    )
    changed.write_text("# edited\n")
    extra.write_text("")
    (checkout / "generated_client" / "cekura_api" / "models" / "metric.py").unlink()
    with (checkout / "spec" / "openapi.yaml").open("a") as file:
        file.write("# edited\n")
    result = regenerate("--check", root=checkout)
    assert result.returncode == 1
    assert result.stdout.split() == [
        "generated_client/cekura_api/client.py",
        "generated_client/cekura_api/mine.py",
        "generated_client/cekura_api/models/metric.py",
        "spec/openapi.yaml",
    ]
    assert changed.read_text() == "# edited\n"


def test_another_specification_becomes_the_committed_one(checkout: Path) -> None:
    published = load(SPEC / "upstream.yaml")
    operation = published["paths"]["/test_framework/v1/metrics/"]["get"]
    operation["parameters"].append({"in": "query", "name": "brand_new", "schema": {"type": "string"}})
    published["components"]["schemas"]["MetricList"]["properties"]["shiny"] = {"type": "boolean"}
    published["paths"]["/test_framework/v1/unrelated/"] = {"get": {"responses": {}}}
    source = checkout / "published.json"
    source.write_text(yaml.safe_dump(published))
    assert regenerate(source, root=checkout).returncode == 0
    upstream = load(checkout / "spec" / "upstream.yaml")
    assert "/test_framework/v1/unrelated/" not in upstream["paths"]
    assert upstream["paths"]["/test_framework/v1/metrics/"]["get"] == operation
    assert "shiny: bool | Unset" in (checkout / "generated_client" / "cekura_api" / "models" / "metric.py").read_text()
    assert (
        "brand_new"
        in (checkout / "generated_client" / "cekura_api" / "api" / "metrics" / "list_metrics.py").read_text()
    )
    assert regenerate("--check", root=checkout).returncode == 0


def test_output_does_not_change_the_checkout(checkout: Path, tmp_path: Path) -> None:
    before = {file: file.read_bytes() for file in checkout.rglob("*") if file.is_file() and file.suffix != ".pyc"}
    for _ in range(2):
        assert regenerate(SPEC / "upstream.yaml", "--output", tmp_path / "out", root=checkout).returncode == 0
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["cekura_api"]
    assert differing_files(tmp_path / "out" / "cekura_api", ROOT / "generated_client" / "cekura_api") == []
    assert {file: file.read_bytes() for file in before} == before


def test_output_does_not_replace_foreign_files(checkout: Path, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "cekura_api"
    mine.mkdir(parents=True)
    (mine / "__init__.py").write_text("mine = 1\n")
    result = regenerate("--output", tmp_path / "out", root=checkout)
    assert result.returncode == 2
    assert "was not generated" in result.stderr
    assert (mine / "__init__.py").read_text() == "mine = 1\n"


@pytest.mark.parametrize(
    "arguments", [["/nowhere/spec.json"], ["http://127.0.0.1:9/x"], ["--check", "--output", "x"], ["-x"]]
)
def test_a_refusal_is_one_line(arguments: list[str], checkout: Path) -> None:
    result = regenerate(*arguments, root=checkout)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert regenerate("--check", root=checkout).returncode == 0


def test_every_generated_file_says_so() -> None:
    for file in (ROOT / "generated_client").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert "`python scripts/regenerate.py`" in "".join(file.read_text().splitlines(keepends=True)[:2]), file


@pytest.mark.skipif(not NEWEST, reason="the published specifications are not here: ../shared/specs")
def test_the_newest_published_specification_changes_only_wording(tmp_path: Path) -> None:
    (tmp_path / "published.json").write_bytes(lzma.decompress(NEWEST[0].read_bytes()))
    published = load_specification(tmp_path / "published.json")
    derivation = build(published, SPEC, tmp_path)
    assert _facts(derivation.upstream) == _facts(load(SPEC / "upstream.yaml"))
    assert _facts(derivation.effective) == _facts(load(SPEC / "openapi.yaml"))


def _facts(node: Any, names: bool = False) -> Any:
    """A document without its wording."""
    wording = {"description", "summary", "example", "examples", "x-spec-enum-id", "x-mint"}
    if isinstance(node, dict):
        return {k: _facts(v, k == "properties" and not names) for k, v in node.items() if names or k not in wording}
    return [_facts(value) for value in node] if isinstance(node, list) else node


@pytest.mark.parametrize(
    "root", [THING | {"nullable": True}, THING | {"type": ["object", "null"]}, {"oneOf": [THING, {"type": "null"}]}]
)
def test_a_nullable_body_is_a_class(root: dict[str, Any]) -> None:
    assert schemas(document(got(root)), covered(None))["Got"]["properties"] == THING["properties"]


@pytest.mark.parametrize("root", [{"type": "string"}, {"type": "array", "items": {"type": "integer"}}])
def test_a_body_that_is_not_an_object_is_refused(root: dict[str, Any]) -> None:
    with pytest.raises(RegenerationError, match=r"do_it \(POST /things/\)"):
        effective(document(got(root)), covered(None))


def test_alternatives_of_a_body_are_one_class_that_reads_all() -> None:
    one, other = ({"type": "object", "properties": {name: {"type": "integer"}}} for name in "ab")
    for key in ("oneOf", "anyOf"):
        published = document({"requestBody": body({key: [one, other]}), **got({key: [one, other, {"type": "null"}]})})
        result = schemas(published, covered())
        assert set(result["Sent"]["properties"]) == set(result["Got"]["properties"]) == {"a", "b"}


def test_a_nullable_item_stays_nullable() -> None:
    rows = {"type": "array", "items": {"type": ["object", "null"], "properties": {"x": {"type": "integer"}}}}
    result = schemas(document(got({"type": "object", "properties": {"rows": rows}})), covered(None))
    items = result["Got"]["properties"]["rows"]["anyOf"][0]["items"]
    assert {"type": "null"} in items["anyOf"]


@pytest.mark.parametrize("null", [{"nullable": True}, {"type": ["array", "null"]}])
def test_a_nullable_list_is_merged_with_the_overlay(null: dict[str, Any]) -> None:
    rows = {"type": "array", "items": {"type": "object", "properties": {"new": {"type": "string"}}}} | null
    said = {"rows": {"type": "array", "items": THING}}
    overlay = {"overlay": "1.0.0", "actions": [{"target": "$.components.schemas.Got", "update": {"properties": said}}]}
    published = document(got({"type": "object", "properties": {"rows": rows}}))
    result = effective(published, covered(None, Row="Got.rows[]"), overlay)["components"]["schemas"]
    assert set(result) == {"Got", "Row"}
    assert set(result["Row"]["properties"]) == {"new", "name"}


@pytest.mark.parametrize("status", ["200", "201", "202"])
def test_a_success_with_any_status_is_read(status: str) -> None:
    responses = effective(document(got(THING, status)), covered(None))["paths"]["/things/"]["post"]["responses"]
    assert [name for name in responses if name.startswith("2")] == ["2XX"]


@pytest.mark.parametrize("wrong", [{"required": True}, {"properties": []}, {"type": 5}, {"items": 5}, {"enum": "a"}])
def test_a_malformed_schema_is_fixed_or_refused(wrong: dict[str, Any]) -> None:
    published = document(got({"type": "object", "properties": {"x": {"type": "object"} | wrong}}))
    with contextlib.suppress(RegenerationError):
        effective(published, covered(None))


def test_a_constant_is_read_like_an_enum_and_a_file_in_json_like_a_text() -> None:
    properties = {"kind": {"const": "a"}, "file": {"type": "string", "format": "binary"}, "yes": {"const": True}}
    result = schemas(document(got({"type": "object", "properties": properties})), covered(None))
    assert result["KnownKind"]["enum"] == ["a"]
    assert result["Got"]["properties"]["file"] == {"type": "string"}


def test_names_that_collide_are_numbered() -> None:
    components = {"foo_bar": THING, "FooBar": THING, "Got": THING}
    published = document(got({"$ref": "#/components/schemas/foo_bar"}), components)
    published["paths"]["/things"] = {"post": got({"$ref": "#/components/schemas/Got"})}
    published["paths"]["/things_/"] = {"post": got({"$ref": "#/components/schemas/FooBar"})}
    result = derive(published, covered(None), NO_OVERLAY, "all").effective
    operations = [item["post"] for item in result["paths"].values()]
    assert [operation["operationId"] for operation in operations] == ["do_it", "post_things", "post_things_2"]
    assert set(result["components"]["schemas"]) == {"Got", "Got2", "FooBar", "foo_bar2"}
    bodies = [operation["responses"]["2XX"]["content"]["application/json"]["schema"] for operation in operations]
    assert [schema["$ref"].rpartition("/")[2] for schema in bodies] == ["Got", "Got2", "FooBar"]


def test_null_and_unused_parts_are_skipped() -> None:
    odd = got(THING | {"required": None, "properties": {"a": True, "b": {"type": "array", "items": True}}})
    odd |= {"parameters": None, "callbacks": {"x": {"$ref": "#/components/callbacks/X"}}}
    odd["responses"] |= {"404": None, "default": {"$ref": "#/components/responses/Bad"}}
    odd["responses"]["200"]["headers"] = {"X": {"schema": {"$ref": "#/components/schemas/Header"}}}
    published = document(odd, {"Header": {"type": "string"}})
    published["components"] |= {"responses": {"Bad": {"description": ""}}, "callbacks": {"X": {}}}
    published["openapi"] = "3.0.3"
    assert schemas(published, covered(None))["Got"]["properties"] == {
        "a": {},
        "b": {"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]},
    }


def test_yaml_may_have_numbers_for_keys() -> None:
    assert parse("responses:\n  200: {}\n  true: {}\n", "x") == {"responses": {"200": {}, "true": {}}}


@pytest.mark.parametrize("text", ["# a comment\n", "a: 1\na: 2\n", "a: !thing 1\n", "? [a]\n: 1\n", "a: &a [*a]\n"])
def test_yaml_that_is_not_a_json_object_is_refused(text: str) -> None:
    with pytest.raises(RegenerationError, match=r"the file (cannot be read as|is not a JSON object)"):
        parse(text, "the file")


def test_yaml_with_aliases_is_read_and_never_written() -> None:
    document = parse("a: &a {b: [1]}\nc: *a\n", "x")
    assert document == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert document["a"] is not document["c"]
    shared = {"b": [1]}
    assert dump({"a": shared, "c": shared}) == "a:\n  b:\n  - 1\nc:\n  b:\n  - 1\n"


def test_a_client_that_cannot_be_imported_does_not_prevent_regeneration() -> None:
    code = "import sys, regenerate; sys.exit('cekura_api' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "scripts", check=False).returncode == 0


def test_an_incomplete_package_is_replaced(checkout: Path) -> None:
    (checkout / "generated_client" / "cekura_api" / "__init__.py").unlink()
    (checkout / "generated_client" / "cekura_api" / "py.typed").unlink()
    (checkout / "generated_client" / "cekura_api" / "__pycache__").mkdir()
    (checkout / "generated_client" / "cekura_api" / "__pycache__" / "x.pyc").write_bytes(b"\0")
    assert regenerate(root=checkout).returncode == 0
    assert differing_files(checkout / "generated_client" / "cekura_api", ROOT / "generated_client" / "cekura_api") == []


@pytest.mark.parametrize("arguments", [["--client", "nowhere"], ["--clinet", "x"], ["--client"], ["x"]])
def test_the_demo_does_not_run_on_another_client_than_requested(arguments: list[str]) -> None:
    command = [str(ROOT / "scripts" / "demo"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "Usage" in result.stderr


def test_the_stages_are_pure() -> None:
    published = load(SPEC / "upstream.yaml")
    operations = covered(None, None)
    small = document({"requestBody": body(THING, "application/json", "multipart/form-data")})
    for stage in (normalise, make_lenient):
        before = copy.deepcopy(small)
        stage(small, operations)
        assert small == before
    assert load(SPEC / "upstream.yaml") == published
