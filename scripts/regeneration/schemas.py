"""Functions on schemas that several stages need, such as resolving references and joining two schemas."""

from __future__ import annotations

import copy
from typing import Any

from cekura_facade.cli._yaml import MAX_DEPTH

from .documents import Document, Schema, all_schemas, resolve, walk
from .errors import RegenerationError

NULL: Schema = {"type": "null"}
_KINDS = {"binary": "file", "date-time": "time", "date": "time"}
_MOST_SCHEMAS = 20_000  # The published documents have a few hundred.
_ANY_OBJECT = {"required", "description", "title", "nullable", "readOnly", "writeOnly", "default"}
_WORDING = {"description", "title", "example", "examples", "deprecated"}


def inline(document: Document, schema: Schema, where: str, above: tuple[str, ...] = ()) -> Schema:
    """A copy of a schema with every reference replaced by its target.

    The result does not depend on the names of schemas, which the vendor changes. Errors name `where`, and `above` has
    the references that lead to the schema.
    """
    if isinstance(reference := schema.get("$ref"), str):
        if reference in above:
            chain = " -> ".join(name.rsplit("/", 1)[-1] for name in (*above, reference))
            raise RegenerationError(
                f"{where}: the schema refers to itself ({chain}), so that no stable name can be derived. "
                "Remove the operation from spec/operations.yaml until it is published differently."
            )
        target = inline(document, resolve(document, reference), where, (*above, reference))
        siblings = {key: value for key, value in schema.items() if key != "$ref"}
        return {**target, **inline(document, siblings, where, above)} if siblings else target
    result: Schema = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            result[key] = {
                name: inline(document, child, where, above) for name, child in value.items() if isinstance(child, dict)
            }
        elif key in ("items", "additionalProperties", "not") and isinstance(value, dict):
            result[key] = inline(document, value, where, above)
        elif key in ("allOf", "anyOf", "oneOf", "prefixItems") and isinstance(value, list):
            result[key] = [inline(document, child, where, above) for child in value if isinstance(child, dict)]
        else:
            result[key] = copy.deepcopy(value)
    return _flatten(result)


def join_members(document: Document) -> int:
    """Join the members of each `allOf` into one schema. Returns how many were joined."""
    parts = 0
    joined: set[int] = set()

    def join_in(schema: Schema, above: tuple[int, ...] = ()) -> None:
        nonlocal parts
        members = schema.get("allOf")
        if not isinstance(members, list) or not (len(members) > 1 or "properties" in schema):
            return
        targets = []
        for member in members:
            target, passed = member, {*above, id(schema)}
            while "$ref" in target and id(target) not in passed:
                passed.add(id(target))
                target = resolve(document, target["$ref"])
            if id(target) not in passed:  # A schema cannot be part of itself.
                join_in(target, (*above, id(schema)))
                targets.append(target)
        result = _joined([*targets, {key: value for key, value in schema.items() if key != "allOf"}])
        parts += sum(1 for _ in walk(result))
        if parts > _MOST_SCHEMAS or len(above) > MAX_DEPTH:
            raise RegenerationError(
                f"The schemas that consist of others (`allOf`) have more than {_MOST_SCHEMAS:,} parts, or more than "
                f"{MAX_DEPTH} levels. Use another version, or correct a copy of it."
            )
        schema.clear()
        schema.update(copy.deepcopy(result))
        joined.add(id(schema))

    for schema in all_schemas(document):
        join_in(schema)
    return len(joined)


def _flatten(schema: Schema) -> Schema:
    """Move the members of `allOf` into the schema itself, if there is one member, or if all are objects."""
    members = schema.get("allOf")
    if not isinstance(members, list) or not members:
        return schema
    if len(members) > 1 and not all(is_object(member) or not set(member) - _ANY_OBJECT for member in members):
        return schema
    return _joined([*members, {key: value for key, value in schema.items() if key != "allOf"}])


def _joined(members: list[Schema]) -> Schema:
    """One schema with the keywords and properties of all members."""
    result: Schema = {}
    for member in members:
        for key, value in member.items():
            if key == "properties":
                result[key] = {**result.get(key, {}), **value}
            elif key == "required":
                result[key] = [
                    *result.get(key, []),
                    *(name for name in value if name not in result.get(key, [])),
                ]
            else:
                result[key] = value
    return result


def fold(schema: Schema, *, keep_null: bool, is_item: bool = False) -> Schema:
    """Turn a schema whose alternatives are all objects into one object that can read any of them.

    Without `keep_null`, null is removed from structures other than items of arrays, because lenience allows it there.
    """
    result, keep_here = dict(schema), keep_null or is_item
    for key in ("anyOf", "oneOf"):
        members = [member for member in result.get(key, []) if member != NULL]
        null = len(members) < len(result.get(key, [])) and keep_here
        structures = bool(members) and all(is_object(member) for member in members)
        if (structures or [types(member) for member in members] == [["array"]]) and not null:
            del result[key]
            folded = members[0]
            for member in members[1:]:
                folded = join(folded, member)
            result = {**folded, **result}
    if {"null"} < set(types(result)) <= {"null", "object", "array"}:
        # Null becomes a separate alternative, so that the structure gets its own name.
        result = nullable(without_null(result)) if keep_here else without_null(result)
    if isinstance(result.get("properties"), dict):
        result["properties"] = {name: fold(child, keep_null=keep_null) for name, child in result["properties"].items()}
    if isinstance(result.get("items"), dict):
        result["items"] = fold(result["items"], keep_null=keep_null, is_item=True)
    return result


