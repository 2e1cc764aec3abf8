"""The contents of `spec/operations.yaml`: the covered operations, with stable names for them and their bodies."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Literal

import attrs

Direction = Literal["request", "response"]
DIRECTIONS: tuple[Direction, ...] = ("request", "response")
COLLECTION_METHODS = {"get": "list", "post": "create", "put": "replace", "patch": "update"}
ITEM_METHODS = {"put": "replace", "patch": "update"}
SNAKE_CASE = r"[a-z][a-z0-9_]*"
_LONGEST = 150


@attrs.frozen
class Body:
    """The stable name of a body's schema. With `array`, the body is an array of such objects."""

    name: str
    array: bool = False

    @classmethod
    def parse(cls, text: str) -> Body:
        """Read `Metric` or `Metric[]`."""
        return cls(text.removesuffix("[]"), text.endswith("[]"))


@attrs.frozen
class Operation:
    """An operation, which is found by method and path, never by the vendor's operationId.

    `paths` are the paths of its entry, in order of preference. `locate` chooses the first one that a specification has
    as `path`.

    A `covered` operation is in operations.yaml and has stable bodies. The bodies of others keep the vendor's schemas.
    An `optional` operation is left out if the specification lacks it, or if its shape does not fit the entry.

    `resource_method` is its name in the resource class, or None if it belongs to a workflow and has no such method.
    `idempotent` means that a request may be sent again although it may have been processed. `parameters` renames
    parameters in Python only.
    """

    name: str
    tag: str
    method: str
    path: str
    request: Body | None = None
    response: Body | None = None
    covered: bool = True
    optional: bool = False
    resource_method: str | None = None
    idempotent: bool = False
    parameters: Mapping[str, str] = attrs.field(factory=dict)
    paths: tuple[str, ...] = attrs.field()

    @paths.default
    def _only_path(self) -> tuple[str, ...]:
        return (self.path,)

    @classmethod
    def uncovered(cls, method: str, path: str) -> Operation:
        """An operation without an entry. Its names are derived from its method and path, which seldom change."""
        first, *rest = _words(path)
        name = _snake("_".join([method, *(rest or [first])]))
        tag, method_name = _resource(method, path)
        return cls(name, tag, method, path, covered=False, resource_method=method_name)

    def body(self, direction: Direction) -> Body | None:
        """The body of the request or of the successes."""
        return self.request if direction == "request" else self.response

    def __str__(self) -> str:
        return f"{self.name} ({self.method.upper()} {self.path})"


def shape(path: str) -> str:
    """A path without the names of its parameters, which may change: `/metrics/{}/`."""
    return re.sub(r"\{[^{}]*\}", "{}", path)


def placeholders(path: str) -> list[str]:
    """The names of the parameters in a path, in order."""
    return re.findall(r"\{([^{}]*)\}", path)


@attrs.frozen
class Operations:
    """All entries, the names of schemas inside bodies by their place (`Progress.metrics[]`), and the promised fields.

    `promises` has the fields that a response must have, by class. With `vendor_schemas`, the vendor's schemas are kept
    as well, under the vendor's names.
    """

    entries: tuple[Operation, ...]
    parts: dict[str, str]
    vendor_schemas: bool = False
    promises: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def of(self, method: str, path: str) -> Operation:
        """The entry for an operation, or a new one."""
        for entry in self.entries:
            if (entry.method, entry.path) == (method, path):
                return entry
        return Operation.uncovered(method, path)

    def only(self, keys: list[tuple[str, str]]) -> Operations:
        """The entries for these (method, path), or new ones, and the vendor's schemas."""
        return attrs.evolve(self._with(tuple(self.of(*key) for key in keys)), vendor_schemas=True)

    def without(self, left_out: Collection[Operation]) -> Operations:
        """All other entries."""
        return self._with(tuple(entry for entry in self.entries if entry not in left_out))

    def _with(self, entries: tuple[Operation, ...]) -> Operations:
        """These entries, with the parts and promises of their bodies only."""
        bodies = {body.name for entry in entries for body in (entry.request, entry.response) if body is not None}
        all_bodies = {body.name for e in self.entries for body in (e.request, e.response) if body is not None}
        parts = {place: name for place, name in self.parts.items() if place.split(".")[0] in bodies}
        gone = (all_bodies | set(self.parts.values())) - bodies - set(parts.values())
        promises = {name: fields for name, fields in self.promises.items() if name not in gone}
        return attrs.evolve(self, entries=entries, parts=parts, promises=promises)


def _snake(text: str) -> str:
    # File systems limit the length of a module's name.
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LONGEST].strip("_")


def _words(path: str) -> list[str]:
    """The segments of a path, a parameter as `by_<name>`."""
    return [f"by_{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]


def _resource(method: str, path: str) -> tuple[str, str]:
    """The tag and the method name of an operation without an entry.

    The tag is the segment after the version, such as `scenarios` for `/test_framework/v1/scenarios/`. Without a
    version, it is the first segment.
    """
    segments = path.strip("/").split("/")
    versions = [number for number, segment in enumerate(segments) if re.fullmatch(r"v[0-9]+", segment)]
    start = versions[0] + 1 if versions else 0
    if start == len(segments) or segments[start].startswith("{") or not _snake(segments[start]):
        start = 0
    rest = segments[start + 1 :]
    tag = _snake(segments[start]) or "root"
    if not rest:
        return tag, COLLECTION_METHODS.get(method, method)
    if len(rest) == 1 and rest[0].startswith("{"):
        return tag, ITEM_METHODS.get(method, method)
    return tag, _snake("_".join([method, *_words("/".join(rest))]))
