"""The commands and their options. What they do is imported when one of them is run, and not for its help."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cekura_facade._version import __version__

EXIT_CODES = """\b
Exit codes:
  0    saved, or done as asked
  1    refused by the service, or failed
  2    wrong usage, or no usable configuration: nothing was sent
  3    timed out: `resume` goes on
  4    saved in part, or unconfirmed: `create` saves the rest
  130  interrupted"""
CONFIGURATION = """\b
Key and address come from the options, then from CEKURA_API_KEY and
CEKURA_API_URL, then from ~/.cekura/config.toml."""
OUTPUT = """Results go to standard output, all else to standard error. With --format json, standard output is one
JSON document: an array of metrics; or, if not all was done, an object with exit_code, errors, saved, unconfirmed,
unfinished, file and next. For exit code 2 it is empty."""
# The keys of cekura_facade.sandbox.BEHAVIORS, which would slow down the help if it were imported.
BEHAVIORS = """default, list-scope-agent, placement-project, specification, text-trim, text-nfd, text-nfc,
text-collapse-whitespace, text-crlf, text-html-escape, text-cut-name, text-eval-type, list-lag,
list-omits-description, list-limit"""

app: typer.Typer = typer.Typer(
    name="cekura-facade",
    help="Suggest, review and save metrics for voice agents with Cekura.",
    epilog=f"{EXIT_CODES}\n\n{CONFIGURATION}\n\n{OUTPUT}",
    no_args_is_help=True,
    # Rich would double the time that help takes, and its tracebacks show variables.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Format(StrEnum):
    """How results are printed."""

    table = "table"
    json = "json"


AgentIds = Annotated[
    list[int] | None,
    typer.Option("--agent-id", min=1, metavar="ID", help="The agent. Several: --agent-id 1 --agent-id 2."),
]
AssistantIds = Annotated[
    list[str] | None,
    typer.Option("--assistant-id", metavar="ID", help="The agent, by the id that it has at its voice provider."),
]
Number = Annotated[
    int, typer.Option("--num-metrics", "-n", min=1, max=100, metavar="N", help="How many to suggest per agent.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Save without asking.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be saved; save nothing.")]
OutputFile = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Also write the suggestions to a file, as YAML, for `create`."),
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0, metavar="SECONDS", help="How long to wait for suggestions.")
]
AsFormat = Annotated[Format, typer.Option("--format", help="How results are printed.")]
KeyFile = Annotated[
    Path | None, typer.Option("--api-key-file", metavar="FILE", help="A file that holds the API key, and only that.")
]
BaseUrl = Annotated[str | None, typer.Option("--base-url", metavar="URL", help="The address of the service.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show requests, and tracebacks of errors.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"cekura-facade {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Suggest, review and save metrics for voice agents with Cekura."""


