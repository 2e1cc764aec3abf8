"""What a cell must not lead to. Pure: it sees how a call ended, and what there was to see at the service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .clients import Client, Ending, Key, key_of
from .judge_apply import judge_applied, judge_interrupted, judge_repeated
from .stage import KEY, Sight
from .steps import Flow
from .traces import everything_of
from .violation import Violation


def judge_end(client: Client, ending: Ending, sight: Sight, bound: float) -> Iterator[Violation]:
    """What is wrong at the moment when the call has ended."""
    if ending.error is not None and not isinstance(ending.error, client.errors):
        yield Violation("foreign", f"{type(ending.error).__name__}: {ending.error}"[:200])
    if ending.elapsed > bound:
        yield Violation("deadline", f"it took {ending.elapsed:.1f} s, and may take {bound:.1f} s")
    yield from leaks(client, ending)
    if any(KEY in sent for sent in sight.elsewhere):
        yield Violation("leak", "the key was sent to another origin")
    if client.flow == "apply":
        yield from judge_applied(ending, sight)
    elif ending.error is None:
        yield from _wrong_result(ending, sight)
    else:
        yield from _not_named(ending, sight)


def judge_ended(flow: Flow, where: str, ending: Ending, sight: Sight, *, killed: bool) -> Iterator[Violation]:
    """What is wrong when a process was ended by a signal while a request of a step was held up."""
    if flow == "generate" and where != "generate" and ending.progress_id is None:
        yield Violation("not named", "the progress id is lost")
    if flow == "apply" and not killed:
        yield from judge_interrupted(where, ending, sight)


def judge_recovery(flow: Flow, ending: Ending, sight: Sight, problem: Exception | None) -> Iterator[Violation]:
    """What is wrong after the fault was taken away, and the caller has done what the error says."""
    if flow == "apply":
        yield from judge_repeated(sight, problem)
        return
    wanted, saved = _counted(sight.wanted), _counted(sight.metrics)
    if ending.error is not None and ending.progress_id is None:
        wanted &= saved  # nothing is known that could be called lost; nothing may be there twice
    if problem is not None:
        yield Violation("lost", f"going on failed: {type(problem).__name__}: {problem}"[:200], (wanted - saved).total())
    elif missing := (wanted - saved).total():
        yield Violation("lost", f"{missing} of {wanted.total()} are not saved", missing)
    if extra := (saved - wanted).total():
        yield Violation("saved twice", f"{extra} more than the {wanted.total()} wanted are saved", extra)


def _wrong_result(ending: Ending, sight: Sight) -> Iterator[Violation]:
    stand = {metric["id"]: key_of(metric) for metric in sight.metrics}
    wanted = [key_of(metric) for metric in sight.wanted]
    returned = [stand.get(each) for each in ending.result or []]
    if returned != wanted or len(set(ending.result or [])) != len(wanted):
        yield Violation("not named", f"it returned {ending.result}, saved are {sorted(stand)}")


def _not_named(ending: Ending, sight: Sight) -> Iterator[Violation]:
    stand = {metric["id"]: key_of(metric) for metric in sight.metrics}
    named = Counter([key for _, key in ending.created] + ending.unconfirmed)
    if unnamed := (_counted(sight.metrics) & _counted(sight.wanted)) - named:
        yield Violation("not named", f"{unnamed.total()} saved metrics are not on the error", unnamed.total())
    if untrue := [number for number, key in ending.created if stand.get(number) != key]:
        yield Violation("not named", f"created names {untrue}, which are not saved", len(untrue))
    if "poll" in sight.asked and ending.progress_id is None:
        yield Violation("not named", "the progress id is not on the error")
    if {"look", "save"} & sight.asked and _counted(sight.wanted) != Counter(map(key_of, ending.suggested)):
        yield Violation("not named", "the suggestions are not on the error")


def leaks(client: Client, ending: Ending) -> Iterator[Violation]:
    """What can be read or was left behind in the client's process."""
    for where, said in everything_of(ending.error, client.packages):
        if KEY in said:
            yield Violation("leak", f"the key is in {where}")
            break
    if any(KEY in line for line in ending.log):
        yield Violation("leak", "the key is in the log")
    if ending.left:
        yield Violation("leak", f"left behind: {', '.join(ending.left)}")
    if any(line.startswith(("ERROR asyncio", "CRITICAL asyncio")) for line in ending.log):
        yield Violation("leak", "asyncio complains of what was forgotten")


def _counted(metrics: list[dict[str, object]]) -> Counter[Key]:
    return Counter(map(key_of, metrics))
