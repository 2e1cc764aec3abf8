"""Reads `spec/operations.yaml`, or a similar file that `--select` names."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .documents import METHODS, load
from .errors import RegenerationError
from .operations import SNAKE_CASE, Body, Operation, Operations, shape

_REQUIRED = ("name", "tag", "method", "path")
_FLAGS = ("optional", "workflow", "idempotent")
_KEYS = {*_REQUIRED, *_FLAGS, "request", "response", "resource_method", "parameters"}
_CLASS = r"[A-Z]\w*(\[\])?"


def load_operations(path: Path) -> Operations:
    """Read and check `operations.yaml`. Raises RegenerationError."""
    document = load(path)
    if unknown := document.keys() - {"operations", "parts", "promises"}:
        raise RegenerationError(f"{path}: {', '.join(sorted(unknown))} is unknown. Correct its name, or remove it.")
    listed = document.get("operations")
    if not isinstance(listed, list) or not listed:
        raise RegenerationError(f"{path}: `operations` must be a list with at least one entry.")
    entries = tuple(_operation(entry, f"{path}, entry {number}") for number, entry in enumerate(listed, 1))
    _check_different(path, entries)
    parts = _mapping(document, "parts", str, f"{path}: `parts` must map names to places, such as Part: Page.results[].")
    promises = _mapping(
        document, "promises", list, f"{path}: `promises` must map classes to fields, such as Page: [count]."
    )
    fields = {name: tuple(map(str, each)) for name, each in promises.items()}
    return Operations(entries, {place: name for name, place in parts.items()}, promises=fields)


def _mapping(document: dict[str, Any], key: str, kind: type, problem: str) -> dict[str, Any]:
    found = document.get(key) or {}
    if not isinstance(found, dict) or not all(isinstance(value, kind) for value in found.values()):
        raise RegenerationError(problem)
    return found


def _check_different(path: Path, entries: tuple[Operation, ...]) -> None:
    """Raise RegenerationError if two entries have a name or a path in common."""
    if name := _repeated(entry.name for entry in entries):
        raise RegenerationError(f"{path}: two operations have the name {name}. Rename one.")
    if method := _repeated((entry.tag, entry.resource_method) for entry in entries if entry.resource_method):
        raise RegenerationError(
            f"{path}: two operations of {method[0]} have the resource method {method[1]}. Rename one."
        )
    if place := _repeated((entry.method, shape(listed)) for entry in entries for listed in entry.paths):
        raise RegenerationError(f"{path}: {place[0].upper()} {place[1]} is listed twice. Remove one of the two.")


def _repeated(values: Iterable[Any]) -> Any:
    """The first repeated value, or None."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _operation(entry: Any, where: str) -> Operation:
    if not isinstance(entry, dict):
        raise RegenerationError(f"{where}: expected keys such as `name: list_metrics`.")
    where = f"{where} ({entry['name']})" if "name" in entry else where
    if missing := [key for key in _REQUIRED if key not in entry]:
        raise RegenerationError(f"{where} has no {' and no '.join(missing)}.")
    if unknown := entry.keys() - _KEYS:
        raise RegenerationError(f"{where} has {', '.join(sorted(unknown))}, which is unknown.")
    for is_wrong, problem in _problems(entry):
        if is_wrong:
            raise RegenerationError(f"{where}{problem}")
    paths = entry["path"] if isinstance(entry["path"], list) else [entry["path"]]
    return Operation(
        name=entry["name"],
        tag=entry["tag"],
        method=entry["method"].lower(),
        path=paths[0],
        paths=tuple(paths),
        request=Body.parse(entry["request"]) if "request" in entry else None,
        response=Body.parse(entry["response"]) if "response" in entry else None,
        optional=entry.get("optional", False),
        resource_method=None if entry.get("workflow") else entry.get("resource_method", entry["name"]),
        idempotent=entry.get("idempotent", False),
        parameters=dict(entry.get("parameters", {})),
    )


def _problems(entry: dict[str, Any]) -> Iterable[tuple[bool, str]]:
    """The possible problems of an entry: whether it has the problem, and the message."""
    for key in _FLAGS:
        yield not isinstance(entry.get(key, False), bool), f": `{key}` must be true or false."
    for key in ("request", "response"):
        is_class = re.fullmatch(_CLASS, str(entry.get(key, "Metric")), re.ASCII)
        yield not is_class, f": `{key}` must be the name of a class such as Metric, or Metric[] for an array."
    is_method = entry.get("workflow") and "resource_method" in entry
    yield bool(is_method), " is part of a workflow, so it has no resource_method."
    parameters = entry.get("parameters", {})
    yield not isinstance(parameters, dict), ": `parameters` must map names to names, such as {id: metric_id}."
    for name in (entry["name"], entry["tag"], entry.get("resource_method", entry["name"]), *parameters.values()):
        is_name = re.fullmatch(SNAKE_CASE, str(name)) and not keyword.iskeyword(str(name))
        yield not is_name, f": {name} is not a snake_case name."
    yield str(entry["method"]).lower() not in METHODS, f": {entry['method']} is not an HTTP method."
    paths = entry["path"] if isinstance(entry["path"], list) else [entry["path"]]
    are_paths = bool(paths) and all(isinstance(path, str) and path.startswith("/") for path in paths)
    yield not are_paths, ": `path` must be a path such as /metrics/{id}/, or a list of such paths."
