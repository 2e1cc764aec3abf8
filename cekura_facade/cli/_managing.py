"""Implements the commands that list, show, update and delete agents and metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from cekura_facade import Cekura, CekuraError, NotFoundError

from . import _operations, _records
from ._asking import ask
from ._errors import ExitCode, Failed, WrongUsage, as_json
from ._report import Report
from ._text import plural

if TYPE_CHECKING:
    from ._values import Passed


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
    from cekura_api.models import MetricUpdate  # Exists only with the operation.

    from ._values import body_fields

    fields = body_fields(MetricUpdate, passed, data)
    if not fields:
        raise WrongUsage("Pass at least one field to change, such as --name. Nothing was sent.")
    with Cekura(**report.options.client()) as cekura:
        metric = cekura.metrics.update(metric_id, fields).to_dict()
    report.document = metric
    _records.show_fields(report, {"id": metric["id"], **{name: metric.get(name) for name in fields}}, with_empty=True)
    report.notes.append(f"Metric {metric_id} updated.")


def delete_metrics(report: Report, metric_ids: list[int], *, yes: bool) -> None:
    """Delete metrics, after a question."""
    if not (yes or report.output.asks):
        raise WrongUsage("No terminal to ask on. Pass --yes to delete without asking.")
    what = f"metric {metric_ids[0]}" if len(metric_ids) == 1 else f"{len(metric_ids)} metrics"
    with Cekura(**report.options.client()) as cekura:
        choices = {"yes": f"Delete {what}. This cannot be undone.", "no": "Delete nothing."}
        if not yes and ask(report.output, f"Delete {what} for good?", choices) == "n":
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
    if operation not in _operations.names():
        raise Failed(
            f"This client was generated without the operation {operation}, because the specification lacks it or "
            "changed it. Nothing was sent."
        )


def _conclude(report: Report, deleted: list[int]) -> None:
    if deleted and report.failures:
        report.ending = ExitCode.IN_PART
    report.document = _deleted(report, deleted)
    if deleted:
        report.notes.append(f"{plural(len(deleted), 'metric')} deleted: {', '.join(map(str, deleted))}.")


def _deleted(report: Report, deleted: list[int]) -> dict[str, Any]:
    errors = [as_json(error, about) for about, error in report.failures]
    return {"exit_code": int(report.exit_code), "deleted": deleted, "errors": errors}
