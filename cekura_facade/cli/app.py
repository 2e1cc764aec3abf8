"""The command `cekura-facade`, and its commands for the workflow and for setting up.

What a command does is imported when it runs, and not for its help.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cekura_facade._version import __version__

from ._agents import agents
from ._api import api
from ._help import RESOURCES, TOOLS, WORKFLOW, Root
from ._metrics import list_metrics, metrics
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

# The keys of cekura_facade.sandbox.BEHAVIORS, which would slow down the help if it were imported.
BEHAVIORS = """default, list-scope-agent, placement-project, specification, text-trim, text-nfd, text-nfc,
text-collapse-whitespace, text-crlf, text-html-escape, text-cut-name, text-eval-type, list-lag,
list-omits-description, list-limit"""

app: typer.Typer = typer.Typer(
    name="cekura-facade",
    cls=Root,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # They show variables, which may contain the key.
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cekura-facade {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    *,
    version: Annotated[
        bool, typer.Option("--version", "-V", help="Show the version and exit.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Suggest, review and save metrics for voice agents with Cekura.

    `cekura-facade COMMAND --help` shows the options and examples of a command. Results go to standard output.
    Progress, questions and errors go to standard error.

    Examples:
        cekura-facade agents list
        cekura-facade generate --agent-id 101 --num-metrics 5

    Documentation: docs/reference/command-line.md
    """


@command(app, "generate", panel=WORKFLOW)
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


@command(app, "resume", panel=WORKFLOW)
def resume(
    *,
    progress_id: Annotated[
        list[str], typer.Argument(metavar="PROGRESS_ID", help="Progress id of a job, as `generate` prints it.")
    ],
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
    from ._suggesting import Handling, picked_up, suggest_and_save

    handling = Handling(yes, dry_run, output, timeout)
    return lambda report: suggest_and_save(report, picked_up(progress_id), handling)


@command(app, "create", panel=WORKFLOW)
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


app.add_typer(metrics, name="metrics", rich_help_panel=RESOURCES)
app.add_typer(agents, name="agents", rich_help_panel=RESOURCES)
app.add_typer(api, name="api", rich_help_panel=RESOURCES)
command(app, "list", hidden=True)(list_metrics)


@command(app, "doctor", panel=TOOLS)
def doctor() -> Work:
    """Check the API key, the base URL and the connection.

    The command shows where the key and the base URL come from, and sends one request to check that the service
    accepts the key.

    Examples:
        cekura-facade doctor
        cekura-facade doctor --api-key-file key.txt --json

    Documentation: docs/reference/configuration.md
    """
    from ._doctor import examine

    return examine


@command(app, "check", panel=TOOLS)
def check(
    *,
    agent_id: Annotated[
        int, typer.Option("--agent-id", min=1, metavar="ID", help="Agent id, 1 or more, to create metrics for.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Create and delete metrics without asking.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write the results to a JSON file, for a bug report."),
    ] = None,
) -> Work:
    """Check the service against what the client relies on.

    The command creates up to four metrics that no agent uses, and always deletes them. Without a terminal, pass --yes.
    It ends with exit code 1 if something that the client requires is not true.

    Examples:
        cekura-facade check --agent-id 101
        cekura-facade check --agent-id 101 --yes --output results.json

    Documentation: docs/guides/check-the-service.md
    """
    from ._checking import check_contract

    return lambda report: check_contract(report, agent_id, yes=yes, output=output)


@command(app, "sandbox", panel=TOOLS, connects=False)
def sandbox(
    *,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            min=0,
            max=65535,
            metavar="PORT",
            help="Port to listen on, 0 to 65535. The default, 0, selects a free port.",
        ),
    ] = 0,
    job_seconds: Annotated[
        float,
        typer.Option(
            "--job-seconds", min=0, metavar="SECONDS", help="How long a job takes, in seconds, 0 or more, default 3."
        ),
    ] = 3.0,
    behavior: Annotated[
        str,
        typer.Option(
            "--behavior", metavar="NAME", help=f"How metrics are stored and listed: {BEHAVIORS}. Default: default."
        ),
    ] = "default",
) -> Work:
    """Run a local stand-in for the Cekura API on 127.0.0.1, until you press Ctrl-C.

    The sandbox keeps its data in memory. It prints two `export` lines that point the command line, the client and the
    vendor's package at it.

    Examples:
        cekura-facade sandbox > sandbox.env
        cekura-facade sandbox --port 8080 --job-seconds 0.5

    Documentation: docs/reference/sandbox.md
    """
    from ._serving import serve

    return lambda report: serve(report, port, job_seconds, behavior)
