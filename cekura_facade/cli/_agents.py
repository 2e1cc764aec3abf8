"""The commands `agents list` and `agents get`."""

from __future__ import annotations

from typing import Annotated

import typer

from ._help import Group
from ._options import ProjectId, Work, command

commands: typer.Typer = typer.Typer(cls=Group, rich_markup_mode=None, add_completion=False)


@commands.callback()
def _agents() -> None:
    """List agents, and show one.

    Examples:
        cekura-facade agents list
        cekura-facade agents get 101

    Documentation: docs/guides/manage-metrics.md
    """


@command(commands, "list")
def list_agents(
    *,
    project_id: ProjectId = None,
    search: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="Only agents with this text in their name.")
    ] = None,
) -> Work:
    """List the agents of your account, with their ids.

    Examples:
        cekura-facade agents list
        cekura-facade agents list --project-id 11 --json

    Documentation: docs/guides/manage-metrics.md
    """
    from ._managing import show_agents

    return lambda report: show_agents(report, project_id=project_id, search=search)


@command(commands, "get")
def get_agent(
    *, agent_id: Annotated[int, typer.Argument(min=1, metavar="AGENT_ID", help="Agent id, 1 or more.")]
) -> Work:
    """Show an agent.

    Examples:
        cekura-facade agents get 101
        cekura-facade agents get 101 --json

    Documentation: docs/guides/manage-metrics.md
    """
    from ._managing import show_agent

    return lambda report: show_agent(report, agent_id)
