"""Finds violations in the outcome of a call and the state of the service. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .clients import Client, Key, Outcome, key_of
from .harness import KEY, ServiceState
from .judge_apply import judge_applied, judge_interrupted, judge_repeated
from .steps import Workflow
from .traces import readable_texts
from .violation import Violation


def judge_end(client: Client, outcome: Outcome, state: ServiceState, bound: float) -> Iterator[Violation]:
    """The violations when the call has ended."""
    if outcome.error is not None and not isinstance(outcome.error, client.errors):
        yield Violation("foreign", f"{type(outcome.error).__name__}: {outcome.error}"[:200])
    if outcome.elapsed > bound:
        yield Violation("deadline", f"the call took {outcome.elapsed:.1f} s, more than {bound:.1f} s")
    yield from leaks(client, outcome)
    if any(KEY in sent for sent in state.sent_to_other_origin):
        yield Violation("leak", "the key was sent to another origin")
    if client.workflow == "apply":
        yield from judge_applied(outcome, state)
    elif outcome.error is None:
        yield from _wrong_result(outcome, state)
    else:
        yield from _not_named(outcome, state)


def judge_ended(
    workflow: Workflow, where: str, outcome: Outcome, state: ServiceState, *, killed: bool
) -> Iterator[Violation]:
    """The violations when a signal has ended the process during the request of a step."""
    if workflow == "generate" and where != "generate" and outcome.progress_id is None:
        yield Violation("not named", "the progress id is lost")
    if workflow == "apply" and not killed:
        yield from judge_interrupted(where, outcome, state)


def judge_recovery(
    workflow: Workflow, outcome: Outcome, state: ServiceState, problem: Exception | None
) -> Iterator[Violation]:
    """The violations after the faults were removed and the caller did what the error says."""
    if workflow == "apply":
        yield from judge_repeated(state, problem)
        return
    wanted, saved = _counted(state.wanted), _counted(state.metrics)
    if outcome.error is not None and outcome.progress_id is None:
        wanted &= saved  # Without a progress id, missing metrics are not lost, but duplicates still count.
    if problem is not None:
        yield Violation("lost", f"resuming failed: {type(problem).__name__}: {problem}"[:200], (wanted - saved).total())
    elif missing := (wanted - saved).total():
        yield Violation("lost", f"{missing} of {wanted.total()} are not saved", missing)
    if extra := (saved - wanted).total():
        yield Violation("saved twice", f"{extra} more than the {wanted.total()} wanted are saved", extra)


def _wrong_result(outcome: Outcome, state: ServiceState) -> Iterator[Violation]:
    saved = {metric["id"]: key_of(metric) for metric in state.metrics}
    wanted = [key_of(metric) for metric in state.wanted]
    returned = [saved.get(each) for each in outcome.result or []]
    if returned != wanted or len(set(outcome.result or [])) != len(wanted):
        yield Violation("not named", f"it returned {outcome.result}, but {sorted(saved)} are saved")


def _not_named(outcome: Outcome, state: ServiceState) -> Iterator[Violation]:
    saved = {metric["id"]: key_of(metric) for metric in state.metrics}
    named = Counter([key for _, key in outcome.created] + outcome.unconfirmed)
    if unnamed := (_counted(state.metrics) & _counted(state.wanted)) - named:
        yield Violation("not named", f"{unnamed.total()} saved metrics are not on the error", unnamed.total())
    if untrue := [number for number, key in outcome.created if saved.get(number) != key]:
        yield Violation("not named", f"`created` contains {untrue}, which are not saved", len(untrue))
    if "poll" in state.requested and outcome.progress_id is None:
        yield Violation("not named", "the progress id is not on the error")
    if {"list", "save"} & state.requested and _counted(state.wanted) != Counter(map(key_of, outcome.suggestions)):
        yield Violation("not named", "the suggestions are not on the error")


def leaks(client: Client, outcome: Outcome) -> Iterator[Violation]:
    """Credentials that can be read, and resources that were not released."""
    for where, text in readable_texts(outcome.error, client.packages):
        if KEY in text:
            yield Violation("leak", f"the key is in {where}")
            break
    if any(KEY in line for line in outcome.log):
        yield Violation("leak", "the key is in the log")
    if outcome.leftovers:
        yield Violation("leak", f"not released: {', '.join(outcome.leftovers)}")
    if any(line.startswith(("ERROR asyncio", "CRITICAL asyncio")) for line in outcome.log):
        yield Violation("leak", "asyncio logged an error")


def _counted(metrics: list[dict[str, object]]) -> Counter[Key]:
    return Counter(map(key_of, metrics))
