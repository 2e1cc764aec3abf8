"""The options that several commands have, and the decorator that adds the common ones to a command."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, get_type_hints

import typer

from ._help import COMMON, Command

if TYPE_CHECKING:
    from ._report import Report

# The work of a command after its options are parsed. It is imported only when the command runs, not for its help.
Work = Callable[["Report"], None]

AgentId = Annotated[int | None, typer.Option("--agent-id", min=1, metavar="ID", help="Agent id, 1 or more.")]
AgentIds = Annotated[
    list[int] | None,
    typer.Option("--agent-id", min=1, metavar="ID", help="Agent id, 1 or more. Repeat it for several agents."),
]
AssistantId = Annotated[
    str | None, typer.Option("--assistant-id", metavar="ID", help="The agent's id at the voice provider.")
]
AssistantIds = Annotated[
    list[str] | None,
    typer.Option(
        "--assistant-id", metavar="ID", help="The agent's id at the voice provider. Repeat it for several agents."
    ),
]
ProjectId = Annotated[int | None, typer.Option("--project-id", min=1, metavar="ID", help="Project id, 1 or more.")]
MetricId = Annotated[int, typer.Argument(min=1, metavar="METRIC_ID", help="Metric id, 1 or more.")]
Number = Annotated[
    int,
    typer.Option(
        "--num-metrics",
        "-n",
        min=1,
        max=100,
        metavar="N",
        help="Number of suggestions per agent, 1 to 100, default 1.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before saving.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the metrics and save nothing.")]
OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Also write the suggestions to a YAML file for `create`, or to a JSON file if its name ends with .json.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", min=0, metavar="SECONDS", help="How long to wait for the job, in seconds, 0 or more, default 600."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="FILE", help="JSON file with the body of the request. Pass - to read standard input."
    ),
]

_JSON = Annotated[
    bool, typer.Option("--json", help="Print the result as a single JSON document.", rich_help_panel=COMMON)
]
_QUIET = Annotated[
    bool,
    typer.Option("--quiet", "-q", help="Print only results, questions and errors.", rich_help_panel=COMMON),
]
_KEY_FILE = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        help="File that contains the API key and nothing else [env: CEKURA_API_KEY, the key itself].",
        rich_help_panel=COMMON,
    ),
]
_BASE_URL = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="Base URL of the service [env: CEKURA_API_URL].", rich_help_panel=COMMON
    ),
]
_VERBOSE = Annotated[
    bool,
    typer.Option("--verbose", help="Log each request, and show the tracebacks of errors.", rich_help_panel=COMMON),
]
# The options of every command, and those of each command that sends requests.
_ALWAYS: dict[str, tuple[Any, object]] = {
    "as_json": (_JSON, False),
    "quiet": (_QUIET, False),
    "verbose": (_VERBOSE, False),
}
_CONNECTING: dict[str, tuple[Any, object]] = {"api_key_file": (_KEY_FILE, None), "base_url": (_BASE_URL, None)}
COMMON_OPTIONS = (*_ALWAYS, *_CONNECTING)


def command(
    app: typer.Typer, name: str, *, connects: bool = True, hidden: bool = False
) -> Callable[[Callable[..., Work]], Callable[..., Work]]:
    """Turn a function with keyword-only parameters that returns its work into a command.

    Args:
        app: The application or group that gets the command.
        name: Its name.
        connects: Whether it sends requests, so that it has options for the key and the base URL.
        hidden: Whether it is left out of the help.
    """

    def register(function: Callable[..., Work]) -> Callable[..., Work]:
        app.command(name, cls=Command, hidden=hidden)(with_common_options(function, connects))
        return function

    return register


def with_common_options(function: Callable[..., Work], connects: bool = True) -> Callable[..., NoReturn]:  # noqa: FBT001, FBT002 - Internal.
    """Add the common options to a function. The result does the work that it returns, and ends the process."""
    common = {**_ALWAYS, **(_CONNECTING if connects else {})}

    @functools.wraps(function)
    def run(**given: Any) -> NoReturn:
        execute(lambda: function(**given), {name: given.pop(name) for name in common})

    hints = get_type_hints(function, localns={"Report": object}, include_extras=True)  # `Report` is not imported.
    signature = inspect.signature(function)
    # A group adds options for `**fields`.
    declared = [each for each in signature.parameters.values() if each.kind is not inspect.Parameter.VAR_KEYWORD]
    parameters = [each.replace(annotation=hints[each.name]) for each in declared]
    for name, (annotation, default) in common.items():
        kind = inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
    run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    return run


def execute(prepare: Callable[[], Work], common: dict[str, Any]) -> NoReturn:
    """Do the work that `prepare` returns, with the common options, and end the process with the exit code."""
    from ._report import Options, run_and_report

    options = Options(
        base_url=common.get("base_url"),
        api_key_file=common.get("api_key_file"),
        as_json=common["as_json"],
        verbose=common["verbose"],
        quiet=common["quiet"],
    )

    def work(report: Report) -> None:
        prepare()(report)  # Errors of `prepare` are reported as well.

    run_and_report(options, work)
