"""What a specification means to users of the Python client: functions, classes, fields, types. And how it is worded."""

from __future__ import annotations

from typing import Any

import attrs

from .documents import JSON, SCHEMA_PREFIX, Document, Schema, is_success, operations
from .schemas import NULL, is_anything, types

Interface = dict[str, "Member"]
_PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_SAID = ("description", "summary", "deprecated", "maximum", "minimum", "maxLength", "minLength", "pattern", "format")


@attrs.frozen
class Member:
    """Something that users call, give or read.

    `given` says that it is given by the caller, and `required` that it must be. `wording` is what is said about it.
    """

    type: str
    given: bool = False
    required: bool = False
    wording: str = ""


def interface(document: Document) -> Interface:
    """Every member of the client by its name: `list_metrics()`, `list_metrics(agent_id)`, `Metric`, `Metric.name`."""
    members: Interface = {}
    for _, path, operation in operations(document):
        name = operation["operationId"]
        members[f"{name}()"] = Member(_result(operation), wording=_wording(operation))
        for parameter in (*document["paths"][path].get("parameters", []), *operation.get("parameters", [])):
            required = parameter.get("required") is True
            kind = _type(parameter.get("schema", {}))
            members[f"{name}({parameter['name']})"] = Member(kind, True, required, _wording(parameter))
        body = operation.get("requestBody")
        if isinstance(body, dict):
            schema: Schema = next((content.get("schema", {}) for content in body.get("content", {}).values()), {})
            members[f"{name}(body)"] = Member(_type(schema), True, body.get("required") is True, _wording(body))
    given = _given_classes(document)
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        if "enum" in schema:
            # An open enum is a hint: every text is accepted in its place.
            members |= {f"{name}: {value!r}": Member("a known value", wording="") for value in schema["enum"]}
            continue
        members[name] = Member("class", wording=_wording(schema))
        for field, child in schema.get("properties", {}).items():
            required = name in given and field in schema.get("required", [])
            members[f"{name}.{field}"] = Member(_type(child), name in given, required, _wording(child))
    return members


def _result(operation: dict[str, Any]) -> str:
    kinds = {
        _type(body["content"][JSON].get("schema", {}))
        for status, body in operation["responses"].items()
        if is_success(status) and JSON in body.get("content", {})
    }
    return " | ".join(sorted(kinds)) or "None"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(SCHEMA_PREFIX)
    members = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    if members:
        rest = [_type(member) for member in members if member != NULL]
        # `Literal[...] | str` is a str to whoever reads it; its values are compared on their own.
        known = ["str"] if {"type": "string"} in members else rest
        return " | ".join([*dict.fromkeys(known), *(["None"] if NULL in members else [])])
    if is_anything(schema):
        return "Any"
    names = types(schema)
    if names == ["array"]:
        return f"list[{_type(schema.get('items', {}))}]"
    return " | ".join(_PYTHON.get(name, "dict") for name in names) or "Any"


def _wording(node: dict[str, Any]) -> str:
    parts = [node] + ([node["schema"]] if isinstance(node.get("schema"), dict) else [])
    return "\n".join(f"{key}: {part[key]}" for part in parts for key in _SAID if key in part)


def _given_classes(document: Document) -> set[str]:
    """The classes that callers make: those of request bodies, with all that these hold."""
    components = document.get("components", {}).get("schemas", {})
    found: set[str] = set()
    todo = [str(o["requestBody"]) for _, _, o in operations(document) if isinstance(o.get("requestBody"), dict)]
    while todo:
        text = todo.pop()
        for name in components:
            if name not in found and f"'{SCHEMA_PREFIX}{name}'" in text:
                found.add(name)
                todo.append(str(components[name]))
    return found
