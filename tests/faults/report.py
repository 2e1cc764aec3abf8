"""The results of a run: totals and a table of every fault, for a terminal and for docs/internals/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from string import Template

import attrs
from rich.table import Table

from .applying import ClientKind
from .catalogue import ALL_FAULTS
from .cells import WHEN, Cell
from .sequences import PARTIAL_OR_LATE
from .steps import STEPS
from .trial import Verdict
from .violation import KINDS, Kind, Violation

TEMPLATE = Path(__file__).with_name("reliability.md")
NAMES: dict[ClientKind, str] = {
    "ours": "this package",
    "apply": "its `apply`",
    "vendor": "the vendor's package",
    "raw": "the generated client alone",
}
HEADINGS: dict[Kind, str] = {
    "lost": "lost",
    "saved twice": "saved twice",
    "not shown": "not shown",
    "not named": "not named",
    "foreign": "foreign exceptions",
    "leak": "leaks",
    "deadline": "deadline missed",
    "not met": "fault not met",
}
_SECTIONS = {
    "connection": "The connection",
    "time": "Time",
    "bytes": "Bytes that are not a valid response",
    "body": "Bodies",
    "encoding": "Encodings",
    "redirect": "Redirects",
    "status": "Statuses",
    "clock": "Clocks",
    "partly or late": "Partly or late processed writes",
    "sequence": "Sequences of faults",
    "ended": "The process ends, and a second one continues",
    "beyond": "Beyond the guarantee",
}
_STEPS = {
    "plan: agent": "`plan` reads the agent",
    "plan: list": "`plan` lists the metrics",
    "plan: read": "`plan` reads a metric that differs",
    "agent": "`apply` reads the agent",
    "list": "it lists the metrics",
    "read": "it reads a metric that differs",
    "agent again": "it reads the agent, before it creates metrics",
    "list again": "it lists the metrics, before it creates any",
    "save": "it creates metrics",
    "list created": "it lists what it created",
    "copy": "it copies predefined metrics",
    "list copied": "it lists what it copied",
    "check before update": "it reads a metric, before it updates it",
    "update": "it updates a metric",
    "check before delete": "it reads a metric, before it deletes it",
    "delete": "it deletes a metric",
    "list deleted": "it lists the metrics, after it deleted some",
    "sequence": "several steps",
}
_PARTIAL_OR_LATE = {WHEN[phase] for phases in PARTIAL_OR_LATE.values() for phase in phases}


@attrs.frozen
class Row:
    """All cells of one fault, for one kind of client."""

    section: str
    name: str
    verdicts: dict[ClientKind, list[Verdict]]


def totals(verdicts: Iterable[Verdict]) -> dict[Kind, int]:
    """The number of violations of each kind."""
    return _counted(violation for verdict in verdicts for violation in verdict.violations)


def totals_line(kind: ClientKind, verdicts: Sequence[Verdict]) -> str:
    """One line: `this package: 553 cells, 0 lost, …`."""
    counts = ", ".join(f"{count} {HEADINGS[each]}" for each, count in totals(verdicts).items())
    return f"{NAMES[kind]}: {len(verdicts)} cells, {counts}"


def table(verdicts: dict[ClientKind, list[Verdict]]) -> Table:
    """Every fault, with its results for each kind of client."""
    shown = Table("fault", *(NAMES[kind] for kind in verdicts), title="Cells without violations")
    for section, rows in groupby(_rows(verdicts), key=lambda row: row.section):
        shown.add_section()
        shown.add_row(f"[bold]{_SECTIONS[section]}[/]")
        for row in rows:
            shown.add_row(row.name, *(_without_violations(row.verdicts[kind]) for kind in verdicts))
    return shown


def document(verdicts: dict[ClientKind, list[Verdict]], behaviors: Sequence[Sequence[object]]) -> str:
    """The text of docs/internals/reliability.md: the prose of the template, and the tables of this run."""
    rows: list[list[object]] = [["client", "cells", *HEADINGS.values()]]
    rows += [[NAMES[kind], len(each), *totals(each).values()] for kind, each in verdicts.items()]
    parts = []
    for section, group in groupby(_rows(verdicts), key=lambda row: row.section):
        head = ["fault", *(NAMES[kind] for kind in verdicts)]
        body = [[row.name, *(_without_violations(row.verdicts[kind]) for kind in verdicts)] for row in group]
        parts.append(f"### {_SECTIONS[section]}\n\n{_markdown([head, *body])}")
    steps: list[list[object]] = [["step of `apply`", "cells", "without violations"]]
    for step in (*STEPS["apply"], "sequence"):
        cells = [verdict for verdict in verdicts["apply"] if verdict.cell.where == step and not verdict.cell.limit]
        steps.append([_STEPS[step], len(cells), _without_violations(cells)])
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute(
        totals=_markdown(rows), steps=_markdown(steps), behaviors=_markdown(behaviors), cells="\n\n".join(parts)
    )


def _rows(verdicts: dict[ClientKind, list[Verdict]]) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for kind, each in verdicts.items():
        for verdict in each:
            key = _place(verdict.cell)
            row = found.setdefault(key, Row(*key, {name: [] for name in verdicts}))
            row.verdicts[kind].append(verdict)
    return sorted(found.values(), key=lambda row: list(_SECTIONS).index(row.section))


def _place(cell: Cell) -> tuple[str, str]:
    """The section of a cell, and the name of its row."""
    name = cell.fault + (", persistent" if cell.persistent and cell.where != "sequence" else "")
    if cell.limit:
        return "beyond", f"{name}; {cell.when}"
    if cell.ended_by:
        return "ended", name
    if cell.where == "sequence":
        return "sequence", name
    if cell.when in _PARTIAL_OR_LATE:
        return "partly or late", f"{name}; {cell.when}"
    return ALL_FAULTS[cell.fault].group, name


def _without_violations(verdicts: list[Verdict]) -> str:
    """`7 of 7`, or `2 of 7: saved twice 6, leaks 1`."""
    if not verdicts:
        return "-"
    wrong = [verdict for verdict in verdicts if verdict.violations or verdict.beyond]
    text = f"{len(verdicts) - len(wrong)} of {len(verdicts)}"
    counts = _counted(each for verdict in wrong for each in (*verdict.violations, *verdict.beyond))
    kinds = ", ".join(f"{HEADINGS[kind]} {count}" for kind, count in counts.items() if count)
    return f"{text}: {kinds}" if kinds else text


def _counted(violations: Iterable[Violation]) -> dict[Kind, int]:
    counts = dict.fromkeys(KINDS, 0)
    for violation in violations:
        counts[violation.kind] += violation.count
    return counts


def _markdown(rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])
