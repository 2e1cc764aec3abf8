"""The commands of the workflow: `generate`, `resume` and `create`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import (
    AgentIds,
    AssistantIds,
    DryRun,
    Number,
    OutputFile,
    Timeout,
    Work,
    Yes,
    command,
)

commands: typer.Typer = typer.Typer(rich_markup_mode=None)


@command(commands, "generate")
def generate(
    *,
    agent_id: AgentIds = None,
    assistant_id: AssistantIds = None,
    num_metrics: Number = 1,
    yes: Yes = False,
    dry_run: DryRun = False,
    output: OutputFile = None,
    timeout: Timeout = 600.0,
) -> Work:
    """Suggest metrics for agents, review them, and save the ones you choose.

    Pass --agent-id or --assistant-id. The command works on several agents concurrently. Without a terminal, it cannot
    ask, so pass --yes or --dry-run. If you interrupt it or an error occurs, it writes unsaved suggestions to a file
    and prints the command that continues from there.

    Examples:
        cekura-facade generate --agent-id 101 --num-metrics 5
        cekura-facade generate --agent-id 101 --agent-id 102 --dry-run --output metrics.yaml

    Documentation: docs/guides/review.md
    """
    from ._suggesting import Handling, started, suggest_and_save

    handling = Handling(yes, dry_run, output, timeout)
    return lambda report: suggest_and_save(report, started(agent_id or (), assistant_id or (), num_metrics), handling)


@command(commands, "resume")
def resume(
    *,
    progress_id: Annotated[
        list[str], typer.Argument(metavar="PROGRESS_ID", help="Progress id of a job, as `generate` prints it.")
    ],
    agent_id: Annotated[
        int | None,
        typer.Option(
            "--agent-id",
            min=1,
            metavar="ID",
            help="Agent id of the jobs, 1 or more. With an OAuth token, v2 of the API needs it.",
        ),
    ] = None,
    assistant_id: Annotated[
        str | None,
        typer.Option(
            "--assistant-id", metavar="ID", help="The agent's id at the voice provider, in place of --agent-id."
        ),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    output: OutputFile = None,
    timeout: Timeout = 600.0,
) -> Work:
    """Resume jobs that `generate` started, and continue with their suggestions.

    Nothing is suggested twice: the command waits for the jobs, shows what they suggest, and saves what you choose.

    Examples:
        cekura-facade resume 3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f
        cekura-facade resume 3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f --yes --json

    Documentation: docs/guides/review.md
    """
    from ._suggesting import Handling, resumed, suggest_and_save

    handling = Handling(yes, dry_run, output, timeout)
    return lambda report: suggest_and_save(report, resumed(progress_id, agent_id, assistant_id), handling)


@command(commands, "create")
def create(
    *,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="List of metrics, in YAML or JSON. Pass - to read standard input."),
    ],
    dry_run: DryRun = False,
) -> Work:
    """Save metrics from a file, each exactly once.

    Existing metrics are skipped, so you can run the same command again after an error.

    Examples:
        cekura-facade create metrics.yaml
        cekura-facade create metrics.yaml --dry-run

    Documentation: docs/guides/ci.md
    """
    from ._creating import create_from

    return lambda report: create_from(report, file, dry_run=dry_run)
