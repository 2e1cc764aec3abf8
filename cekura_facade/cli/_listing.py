"""Implements `metrics list`."""

from __future__ import annotations

from typing import Any

from cekura_facade import Cekura

from ._errors import WrongUsage
from ._report import Report
from ._text import plural


def show(report: Report, scope: dict[str, Any]) -> None:
    """Show the metrics of a scope, which is one of agent_id, assistant_id and project_id."""
    if len(scope) != 1:
        raise WrongUsage("Pass one of --agent-id, --assistant-id and --project-id.")
    with Cekura(**report.options.client()) as cekura:
        metrics = [metric.to_dict() for metric in cekura.metrics.list(**scope)]
    report.document = metrics
    if not metrics:
        report.notes.append("There are no metrics.")
    report.show(metrics, plural(len(metrics), "metric"), saved=True)
