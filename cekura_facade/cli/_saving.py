"""Saving metrics, and what to do when that does not work out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from cekura_facade import AsyncCekura, BulkCreateUncertainError, CekuraError, Metric

from . import _files
from ._progress import Line, Progress
from ._report import Report
from ._text import plural, visible

_SCOPE = ("agent", "agents", "assistant_id", "project")


def save(report: Report, metrics: list[dict[str, Any]]) -> bool:
    """Save metrics, those of one agent apart from those of another, and show what is saved.

    Returns:
        Whether all of them are. If not, the report says why.
    """
    report.saves = True
    groups: dict[str, list[int]] = {}
    for position, metric in enumerate(metrics):
        scope = json.dumps([metric.get(name) for name in _SCOPE], sort_keys=True)
        groups.setdefault(scope, []).append(position)
    saved: dict[int, dict[str, Any]] = {}
    line, end = Line(plural(len(metrics), "metric"), "Saving"), "saving was interrupted"
    try:
        with Progress(report.output, [line]) as progress:
            try:
                report.run(_save_groups(report, metrics, list(groups.values()), saved))
                end = "saved" if len(saved) == len(metrics) else f"{len(saved) or 'none'} known to be saved"
            finally:
                progress.finish(line, end)
    finally:
        report.metrics = [saved[position] for position in sorted(saved)]
        report.show(report.metrics, plural(len(saved), "saved metric"), saved=True, brief=True)
    return len(saved) == len(metrics)


async def _save_groups(
    report: Report, metrics: list[dict[str, Any]], groups: list[list[int]], saved: dict[int, dict[str, Any]]
) -> None:
    async def save_group(positions: list[int]) -> None:
        # Side by side, for no metric of one group could be taken for one of another.
        group = [metrics[position] for position in positions]
        try:
            done: list[Metric] = await cekura.metrics.create_in_bulk(group)
        except CekuraError as error:
            report.fail(error, _about(group[0]) if len(groups) > 1 else "")
            done = list(error.created)
            if isinstance(error, BulkCreateUncertainError):
                report.unconfirmed.extend(error.unconfirmed)
        saved.update(zip(positions, (metric.to_dict() for metric in done), strict=False))

    async with AsyncCekura(**report.options.client()) as cekura:
        await asyncio.gather(*map(save_group, groups))


def keep(report: Report, metrics: list[dict[str, Any]], about: str, path: Path | None = None) -> None:
    """Write metrics that are not all saved to a file, and say which command saves the rest."""
    header = _files.header(metrics, about)
    report.unfinished = metrics
    try:
        if path is not None:
            _files.write(path, metrics, header)
    except OSError:
        path = None
    try:
        path = path or _files.rescue(metrics, header)
    except OSError as error:
        report.notes.append(f"No file could be written ({error.strerror}). What is not saved:\n")
        report.notes.append(_files.as_text(metrics, header))
        return
    report.file = str(path)
    report.notes.append(f"{plural(len(metrics), 'metric')} kept in {visible(path)}; none is saved twice.")
    report.go_on("create", str(path))


def _about(metric: dict[str, Any]) -> str:
    name = next((name for name in _SCOPE if metric.get(name)), None)
    return visible(f"{name} {metric[name]}") if name else "metrics without an agent"
