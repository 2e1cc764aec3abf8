"""Stable names: every operation and body gets its name from `operations.yaml`, not from the vendor."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import Any

from .documents import JSON, SCHEMA_PREFIX, Document, Schema, all_schemas, body_schemas, is_success
from .errors import RegenerationError
from .operations import DIRECTIONS, Direction, Operation, Operations
from .python_names import taken_by_classes
from .schemas import fold, inline, join, types, without_null

_LONGEST = 100
_LEFT_OUT: dict[Direction, str] = {"request": "readOnly", "response": "writeOnly"}


def name_operations(document: Document, operations: Operations) -> int:
    """Give operations, tags and bodies their stable names. Returns the number of changed names."""
    renamed = 0
    schemas: dict[str, Schema] = {}
    names = _names_of_bodies(operations)
    if operations.vendor_schemas:
        _rename_conflicting(document, {bare(name) for name in names} | reserved(operations))
    for entry in operations.entries:
        operation = document["paths"][entry.path][entry.method]
        renamed += operation.get("operationId") != entry.name or operation.get("tags") != [entry.tag]
        operation["operationId"], operation["tags"] = entry.name, [entry.tag]
        _annotate(operation, entry, {parameter["name"] for parameter in _parameters(document, entry)})
        if entry.covered:
            renamed += sum(_name_bodies(document, entry, direction, schemas) for direction in DIRECTIONS)
            _inline_parameters(document, entry)
    for place, name in operations.parts.items():
        if name in schemas:
            _share(schemas, place, name)
    components = document.setdefault("components", {})
    if operations.vendor_schemas:
        schemas = {**components.get("schemas", {}), **schemas}
    components["schemas"] = dict(sorted(schemas.items()))
    for kind in ("parameters", "requestBodies"):
        components.pop(kind, None)
    return renamed


def _names_of_bodies(operations: Operations) -> set[str]:
    """The names in operations.yaml. Raises RegenerationError if generated code already uses one of them."""
    names = {body.name for entry in operations.entries for body in (entry.request, entry.response) if body}
    names |= set(operations.parts.values())
    for name in sorted(names):
        if bare(name) in reserved(operations):
            raise RegenerationError(
                f"spec/operations.yaml calls a body {name}, which generated code already uses. Choose another name."
            )
    return names


def _inline_parameters(document: Document, entry: Operation) -> None:
    for parameter in _parameters(document, entry):
        if isinstance(parameter.get("schema"), dict):
            parameter["schema"] = inline(document, parameter["schema"], str(entry))


def _annotate(operation: dict[str, Any], entry: Operation, parameters: set[str]) -> None:
    """Add the settings of operations.yaml to an operation. The generator ignores them, and our templates use them."""
    if entry.resource_method is not None:
        operation["x-resource-method"] = entry.resource_method
    if entry.idempotent:
        operation["x-idempotent"] = True
    if entry.parameters:
        operation["x-parameter-names"] = dict(entry.parameters)
    for name in entry.parameters.keys() - parameters:
        raise RegenerationError(
            f"{entry}: spec/operations.yaml renames its parameter {name}, which the specification does not have."
        )


def _rename_conflicting(document: Document, names: set[str]) -> None:
    """Number the vendor's schemas if their classes would have one of these `bare` names, or that of another schema."""
    components = document.get("components", {}).get("schemas", {})
    taken = set(names)
    renamed: dict[str, str] = {}
    # Those that can keep their names come first, so that the numbers do not depend on the order in the document.
    for name in sorted(components, key=lambda name: (class_name(name) != name, name)):
        wanted = class_name(name)
        numbered = (f"{wanted}{number}" for number in itertools.count(2))
        other = next(each for each in itertools.chain([wanted], numbered) if bare(each) not in taken)
        taken.add(bare(other))
        if other != name:
            renamed[SCHEMA_PREFIX + name.replace("~", "~0").replace("/", "~1")] = SCHEMA_PREFIX + other
            components[other] = components.pop(name)
    for schema in all_schemas(document) if renamed else ():
        if schema.get("$ref") in renamed:
            schema["$ref"] = renamed[schema["$ref"]]


def reserved(operations: Operations) -> set[str]:
    """The `bare` names that classes must not have, because generated code uses them, for example for resources."""
    tags = {entry.tag for entry in operations.entries}
    return {bare(name) for name in (*taken_by_classes(), *tags, *(f"async{tag}" for tag in tags))}


