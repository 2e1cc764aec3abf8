"""Reports the changes between two effective specifications for users of the Python client, and applied fixes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import attrs

from .documents import METHODS, Document
from .escaping import as_code, as_line
from .interface import KNOWN_VALUE, Interface, Member, interface
from .overlay import AppliedAction

Kind = Literal["breaking", "added", "wording only"]
KINDS: tuple[Kind, ...] = ("breaking", "added", "wording only")
# The part of the version to increase, and why.
_BUMP: dict[Kind | None, tuple[str, str]] = {
    "breaking": ("major", "existing code breaks"),
    "added": ("minor", "only additions"),
    "wording only": ("patch", "only wording changes"),
    None: ("none", "nothing changes"),
}
_FIRST = 5  # number of names in the summary
_FIRST_UNCOVERED = 20
_LONGEST = 60_000  # characters, because GitHub accepts 65,536 in the text of a pull request


@attrs.frozen
class Change:
    """One change for users of the client.

    `sentence` is our text, with a `{}` for each of `names`, which are from the document. The first name is that of the
    changed member.
    """

    kind: Kind
    sentence: str
    names: tuple[str, ...]
    is_part: bool = False

    @property
    def what(self) -> str:
        """The change as Markdown."""
        return self.sentence.format(*map(as_code, self.names))


@attrs.frozen
class Report:
    """The changes and fixes of a run. The strings are data, which `markdown` escapes."""

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
    def most(self) -> Kind | None:
        """The kind of change that decides which part of the version to increase. None if nothing changed."""
        return next((kind for kind in KINDS if self.of(kind)), None)

    @property
    def bump(self) -> str:
        """The part of the version to increase by semantic versioning: major, minor, patch or none."""
        return _BUMP[self.most][0]

    def counts(self) -> str:
        """One line: `2 breaking, 1 added, 0 wording only`."""
        return ", ".join(f"{len(self.of(kind))} {kind}" for kind in KINDS)


def compare(old: Document, new: Document) -> tuple[Change, ...]:
    """The changes from one effective specification to another, in order of kind, then of name."""
    before, after = interface(old), interface(new)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    # A member that is new or gone counts as one change, without its parameters and fields.
    changed -= {name for name in changed if _came_with_owner(name, before, after)}
    changed -= {name for name in changed if _came_with_owner(name, after, before)}
    changes = {change for name in changed for change in _classify(name, before.get(name), after.get(name))}
    return tuple(sorted(changes, key=lambda change: (KINDS.index(change.kind), change.names, change.sentence)))


def _came_with_owner(name: str, before: Interface, after: Interface) -> bool:
    """Whether a member and its owner are both only in `after`."""
    member = after.get(name)
    return name not in before and member is not None and member.owner in after.keys() - before.keys()


def _classify(name: str, old: Member | None, new: Member | None) -> Iterable[Change]:
    is_part = (new or old or Member("")).owner is not None
    for kind, sentence, *types in _differences(old, new):
        yield Change(kind, sentence, (name, *types), is_part)


def _differences(old: Member | None, new: Member | None) -> Iterable[tuple[Kind, str, *tuple[str, ...]]]:
    """Each difference: its kind, its sentence, and the names in the sentence after that of the member."""
    if new is None or old is None:
        if new is not None:
            yield ("breaking", "{} is new, and required") if new.required else ("added", "{} is new")
        elif old is not None:
            # If a value is no longer documented, callers can still pass and read it.
            yield "wording only" if old.type == KNOWN_VALUE else "breaking", "{} is gone"
        return
    if old.type != new.type:
        yield "breaking", "{} was {} and is {}", old.type, new.type
    if new.required and not old.required:
        yield "breaking", "{} is required now"
    if old.required and not new.required:
        yield "added", "{} is no longer required"
    if old.promised and not new.promised:
        yield "breaking", "{} is no longer promised"
    if new.promised and not old.promised:
        yield "added", "{} is promised now"
    if old.wording != new.wording:
        yield "wording only", "{} has a new description"


def uncovered(published: Document, covered: Document) -> list[str]:
    """The published operations that the client does not cover, as lines `GET /path/`, sorted."""
    ours = set(_operations(covered))
    return sorted(set(_operations(published)) - ours)


def _operations(document: Document) -> Iterable[str]:
    for path, item in document.get("paths", {}).items():
        if isinstance(item, dict):
            yield from (as_line(f"{method.upper()} {path}") for method in METHODS if method in item)


def markdown(report: Report, *, verbose: bool = False) -> str:
    """The report for a pull request. It begins with three lines: the version, what breaks, and what is new.

    Without `verbose`, changes of the wording are only counted, operations that the client does not cover are listed in
    part, and a report that is too long for GitHub is cut.
    """
    lines = _summary(report)
    wording = [change.what for change in report.of("wording only")]
    counted = f"{_counted(len(wording), 'change')} of descriptions and known values. `--verbose` lists them."
    sections = {
        "Breaking": _bullets(change.what for change in report.of("breaking")),
        "Added": _bullets(change.what for change in report.of("added")),
        "Optional operations that are left out": _bullets(map(as_code, report.left_out)),
        "Paths": _bullets(map(as_code, report.paths)),
        "Wording only": _bullets(wording) if verbose or not wording else [counted],
        "New operations that the client does not cover": _uncovered(report, verbose=verbose),
        "Faults that rules fixed": _rules(report),
        "Overlay actions that changed nothing": _bullets(
            f"{as_code(action.target)}: {as_code(action.description)}"
            for action in report.overlay_actions
            if not action.changed
        ),
    }
    for title, section in sections.items():
        if section:
            lines += ["", f"## {title}", "", *section]
    text = "\n".join(lines) + "\n"
    if verbose or len(text) <= _LONGEST:
        return text
    return text[:_LONGEST].rpartition("\n")[0] + "\n\nThis report is cut here. `--verbose` prints all of it.\n"


def _summary(report: Report) -> list[str]:
    """The three lines at the beginning of the report."""
    bump, why = _BUMP[report.most]
    new = _named(report.of("added"))
    if report.new_operations:
        new += f", and {_counted(len(report.new_operations), 'operation')} that the client does not cover"
    return [
        f"- Suggested version bump: **{bump}** ({why})",
        f"- Breaking: {_named(report.of('breaking'))}",
        f"- New: {new}",
    ]


def _named(changes: list[Change]) -> str:
    """The number of changes, and the first names. Functions and classes come before their parts."""
    names = list(dict.fromkeys(change.names[0] for change in sorted(changes, key=lambda change: change.is_part)))
    if not names:
        return "nothing"
    more = ", …" if len(names) > _FIRST else ""
    return f"{len(changes)} ({', '.join(map(as_code, names[:_FIRST]))}{more})"


def _uncovered(report: Report, *, verbose: bool) -> list[str]:
    shown = report.new_operations if verbose else report.new_operations[:_FIRST_UNCOVERED]
    more = len(report.new_operations) - len(shown)
    return _bullets([*map(as_code, shown), *[f"{more} more. `--verbose` lists them."] * bool(more)])


def _rules(report: Report) -> list[str]:
    fired = [f"{as_code(name)}: {_counted(count, 'place')}" for name, count in report.rules_fired.items() if count]
    idle = [as_code(name) for name, count in report.rules_fired.items() if not count]
    return _bullets(fired + [f"Not needed for this specification: {', '.join(idle)}"] * bool(idle))


def _bullets(lines: Iterable[str]) -> list[str]:
    return [f"- {line}" for line in lines]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def with_changes(changelog: str, report: Report) -> str:
    """The changelog with the entries of the report in its Unreleased section, each once, without wording."""
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
            present = section.strip("\n")
            section = f"\n{present}\n\n{heading}" if present else f"\n{heading}"
        before, _, after = section.partition(heading)
        existing, gap, others = after.partition("\n### ")
        joined = "\n".join([*filter(None, [existing.strip("\n")]), *new])
        section = f"{before}{heading}\n{joined}\n{gap}{others}"
    return head + marker + section + mark + later
