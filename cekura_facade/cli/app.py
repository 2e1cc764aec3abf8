"""The commands of `cekura-facade`, and the modules that contain them.

The help of a command imports only the module of this command.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.main import get_command

from cekura_facade._version import __version__

from ._help import RESOURCES, TOOLS, WORKFLOW, Root


class Entry(NamedTuple):
    """The module of a command, the section of the help that lists it, and the first sentence of its own help.

    The module has a Typer called `commands`, which is the command if it is a group, and otherwise contains it.
    """

    module: str
    section: str
    summary: str


COMMANDS = {
    "generate": Entry("_workflow", WORKFLOW, "Suggest metrics for agents, review them, and save the ones you choose."),
    "resume": Entry("_workflow", WORKFLOW, "Resume jobs that `generate` started, and continue with their suggestions."),
    "create": Entry("_workflow", WORKFLOW, "Save metrics from a file, each exactly once."),
    "export": Entry("_as_code", WORKFLOW, "Print the metrics of an agent or project as YAML to edit and apply."),
    "plan": Entry("_as_code", WORKFLOW, "Show what `apply` would create, update and delete. It changes nothing."),
    "apply": Entry("_as_code", WORKFLOW, "Create and update metrics to match a file."),
    "metrics": Entry("_metrics", RESOURCES, "List, show, update, delete, preview and simplify metrics."),
    "agents": Entry("_agents", RESOURCES, "List agents, and show one."),
    "api": Entry("_api", RESOURCES, "Call any operation of the API, and print the response as JSON."),
    "doctor": Entry("_tools", TOOLS, "Check the API key, the base URL and the connection."),
    "check": Entry("_tools", TOOLS, "Check that the service behaves as the client requires."),
    "sandbox": Entry("_tools", TOOLS, "Run a local stand-in for the Cekura API on 127.0.0.1, until you press Ctrl-C."),
}
# Earlier names of commands, which the help does not list.
ALIASES = {"list": ("metrics", "list")}


class _Commands(Root):
    """Finds a command in its module."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """The names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401
        """The command with this name, of Typer's own class for commands."""
        group, name = ALIASES.get(cmd_name, (cmd_name, ""))
        if (entry := COMMANDS.get(group)) is None:
            return None
        found: Any = get_command(import_module(f".{entry.module}", __package__).commands)
        if entry.section != RESOURCES:  # The module has several commands, and is not a group itself.
            found = found.get_command(ctx, group)
        return found.get_command(ctx, name) if name else found

    def names(self, ctx: typer.Context) -> dict[str, str]:
        """The names that a user may have meant, each with the words to type."""
        return super().names(ctx) | {alias: " ".join(words) for alias, words in ALIASES.items()}

    def summaries(self, ctx: typer.Context) -> list[tuple[str, str, str]]:  # noqa: ARG002
        """The section, the name and the summary of each command."""
        return [(entry.section, name, entry.summary) for name, entry in COMMANDS.items()]


app: typer.Typer = typer.Typer(
    name="cekura-facade",
    cls=_Commands,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # These show variables, which may contain the key.
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