def types(schema: Schema) -> list[str]:
    """The values of `type`, an empty list if it is missing."""
    declared = schema.get("type", [])
    return list(declared) if isinstance(declared, list) else [declared]


def kinds(document: Document, schema: Schema) -> set[str]:
    """The types of the values that a schema, its references and its alternatives allow."""
    found: set[str] = set()
    followed: set[str] = set()
    todo = [schema]
    while todo:
        each = todo.pop()
        members = [member for key in ("allOf", "anyOf", "oneOf") for member in each.get(key, [])]
        if (reference := each.get("$ref")) is not None:
            todo += [] if reference in followed else [resolve(document, reference)]
            followed.add(reference)
        elif members:
            todo += members
        elif types(each) == ["string"]:
            found.add(_KINDS.get(each.get("format", ""), "string"))
        else:
            found |= set(types(each)) or {"object" if is_object(each) else "anything"}
    return found


def is_object(schema: Schema) -> bool:
    """Whether every value is an object. A schema with properties but no type counts as well."""
    return types(schema) == ["object"] or ("properties" in schema and not types(schema))


def is_anything(schema: Schema) -> bool:
    """Whether a schema allows any value."""
    return not set(schema) - _WORDING - {"readOnly", "writeOnly"}


def join(first: Schema, second: Schema) -> Schema:
    """A schema that allows every value that one of two schemas allows."""
    if _essence(first) == _essence(second):
        return first
    if is_anything(first) or is_anything(second):
        # If only one of the two schemas has a type, it is used for both.
        return {**first, **second} if is_anything(first) else {**second, **first}
    wording = {key: value for key, value in {**second, **first}.items() if key in _WORDING}
    if is_object(first) and is_object(second):
        return _join_objects(first, second) | wording
    one, other = without_null(first), without_null(second)
    if _essence(one) == _essence(other):
        return nullable(one) | wording
    if types(one) == types(other) == ["array"]:
        both: Schema = {"type": "array", "items": join(one.get("items", {}), other.get("items", {}))}
    elif "enum" in one and "enum" in other and types(one) == types(other):
        both = one | {"enum": [*one["enum"], *(value for value in other["enum"] if value not in one["enum"])]}
    elif types(one) == types(other) and len(types(one)) == 1:
        both = {key: value for key, value in one.items() if other.get(key) == value}
    else:
        members = [*_alternatives(one), *(m for m in _alternatives(other) if m not in _alternatives(one))]
        both = {"anyOf": members}
    both = {key: value for key, value in both.items() if key not in _WORDING}
    return (nullable(both) if one != first or other != second else both) | wording


def _join_objects(first: Schema, second: Schema) -> Schema:
    properties: dict[str, Any] = dict(first.get("properties", {}))
    for name, schema in second.get("properties", {}).items():
        properties[name] = join(properties[name], schema) if name in properties else schema
    result = {"type": "object", "properties": properties}
    if required := [name for name in first.get("required", []) if name in second.get("required", [])]:
        result["required"] = required
    return result


def nullable(schema: Schema) -> Schema:
    """The same schema, with null allowed."""
    if is_anything(schema) or "null" in types(schema) or NULL in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        return schema
    wording = {key: value for key, value in schema.items() if key in _WORDING}
    core = {key: value for key, value in schema.items() if key not in _WORDING}
    if types(core) and not {"enum", "const", "properties"} & set(core) and "array" not in types(core):
        return {**core, "type": [*types(core), "null"], **wording}
    return {"anyOf": [*_alternatives(core), NULL], **wording}


def without_null(schema: Schema) -> Schema:
    """The schema without null among its alternatives."""
    if "null" in types(schema):
        rest = [name for name in types(schema) if name != "null"]
        core = {**schema, "type": rest[0] if len(rest) == 1 else rest}
        if "enum" in core:
            core["enum"] = [value for value in core["enum"] if value is not None]
        return core
    members = _alternatives(schema)
    rest_members = [member for member in members if member != NULL]
    if len(rest_members) == len(members):
        return schema
    wording = {key: value for key, value in schema.items() if key in _WORDING}
    return ({**rest_members[0], **wording}) if len(rest_members) == 1 else {"anyOf": rest_members, **wording}


def _alternatives(schema: Schema) -> list[Schema]:
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list) and not set(schema) - _WORDING - {key}:
            return list(schema[key])
    return [{key: value for key, value in schema.items() if key not in _WORDING}]


def _essence(node: Any, *, names: bool = False) -> Any:
    """A schema without its wording, for comparisons."""
    if isinstance(node, dict):
        return {
            key: _essence(value, names=key == "properties" and not names)
            for key, value in node.items()
            if names or key not in _WORDING
        }
    return [_essence(value) for value in node] if isinstance(node, list) else node
