"""`create`: metrics from a file."""

from __future__ import annotations

from pathlib import Path

from ._files import read_metrics
from ._report import Report
from ._saving import keep, save
from ._text import plural


def create_from(report: Report, path: Path, *, dry_run: bool) -> None:
    """Save the metrics in a file, or show what would be saved."""
    metrics = read_metrics(path)
    if dry_run:
        report.metrics = metrics
        report.show(metrics, plural(len(metrics), "metric"), saved=False)
        report.notes.append("Nothing is saved, as --dry-run says.")
        return
    done: list[bool] = []

    def conclude() -> None:
        if done == [True]:
            return
        if str(path) == "-":
            keep(report, metrics, "standard input")
        else:
            report.unfinished, report.file = metrics, str(path)
            report.go_on("create", str(path))

    report.at_end.append(conclude)
    done.append(save(report, metrics))
