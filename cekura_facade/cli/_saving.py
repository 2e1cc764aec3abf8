"""Saves metrics, and keeps those that cannot be saved."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import attrs

from cekura_facade import (
    AsyncCekura,
    AuthenticationError,
    BadRequestError,
    BulkCreateUncertainError,
    CekuraError,
    PermissionDeniedError,
    SavedMetrics,
)

from . import _files
from ._progress import Line, Progress
from ._report import Report, Saving
from ._text import plural, visible

_SCOPE = ("agent", "agents", "assistant_id", "project")

Saved = dict[int, tuple[dict[str, Any], bool]]
"""By position: the saved metric, and whether it is new."""


def save(report: Report, saving: Saving, metrics: list[dict[str, Any]]) -> bool:
    """Save metrics, separately for each agent, and show the saved ones.

    Returns:
        Whether all of them are saved. If not, the report has the reasons.
    """
    groups: dict[str, list[int]] = {}
    for position, metric in enumerate(metrics):
        scope = json.dumps([metric.get(name) for name in _SCOPE], sort_keys=True)
        groups.setdefault(scope, []).append(position)
    saved: Saved = {}
    line = Line(f"Saving {plural(len(metrics), 'metric')}", "")
    if not report.output.animates:
        report.output.say(f"{line.label}.")
    try:
        with Progress(report.output, [line]):
            report.run(_save_groups(report, saving, metrics, list(groups.values()), saved))
    finally:
        shown = [saved[position] for position in sorted(saved)]
        saving.created = [metric for metric, is_new in shown if is_new]
        saving.existing = [metric for metric, is_new in shown if not is_new]
        _show(report, saving, len(metrics), shown)
    return len(saved) == len(metrics)


def _show(report: Report, saving: Saving, number: int, shown: list[tuple[dict[str, Any], bool]]) -> None:
    if report.has_sent_nothing:
        return
    summary = summarize(len(saving.created), len(saving.existing), number, len(saving.unconfirmed))
    if report.signal is not None:
        known = f" {summary}" if shown else ""
        report.notes.append(f"Saving was interrupted.{known} It is not known whether the other metrics were saved.")
        summary = f"{plural(len(shown), 'metric')} saved before the interruption."
    marks = ["new" if is_new else "existing" for _, is_new in shown]
    report.show([metric for metric, _ in shown], summary, saved=True, marks=marks)
    if report.signal is None and not shown:
        report.notes.append(summary)
    elif report.options.as_json:
        report.output.say(summary)


def summarize(created: int, existing: int, wanted: int, unconfirmed: int = 0) -> str:
    """A sentence with the counts of created, existing and missing metrics."""
    if existing == wanted:
        return f"{plural(existing, 'metric')} already existed. Nothing was created."
    if not created + existing + unconfirmed:
        return "No metrics were saved."
    missing = wanted - created - existing - unconfirmed
    parts = (
        (created, "created"),
        (existing, "already existed"),
        (missing, "was not saved" if missing == 1 else "were not saved"),
        (unconfirmed, "may or may not be saved"),
    )
    numbers = [(number, what) for number, what in parts if number]
    first = f"{plural(numbers[0][0], 'metric')} {numbers[0][1]}"
    return ", ".join([first, *(f"{number} {what}" for number, what in numbers[1:])]) + "."


async def _save_groups(
    report: Report, saving: Saving, metrics: list[dict[str, Any]], groups: list[list[int]], saved: Saved
) -> None:
    async def save_group(positions: list[int]) -> None:
        # Groups can be saved concurrently, because metrics of different groups cannot be confused.
        group = [metrics[position] for position in positions]
        try:
            done = await cekura.metrics.create_in_bulk(group)
        except CekuraError as error:
            if isinstance(error, BadRequestError):
                error.problems = [
                    each if each.index is None else attrs.evolve(each, index=positions[each.index])
                    for each in error.problems
                ]
            report.fail(error, _about(group[0]) if len(groups) > 1 else "")
            done = error.created if isinstance(error.created, SavedMetrics) else SavedMetrics(error.created)
            if isinstance(error, BulkCreateUncertainError):
                saving.unconfirmed.extend(error.unconfirmed)
        new = {metric.id for metric in done.created}
        saved.update(zip(positions, ((metric.to_dict(), metric.id in new) for metric in done), strict=False))

    async with AsyncCekura(**report.options.client()) as cekura:
        await asyncio.gather(*map(save_group, groups))


def keep(report: Report, saving: Saving, metrics: list[dict[str, Any]], about: str, path: Path | None = None) -> None:
    """Write metrics that are not all saved to a file, and add the command that saves the rest."""
    header = _files.header(metrics, about)
    saving.unfinished = metrics
    try:
        if path is not None:
            _files.write(path, metrics, header)
    except OSError:
        path = None
    try:
        path = path or _files.write_unsaved(metrics, header)
    except OSError as error:
        report.notes.append(f"The metrics could not be written to a file: {error.strerror}. Copy them from here:")
        report.to_copy = _files.as_text(metrics, header)
        return
    saving.file = str(path)
    report.notes.append(f"{plural(len(metrics), 'metric')} written to {visible(path)}.")
    if report.has_failed_with(BadRequestError):
        report.continue_with("After you fix the metrics in the file, run:", "create", str(path), works_as_is=False)
    elif report.has_failed_with(AuthenticationError, PermissionDeniedError):
        report.continue_with("After you fix the API key, run:", "create", str(path), works_as_is=False)
    else:
        report.continue_with("To save them without saving any metric twice:", "create", str(path))


def _about(metric: dict[str, Any]) -> str:
    name = next((name for name in _SCOPE if metric.get(name)), None)
    return visible(f"{name} {metric[name]}") if name else "metrics without an agent"
