"""Stage 1, select: extracts the covered operations of a published document, without changes."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import attrs

from .documents import METHODS, Document, operations as each_operation, references, resolve
from .errors import MissingOperationError, RegenerationError
from .locate import locate, refusal
from .operations import Operation, Operations

ALL, EXPOSED = "all", "exposed"


def choose(document: Document, covered: Operations, selection: str) -> Operations:
    """The operations of a selection: the covered ones, `all`, or those `exposed` by `x-mcp-expose: true`.

    Each has its path in this document.
    """
    covered = locate(document, covered)
    if selection not in (ALL, EXPOSED):
        return covered
    keys = [
        (method, path)
        for method, path, operation in each_operation(document)
        if selection == ALL or operation.get("x-mcp-expose") is True
    ]
    if not keys:
        raise RegenerationError("The specification has no operation with `x-mcp-expose: true`.")
    chosen = covered.only(keys)
    names: set[tuple[str, str]] = set()
    methods: set[tuple[str, str]] = set()
    entries = []
    # Covered operations keep their names. The others are sorted, so that numbers depend only on the paths.
    for entry in sorted(chosen.entries, key=lambda entry: (not entry.covered, entry.path, entry.method)):
        name = _numbered(names, entry.tag, entry.name)
        # Operations of a workflow get methods as well, because this package has no workflow.
        method = _numbered(methods, entry.tag, entry.resource_method or entry.name)
        entries.append(attrs.evolve(entry, name=name, resource_method=method))
    return attrs.evolve(chosen, entries=tuple(entries))


def _numbered(taken: set[tuple[str, str]], tag: str, name: str) -> str:
    """A unique name within the tag, because different paths may give the same Python name."""
    candidates = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    free = next(each for each in candidates if (tag, each) not in taken)
    taken.add((tag, free))
    return free


def select(document: Document, operations: Operations) -> Document:
    """The chosen operations with everything that they refer to, unchanged.

    Raises RegenerationError if the document lacks an operation, or the target of a reference.
    """
    if missing := [entry for entry in operations.entries if not _has(document, entry)]:
        raise MissingOperationError(refusal(document, missing))
    paths: dict[str, Any] = {}
    for entry in operations.entries:
        item = document["paths"][entry.path]
        shared = {key: value for key, value in item.items() if key not in METHODS}
        paths.setdefault(entry.path, shared)[entry.method] = item[entry.method]
    part: Document = {key: document[key] for key in ("openapi", "info", "servers") if key in document}
    part["paths"] = paths
    components = _components(document, paths)
    schemes = {name for item in paths.values() for name in _security_schemes(item)}
    published = document.get("components", {}).get("securitySchemes", {})
    # A security scheme is kept if a parameter would send its credential, so that a later stage removes this parameter.
    names = _parameter_names(part, components)
    schemes |= {name for name, scheme in published.items() if _credential(scheme) in names}
    if used := {name: published[name] for name in sorted(schemes) if name in published}:
        components["securitySchemes"] = used
    if components:
        part["components"] = components
    return copy.deepcopy(part)


def _has(document: Document, entry: Operation) -> bool:
    item = document["paths"].get(entry.path)
    return isinstance(item, dict) and isinstance(item.get(entry.method), dict)


def _components(document: Document, paths: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {}
    todo = sorted(set(references(paths)))
    while todo:
        reference = todo.pop()
        target = resolve(document, reference)
        parts = reference.removeprefix("#/").split("/")
        if len(parts) != 3 or parts[0] != "components":
            raise RegenerationError(
                f"`$ref: {reference}` does not refer to a component. Use another version, or correct a copy of it."
            )
        kind = found.setdefault(parts[1], {})
        name = parts[2].replace("~1", "/").replace("~0", "~")
        if name not in kind:
            kind[name] = target
            todo.extend(references(target))
    return {kind: dict(sorted(entries.items())) for kind, entries in sorted(found.items())}


def _credential(scheme: object) -> str | None:
    return str(scheme.get("name")).lower() if isinstance(scheme, dict) and scheme.get("type") == "apiKey" else None


def _parameter_names(part: Document, components: dict[str, Any]) -> set[str]:
    holders = [holder for item in part["paths"].values() for holder in (item, *(item.get(each) for each in METHODS))]
    lists = [holder.get("parameters") or [] for holder in holders if isinstance(holder, dict)]
    declared = [*itertools.chain(*lists), *components.get("parameters", {}).values()]
    return {str(each["name"]).lower() for each in declared if isinstance(each, dict) and "name" in each}


def _security_schemes(item: dict[str, Any]) -> set[str]:
    return {
        name
        for method in METHODS
        for requirement in (item.get(method) or {}).get("security") or []
        for name in requirement
    }
