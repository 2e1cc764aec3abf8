"""Implements `create`: saves metrics from a file."""

from __future__ import annotations

from pathlib import Path

from cekura_facade import AuthenticationError, BadRequestError, PermissionDeniedError

from ._files import read_metrics
from ._report import Report, Saving
from ._saving import keep, save
from ._text import plural, visible


def create_from(report: Report, path: Path, *, dry_run: bool) -> None:
    """Save the metrics in a file, or show what would be saved."""
    saving = report.saving = Saving()
    metrics = read_metrics(path)
    if dry_run:
        saving.suggested = metrics
        report.show(metrics, plural(len(metrics), "metric"), saved=False)
        report.notes.append("Nothing was saved because of --dry-run.")
        return
    done: list[bool] = []

    def conclude() -> None:
        if done == [True]:
            return
        if str(path) == "-":
            keep(report, saving, metrics, "standard input")
            return
        saving.unfinished, saving.file = metrics, str(path)
        if report.has_failed_with(BadRequestError):
            report.notes.append(f"Fix the refused metrics in {visible(path)} before you save the file again.")
        elif report.has_failed_with(AuthenticationError, PermissionDeniedError):
            report.notes.append("Fix the API key before you save the file again.")
        elif not report.has_sent_nothing:
            report.continue_with("To save the rest without saving any metric twice:", "create", str(path))

    report.at_end.append(conclude)
    done.append(save(report, saving, metrics))
