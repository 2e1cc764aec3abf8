"""Finds violations after a plan was applied. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .clients import Changes, Outcome
from .harness import ServiceState
from .metrics_file import CHANGED, CODE, COPIED, NEW, OLD, SAME, must_not_change, wanted
from .violation import Violation

_Metric = dict[str, Any]
_EVERYTHING = [*NEW, *COPIED]


def judge_applied(outcome: Outcome, state: ServiceState) -> Iterator[Violation]:
    """The violations when `apply` has ended, or `plan` with an error."""
    yield from _not_shown(state)
    if not outcome.planned:
        if _created(state) or _updated(state) or _deleted(state):
            yield Violation("not shown", "something was changed without a plan")
        return
    changes = outcome.changes
    if changes is None:
        yield Violation("not named", "the changes are not on the error")
        return
    if outcome.error is None:
        yield from _differences(state)
        if [name for _, name in changes.created] != _EVERYTHING or changes.unchanged != [SAME]:
            yield Violation("not named", f"it returned {changes.created} and {changes.unchanged}")
    yield from _wrong_report(outcome, changes, state)


def judge_interrupted(where: str, outcome: Outcome, state: ServiceState) -> Iterator[Violation]:
    """The violations after Ctrl-C during the request of a step. Nobody knows whether this request was processed."""
    yield from _not_shown(state)
    if where.startswith("plan: "):
        return
    if outcome.changes is None:
        yield Violation("not named", "the changes are not on the exception")
        return
    delayed = {"save": "POST", "copy": "POST", "update": "PATCH", "delete": "DELETE"}.get(where, "")
    yield from _wrong_report(outcome, outcome.changes, state, delayed)


def _wrong_report(outcome: Outcome, changes: Changes, state: ServiceState, delayed: str = "") -> Iterator[Violation]:
    """What the result or the error reports wrongly, except for the changes of a delayed request."""
    created, updated, deleted = _created(state), _updated(state), _deleted(state)
    names = {metric["id"]: metric["name"] for metric in created}
    untrue = [
        *(number for number, name in changes.created if names.get(number) != name),
        *({*changes.updated} - updated),
        *({*changes.deleted} - deleted),
    ]
    if untrue:
        yield Violation("not named", f"it reports changes of {untrue}, which are unchanged", len(untrue))
    unnamed = [
        *(Counter(names.values()) - Counter([name for _, name in changes.created]) - Counter(_unconfirmed(outcome))),
        *_without(updated - {*changes.updated}, outcome, "PATCH"),
        *_without(deleted - {*changes.deleted}, outcome, "DELETE"),
    ]
    if delayed and len(unnamed) <= {"POST": len(NEW)}.get(delayed, 1):
        return
    if unnamed:
        yield Violation("not named", f"{unnamed} were changed, but are not on the error", len(unnamed))


def judge_repeated(state: ServiceState, problem: Exception | None) -> Iterator[Violation]:
    """The violations after the faults were removed and the caller computed and applied a plan again."""
    if problem is not None:
        yield Violation("lost", f"applying again failed: {type(problem).__name__}: {problem}"[:200])
    yield from _not_shown(state)
    yield from _differences(state)


def _not_shown(state: ServiceState) -> Iterator[Violation]:
    """Metrics that were changed, deleted or created although no plan shows it."""
    now = {metric["id"]: metric for metric in state.metrics}
    for before in state.before:
        number, name = before["id"], before["name"]
        if must_not_change(before, state.agent) and now.get(number) != before:
            yield Violation("not shown", f"metric {number} ({name!r}) was changed or deleted")
        elif name in CHANGED and not _others(before).items() <= _others(now.get(number, {})).items():
            yield Violation("not shown", f"metric {number} ({name!r}) was deleted, or changed in other fields")
        elif name in OLD and now.get(number, before) != before:
            yield Violation("not shown", f"metric {number} ({name!r}) was changed")
    for metric in _created(state):
        if metric["name"] not in _EVERYTHING or metric["agents"] != [state.agent]:
            yield Violation("not shown", f"metric {metric['id']} ({metric['name']!r}) was created")


def _differences(state: ServiceState) -> Iterator[Violation]:
    """Differences between the metrics of the service and the wanted ones."""
    created = Counter(_key(metric) for metric in _created(state))
    expected = Counter(_key(fields) for fields in wanted() if fields["name"] in _EVERYTHING)
    if missing := (expected - created).total():
        yield Violation("lost", f"{missing} of {expected.total()} are not created", missing)
    if extra := (created - expected).total():
        yield Violation("saved twice", f"{extra} more than the {expected.total()} wanted are created", extra)
    if left := len(CHANGED) - len(_updated(state)):
        yield Violation("lost", f"{left} of {len(CHANGED)} are not updated", left)
    if left := len(OLD) - len(_deleted(state)):
        yield Violation("lost", f"{left} of {len(OLD)} are not deleted", left)


def _key(metric: _Metric) -> tuple[object, ...]:
    """The fields that distinguish the wanted metrics."""
    return metric["name"], metric.get(CODE), None if metric.get(CODE) else metric.get("description")


def _created(state: ServiceState) -> list[_Metric]:
    known = {metric["id"] for metric in state.before}
    return [metric for metric in state.metrics if metric["id"] not in known]


def _own(state: ServiceState, names: Iterable[str]) -> Callable[[_Metric], bool]:
    return lambda metric: metric["name"] in names and not must_not_change(metric, state.agent)


def _updated(state: ServiceState) -> set[int]:
    known = {metric["id"] for metric in filter(_own(state, CHANGED), state.before)}
    return {each["id"] for each in state.metrics if each["id"] in known and each["description"] == "after"}


def _deleted(state: ServiceState) -> set[int]:
    return {each["id"] for each in filter(_own(state, OLD), state.before)} - {each["id"] for each in state.metrics}


def _others(metric: _Metric) -> _Metric:
    """The fields that `apply` must not change."""
    return {name: value for name, value in metric.items() if name not in ("description", "padding")}


def _unconfirmed(outcome: Outcome) -> list[str]:
    return [str(name) for name, *_ in outcome.unconfirmed]


def _without(numbers: set[int], outcome: Outcome, method: str) -> set[int]:
    """The metrics, without the one whose request the error is about."""
    verb, _, path = outcome.request.partition(" ")
    return {number for number in numbers if not (verb == method and path.endswith(f"/{number}/"))}
