"""A plan as text: what is created, updated and deleted, with the differences of long strings."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rich.text import Text

from cekura_facade import Metric, MetricChange, Plan
from cekura_facade._matching import agents_of

from ._output import Output, StreamConsole
from ._text import visible

_SHORT = 60  # maximum number of characters of a value on the line of its field
_LINE = 160  # characters of a line, above which it is divided at its sentences
_CONTEXT = 2  # lines around a difference
_AROUND = 40  # characters around a difference within a long line
_SENTENCE = re.compile(r"(?<=[.!?;。！？；])\s+|(?<=[。！？；])")  # noqa: RUF001 - Japanese and Chinese have their own.
_STYLES = {"+": "green", "-": "red", "~": "yellow", " ": "dim"}


class Line(NamedTuple):
    """A line about a metric: a sign (`+`, `-`, `~` or a space) and a text. With `~`, a field may have a new value."""

    sign: str
    text: str
    field: str = ""
    becomes: str = ""


@dataclass(frozen=True)
class Block:
    """What happens to a metric.

    Attributes:
        sign: `+`, `~` or `-`.
        verb: What happens, in a word.
        name: The name of the metric.
        about: More about the metric, such as its id.
        reason: Why a metric that the list does not contain is not deleted. May be empty.
        lines: The fields, or their differences.
    """

    sign: str
    verb: str
    name: str
    about: str = ""
    reason: str = ""
    lines: list[Line] = field(default_factory=list)


def blocks(plan: Plan, *, prune: bool) -> Iterator[Block]:
    """A block for each metric that changes or is only in the service."""
    for fields in plan.create:
        lines = [line for key, value in fields.items() if key != "name" for line in _added(key, value)]
        yield Block("+", "create", str(fields["name"]), lines=lines)
    for code in plan.copy:
        yield Block("+", "create", code, "a predefined metric, which is copied into the project")
    for change in plan.update:
        lines = [line for key in change.after for line in _changed(key, change.before.get(key), change.after[key])]
        yield Block("~", "update", change.metric.name, _about(plan, change), lines=lines)
    deleted = {metric.id for metric in plan.deletable} if prune else set()
    for metric in plan.only_in_service:
        if metric.id in deleted:
            yield Block("-", "delete", metric.name, str(metric.id))
        else:
            reason = _why_kept(plan, metric) if prune else ""
            yield Block("-", "keep", metric.name, str(metric.id), reason)


def summary(plan: Plan, *, prune: bool) -> str:
    """The counts of a plan, as a sentence."""
    deleted = len(plan.deletable) if prune else 0
    parts = (
        (len(plan.create) + len(plan.copy), "to create"),
        (len(plan.update), "to update"),
        (deleted, "to delete"),
        (len(plan.unchanged), "unchanged"),
    )
    numbers = ", ".join(f"{number} {what}" for number, what in parts if number)
    left = len(plan.only_in_service) - deleted
    text = "; ".join(filter(None, (numbers, f"{left} only in the service" if left else "")))
    return f"{text}." if has_work(plan, prune=prune) else f"Nothing to do: {text or 'there are no metrics'}."


def new_steps(shown: Plan, now: Plan, *, prune: bool) -> list[str]:
    """The blocks of a plan that an earlier one does not have, as sentences."""
    before = list(blocks(shown, prune=prune))
    steps = [each for each in blocks(now, prune=prune) if each.verb != "keep" and each not in before]
    named = [f"{each.verb} {visible(each.name)}{f' ({each.about})' if each.about else ''}" for each in steps]
    said = [f"The new plan also shows: {', '.join(named)}."] if named else []
    return [*said, f"The new plan: {summary(now, prune=prune)}"]


def has_work(plan: Plan, *, prune: bool) -> bool:
    """Whether `apply` would do anything."""
    return plan.has_changes or (prune and bool(plan.deletable))


def show(output: Output, console: StreamConsole, plan: Plan, *, prune: bool) -> None:
    """Show a plan: a block for each metric, and the numbers."""
    arrow = "→" if output.is_unicode else "->"
    is_apart = True
    for block in blocks(plan, prune=prune):
        if block.lines and not is_apart:
            console.print()
        style = "dim" if block.verb == "keep" else f"bold {_STYLES[block.sign]}"
        about = ", ".join(filter(None, (visible(block.about), _said(block))))
        about = f"  ({about})" if about else ""
        _print(console, Text.assemble((f"{block.sign} {visible(block.name)}", style), (about, "dim")), 0)
        for line in block.lines:
            text = visible(line.text, lines=True)
            text = f"{visible(line.field)}: {text} {arrow} {visible(line.becomes)}" if line.field else text
            _print(console, Text(f"{line.sign} {text}".rstrip(), _STYLES[line.sign]), 4)
        if is_apart := bool(block.lines):
            console.print()
    if not is_apart:
        console.print()
    _print(console, Text(summary(plan, prune=prune), "bold"), 0)


def _said(block: Block) -> str:
    if block.verb == "keep":
        return f"is kept: {block.reason}" if block.reason else "only in the service"
    return "to be deleted" if block.verb == "delete" else ""


def _print(console: StreamConsole, text: Text, indent: int) -> None:
    if not console.is_terminal:
        console.print(Text(" " * indent).append_text(text), soft_wrap=True)
        return
    for nth, part in enumerate(text.wrap(console, max(console.width - indent - 2, 1))):
        console.print(Text.assemble(" " * (indent + 2 * bool(nth)), part), no_wrap=True)


def _about(plan: Plan, change: MetricChange) -> str:
    others = agents_of(change.metric.to_dict()) - {plan.agent_id}
    if plan.agent_id is None or not others:
        return str(change.metric.id)
    agents = ", ".join(map(str, sorted(others)))
    return f"{change.metric.id}, also assigned to {'agent' if len(others) == 1 else 'agents'} {agents}"


def _why_kept(plan: Plan, metric: Metric) -> str:
    fields = metric.to_dict()
    others = agents_of(fields) - {plan.agent_id}
    if fields.get("vocera_defined_metric_code"):
        return "it is a predefined metric"
    if plan.agent_id is not None and others:
        return f"also assigned to {'agent' if len(others) == 1 else 'agents'} {', '.join(map(str, sorted(others)))}"
    return "only a plan with --project-id deletes a metric of the project" if plan.agent_id else "not of this project"


def _added(key: str, value: object) -> list[Line]:
    text = _as_text(value)
    if _is_short(text):
        return [Line("+", f"{visible(key)}: {_quoted(value)}")]
    return [Line("+", f"{visible(key)}:"), *(Line("+", f"  {line}".rstrip()) for line in text.rstrip("\n").split("\n"))]


def _changed(key: str, before: object, after: object) -> list[Line]:
    old, new = _as_text(before), _as_text(after)
    if _is_short(old) and _is_short(new):
        return [Line("~", _quoted(before), key, _quoted(after))]
    return [
        Line("~", f"{visible(key)}:"),
        *(Line(each.sign, f"  {each.text}".rstrip()) for each in difference(old, new)),
    ]


def difference(old: str, new: str) -> list[Line]:
    """The lines that differ, with some context. A long line is divided at its sentences."""
    is_long = any(len(line) > _LINE for text in (old, new) for line in text.split("\n"))
    if old.rstrip("\n") != new.rstrip("\n"):
        old, new = old.rstrip("\n"), new.rstrip("\n")
    before, after = _units(old, divided=is_long), _units(new, divided=is_long)
    if before == after:  # Only the white space between the divided parts differs.
        return _excerpts(json.dumps(old, ensure_ascii=False), json.dumps(new, ensure_ascii=False))
    lines: list[Line] = []
    end = 0
    for group in difflib.SequenceMatcher(None, before, after).get_grouped_opcodes(_CONTEXT):
        if lines or group[0][1] > 0:
            lines.append(Line(" ", "…"))
        for tag, start, end, new_start, new_end in group:
            gone, come = before[start:end], after[new_start:new_end]
            if tag == "equal":
                lines += [Line(" ", _cut(text)) for text in gone]
            elif len(gone) == len(come):
                pairs = [_excerpts(*pair) for pair in zip(gone, come, strict=True)]
                lines += [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
            else:
                lines += [Line("-", text) for text in gone] + [Line("+", text) for text in come]
    if end < len(before):
        lines.append(Line(" ", "…"))
    return lines


def _units(text: str, *, divided: bool) -> list[str]:
    lines = text.split("\n")
    return [unit for line in lines for unit in _SENTENCE.split(line) if unit or not line] if divided else lines


def _excerpts(old: str, new: str) -> list[Line]:
    """Two versions of a line. Long ones are cut to the difference and its context."""
    if max(len(old), len(new)) <= _LINE:
        return [Line("-", old), Line("+", new)]
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    head = old[max(0, start - _AROUND) : start]
    tail = old[len(old) - end :][:_AROUND]
    head, tail = f"…{head}" if start > _AROUND else head, f"{tail}…" if end > _AROUND else tail
    return [Line(sign, head + text[start : len(text) - end] + tail) for sign, text in (("-", old), ("+", new))]


def _common(one: str, other: str) -> int:
    """The length of the common beginning of two strings."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _cut(text: str) -> str:
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"


def _is_short(text: str) -> bool:
    return len(text) <= _SHORT and "\n" not in text


def _as_text(value: object) -> str:
    """A value as lines of text. A value that is not a string is formatted as JSON."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n")
    compact = _quoted(value)
    return compact if len(compact) <= _SHORT else json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


def _quoted(value: object) -> str:
    return "not set" if value is None else json.dumps(value, ensure_ascii=False)


def record(plan: Plan) -> dict[str, Any]:
    """A plan as a part of a JSON document."""

    def named(metrics: tuple[Metric, ...]) -> list[dict[str, Any]]:
        return [{"id": metric.id, "name": metric.name} for metric in metrics]

    return {
        "create": list(plan.create),
        "copy": list(plan.copy),
        "update": [
            {
                "id": change.metric.id,
                "name": change.metric.name,
                "fields": [
                    {"name": key, "before": change.before.get(key), "after": value}
                    for key, value in change.after.items()
                ],
            }
            for change in plan.update
        ],
        "unchanged": named(plan.unchanged),
        "only_in_service": named(plan.only_in_service),
        "deletable": named(plan.deletable),
    }
