"""Makes the objects and enums inside bodies components, which are named by their place."""

from __future__ import annotations

import itertools
import re

from .documents import SCHEMA_PREFIX, Document, Schema, body_schemas, operations
from .naming import bare, reserved
from .operations import DIRECTIONS, Operations
from .schemas import is_object, types

_LONGEST = 120  # Length of a class name, because file systems limit the name of its module.


def name_parts(document: Document, covered: Operations) -> int:
    """Make a component of every object and enum inside a body, named by its place."""
    components: dict[str, Schema] = document.get("components", {}).get("schemas", {})
    parts = _Parts(covered, components)
    # Components are sorted by name, so that the result does not depend on their order in the document.
    for name, schema in sorted(components.items()):
        parts.visit(schema, name, top=True)
        schema.pop("title", None)
    for _, path, operation in sorted(operations(document), key=lambda found: found[:2]):
        for direction in DIRECTIONS:
            for content, _ in body_schemas(operation, direction=direction):
                if isinstance(content.get("schema"), dict):
                    parts.visit(content["schema"], f"{operation['operationId']}_{direction}")
        declared = (*document["paths"][path].get("parameters", []), *operation.get("parameters", []))
        for parameter in sorted(declared, key=lambda each: (str(each.get("in")), str(each["name"]))):
            if isinstance(parameter.get("schema"), dict):
                parts.visit(parameter["schema"], f"{operation['operationId']}.{parameter['name']}")
    parts.name_enums()
    if components or parts.hoisted:
        document["components"]["schemas"] = dict(sorted({**components, **parts.hoisted}.items()))
    return len(parts.hoisted)


class _Parts:
    """The objects and enums inside bodies, each of which becomes a component.

    Attributes:
        hoisted: The components, by name.
    """

    def __init__(self, covered: Operations, components: dict[str, Schema]) -> None:
        self.hoisted: dict[str, Schema] = {}
        self._names = covered.parts
        self._taken = {bare(name) for name in components} | reserved(covered)
        self._enums: list[tuple[str, Schema]] = []

    def visit(self, schema: Schema, place: str, *, top: bool = False) -> None:
        """Hoist the objects in a schema, and the schema itself unless it is on `top`. Collect the enums."""
        _split_types(schema)
        for name, child in sorted((schema.get("properties") or {}).items()):
            self.visit(child, f"{place}.{name}")
        for key, suffix in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(schema.get(key), dict):
                self.visit(schema[key], place + suffix)
        for key in ("anyOf", "oneOf", "allOf"):
            for child in schema.get(key, []):
                self.visit(child, place)
        if schema.pop("x-known-values", False):
            self._enums.append((place, schema))
        elif not top and is_object(schema):
            schema.setdefault("description", f"The object at `{place}`.")
            self._hoist(schema, self._free_name(place))

    def name_enums(self) -> None:
        """Hoist the enums. Most fields of the same name list the same values, and then share one enum."""
        sets: dict[str, set[frozenset[str]]] = {}
        for place, schema in self._enums:
            sets.setdefault(_field(place), set()).add(frozenset(schema["enum"]))
        names: dict[tuple[str, frozenset[str]], str] = {}
        for place, schema in self._enums:
            field = _field(place)
            key = field, frozenset(schema["enum"])
            if key not in names:
                known = f"known_{place if len(sets[field]) > 1 else field}"
                names[key] = self._free_name(place if place in self._names else known)
            self._hoist(schema, names[key])

    def _free_name(self, place: str) -> str:
        wanted = self._names.get(place) or _pascal(place)
        numbered = (f"{wanted}{number}" for number in itertools.count(2))
        name = next(name for name in itertools.chain([wanted], numbered) if bare(name) not in self._taken)
        self._taken.add(bare(name))
        return name

    def _hoist(self, schema: Schema, name: str) -> None:
        self.hoisted.setdefault(name, dict(schema))
        schema.clear()
        schema["$ref"] = SCHEMA_PREFIX + name


def _split_types(schema: Schema) -> None:
    """Split an object and other types into alternatives, so that the class of the object gets a name."""
    others = [name for name in types(schema) if name != "object"]
    if others and "object" in types(schema) and not {"anyOf", "oneOf", "allOf", "enum", "const"} & schema.keys():
        kept: Schema = {key: schema.pop(key) for key in ("description", "title") if key in schema}
        of_objects: Schema = {
            key: schema.pop(key) for key in ("properties", "required", "additionalProperties") if key in schema
        }
        rest = {key: value for key, value in schema.items() if key != "type"}
        members: list[Schema] = [
            {"type": "object", **of_objects},
            {**rest, "type": others[0] if len(others) == 1 else others},
        ]
        schema.clear()
        schema.update({"anyOf": members, **kept})


def _field(place: str) -> str:
    """The name of the field at a place, or around it, such as `status` for `Job.runs[].status`."""
    return str(re.findall(r"[^.\[\]{}]+", place)[-1])


def _pascal(place: str) -> str:
    place = place.replace("[]", "_item").replace("{}", "_value")
    name = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^A-Za-z0-9]+", place))
    return name[:_LONGEST]
