"""Before stage 1: checks that the covered operations have the shape that the stages expect.

`Malformed` names the place, such as `paths./x/.get.parameters`, which later stages do not know.
"""

from __future__ import annotations

from typing import Any

from cekura_facade.cli._yaml import MAX_DEPTH

from .documents import SCHEMA_KEYWORDS, SCHEMA_PREFIX, Document
from .errors import RegenerationError
from .operations import Operation, Operations
from .schemas import types

MAX_EXPANDED = 50_000  # values in the covered operations' schemas, with every reference replaced by its target
_NAMES = {dict: "an object", list: "a list", str: "a string", bool: "true or false", int: "a number", float: "a number"}
_IN = ("path", "query", "header", "cookie")
_TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_STRINGS = ("$ref", "format", "description", "title")
_FLAGS = ("nullable", "readOnly", "writeOnly")


class Malformed(RegenerationError):
    """A part of the document does not have the type that OpenAPI requires."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"{place}: {problem}. The published document is wrong. Use another version, or correct a copy of it."
        )


def check_operations(document: Document, operations: Operations) -> None:
    """Check the covered operations, without what they refer to. Raises Malformed."""
    for entry in operations.entries:
        item = document["paths"].get(entry.path)
        if isinstance(item, dict) and isinstance(item.get(entry.method), dict):
            _check_operation(item, entry)


def _check_operation(item: dict[str, Any], entry: Operation) -> None:
    place = f"paths.{entry.path}"
    _parameters(item, place)
    operation, place = item[entry.method], f"{place}.{entry.method}"
    _parameters(operation, place)
    for number, requirement in enumerate(_list(operation, "security", place)):
        _expect(requirement, f"{place}.security[{number}]", dict)
    for key in ("summary", "description"):
        _optional(operation, key, place, str)
    if operation.get("requestBody") is not None:
        _body(operation["requestBody"], f"{place}.requestBody", "requestBodies")
    for status, body in _object(operation, "responses", place).items():
        if body is not None:
            _body(body, f"{place}.responses.{status}", "responses")


def check_components(part: Document) -> None:
    """Check the components of the selected part, which are those that the covered operations refer to."""
    components = _object(part, "components", "")
    for name, schema in _object(components, "schemas", "components").items():
        _schema(schema, f"components.schemas.{name}")
    for name, parameter in _object(components, "parameters", "components").items():
        _parameter(parameter, f"components.parameters.{name}")
    for kind in ("requestBodies", "responses"):
        for name, body in _object(components, kind, "components").items():
            _body(body, f"components.{kind}.{name}", kind)
    for name, scheme in _object(components, "securitySchemes", "components").items():
        _expect(scheme, f"components.securitySchemes.{name}", dict)
        for key in ("type", "in", "name"):
            _optional(scheme, key, f"components.securitySchemes.{name}", str)
    for kind in ("parameters", "requestBodies", "responses"):
        for name in _object(components, kind, "components"):
            _follow(components[kind], name, kind)


def _follow(components: dict[str, Any], name: str, kind: str) -> None:
    """Raise Malformed if a component refers to itself, directly or through others of its kind."""
    seen: set[str] = set()
    current: str | None = name
    while current is not None and isinstance(node := components.get(current), dict):
        if current in seen:
            raise Malformed(f"components.{kind}.{name}", "refers to itself")
        seen.add(current)
        reference = node.get("$ref")
        current = reference.removeprefix(f"#/components/{kind}/") if isinstance(reference, str) else None


def check_expansion(part: Document, operations: Operations) -> None:
    """Check the size of the covered operations with all references replaced. A few schemas can become millions."""
    components = _object(part, "components", "")
    targets = {f"#/components/{kind}/{name}": node for kind in components for name, node in components[kind].items()}
    known: dict[str, tuple[int, int]] = {}
    for entry in operations.entries:
        size, depth = _expanded(part["paths"][entry.path], targets, known) if entry.covered else (0, 0)
        if size > MAX_EXPANDED or depth > MAX_DEPTH:
            raise RegenerationError(
                f"{entry}: with each `$ref` replaced, its schemas have more than {MAX_EXPANDED:,} values or are nested "
                f"more than {MAX_DEPTH} levels deep. Remove the operation from spec/operations.yaml, or use another "
                "version."
            )


def check_depth(effective: Document) -> None:
    """Check that the effective specification is not nested too deeply. Rules add an `anyOf` for each null."""
    schemas = _object(_object(effective, "components", ""), "schemas", "components")
    for name, node in [*effective["paths"].items(), *schemas.items()]:
        if _expanded(node, {}, {})[1] > MAX_DEPTH - 5:
            raise RegenerationError(
                f"{name} is nested too deeply for a client, because of nested lists. "
                "Remove the operation from spec/operations.yaml, or use another version."
            )


def _expanded(
    node: object, targets: dict[str, Any], known: dict[str, tuple[int, int]], level: int = 0
) -> tuple[int, int]:
    """The number of values in a node and its depth, with every reference replaced."""
    if level > 2 * MAX_DEPTH:
        return 1, level
    if not isinstance(node, dict | list):
        return 1, 0
    found = [(0, 0)]
    if isinstance(node, dict) and isinstance(reference := node.get("$ref"), str) and reference in targets:
        if reference not in known:
            known[reference] = (1, 1)  # Stage 2 refuses references to themselves.
            known[reference] = _expanded(targets[reference], targets, known, level + 1)
        found.append(known[reference])
    children = node.values() if isinstance(node, dict) else node
    found += [_expanded(child, targets, known, level + 1) for child in children]
    return 1 + sum(size for size, _ in found), 1 + max(depth for _, depth in found)


def _parameters(holder: dict[str, Any], place: str) -> None:
    for number, parameter in enumerate(_list(holder, "parameters", place)):
        _parameter(parameter, f"{place}.parameters[{number}]")


def _parameter(parameter: Any, place: str) -> None:
    if _is_reference(parameter, place, "parameters"):
        return
    _expect(parameter.get("name"), f"{place}.name", str)
    if parameter.get("in") not in _IN:
        raise Malformed(f"{place}.in", f"expected one of {', '.join(_IN)}")
    _optional(parameter, "description", place, str)
    if "schema" in parameter:
        _schema(parameter["schema"], f"{place}.schema")
    for media_type, content in _object(parameter, "content", place).items():
        _media_type(content, f"{place}.content.{media_type}")


def _body(body: Any, place: str, kind: str) -> None:
    if _is_reference(body, place, kind):
        return
    _optional(body, "description", place, str)
    content = _object(body, "content", place)
    if set(content) & SCHEMA_KEYWORDS:
        # A rule fixes keywords of a schema in place of media types.
        inner = [key for key, value in content.items() if isinstance(value, dict) and "schema" in value]
        if not inner:
            _schema(content, f"{place}.content")
        for key in inner[:1]:
            _media_type(content[key], f"{place}.content.{key}")
        return
    for media_type, value in content.items():
        _media_type(value, f"{place}.content.{media_type}")


def _media_type(content: Any, place: str) -> None:
    _expect(content, place, dict)
    if "schema" in content:
        _schema(content["schema"], f"{place}.schema")


def _is_reference(node: Any, place: str, kind: str) -> bool:
    _expect(node, place, dict)
    if "$ref" not in node:
        return False
    _expect(node["$ref"], f"{place}.$ref", str)
    if not node["$ref"].startswith(f"#/components/{kind}/"):
        raise Malformed(f"{place}.$ref", f"expected a reference to #/components/{kind}/")
    return True


def _schema(schema: Any, place: str) -> None:
    _expect(schema, place, dict)
    _keywords(schema, place)
    for name, child in _object(schema, "properties", place).items():
        if child is not True:
            _schema(child, f"{place}.properties.{name}")
    for key in ("items", "additionalProperties", "not"):
        child = schema.get(key)
        # A rule adds missing schemas for the items of a list.
        if not (isinstance(child, bool | None) or (key == "items" and schema.get("type") == "array")):
            _expect(child, f"{place}.{key}", dict)
        if isinstance(child, dict):
            _schema(child, f"{place}.{key}")
    for key in _LISTS:
        for number, child in enumerate(_list(schema, key, place)):
            _schema(child, f"{place}.{key}[{number}]")


def _keywords(schema: dict[str, Any], place: str) -> None:
    """Check the keywords of a schema that do not contain other schemas."""
    for keys, kind in ((_STRINGS, str), (_FLAGS, bool), (("enum",), list)):
        for key in keys:
            _optional(schema, key, place, kind)
    if not (schema.get("$ref") or SCHEMA_PREFIX).startswith(SCHEMA_PREFIX):
        raise Malformed(f"{place}.$ref", f"expected a reference to {SCHEMA_PREFIX}")
    _optional(schema, "type", place, str, list)
    if any(name is not None and name not in _TYPES for name in types(schema)):
        raise Malformed(f"{place}.type", f"expected one of {', '.join(_TYPES)}")
    if isinstance(schema.get("required"), list):
        for number, name in enumerate(schema["required"]):
            _expect(name, f"{place}.required[{number}]", str)


def _expect(value: object, place: str, *kinds: type) -> None:
    if type(value) not in kinds:
        names = " or ".join(dict.fromkeys(_NAMES[kind] for kind in kinds))
        raise Malformed(place, f"expected {names}, got {'null' if value is None else _NAMES[type(value)]}")


def _optional(holder: dict[str, Any], key: str, place: str, *kinds: type) -> None:
    if holder.get(key) is not None:
        _expect(holder[key], f"{place}.{key}".removeprefix("."), *kinds)


def _object(holder: dict[str, Any], key: str, place: str) -> dict[str, Any]:
    _optional(holder, key, place, dict)
    found: dict[str, Any] = holder.get(key) or {}
    return found


def _list(holder: dict[str, Any], key: str, place: str) -> list[Any]:
    _optional(holder, key, place, list)
    found: list[Any] = holder.get(key) or []
    return found
