"""`spec/operations.yaml`: which operations the client covers, and the stable names of them and of their bodies."""

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
    """The stable name of a body's schema; `array` when the body is an array of them."""

    name: str
    array: bool = False

    @classmethod
    def parse(cls, text: str) -> Body:
        """Read `Metric` or `Metric[]`."""
        return cls(text.removesuffix("[]"), text.endswith("[]"))


@attrs.frozen
class Operation:
    """One entry: found by method and path, never by the vendor's operationId.

    `path` is where the operation is. `paths` are the paths of its entry, in order of preference: `locate` chooses the
    first one that a specification has.

    `covered` ones are in operations.yaml and get stable bodies; the bodies of the others keep the vendor's schemas. An
    `optional` one is left out if the specification lacks it or has it in a shape that the entry does not fit.

    `resource_method` is its name in the resource class, None for an operation of a workflow, which has no such method.
    `idempotent` says that a request may be sent again though it may have been carried out. `parameters` renames
    parameters in Python; nothing on the wire changes.
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
        """An operation that has no entry: its names are made from its method and path, which seldom change."""
        first, *rest = _words(path)
        name = _snake("_".join([method, *(rest or [first])]))
        tag, method_name = _resource(method, path)
        return cls(name, tag, method, path, covered=False, resource_method=method_name)

    def body(self, direction: Direction) -> Body | None:
        """The body of the request, or of the successes."""
        return self.request if direction == "request" else self.response

    def __str__(self) -> str:
        return f"{self.name} ({self.method.upper()} {self.path})"


def shape(path: str) -> str:
    """A path without the names of its parameters, which are free to change: `/metrics/{}/`."""
    return re.sub(r"\{[^{}]*\}", "{}", path)


def placeholders(path: str) -> list[str]:
    """The names of the parameters in a path, in order."""
    return re.findall(r"\{([^{}]*)\}", path)


@attrs.frozen
class Operations:
    """All entries, the names of schemas inside bodies by their place (`Progress.metrics[]`), and the promised fields.

    `promises` holds, by class, the fields that a response must have. `vendor_schemas` says that the vendor's schemas
    are kept as well, under the vendor's names.
    """

    entries: tuple[Operation, ...]
    parts: dict[str, str]
    vendor_schemas: bool = False
    promises: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    def of(self, method: str, path: str) -> Operation:
        """The entry for an operation, made up if there is none."""
        for entry in self.entries:
            if (entry.method, entry.path) == (method, path):
                return entry
        return Operation.uncovered(method, path)

    def only(self, keys: list[tuple[str, str]]) -> Operations:
        """The entries for these (method, path), made up where there are none, and the vendor's schemas."""
        return attrs.evolve(self._with(tuple(self.of(*key) for key in keys)), vendor_schemas=True)

    def without(self, left_out: Collection[Operation]) -> Operations:
        """All other entries."""
        return self._with(tuple(entry for entry in self.entries if entry not in left_out))

    def _with(self, entries: tuple[Operation, ...]) -> Operations:
        """These entries, with the parts and promises of their bodies; an operation takes its own with it."""
        bodies = {body.name for entry in entries for body in (entry.request, entry.response) if body is not None}
        all_bodies = {body.name for e in self.entries for body in (e.request, e.response) if body is not None}
        parts = {place: name for place, name in self.parts.items() if place.split(".")[0] in bodies}
        gone = (all_bodies | set(self.parts.values())) - bodies - set(parts.values())
        promises = {name: fields for name, fields in self.promises.items() if name not in gone}
        return attrs.evolve(self, entries=entries, parts=parts, promises=promises)


def _snake(text: str) -> str:
    # A file system has a limit for the name of a module.
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LONGEST].strip("_")


def _words(path: str) -> list[str]:
    """The segments of a path, a parameter as `by_<name>`."""
    return [f"by_{part[1:-1]}" if part.startswith("{") else part for part in path.strip("/").split("/")]


def _resource(method: str, path: str) -> tuple[str, str]:
    """The tag of an operation without an entry, and its method there.

    The tag is the segment after the version: `/test_framework/v1/scenarios/` gives `scenarios`. Without a version it
    is the first segment.
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
