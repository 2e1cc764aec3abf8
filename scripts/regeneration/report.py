"""What changed between two effective specifications, for users of the Python client, and what the run fixed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs
from deepdiff import DeepDiff

from .documents import METHODS, Document
from .interface import KNOWN_VALUE, Member, interface, owner
from .overlay import AppliedAction

Kind = Literal["breaking", "added", "wording only"]
KINDS: tuple[Kind, ...] = ("breaking", "added", "wording only")
_BUMP: dict[Kind | None, str] = {"breaking": "major", "added": "minor", "wording only": "patch", None: "none"}


@attrs.frozen
class Change:
    """One change, and what it is to users of the client."""

    kind: Kind
    what: str


@attrs.frozen
class Report:
    """What a run changed and fixed."""

    changes: tuple[Change, ...]
    new_operations: tuple[str, ...] = ()
    rules_fired: dict[str, int] = attrs.field(factory=dict)
    overlay_actions: tuple[AppliedAction, ...] = ()
    left_out: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def of(self, kind: Kind) -> list[Change]:
        """The changes of one kind."""
        return [change for change in self.changes if change.kind == kind]

    @property
    def bump(self) -> str:
        """The part of the version that semver asks to raise: major, minor, patch or none."""
        return _BUMP[next((kind for kind in KINDS if self.of(kind)), None)]

    def counts(self) -> str:
        """One line: `2 breaking, 1 added, 0 wording only`."""
        return ", ".join(f"{len(self.of(kind))} {kind}" for kind in KINDS)


def compare(old: Document, new: Document) -> tuple[Change, ...]:
    """The changes from one effective specification to another, in order of kind, then of name."""
    before, after = interface(old), interface(new)
    difference = DeepDiff(_plain(before), _plain(after), view="tree", threshold_to_diff_deeper=0)
    changed = {str(item.path(output_format="list")[0]) for items in difference.values() for item in items}
    # A new function is one addition. That it has required parameters does not break anything.
    changed -= {name for name in changed - before.keys() if owner(name) in after.keys() - before.keys()}
    # The known values of a field that is gone went with it, and so did the method of an operation.
    changed -= {name for name in changed - after.keys() if ": " in name and owner(name) not in after}
    changes = {change for name in changed for change in _classify(name, before.get(name), after.get(name))}
    return tuple(sorted(changes, key=lambda change: (KINDS.index(change.kind), change.what)))


def _plain(members: dict[str, Member]) -> dict[str, dict[str, object]]:
    return {name: attrs.asdict(member) for name, member in members.items()}


def _classify(name: str, old: Member | None, new: Member | None) -> Iterable[Change]:
    quoted = f"`{name}`"
    if new is None and old is not None:
        # If a value is no longer documented, callers can still pass and read it.
        kind: Kind = "wording only" if old.type == KNOWN_VALUE else "breaking"
        yield Change(kind, f"{quoted} is gone")
    elif old is None and new is not None:
        if new.required:
            yield Change("breaking", f"{quoted} is new, and required")
        else:
            yield Change("added", f"{quoted} is new")
    elif old is not None and new is not None:
        yield from _differences(quoted, old, new)


def _differences(quoted: str, old: Member, new: Member) -> Iterable[Change]:
    if old.type != new.type:
        yield Change("breaking", f"{quoted} was `{old.type}` and is `{new.type}`")
    if new.required and not old.required:
        yield Change("breaking", f"{quoted} is required now")
    if old.required and not new.required:
        yield Change("added", f"{quoted} is no longer required")
    if old.promised and not new.promised:
        yield Change("breaking", f"{quoted} is no longer promised")
    if new.promised and not old.promised:
        yield Change("added", f"{quoted} is promised now")
    if old.wording != new.wording:
        yield Change("wording only", f"{quoted} is described in other words")


def uncovered(published: Document, covered: Document) -> list[str]:
    """The published operations that the client does not cover, as `GET /path/`, sorted."""
    ours = set(_operations(covered))
    return sorted(set(_operations(published)) - ours)


def _operations(document: Document) -> Iterable[str]:
    for path, item in document.get("paths", {}).items():
        if isinstance(item, dict):
            yield from (f"{method.upper()} {path}" for method in METHODS if method in item)


def markdown(report: Report) -> str:
    """The report for a pull request."""
    lines = ["# What this specification changes", "", f"Suggested version bump: **{report.bump}**", ""]
    for kind in KINDS:
        lines += [f"## {kind.capitalize()}", ""]
        lines += [f"- {change.what}" for change in report.of(kind)] or ["Nothing."]
        lines.append("")
    if report.left_out:
        lines += ["## Optional operations that are left out", "", *(f"- {why}" for why in report.left_out), ""]
    if report.paths:
        lines += ["## Paths", "", *(f"- `{move}`" for move in report.paths), ""]
    lines += ["## New upstream, and not covered", ""]
    lines += [f"- `{name}`" for name in report.new_operations] or ["Nothing."]
    lines += ["", "## Rules that fired", "", "| rule | places fixed |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in report.rules_fired.items() if count]
    idle = [name for name, count in report.rules_fired.items() if not count]
    lines += ["", "No longer needed for this specification: " + (", ".join(idle) or "none") + ".", ""]
    lines += ["## Overlay actions that changed nothing", ""]
    lines += [f"- `{a.target}`: {a.description}" for a in report.overlay_actions if not a.changed] or ["None."]
    return "\n".join(lines) + "\n"


def with_changes(changelog: str, report: Report) -> str:
    """The changelog with the entries of the report in its Unreleased section, each once. Wording has no entry."""
    entries = {
        "Added": [f"- {change.what}, since the API has it." for change in report.of("added")],
        "Changed": [f"- **Breaking:** {change.what}, following the API." for change in report.of("breaking")],
    }
    head, marker, rest = changelog.partition("## Unreleased\n")
    if not marker:
        head, marker, rest = changelog.rstrip("\n") + "\n\n", "## Unreleased\n", ""
    section, mark, later = rest.partition("\n## ")
    for title, lines in entries.items():
        new = [line for line in lines if line not in section]
        if not new:
            continue
        heading = f"### {title}\n"
        if heading not in section:
            there = section.strip("\n")
            section = f"\n{there}\n\n{heading}" if there else f"\n{heading}"
        before, _, after = section.partition(heading)
        entries_there, gap, others = after.partition("\n### ")
        joined = "\n".join([*filter(None, [entries_there.strip("\n")]), *new])
        section = f"{before}{heading}\n{joined}\n{gap}{others}"
    return head + marker + section + mark + later
