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
    done = False
    try:
        done = save(report, metrics)
    finally:
        if not done and str(path) == "-":
            keep(report, metrics, "standard input")
        elif not done:
            report.unfinished, report.file = metrics, str(path)
            report.go_on("create", str(path))
