"""What applying a plan must not lead to. Pure, as the judge of the other workflow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .clients import Done, Ending
from .metrics_file import CHANGED, CODE, COPIED, NEW, OLD, SAME, is_left_alone, wanted
from .stage import Sight
from .violation import Violation

_Metric = dict[str, Any]
_EVERYTHING = [*NEW, *COPIED]


def judge_applied(ending: Ending, sight: Sight) -> Iterator[Violation]:
    """What is wrong at the moment when `apply` has ended, or `plan` with an error."""
    yield from _not_shown(sight)
    if not ending.planned:
        if _created(sight) or _updated(sight) or _deleted(sight):
            yield Violation("not shown", "something was changed without a plan")
        return
    done = ending.done
    if done is None:
        yield Violation("not named", "what was done is not on the error")
        return
    if ending.error is None:
        yield from _unequal(sight)
        if [name for _, name in done.created] != _EVERYTHING or done.unchanged != [SAME]:
            yield Violation("not named", f"it returned {done.created} and {done.unchanged}")
    yield from _wrongly_named(ending, done, sight)


def judge_interrupted(where: str, ending: Ending, sight: Sight) -> Iterator[Violation]:
    """What is wrong after Ctrl-C, while a request of a step was held up. What it did is not known."""
    yield from _not_shown(sight)
    if where.startswith("plan: "):
        return
    if ending.done is None:
        yield Violation("not named", "what was done is not on the exception")
        return
    held = {"save": "POST", "copy": "POST", "update": "PATCH", "delete": "DELETE"}.get(where, "")
    yield from _wrongly_named(ending, ending.done, sight, held)


def _wrongly_named(ending: Ending, done: Done, sight: Sight, held: str = "") -> Iterator[Violation]:
    """What is not as the result or the error says. Nobody knows what a request did that was held up."""
    created, updated, deleted = _created(sight), _updated(sight), _deleted(sight)
    names = {metric["id"]: metric["name"] for metric in created}
    untrue = [
        *(number for number, name in done.created if names.get(number) != name),
        *({*done.updated} - updated),
        *({*done.deleted} - deleted),
    ]
    if untrue:
        yield Violation("not named", f"it names {untrue}, to which nothing was done", len(untrue))
    unnamed = [
        *(Counter(names.values()) - Counter([name for _, name in done.created]) - Counter(_unconfirmed(ending))),
        *_without(updated - {*done.updated}, ending, "PATCH"),
        *_without(deleted - {*done.deleted}, ending, "DELETE"),
    ]
    if held and len(unnamed) <= {"POST": len(NEW)}.get(held, 1):
        return
    if unnamed:
        yield Violation("not named", f"{unnamed} were changed, and are not on the error", len(unnamed))


def judge_repeated(sight: Sight, problem: Exception | None) -> Iterator[Violation]:
    """What is wrong after the fault was taken away, and the caller has computed a plan and applied it once more."""
    if problem is not None:
        yield Violation("lost", f"applying again failed: {type(problem).__name__}: {problem}"[:200])
    yield from _not_shown(sight)
    yield from _unequal(sight)


def _not_shown(sight: Sight) -> Iterator[Violation]:
    """What was changed, deleted or created although no plan shows it."""
    now = {metric["id"]: metric for metric in sight.metrics}
    for before in sight.before:
        number, name = before["id"], before["name"]
        if is_left_alone(before, sight.agent) and now.get(number) != before:
            yield Violation("not shown", f"metric {number} ({name!r}) was changed or deleted")
        elif name in CHANGED and not _others(before).items() <= _others(now.get(number, {})).items():
            yield Violation("not shown", f"metric {number} ({name!r}) was deleted, or changed in other fields")
        elif name in OLD and now.get(number, before) != before:
            yield Violation("not shown", f"metric {number} ({name!r}) was changed")
    for metric in _created(sight):
        if metric["name"] not in _EVERYTHING or metric["agents"] != [sight.agent]:
            yield Violation("not shown", f"metric {metric['id']} ({metric['name']!r}) was created")


def _unequal(sight: Sight) -> Iterator[Violation]:
    """How the service differs from the list."""
    created = Counter(_wanted_as(metric) for metric in _created(sight))
    expected = Counter(_wanted_as(fields) for fields in wanted() if fields["name"] in _EVERYTHING)
    if missing := (expected - created).total():
        yield Violation("lost", f"{missing} of {expected.total()} are not created", missing)
    if extra := (created - expected).total():
        yield Violation("saved twice", f"{extra} more than the {expected.total()} wanted are created", extra)
    if left := len(CHANGED) - len(_updated(sight)):
        yield Violation("lost", f"{left} of {len(CHANGED)} are not updated", left)
    if left := len(OLD) - len(_deleted(sight)):
        yield Violation("lost", f"{left} of {len(OLD)} are not deleted", left)


def _wanted_as(metric: _Metric) -> tuple[object, ...]:
    """What tells the metrics of the list apart."""
    return metric["name"], metric.get(CODE), None if metric.get(CODE) else metric.get("description")


def _created(sight: Sight) -> list[_Metric]:
    known = {metric["id"] for metric in sight.before}
    return [metric for metric in sight.metrics if metric["id"] not in known]


def _own(sight: Sight, names: Iterable[str]) -> Callable[[_Metric], bool]:
    return lambda metric: metric["name"] in names and not is_left_alone(metric, sight.agent)


def _updated(sight: Sight) -> set[int]:
    known = {metric["id"] for metric in filter(_own(sight, CHANGED), sight.before)}
    return {each["id"] for each in sight.metrics if each["id"] in known and each["description"] == "after"}


def _deleted(sight: Sight) -> set[int]:
    return {each["id"] for each in filter(_own(sight, OLD), sight.before)} - {each["id"] for each in sight.metrics}


def _others(metric: _Metric) -> _Metric:
    """The fields that the list does not change."""
    return {name: value for name, value in metric.items() if name not in ("description", "padding")}


def _unconfirmed(ending: Ending) -> list[str]:
    return [str(name) for name, *_ in ending.unconfirmed]


def _without(numbers: set[int], ending: Ending, method: str) -> set[int]:
    """Those of the metrics whose request the error is not about."""
    verb, _, path = ending.request.partition(" ")
    return {number for number in numbers if not (verb == method and path.endswith(f"/{number}/"))}
