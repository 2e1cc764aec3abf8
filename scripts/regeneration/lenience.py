"""Stage 4, lenience: responses are read leniently, even if the specification is strict.

These rules run after the overlay, so that they apply to its changes as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from .documents import (
    JSON,
    SCHEMA_PREFIX,
    Document,
    Schema,
    all_schemas,
    body_schemas,
    is_success,
    operations,
    subschemas,
    walk,
)
from .errors import RegenerationError
from .operations import Operations
from .parts import name_parts
from .python_names import name_in_python, name_placeholders
from .rules import Rule, run
from .schemas import NULL, is_anything, is_object, kinds, nullable, types, without_null

# The generator returns such a value as `Any | None`. For `{}`, it would drop the value and return None.
ANYTHING: Schema = {"anyOf": [{}, NULL]}
PROMISED = "x-promised"
_PARSED_FORMATS = {"date-time", "date", "uuid"}
_SIMPLE = {"string", "integer", "number", "boolean"}
# The types that the generator accepts.
_PLAIN = {
    "path": _SIMPLE | {"time"},
    "query": _SIMPLE | {"time", "null", "anything", "object", "array"},
    "header": _SIMPLE | {"null"},
    "cookie": _SIMPLE | {"time", "null"},
}


def make_lenient(document: Document, covered: Operations) -> tuple[Document, dict[str, int]]:
    """Apply every rule, in order. Returns the new document, and how often each rule fired."""
    hoist = Rule(
        "named-parts",
        "objects and enums inside a body get names that change with their place in it",
        lambda result: name_parts(result, covered),
    )
    untyped = Rule(
        "untyped-success",
        "a success without a schema is dropped: the function returns None",
        lambda result: _untyped_success(result, covered),
    )
    promised = Rule(
        "promises",
        "fields that every user needs would be optional, like all other fields of a response",
        lambda result: _promises(result, covered),
    )
    names = Rule("python-names", "a published name breaks generated code, or two become one in Python", name_in_python)
    paths = Rule("path-parameters", "the name of a path parameter is not an identifier", name_placeholders)
    return run((untyped, promised, *RULES, paths, hoist, names), document)


def _responses(document: Document) -> Iterator[Schema]:
    """Every schema of a response, each once."""
    components = document.get("components", {}).get("schemas", {})
    seen: set[int] = set()
    todo = [
        content["schema"]
        for _, _, operation in operations(document)
        for content, _ in body_schemas(operation, direction="response")
        if isinstance(content.get("schema"), dict)
    ]
    while todo:
        for schema in walk(todo.pop()):
            if id(schema) not in seen:
                seen.add(id(schema))
                yield schema
                target = components.get(str(schema.get("$ref", "")).removeprefix(SCHEMA_PREFIX))
                if isinstance(target, dict):
                    todo.append(target)


def _each_response(fix: Callable[[Schema], bool]) -> Callable[[Document], int]:
    # Inner schemas come first, because a rule may replace a schema with one that contains a copy of it.
    return lambda document: sum(fix(schema) for schema in reversed(list(_responses(document))))


def _untyped_success(document: Document, covered: Operations) -> int:
    fired = 0
    components = document.get("components", {}).get("schemas", {})
    for method, path, operation in operations(document):
        for status, body in operation.get("responses", {}).items():
            if not is_success(status) or str(status) in ("204", "205"):
                continue
            content = body["content"] = body.get("content") or {JSON: {}}
            schema = content.get(JSON, {"schema": ANYTHING}).get("schema", {})
            name = str(schema.get("$ref", "")).removeprefix(SCHEMA_PREFIX)
            untyped = bool(name) and is_anything(components.get(name, {"type": "object"}))
            if untyped and covered.of(method, path).covered:
                raise RegenerationError(
                    f"{operation['operationId']} ({method.upper()} {path}) has a response body that is published "
                    f"without a type. State the fields of {name} in spec/overlay.yaml, or remove its name from "
                    "spec/operations.yaml."
                )
            if is_anything(schema) or untyped:
                schema = {key: value for key, value in schema.items() if key != "$ref"}
                content[JSON]["schema"] = {**schema, **ANYTHING}
                fired += 1
    return fired


def _any_success_status(document: Document) -> int:
    fired = 0
    for _, _, operation in operations(document):
        responses = operation.get("responses", {})
        with_body = [
            status for status, body in responses.items() if is_success(status) and JSON in body.get("content", {})
        ]
        if len(with_body) == 1 and with_body[0] != "2XX" and "2XX" not in responses:
            operation["responses"] = {"2XX" if k == with_body[0] else k: body for k, body in responses.items()}
            fired += 1
    return fired


def _promises(document: Document, covered: Operations) -> int:
    """Mark the fields that remain required in responses: those that operations.yaml promises, and items of pages."""
    components = document.get("components", {}).get("schemas", {})
    places = {name: place for place, name in covered.parts.items()}
    promises = {name: list(fields) for name, fields in covered.promises.items()}
    for _, _, operation in operations(document):
        for name in page_classes(document, operation):
            promises.setdefault(name, []).extend([] if "results" in promises.get(name, []) else ["results"])
    fired = 0
    for name, fields in promises.items():
        # A class inside a body gets its name later, so it is found by its place.
        schema = components.get(name) or _part(components, places.get(name, name))
        if schema is not None:
            schema[PROMISED] = fields
            fired += len(fields)
    return fired


def _part(components: dict[str, Schema], place: str) -> Schema | None:
    """The schema at a place such as `Page.results[]`."""
    body, *steps = re.findall(r"[^.\[\]]+|\[\]", place)
    schema = components.get(body, {})
    for step in steps:
        holder, key = (schema, "items") if step == "[]" else (schema.get("properties", {}), step)
        if not isinstance(holder.get(key), dict):
            return None
        schema = holder[key]
    return schema or None


def page_classes(document: Document, operation: dict[str, Any]) -> list[str]:
    """The classes of an operation's successes that are pages: objects with the array `results` and `next`."""
    components = document.get("components", {}).get("schemas", {})
    names = {
        str(content.get("schema", {}).get("$ref", "")).removeprefix(SCHEMA_PREFIX)
        for content, _ in body_schemas(operation, direction="response")
    }
    if len(names) != 1:
        return []
    properties = components.get(*names, {}).get("properties", {})
    results, following = properties.get("results"), properties.get("next")
    if not isinstance(results, dict) or not isinstance(following, dict) or types(results) != ["array"]:
        return []
    is_text = types(without_null(following)) == ["string"]
    return list(names) if is_text and operation.get("x-resource-method") else []


