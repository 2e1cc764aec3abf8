"""The interface of the Python client for a specification: functions, classes, fields, types and descriptions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from .documents import JSON, SCHEMA_PREFIX, Document, Schema, is_success, operations, reachable, references
from .schemas import is_anything, types

KNOWN_VALUE = "a known value"
Interface = dict[str, "Member"]
_PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_PARSED = {"date-time": "datetime", "date": "date", "uuid": "UUID", "binary": "File"}
_SAID = ("description", "summary", "deprecated", "maximum", "minimum", "maxLength", "minLength", "pattern", "format")


@attrs.frozen
class Member:
    """Something that users call, pass or read.

    Attributes:
        type: Its type.
        owner: Name of the member that it is a part of, such as the function of a parameter or the class of a field.
        given: Whether callers pass it.
        required: Whether callers must pass it.
        promised: Whether every response has it.
        wording: Its description.
    """

    type: str
    owner: str | None = None
    given: bool = False
    required: bool = False
    promised: bool = False
    wording: str = ""


def interface(document: Document) -> Interface:
    """Every member of the client by its name: `list_metrics()`, `list_metrics(agent_id)`, `Metric`, `Metric.name`."""
    members: Interface = {}
    enums = {SCHEMA_PREFIX + name for name, schema in _schemas(document).items() if "enum" in schema}

    def _type(schema: Schema) -> str:
        return python_type(schema, enums)

    for _, path, operation in operations(document):
        name = operation["operationId"]
        function = f"{name}()"
        members[function] = Member(_result(operation, enums), wording=_wording(operation))
        for parameter in (*document["paths"][path].get("parameters", []), *operation.get("parameters", [])):
            required = parameter.get("required") is True
            kind = _type(parameter.get("schema", {}))
            called = operation.get("x-parameter-names", {}).get(parameter["name"], parameter["name"])
            label = f"{name}({called})"
            if label in members:
                label = f"{name}({called}, in {parameter.get('in')})"
            members[label] = Member(kind, function, given=True, required=required, wording=_wording(parameter))
            members |= _known_values(document, label, parameter.get("schema", {}))
        if "x-resource-method" in operation:
            method = f"{operation['tags'][0]}.{operation['x-resource-method']}"
            members[f"{function}: method {method}"] = Member("a method", function)
        body = operation.get("requestBody")
        if isinstance(body, dict):
            schema: Schema = next((content.get("schema", {}) for content in body.get("content", {}).values()), {})
            members[f"{name}(body)"] = Member(
                _type(schema), function, given=True, required=body.get("required") is True, wording=_wording(body)
            )
    given = _given_classes(document)
    for name, schema in _schemas(document).items():
        if "enum" in schema:
            continue
        members[name] = Member("class", wording=_wording(schema))
        for field, child in schema.get("properties", {}).items():
            always = field in schema.get("required", [])
            members[f"{name}.{field}"] = Member(
                _type(child),
                name,
                given=name in given,
                required=name in given and always,
                promised=name not in given and always,
                wording=_wording(child),
            )
            members |= _known_values(document, f"{name}.{field}", child)
    return members


def _known_values(document: Document, label: str, schema: Schema) -> Interface:
    """The listed values of an open enum. They are hints, because every string is accepted."""
    schemas = _schemas(document)
    named = sorted({reference.removeprefix(SCHEMA_PREFIX) for reference in references(schema)} & schemas.keys())
    values = [value for name in named for value in schemas[name].get("enum", [])]
    return {f"{label}: {value!r}": Member(KNOWN_VALUE, label) for value in values}


def _schemas(document: Document) -> dict[str, Schema]:
    return dict(document.get("components", {}).get("schemas", {}))


def _result(operation: dict[str, Any], enums: set[str]) -> str:
    kinds = {
        python_type(content.get("schema", {}), enums) if media_type == JSON else media_type
        for status, body in operation["responses"].items()
        if is_success(status)
        for media_type, content in body.get("content", {}).items()
    }
    return " | ".join(sorted(kinds)) or "None"


def python_type(schema: Schema, enums: set[str]) -> str:  # noqa: PLR0911 - One for each kind of schema.
    """The type of a value in Python, as a string. Equal types have equal strings."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(SCHEMA_PREFIX)
    members = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    if members:
        # `Literal[...] | str` is a str for readers. Its values are compared separately.
        kept = [m for m in members if not ({"type": "string"} in members and m.get("$ref") in enums)]
        return _joined(python_type(member, enums) for member in kept)
    if "const" in schema:
        return f"Literal[{schema['const']!r}]"
    if is_anything(schema):
        return "Any"
    names = types(schema)
    if names == ["array"]:
        return f"list[{python_type(schema.get('items', {}), enums)}]"
    if names == ["string"] and schema.get("format") in _PARSED:
        return _PARSED[str(schema["format"])]
    return _joined(_PYTHON.get(name, "dict") for name in names) or "Any"


def _joined(names: Iterable[str]) -> str:
    return " | ".join(sorted(set(names), key=lambda name: (name == "None", name)))


def _wording(node: dict[str, Any]) -> str:
    parts = [node] + ([node["schema"]] if isinstance(node.get("schema"), dict) else [])
    return "\n".join(f"{key}: {part[key]}" for part in parts for key in _SAID if key in part)


def _given_classes(document: Document) -> set[str]:
    """The classes that callers create: those of request bodies and of their fields."""
    bodies = [operation.get("requestBody") for _, _, operation in operations(document)]
    return {reference.removeprefix(SCHEMA_PREFIX) for reference in reachable(document, bodies)}
