"""Implements `apply`: shows the plan, asks, applies it, and always reports what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import attrs

from cekura_facade import (
    Applied,
    AuthenticationError,
    BadRequestError,
    BulkCreateUncertainError,
    Cekura,
    PermissionDeniedError,
    Plan,
    PlanChangedError,
)

from . import _plan_text, _records
from ._asking import ask
from ._errors import ExitCode, WrongUsage, as_json
from ._metrics_file import CODE, MetricsFile
from ._planning import Scope, find_plan, named, read_file
from ._report import Report
from ._text import plural, visible

# After these errors, the last step had no effect.
_WITHOUT_EFFECT = (PlanChangedError, BadRequestError, AuthenticationError, PermissionDeniedError)


@dataclass
class Outcome:
    """How `apply` ended.

    Attributes:
        plan: The plan that was shown.
        prune: Whether metrics are deleted.
        applied: What was done.
        unconfirmed: Metrics that may or may not be created.
        has_begun: Whether the service may have processed a step.
        again: The words of the command that continues.
    """

    plan: Plan
    prune: bool
    again: list[str]
    applied: Applied = field(default_factory=Applied)
    unconfirmed: list[dict[str, Any]] = field(default_factory=list)
    has_begun: bool = False


def apply_file(report: Report, path: Path, scope: Scope, *, yes: bool, prune: bool) -> None:
    """Show the plan for a file, ask, and apply it."""
    if not (yes or report.output.asks):
        raise WrongUsage("No terminal to ask on. Pass --yes to apply the plan without asking. Nothing was sent.")
    file = read_file(report, path, scope, prune=prune)
    if file is None:
        return
    with Cekura(**report.options.client()) as cekura:
        plan = find_plan(report, cekura, file, scope)
        if plan is None:
            return
        outcome = Outcome(plan, prune, _again(path, scope, yes=yes, prune=prune))
        report.at_end.append(lambda: _conclude(report, outcome))
        if not (yes and report.output.quiet):
            _plan_text.show(report.output, report.output.err, plan, prune=prune)
        if not _plan_text.has_work(plan, prune=prune):
            outcome.applied.unchanged.extend(plan.unchanged)
            return
        if yes or _is_agreed(report, outcome, named(scope)):
            _apply(report, cekura, file, outcome)


def _is_agreed(report: Report, outcome: Outcome, subject: str) -> bool:
    """Ask whether to apply a plan, and then whether to delete metrics. A no to the first one stops everything."""
    plan = outcome.plan
    choices = {"yes": "Create and update metrics as shown.", "no": "Change nothing."}
    if plan.has_changes and ask(report.output, f"Apply this plan to {subject}?", choices) == "n":
        return False
    if outcome.prune and plan.deletable:
        what = ", ".join(f"{visible(metric.name)} ({metric.id})" for metric in plan.deletable)
        otherwise = "Create and update metrics, and delete nothing." if plan.has_changes else "Delete nothing."
        choices = {"yes": "Delete these metrics. This cannot be undone.", "no": otherwise}
        question = f"Delete {plural(len(plan.deletable), 'metric')} for good: {what}?"
        outcome.prune = ask(report.output, question, choices) == "y"
    return _plan_text.has_work(plan, prune=outcome.prune)


def _apply(report: Report, cekura: Cekura, file: MetricsFile, outcome: Outcome) -> None:
    outcome.has_begun = True
    try:
        outcome.applied = cekura.metrics.apply(outcome.plan, prune=outcome.prune)
    except BaseException as error:  # Interruptions also have the finished steps.
        outcome.applied = getattr(error, "applied", None) or outcome.applied
        if isinstance(error, BulkCreateUncertainError):
            outcome.unconfirmed = error.unconfirmed
        if isinstance(error, PlanChangedError):
            report.fail(error)
            report.notes += _plan_text.new_steps(outcome.plan, error.plan, prune=outcome.prune)
        elif isinstance(error, BadRequestError):
            report.fail(error, _locate(file, outcome.plan, error))
        else:
            raise


def _locate(file: MetricsFile, plan: Plan, error: BadRequestError) -> str:
    """Name the metric that each problem is about. Returns the places of these metrics in the file."""
    # The URL of an update contains the id of its metric.
    updated = next((change.metric.name for change in plan.update if f"/{change.metric.id}/" in error.url), None)
    problems = [attrs.evolve(each, name=each.name or updated) for each in error.problems]
    error.problems = [attrs.evolve(each, index=file.index_of(each.name or "")) for each in problems]
    found = [each.index for each in error.problems] or [file.index_of(updated or "")]
    if error.url.endswith("/copy/"):  # Its body has only codes.
        found = [i for i, each in enumerate(file.entries) if each.fields.get(CODE) in plan.copy]
    return ", ".join(dict.fromkeys(file.at(file.place_of(each)) for each in found if each is not None))


def _conclude(report: Report, outcome: Outcome) -> None:
    applied = outcome.applied
    done = (
        (applied.created, "created"),
        (applied.updated, "updated"),
        (applied.deleted, "deleted"),
    )
    if report.failures and any(metrics for metrics, _ in done):
        report.ending = ExitCode.IN_PART
    rows = [(str(metric.id), what, metric.name) for metrics, what in done for metric in metrics]
    _records.show_rows(report, rows)
    has_failed = bool(report.failures) or report.signal is not None
    if _plan_text.has_work(outcome.plan, prune=True):
        report.notes.append(_summary(outcome, is_known=not has_failed or report.has_failed_with(*_WITHOUT_EFFECT)))
    if outcome.unconfirmed:
        names = ", ".join(visible(each.get("name") or each.get(CODE)) for each in outcome.unconfirmed)
        report.notes.append(f"It is not known whether these metrics were created: {names}.")
    if report.signal is not None and outcome.has_begun:
        report.notes.append("It is not known whether the service processed the interrupted step.")
    if has_failed and outcome.has_begun:
        heading, works_as_is = _advice(report, outcome)
        report.continue_with(heading, *outcome.again, works_as_is=works_as_is)
    report.document = {
        "exit_code": int(report.exit_code),
        "created": [metric.to_dict() for metric in applied.created],
        "updated": [metric.to_dict() for metric in applied.updated],
        "deleted": [metric.to_dict() for metric in applied.deleted],
        "unchanged": [metric.to_dict() for metric in applied.unchanged],
        "unconfirmed": outcome.unconfirmed,
        "errors": [as_json(error, about) for about, error in report.failures],
        "next": [" ".join(each.words) for each in report.next if each.works_as_is],
    }


def _advice(report: Report, outcome: Outcome) -> tuple[str, bool]:
    """When to run the same command again, and whether it can succeed if nothing else changes."""
    if report.has_failed_with(BadRequestError):
        return "After you fix the metric in the file, run:", False
    if report.has_failed_with(AuthenticationError, PermissionDeniedError):
        return "After you fix the API key, run:", False
    if outcome.again[1] == "-":
        return "To continue, run this with the same metrics on standard input:", False
    if report.has_failed_with(PlanChangedError):
        return "To apply the new plan:", True
    return "To continue without repeating finished steps:", True


def _summary(outcome: Outcome, *, is_known: bool) -> str:
    """The counts of finished and unfinished steps."""
    plan, applied = outcome.plan, outcome.applied
    wanted = (
        (len(plan.create) + len(plan.copy), len(applied.created), "created"),
        (len(plan.update), len(applied.updated), "updated"),
        (len(plan.deletable) if outcome.prune else 0, len(applied.deleted), "deleted"),
    )
    done = ", ".join(f"{number} {what}" for _, number, what in wanted if number)
    left = ", ".join(f"{total - number} {what}" for total, number, what in wanted if total > number)
    if not done:
        return "Nothing was changed." if is_known or not outcome.has_begun else "No change was confirmed."
    text = f"Metrics: {done}."
    return f"{text} Not done: {left}." if left else text


def _again(path: Path, scope: Scope, *, yes: bool, prune: bool) -> list[str]:
    options = [word for name, number in scope.items() for word in (f"--{name.replace('_', '-')}", str(number))]
    return ["apply", str(path), *options, *(["--prune"] if prune else []), *(["--yes"] if yes else [])]