def _nothing_required(schema: Schema) -> bool:
    promised = schema.pop(PROMISED, [])
    before = schema.pop("required", None)
    if kept := [name for name in promised if name in schema.get("properties", {})]:
        schema["required"] = kept
    return bool(before)


def _unknown_fields_kept(schema: Schema) -> bool:
    return schema.get("additionalProperties") is False and schema.pop("additionalProperties") is False


def _strings_as_sent(schema: Schema) -> bool:
    for child in subschemas(schema):
        # JSON cannot contain a file, but a whole body can be one.
        if child.get("format") == "binary":
            del child["format"]
    return schema.get("format") in _PARSED_FORMATS and schema.pop("format") is not None


def _null_for_structures(schema: Schema) -> bool:
    """Allow null for structures. They are then parsed in a `try`, and kept unchanged if they have another shape."""
    properties = schema.get("properties", {})
    promised = schema.get("required", [])
    places: list[tuple[dict[str, Any], str]] = [(properties, name) for name in properties if name not in promised]
    if isinstance(schema.get("additionalProperties"), dict):
        places.append((schema, "additionalProperties"))
    found = [(holder, key) for holder, key in places if is_object(holder[key]) or "$ref" in holder[key]]
    # Items of arrays do not become nullable, unless they are arrays, because callers expect lists of objects.
    lists = [*places, (schema, "items")] if isinstance(schema.get("items"), dict) else places
    found += [(holder, key) for holder, key in lists if types(holder[key]) == ["array"]]
    for holder, key in found:
        holder[key] = nullable(holder[key])
    return bool(found)


def _free_form_objects(document: Document) -> int:
    """Make an object without properties a plain dict, which is easier to use than a class."""
    bodies = {
        id(content.get("schema"))
        for _, _, operation in operations(document)
        for direction in ("request", "response")
        for content, _ in body_schemas(operation, direction=direction)
    } | {id(schema) for schema in document.get("components", {}).get("schemas", {}).values()}
    fired = 0
    for schema in all_schemas(document):
        extras = schema.get("additionalProperties", True)
        free = extras is True or (isinstance(extras, dict) and is_anything(extras))
        if free and is_object(schema) and id(schema) not in bodies and not schema.get("properties"):
            for key in ("type", "properties", "required", "additionalProperties"):
                schema.pop(key, None)
            fired += 1
    return fired


