"""The commands for metrics as code: `export`, `plan` and `apply`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import AgentId, ProjectId, Work, command

commands: typer.Typer = typer.Typer(rich_markup_mode=None)

MetricsFile = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="File of metrics, in YAML or JSON. Pass - to read standard input."),
]


@command(commands, "export")
def export(
    *,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    with_agents: Annotated[
        bool,
        typer.Option("--with-agents", help="Also export which agents a metric is assigned to, and its configuration."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the metrics to this YAML file, or to a JSON file if its name ends with .json.",
        ),
    ] = None,
) -> Work:
    """Print the metrics of an agent or project as YAML to edit and apply.

    Pass --agent-id or --project-id. The file contains the fields that can be written. Predefined metrics are references
    by code. You can also apply the file to other agents and projects.

    Examples:
        cekura-facade export --agent-id 101 > metrics.yaml
        cekura-facade export --project-id 11 --with-agents --output metrics.yaml

    Documentation: docs/guides/metrics-as-code.md
    """
    from ._planning import export_metrics, scope_of

    return lambda report: export_metrics(report, scope_of(agent_id, project_id), with_agents=with_agents, output=output)


@command(commands, "plan")
def plan(
    *,
    file: MetricsFile,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also show which metrics `apply --prune` would delete.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown for a comment on a pull request.")
    ] = False,
) -> Work:
    """Show what `apply` would create, update and delete. It changes nothing.

    Pass --agent-id or --project-id. The exit code is 0 if there is nothing to do, and 5 if there are changes.

    Examples:
        cekura-facade plan metrics.yaml --agent-id 101
        cekura-facade plan metrics.yaml --agent-id 101 --markdown > comment.md

    Documentation: docs/guides/metrics-as-code.md
    """
    from ._planning import scope_of, show_plan

    return lambda report: show_plan(report, file, scope_of(agent_id, project_id), prune=prune, as_markdown=markdown)


@command(commands, "apply")
def apply(
    *,
    file: MetricsFile,
    agent_id: AgentId = None,
    project_id: ProjectId = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing and deleting metrics.")] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Also delete metrics that are not in the file, after a second question."),
    ] = False,
) -> Work:
    """Create and update metrics to match a file.

    Pass --agent-id or --project-id. The command shows the plan and asks before it changes anything. Without a terminal,
    pass --yes. With --agent-id, --prune deletes only metrics that are not assigned to other agents. After an error, run
    the same command again.

    Examples:
        cekura-facade apply metrics.yaml --agent-id 101
        cekura-facade apply metrics.yaml --project-id 11 --prune --yes

    Documentation: docs/guides/metrics-as-code.md
    """
    from ._applying import apply_file
    from ._planning import scope_of

    return lambda report: apply_file(report, file, scope_of(agent_id, project_id), yes=yes, prune=prune)
