"""`spec/operations.yaml`: which operations the client covers, and the stable names of them and of their bodies."""

from __future__ import annotations

import re
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
    """One entry: found by method and path, never by the vendor's operationId."""

    name: str
    tag: str
    method: str
    path: str
    request: Body | None = None
    response: Body | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.method.upper()} {self.path})"


@attrs.frozen
class Operations:
    """All entries, and the names of schemas inside bodies by their place (`Progress.metrics[]`)."""

    entries: tuple[Operation, ...]
    parts: dict[str, str]


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
    bodies = {key: Body.parse(entry[key]) for key in ("request", "response") if key in entry}
    operation = Operation(
        name=entry["name"], tag=entry["tag"], method=entry["method"].lower(), path=entry["path"], **bodies
    )
    if operation.method not in METHODS or not re.fullmatch(r"[a-z][a-z0-9_]*", operation.name):
        raise RegenerationError(f"operations.yaml: {operation} needs a snake_case name and an HTTP method.")
    return operation
