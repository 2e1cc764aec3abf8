"""The commands of `metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ._help import Group
from ._options import AgentId, AssistantId, Data, MetricId, ProjectId, Timeout, Work, command

if TYPE_CHECKING:
    from ._operations import Field

_UPDATE = "update_metric"

ProgressId = Annotated[
    str | None,
    typer.Option("--progress-id", metavar="ID", help="Progress id of a job that was started before, to resume it."),
]


class MetricsGroup(Group):
    """The commands for metrics. `update` has an option for each field of the body of its operation."""

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        """The command with this name."""
        found: Any = super().get_command(ctx, cmd_name)
        if cmd_name == "update" and not any("--name" in each.opts for each in found.params):
            from ._api import field_options

            found.params[1:1] = field_options(_body())
        return found  # type: ignore[no-any-return]


commands: typer.Typer = typer.Typer(cls=MetricsGroup, rich_markup_mode=None, add_completion=False)


@commands.callback()
def _metrics() -> None:
    """List, show, update, delete, preview and simplify metrics.

    Examples:
        cekura-facade metrics list --agent-id 101
        cekura-facade metrics update 1001 --name Greeting

    Documentation: docs/guides/manage-metrics.md
    """


@command(commands, "list")
def list_metrics(*, agent_id: AgentId = None, assistant_id: AssistantId = None, project_id: ProjectId = None) -> Work:
    """List the metrics of an agent or a project.

    Pass one of --agent-id, --assistant-id and --project-id. The metrics of an agent include those of its project.

    Examples:
        cekura-facade metrics list --agent-id 101
        cekura-facade metrics list --project-id 11 --json

    Documentation: docs/guides/manage-metrics.md
    """
    from ._listing import show

    scope = {"agent_id": agent_id, "assistant_id": assistant_id, "project_id": project_id}
    return lambda report: show(report, {name: value for name, value in scope.items() if value is not None})


@command(commands, "get")
def get(*, metric_id: MetricId) -> Work:
    """Show a metric with all its fields.

    Examples:
        cekura-facade metrics get 1001
        cekura-facade metrics get 1001 --json

    Documentation: docs/guides/manage-metrics.md
    """
    from ._managing import show_metric

    return lambda report: show_metric(report, metric_id)


@command(commands, "update")
def update(*, metric_id: MetricId, data: Data = None, **fields: Any) -> Work:
    """Change fields of a metric. The other fields stay as they are.

    `@FILE` stands for the contents of a file, and `@-` for standard input. A value that starts with @ is written with
    @@. --data reads the fields from a JSON file, and options override them.

    Examples:
        cekura-facade metrics update 1001 --name Greeting --eval-type binary
        cekura-facade metrics update 1001 --prompt @prompt.txt

    Documentation: docs/guides/manage-metrics.md
    """
    from ._api import passed
    from ._managing import update_metric

    return lambda report: update_metric(report, metric_id, passed(_body(), fields), data)


@command(commands, "delete")
def delete(
    *,
    metric_id: Annotated[list[int], typer.Argument(min=1, metavar="METRIC_ID", help="Metric id, 1 or more.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,
) -> Work:
    """Delete metrics for good.

    The command asks first. Without a terminal, pass --yes.

    Examples:
        cekura-facade metrics delete 1001
        cekura-facade metrics delete 1001 1002 --yes

    Documentation: docs/guides/manage-metrics.md
    """
    from ._managing import delete_metrics

    return lambda report: delete_metrics(report, list(dict.fromkeys(metric_id)), yes=yes)


@command(commands, "preview")
def preview(
    *,
    metric: Annotated[
        str | None,
        typer.Argument(
            metavar="METRIC",
            help="Id of a saved metric, or a YAML or JSON file with one metric. Pass - to read standard input.",
        ),
    ] = None,
    call_log_id: Annotated[
        list[int] | None,
        typer.Option("--call-log-id", min=1, metavar="ID", help="Id of a call. Repeat it for up to 10 calls."),
    ] = None,
    run_id: Annotated[
        list[int] | None,
        typer.Option("--run-id", min=1, metavar="ID", help="Id of a run. Repeat it for up to 10 runs."),
    ] = None,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    progress_id: ProgressId = None,
    timeout: Timeout = 600.0,
) -> Work:
    """Evaluate a metric on past calls or runs, and save nothing.

    Pass --call-log-id, --run-id or both. --agent-id and --project-id are those of all calls and runs. To resume
    a job, pass --progress-id and no metric.

    Examples:
        cekura-facade metrics preview 1001 --call-log-id 7001 --call-log-id 7002
        cekura-facade metrics preview metric.yaml --run-id 8001 --json

    Documentation: docs/guides/manage-metrics.md
    """
    from ._trying import preview_metric

    scope = {"call_log_ids": call_log_id, "run_ids": run_id, "agent_id": agent_id, "project_id": project_id}
    given = {name: value for name, value in scope.items() if value}
    return lambda report: preview_metric(report, metric, given, progress_id, timeout)


@command(commands, "simplify")
def simplify(
    *,
    metric_id: Annotated[
        int | None, typer.Argument(min=1, metavar="METRIC_ID", help="Id of the metric with the prompt to shorten.")
    ] = None,
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", metavar="TEXT", help="Prompt to shorten. Pass @FILE to read a file, and @- for standard input."
        ),
    ] = None,
    progress_id: ProgressId = None,
    timeout: Timeout = 600.0,
) -> Work:
    """Shorten a prompt, print it, and save nothing.

    Pass the id of a metric to shorten its prompt, or --prompt. To resume a job, pass only --progress-id.

    Examples:
        cekura-facade metrics simplify 1001
        cekura-facade metrics simplify --prompt @prompt.txt > shorter.txt

    Documentation: docs/guides/manage-metrics.md
    """
    from ._trying import simplify_prompt

    return lambda report: simplify_prompt(report, metric_id, prompt, progress_id, timeout)


def _body() -> list[Field]:
    """The fields that an update can change. Empty if the client was generated without the operation."""
    from . import _operations

    operation = _operations.find(_UPDATE)
    return [each for each in operation.fields if each.key] if operation else []