def _plain_parameters(document: Document) -> int:
    """Make complex parameters strings in paths, headers and cookies. In a query, an object is sent as JSON text."""
    fired = 0
    for _, path, operation in operations(document):
        for holder in (operation, document["paths"][path]):
            for parameter in holder.get("parameters", []):
                place, found = parameter.get("in"), kinds(document, parameter["schema"])
                if "file" in found or (place == "query" and found == {"object"}):
                    parameter["schema"] = {"type": "string", "contentMediaType": JSON}
                elif not found <= _PLAIN[str(place)]:
                    parameter["schema"] = {"type": "string"}
                elif place != "path" or parameter.get("required") is True:
                    continue
                if place == "path":
                    parameter["required"] = True
                fired += 1
    return fired


def _limits_of_ids(document: Document) -> int:
    """Limit ids to positive integers of a database, and strings in URLs to 1000 characters."""
    components = document.get("components", {}).get("schemas", {})
    places: list[tuple[str, object, dict[str, int]]] = []
    for _, path, operation in operations(document):
        names = operation.get("x-parameter-names", {})
        places += [
            (names.get(parameter.get("name"), str(parameter.get("name"))), parameter.get("schema"), {"maxLength": 1000})
            for parameter in (*document["paths"][path].get("parameters", []), *operation.get("parameters", []))
            if parameter.get("in") in ("path", "query")
        ]
        for content, _ in body_schemas(operation, direction="request"):
            schema = content.get("schema", {})
            body = components.get(str(schema.get("$ref", "")).removeprefix(SCHEMA_PREFIX), schema)
            places += [(name, child, {}) for name, child in body.get("properties", {}).items()]
    return sum(_limit(name, schema, of_strings) for name, schema, of_strings in places)


def _limit(name: str, schema: object, of_strings: dict[str, int]) -> bool:
    if not isinstance(schema, dict):
        return False
    is_id = re.search(r"(^|_)(id|pk)$", name) is not None
    limits: dict[str, int] = {}
    if types(schema) == ["integer"] and is_id:
        limits = {"minimum": 1, "maximum": 2**63 - 1}
    elif types(schema) == ["string"] and not {"enum", "format", "contentMediaType"} & schema.keys():
        limits = {**of_strings, "minLength": 1} if is_id else of_strings
    missing = {key: limit for key, limit in limits.items() if key not in schema}
    schema.update(missing)
    return bool(missing)


def _no_defaults(document: Document) -> int:
    """Remove defaults. If the client sent them, they would overwrite stored values."""
    return sum(schema.pop("default", None) is not None for schema in all_schemas(document))


def _open_enums(document: Document) -> int:
    """Make enums `Literal[...] | str`, so that editors offer the known values, and other values are accepted."""
    fired = 0
    for schema in all_schemas(document):
        if "const" in schema and "enum" not in schema:
            schema["enum"] = [schema.pop("const")]
        values = schema.get("enum")
        if not isinstance(values, list) or schema.get("x-known-values"):
            continue
        fired += 1
        known = [value for value in values if isinstance(value, str)]
        null = None in values or "null" in types(schema)
        members: list[Schema] = []
        if known and len(known) == len([value for value in values if value is not None]):
            members = [{"type": "string", "enum": known, "x-known-values": True}, {"type": "string"}]
        kept = {key: value for key, value in schema.items() if key in ("description", "title")}
        others: list[Schema] = [{"type": name} for name in types(schema) if name not in ("string", "null")]
        anything: list[Schema] = [{}]
        members = members or others or anything
        schema.clear()
        schema.update({"anyOf": [*members, NULL] if null else members} if len(members) > 1 or null else members[0])
        schema.update(kept)
    return fired


RULES = (
    Rule("any-success-status", "a success with an undeclared status is dropped", _any_success_status),
    Rule("nothing-required", "a missing field in a response raises KeyError", _each_response(_nothing_required)),
    Rule("unknown-fields-kept", "a new field is dropped", _each_response(_unknown_fields_kept)),
    Rule(
        "strings-as-sent",
        "a time or id in another form raises ValueError, and is changed when it is sent back",
        _each_response(_strings_as_sent),
    ),
    Rule("plain-parameters", "a parameter has a type that its place in the request cannot express", _plain_parameters),
    Rule("free-form-objects", "an object of any shape becomes a class instead of a dict", _free_form_objects),
    Rule("limits-of-parameters", "a request is sent that must fail, such as for id 0", _limits_of_ids),
    Rule("no-defaults", "defaults are sent along, and overwrite what is stored", _no_defaults),
    Rule("open-enums", "a value outside of an enum raises ValueError", _open_enums),
    Rule(
        "null-for-structures",
        "null for a list or an object raises TypeError",
        _each_response(_null_for_structures),
    ),
)
