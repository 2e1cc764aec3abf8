"""Finds each operation in a document, at the first of its paths that the document has."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import attrs

from .documents import Document, operations as each_operation
from .operations import SNAKE_CASE, Operation, Operations, placeholders, shape

# Documents are not trusted. Only paths of this form are compared and named in messages.
_COMPARABLE = re.compile(r"/[\w/{}.:~-]{0,200}", re.ASCII)
_MOST_COMPARED = 5000
_LEAST_LIKENESS = 0.6
_MOST_NAMED = 8


def locate(document: Document, covered: Operations) -> Operations:
    """The entries, each at the first of its paths that the document has, or else at its first path."""
    places: dict[tuple[str, str], list[str]] = {}
    for method, path, _ in each_operation(document):
        if isinstance(path, str):  # YAML also has keys that are not strings.
            places.setdefault((method, shape(path)), []).append(path)
    entries = []
    for entry in covered.entries:
        found = ((listed, places.get((entry.method, shape(listed)), [])) for listed in entry.paths)
        listed, published = next((each for each in found if each[1]), (entry.path, [entry.path]))
        entries.append(_at(entry, listed if listed in published else published[0]))
    return covered if entries == list(covered.entries) else attrs.evolve(covered, entries=tuple(entries))


def _at(entry: Operation, path: str) -> Operation:
    """The entry at a path. Its parameters keep their names in Python, even if the path has other names."""
    names = placeholders(path)
    listed = [placeholders(each) for each in entry.paths]
    in_paths = {name for each in listed for name in each}
    parameters = {name: ours for name, ours in entry.parameters.items() if name not in in_paths}
    for position, name in enumerate(names):
        known_as = [each[position] for each in listed if len(each) == len(names)]
        renamed = (entry.parameters[each] for each in (name, *known_as) if each in entry.parameters)
        ours = next(renamed, known_as[0] if known_as else name)
        if ours != name and re.fullmatch(SNAKE_CASE, ours):
            parameters[name] = ours
    return attrs.evolve(entry, path=path, parameters=parameters)


def moves(located: Operations) -> tuple[str, ...]:
    """A line for each move, with the operations that are not at the first path of their entry."""
    names = [entry.name for entry in located.entries]
    moved: dict[tuple[str, str], list[str]] = {}
    for entry in located.entries:
        if shape(entry.path) != shape(entry.paths[0]):
            moved.setdefault(_difference(entry.paths[0], entry.path), []).append(entry.name)
    return tuple(f"{_which(group, names)} moved from {old} to {new}" for (old, new), group in moved.items())


def _which(group: list[str], names: list[str]) -> str:
    """Some of all operations, by the shorter list of names."""
    others = [name for name in names if name not in group]
    if len(group) <= max(1, len(others)):
        return ", ".join(group)
    exception = f", all but {', '.join(others)}," if others else ""
    return f"{len(group)} of {len(names)} operations{exception}"


def _difference(old: str, new: str) -> tuple[str, str]:
    """Two paths up to the last segment in which they differ: `/a/v1/` and `/a/v2/` for `/a/v1/x/` and `/a/v2/x/`."""
    before, after = shape(old).split("/"), shape(new).split("/")
    pairs = zip(reversed(before), reversed(after), strict=False)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
    return "/".join([*before[: len(before) - same], ""]), "/".join([*after[: len(after) - same], ""])


def refusal(document: Document, missing: Sequence[Operation]) -> str:
    """Why a document without these operations is refused, with its most similar operations."""
    most = 3 if len(missing) == 1 else 1
    sentences = [_absence(entry, closest(document, entry)[:most]) for entry in missing[:_MOST_NAMED]]
    if len(missing) > _MOST_NAMED:
        sentences.append(f"{len(missing) - _MOST_NAMED} more are missing.")
    return (
        f"{' '.join(sentences)} If an operation moved, add its new path to its entry in spec/operations.yaml. "
        "If it is gone, remove the entry."
    )


def _absence(entry: Operation, similar: list[tuple[str, str]]) -> str:
    sentences = [f"The specification has no operation {entry}."]
    if others := entry.paths[1:]:
        sentences.append(f"It is not at {' or '.join(others)} either.")
    if similar:
        found = ", ".join(f"{method.upper()} {path}" for method, path in similar)
        sentences.append(f"The closest {'is' if len(similar) == 1 else 'are'} {found}.")
    return " ".join(sentences)


def closest(document: Document, entry: Operation) -> list[tuple[str, str]]:
    """The (method, path) of similar operations: those with the method of the entry first, then by similarity.

    The version of a path, and the segments before it, only decide between paths that are otherwise equally similar.
    """
    published = ((method, path) for method, path, _ in each_operation(document) if _COMPARABLE.fullmatch(str(path)))
    rated: list[tuple[bool, float, float, str, str]] = []
    ends = {_end(path) for path in entry.paths}
    for method, path in itertools.islice(published, _MOST_COMPARED):
        if likeness := max(_likeness(end, _end(path)) for end in ends):
            as_a_whole = max(_likeness(shape(each), shape(path)) for each in entry.paths)
            rated.append((method != entry.method, -likeness, -as_a_whole, path, method))
    return [(method, path) for *_, path, method in sorted(rated)]


def _end(path: str) -> str:
    """A path after its version."""
    return re.sub(r"^.*/v[0-9]+/|^/", "", shape(path))


def _likeness(one: str, other: str) -> float:
    """The similarity of two strings, from 0 to 1. It is 0 below a threshold, which is faster to compute."""
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    bounds = (matcher.real_quick_ratio, matcher.quick_ratio, matcher.ratio)
    return matcher.ratio() if all(bound() >= _LEAST_LIKENESS for bound in bounds) else 0.0