@app.command(epilog=EXIT_CODES, short_help="Suggest metrics, show them, save those you want.")
def generate(
    agent_id: AgentIds = None,
    assistant_id: AssistantIds = None,
    num_metrics: Number = 1,
    yes: Yes = False,
    dry_run: DryRun = False,
    output: OutputFile = None,
    timeout: Timeout = 600.0,
    format: AsFormat = Format.table,
    api_key_file: KeyFile = None,
    base_url: BaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Suggest metrics for an agent, show them, and save those you want.

    Several agents are worked on side by side. Without a terminal to ask at, --yes or --dry-run is needed. What could
    not be saved is written to a file.
    """
    from ._report import Options, carry_out
    from ._suggesting import Handling, started, suggest_and_save

    handling = Handling(yes, dry_run, output, timeout)
    carry_out(
        Options(base_url, api_key_file, format is Format.json, verbose),
        lambda report: suggest_and_save(report, started(agent_id or (), assistant_id or (), num_metrics), handling),
    )


@app.command(epilog=EXIT_CODES, short_help="Go on with a job that was started.")
def resume(
    progress_id: Annotated[list[str], typer.Argument(metavar="PROGRESS_ID...", help="As `generate` shows it.")],
    agent_id: Annotated[
        int | None,
        typer.Option("--agent-id", min=1, metavar="ID", help="The agent. v2 of the API needs it with an OAuth token."),
    ] = None,
    assistant_id: Annotated[
        str | None,
        typer.Option("--assistant-id", metavar="ID", help="The agent, by the id that it has at its voice provider."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    output: OutputFile = None,
    timeout: Timeout = 600.0,
    format: AsFormat = Format.table,
    api_key_file: KeyFile = None,
    base_url: BaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Go on with a job that was started: as `generate`, from its suggestions on."""
    from ._report import Options, carry_out
    from ._suggesting import Handling, picked_up, suggest_and_save

    handling = Handling(yes, dry_run, output, timeout)
    carry_out(
        Options(base_url, api_key_file, format is Format.json, verbose),
        lambda report: suggest_and_save(report, picked_up(progress_id, agent_id, assistant_id), handling),
    )


@app.command(epilog=EXIT_CODES, short_help="Save metrics from a file, each once.")
def create(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A list of metrics in YAML or JSON; - for standard input.")
    ],
    dry_run: DryRun = False,
    format: AsFormat = Format.table,
    api_key_file: KeyFile = None,
    base_url: BaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Save metrics from a file. Run twice, nothing is saved twice."""
    from ._creating import create_from
    from ._report import Options, carry_out

    carry_out(
        Options(base_url, api_key_file, format is Format.json, verbose),
        lambda report: create_from(report, file, dry_run=dry_run),
    )


@app.command("list", epilog=EXIT_CODES, short_help="Show the metrics of an agent or project.")
def list_(
    agent_id: Annotated[
        int | None, typer.Option("--agent-id", min=1, metavar="ID", help="An agent, and its project.")
    ] = None,
    assistant_id: Annotated[
        str | None, typer.Option("--assistant-id", metavar="ID", help="An agent, by its id at the voice provider.")
    ] = None,
    project_id: Annotated[int | None, typer.Option("--project-id", min=1, metavar="ID", help="A project.")] = None,
    format: AsFormat = Format.table,
    api_key_file: KeyFile = None,
    base_url: BaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Show the metrics that an agent or a project has."""
    from ._listing import show
    from ._report import Options, carry_out

    scope = {"agent_id": agent_id, "assistant_id": assistant_id, "project_id": project_id}
    carry_out(
        Options(base_url, api_key_file, format is Format.json, verbose),
        lambda report: show(report, {name: value for name, value in scope.items() if value is not None}),
    )


@app.command(short_help="Serve a fake of the service on this machine.")
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 0,
    job_seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long a job takes, in seconds.")
    ] = 3.0,
    behavior: Annotated[
        str, typer.Option(metavar="NAME", help=f"How metrics are stored and listed. One of {BEHAVIORS}.")
    ] = "default",
    verbose: Verbose = False,
) -> None:
    """Serve a fake of the service on 127.0.0.1, until Ctrl-C.

    Prints the two exports that point every command, the Python client and the vendor's own package at it.
    """
    from ._report import Options, carry_out
    from ._serving import serve

    carry_out(
        Options(None, None, as_json=False, verbose=verbose), lambda report: serve(report, port, job_seconds, behavior)
    )


@app.command(
    epilog="\b\nExit codes:\n  0  all is well\n  1  something is not, and how to mend it is said",
    short_help="Check key, address and access.",
)
def doctor(
    format: AsFormat = Format.table,
    api_key_file: KeyFile = None,
    base_url: BaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Say where the key comes from, which address is used, whether it answers and accepts the key."""
    from ._doctor import examine
    from ._report import Options, carry_out

    carry_out(Options(base_url, api_key_file, format is Format.json, verbose), examine)


@app.command(
    epilog="""\b
Exit codes:
  0    everything that the client requires is true, or you answered no
  1    something that the client requires is not true or was not observed,
       a metric could not be deleted, or the check failed
  2    wrong usage, or no usable configuration: nothing was sent
  130  interrupted""",
    short_help="Check the service against what the client relies on.",
)
def check(
    agent_id: Annotated[
        int, typer.Option("--agent-id", min=1, metavar="ID", help="Id of the agent to create metrics for.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Create and delete metrics without asking.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Also write the results to a JSON file, for a bug report."),
    ] = None,
    format: AsFormat = Format.table,
    api_key_file: KeyFile = None,
    base_url: BaseUrl = None,
    verbose: Verbose = False,
) -> None:
    """Check the service against what the client relies on.

    The command creates up to four metrics that no agent uses, and always deletes them. Without a terminal, pass --yes.
    """
    from ._checking import check_contract
    from ._report import Options, carry_out

    carry_out(
        Options(base_url, api_key_file, format is Format.json, verbose),
        lambda report: check_contract(report, agent_id, yes=yes, output=output),
    )