def class_name(name: str) -> str:
    """The name of a schema as a valid class name: in ASCII, and starting with a letter."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9._-]", "", plain).lstrip("._-")[:_LONGEST]
    # attrs would treat an annotation that starts with ClassVar as a class variable.
    is_class = re.match(r"[A-Za-z]", plain) and not bare(plain).startswith("classvar")
    return plain if is_class else f"Schema{plain}"


def bare(name: str) -> str:
    """The form of a name by which two names are compared. If it differs, their classes and modules differ."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _name_bodies(document: Document, entry: Operation, direction: Direction, schemas: dict[str, Schema]) -> int:
    """Name the bodies of a request, or of its successes, in `schemas`. Returns the number of changed names."""
    operation = document["paths"][entry.path][entry.method]
    if entry.body(direction) is not None:
        _ensure_body(operation, entry, direction)
        declared = [media_type for _, media_type in body_schemas(operation, direction=direction)]
        if JSON not in declared:
            raise RegenerationError(
                f"{entry}: its {direction} is published as {', '.join(declared)}, and only JSON can be named. "
                f"Remove `{direction}:` from its entry in spec/operations.yaml."
            )
    contents = [content for content, media_type in body_schemas(operation, direction=direction) if media_type == JSON]
    return sum(_name_body(document, content, entry, direction, schemas) for content in contents)


def _name_body(
    document: Document, content: dict[str, Any], entry: Operation, direction: Direction, schemas: dict[str, Schema]
) -> int:
    body, published = entry.body(direction), content.get("schema", {})
    # A body is sent or not. If it could be null, it would not get a class.
    schema = without_null(_directed(inline(document, published, f"{entry}, {direction}"), direction))
    schema = fold(schema, keep_null=direction == "request")
    if body is None:
        content["schema"] = schema
        return 0
    if body.array:
        # `{}` is a body without a type, for which operations.yaml may state an array.
        if types(schema) not in ([], ["array"]):
            raise RegenerationError(
                f"{entry}: its {direction} is no longer an array but {types(schema)[0]}. "
                f"If that is meant, write `{direction}: {body.name}` without [] in spec/operations.yaml."
            )
        schema = schema.get("items", {})
    elif types(schema) == ["array"]:
        raise RegenerationError(
            f"{entry}: its {direction} is now an array. "
            f"If that is meant, write `{direction}: {body.name}[]` in spec/operations.yaml."
        )
    schemas[body.name] = {"title": body.name} | (
        join(schemas[body.name], schema) if body.name in schemas else {k: v for k, v in schema.items() if k != "title"}
    )
    reference = {"$ref": SCHEMA_PREFIX + body.name}
    content["schema"] = {"type": "array", "items": reference} if body.array else reference
    return int(content["schema"] != published)


def _share(schemas: dict[str, Schema], place: str, name: str) -> None:
    """Use the class of a whole body for a schema inside another body, such as for the agents of a page."""
    body, *steps = re.findall(r"[^.\[\]]+|\[\]", place)
    holder, key = schemas, body
    for step in steps:
        inside = holder[key].get("items" if step == "[]" else "properties")
        if not isinstance(inside, dict) or (step != "[]" and step not in inside):
            return  # The overlay states schemas that are published without a type.
        holder, key = (holder[key], "items") if step == "[]" else (inside, step)
    schemas[name] = {"title": name} | join(schemas[name], fold(without_null(holder[key]), keep_null=False))
    holder[key] = {"$ref": SCHEMA_PREFIX + name}


def _ensure_body(operation: dict[str, Any], entry: Operation, direction: Direction) -> None:
    """Add an empty schema for a named body that is published without a type. The overlay fills it."""
    if direction == "request":
        content = operation.setdefault("requestBody", {}).setdefault("content", {})
        if not content:
            content[JSON] = {}
        return
    bodies = {
        status: body
        for status, body in operation["responses"].items()
        if is_success(status) and str(status) not in ("204", "205")
    }
    if not bodies:
        raise RegenerationError(
            f"{entry} has no success response, but spec/operations.yaml names its body. Remove this name."
        )
    for body in bodies.values():
        if not body.get("content"):
            body["content"] = {JSON: {}}


def _directed(schema: Schema, direction: Direction) -> Schema:
    """The schema without the read-only properties in a request, and without the write-only ones in a response."""
    left_out = _LEFT_OUT[direction]
    result = {key: value for key, value in schema.items() if key not in ("readOnly", "writeOnly")}
    if isinstance(schema.get("properties"), dict):
        kept = {name: child for name, child in schema["properties"].items() if child.get(left_out) is not True}
        result["properties"] = {name: _directed(child, direction) for name, child in kept.items()}
        if "required" in schema:
            result["required"] = [name for name in schema["required"] if name in kept]
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            result[key] = _directed(schema[key], direction)
    for key in ("allOf", "anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            result[key] = [_directed(child, direction) for child in schema[key]]
    return result


def _parameters(document: Document, entry: Operation) -> list[dict[str, Any]]:
    item = document["paths"][entry.path]
    return [
        parameter
        for holder in (item, item[entry.method])
        for parameter in holder.get("parameters", [])
        if isinstance(parameter, dict)
    ]
