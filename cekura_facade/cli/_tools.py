"""The commands `doctor`, `check` and `sandbox`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import Work, command

# These are the keys of cekura_facade.sandbox.BEHAVIORS. Importing it would slow down the help.
BEHAVIORS = """default, list-scope-agent, placement-project, specification, text-trim, text-nfd, text-nfc,
text-collapse-whitespace, text-crlf, text-html-escape, text-cut-name, text-eval-type, list-lag,
list-omits-description, list-limit"""

commands: typer.Typer = typer.Typer(rich_markup_mode=None)


@command(commands, "doctor")
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


@command(commands, "check")
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
    """Check that the service behaves as the client requires.

    The command creates up to four metrics that no agent uses, and always deletes them. Without a terminal, pass --yes.
    It ends with exit code 1 if a required check fails.

    Examples:
        cekura-facade check --agent-id 101
        cekura-facade check --agent-id 101 --yes --output results.json

    Documentation: docs/guides/check-the-service.md
    """
    from ._checking import check_contract

    return lambda report: check_contract(report, agent_id, yes=yes, output=output)


@command(commands, "sandbox", connects=False)
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
            "--behavior",
            metavar="NAME",
            help=f"How metrics are stored and listed. One of {BEHAVIORS}. Default: default.",
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
