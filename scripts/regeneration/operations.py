"""`spec/operations.yaml`: which operations the client covers, and the stable names of them and of their bodies."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import attrs

from .documents import METHODS, load
from .errors import RegenerationError


@attrs.frozen
class Body:
    """The stable name of a body's schema; `array` when the body is an array of them."""

    name: str
    array: bool = False

    @classmethod
    def parse(cls, text: str) -> Body:
        return cls(text.removesuffix("[]"), text.endswith("[]"))


@attrs.frozen
class Operation:
    """One entry: found by method and path, never by the vendor's operationId.

    `covered` ones stand in operations.yaml and get stable bodies; of others the bodies keep the vendor's schemas. A
    specification that lacks an `optional` one, or has it in a shape that the entry does not fit, is taken without it.
    """

    name: str
    tag: str
    method: str
    path: str
    request: Body | None = None
    response: Body | None = None
    covered: bool = True
    optional: bool = False

    @classmethod
    def uncovered(cls, method: str, path: str) -> Operation:
        """An operation that has no entry: its name and tag are made from its method and path, which seldom move."""
        first, *rest = path.strip("/").split("/")
        words = [method, *(f"by_{part[1:-1]}" if part.startswith("{") else part for part in rest or [first])]
        return cls(_snake("_".join(words)), _snake(first) or "root", method, path, covered=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.method.upper()} {self.path})"


@attrs.frozen
class Operations:
    """All entries, and the names of schemas inside bodies by their place (`Progress.metrics[]`).

    `vendor_schemas` says that the vendor's schemas are kept as well, under the vendor's names.
    """

    entries: tuple[Operation, ...]
    parts: dict[str, str]
    vendor_schemas: bool = False

    def of(self, method: str, path: str) -> Operation:
        """The entry for an operation, made up if there is none."""
        for entry in self.entries:
            if (entry.method, entry.path) == (method, path):
                return entry
        return Operation.uncovered(method, path)

    def only(self, keys: list[tuple[str, str]]) -> Operations:
        """The entries for these (method, path), made up where there are none, and the vendor's schemas."""
        entries = tuple(self.of(method, path) for method, path in keys)
        return attrs.evolve(self, entries=entries, parts=self._parts_of(entries), vendor_schemas=True)

    def without(self, left_out: Collection[Operation]) -> Operations:
        """All other entries."""
        entries = tuple(entry for entry in self.entries if entry not in left_out)
        return attrs.evolve(self, entries=entries, parts=self._parts_of(entries))

    def _parts_of(self, entries: tuple[Operation, ...]) -> dict[str, str]:
        names = {body.name for entry in entries for body in (entry.request, entry.response) if body is not None}
        return {place: name for place, name in self.parts.items() if place.split(".")[0] in names}


def _snake(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def load_operations(path: Path) -> Operations:
    """Read and check `operations.yaml`."""
    document = load(path)
    try:
        entries = tuple(_operation(entry) for entry in document["operations"])
        parts = {place: name for name, place in document.get("parts", {}).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise RegenerationError(f"{path}: an entry is incomplete or of the wrong shape: {error}") from None
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise RegenerationError(f"{path}: the name {name} is given to two operations.")
    return Operations(entries, parts)


def _operation(entry: dict[str, Any]) -> Operation:
    if unknown := entry.keys() - {"name", "tag", "method", "path", "request", "response", "optional"}:
        raise RegenerationError(f"operations.yaml: {entry['name']} has {', '.join(sorted(unknown))}, which is unknown.")
    if not isinstance(entry.get("optional", False), bool):
        raise RegenerationError(f"operations.yaml: {entry['name']}: `optional` is true or false.")
    operation = Operation(
        name=entry["name"],
        tag=entry["tag"],
        method=entry["method"].lower(),
        path=entry["path"],
        request=Body.parse(entry["request"]) if "request" in entry else None,
        response=Body.parse(entry["response"]) if "response" in entry else None,
        optional=entry.get("optional", False),
    )
    if operation.method not in METHODS or not re.fullmatch(r"[a-z][a-z0-9_]*", operation.name):
        raise RegenerationError(f"operations.yaml: {operation} needs a snake_case name and an HTTP method.")
    return operation
