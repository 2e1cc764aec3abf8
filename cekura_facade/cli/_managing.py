"""What the commands for agents and metrics do: list, show, update and delete them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cekura_facade import Cekura, CekuraError, NotFoundError

from . import _operations, _records
from ._errors import ExitCode, Failed, WrongUsage, as_json
from ._report import Report
from ._text import plural
from ._values import Passed, body_fields


def show_agents(report: Report, *, project_id: int | None, search: str | None) -> None:
    """List agents."""
    require("list_agents")
    with Cekura(**report.options.client()) as cekura:
        agents = [agent.to_dict() for agent in cekura.agents.list(project_id=project_id, q=search)]
    report.document = agents
    rows = [
        (str(each["id"]), str(each.get("agent_name") or each.get("name") or ""), str(each.get("project") or ""))
        for each in agents
    ]
    _records.show_rows(report, rows, ("ID", "NAME", "PROJECT"))
    if not agents:
        report.notes.append("There are no agents.")


def show_agent(report: Report, agent_id: int) -> None:
    """Show an agent."""
    with Cekura(**report.options.client()) as cekura:
        agent = cekura.agents.get(agent_id).to_dict()
    report.document = agent
    _records.show_fields(report, agent)


def show_metric(report: Report, metric_id: int) -> None:
    """Show a metric."""
    with Cekura(**report.options.client()) as cekura:
        metric = cekura.metrics.get(metric_id).to_dict()
    report.document = metric
    _records.show_fields(report, metric)


def update_metric(report: Report, metric_id: int, passed: Passed, data: Path | None) -> None:
    """Change fields of a metric."""
    require("update_metric")
    from cekura_api.models import MetricUpdate  # A client without the operation does not have it.

    fields = body_fields(MetricUpdate, passed, data)
    if not fields:
        raise WrongUsage("Pass at least one field to change, such as --name. Nothing was sent.")
    with Cekura(**report.options.client()) as cekura:
        metric = cekura.metrics.update(metric_id, fields).to_dict()
    report.document = metric
    _records.show_fields(report, {"id": metric["id"], **{name: metric.get(name) for name in fields}})
    report.notes.append(f"Metric {metric_id} updated.")


def delete_metrics(report: Report, metric_ids: list[int], *, yes: bool) -> None:
    """Delete metrics, after a question."""
    if not (yes or report.output.asks):
        raise WrongUsage("There is no terminal to ask on. Pass --yes to delete without asking. Nothing was sent.")
    what = f"metric {metric_ids[0]}" if len(metric_ids) == 1 else f"{len(metric_ids)} metrics"
    with Cekura(**report.options.client()) as cekura:
        if not yes and not confirm(report, f"Delete {what} for good?"):
            report.notes.append("Nothing was deleted.")
            report.document = _deleted(report, [])
            return
        deleted: list[int] = []
        report.at_end.append(lambda: _conclude(report, deleted))
        for metric_id in metric_ids:
            try:
                cekura.metrics.delete(metric_id)
            except NotFoundError as error:
                report.fail(error, f"metric {metric_id}")
            except CekuraError as error:
                report.fail(error, f"metric {metric_id}")
                return
            else:
                deleted.append(metric_id)


def require(operation: str) -> None:
    """Raise Failed if the client was generated without an operation that the command needs."""
    if _operations.find(operation) is None:
        raise Failed(
            f"This client was generated without the operation {operation}, because the specification lacks it or "
            "changed it. Nothing was sent."
        )


def confirm(report: Report, question: str) -> bool:
    """Ask a question whose answer is yes or no."""
    while True:
        report.output.err.print(f"{question} [y]es / [n]o ", end="", soft_wrap=True)
        report.output.err.file.flush()
        try:
            if not (line := sys.stdin.readline()):
                raise KeyboardInterrupt  # Ctrl-D is not an answer.
        except KeyboardInterrupt:
            report.output.say()
            raise
        answer = line.strip().lower()
        if answer in ("y", "yes", "n", "no"):
            return answer.startswith("y")
        report.output.say("Type y for yes or n for no, and press Enter.")


def _conclude(report: Report, deleted: list[int]) -> None:
    if deleted and report.failures:
        report.ending = ExitCode.IN_PART
    report.document = _deleted(report, deleted)
    if deleted:
        report.notes.append(f"{plural(len(deleted), 'metric')} deleted: {', '.join(map(str, deleted))}.")


def _deleted(report: Report, deleted: list[int]) -> dict[str, Any]:
    errors = [({"about": about} if about else {}) | as_json(error) for about, error in report.failures]
    return {"exit_code": int(report.exit_code), "deleted": deleted, "errors": errors}
