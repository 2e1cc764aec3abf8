"""The command `api`, which calls any operation. Its subcommands are derived from the generated operations."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperOption

from . import _operations
from ._help import Command, Group, Writer, start_page, write_end, write_parameters
from ._operations import Field, Operation
from ._options import COMMON_OPTIONS, Data, Work, command, execute

_TEMPLATE = "OPERATION"
_TAKEN = {"json", "quiet", "verbose", "api-key-file", "base-url", "data", "help", "timeout"}


class OperationGroup(Group):
    """A group with a command for each operation."""

    called = "The operation"
    otherwise = " `cekura-facade api --list` lists the operations."

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002
        """The names of the operations."""
        return _operations.names()

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]  # noqa: ARG002
        """The command for an operation."""
        operation = _operations.find(cmd_name)
        if operation is None:
            return None
        common = [each for each in self.commands[_TEMPLATE].params if operation.has_body or each.name != "data"]
        return Command(
            name=operation.name,
            callback=functools.partial(_call, operation),
            params=[*field_options(operation.fields), *common],
            help=_docstring(operation),
            rich_markup_mode=None,
        )

    def format_help(self, ctx: typer.Context, formatter: Writer) -> None:  # type: ignore[override]
        """Write the help page. It does not list the operations, because there may be hundreds of them."""
        page, text = start_page(f"{ctx.command_path} OPERATION [OPTIONS]", self.help)
        write_parameters(page, self, ctx)
        write_end(page, text)
        formatter.write(page.text)


commands: typer.Typer = typer.Typer(
    cls=OperationGroup, rich_markup_mode=None, add_completion=False, invoke_without_command=True
)


@commands.callback()
def _api(
    ctx: typer.Context,
    *,
    list_: Annotated[bool, typer.Option("--list", help="List the operations, and exit.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as a JSON document.")] = False,
) -> None:
    """Call any operation of the API, and print the response as JSON.

    Each parameter of the operation, and each field of its body, is an option: `agent_id` is --agent-id. Pass `true`,
    `false` or `null` for a boolean, JSON for an object, and an option several times for a list. `@FILE` stands for
    the contents of a file, and `@-` for standard input. A value that starts with @ is written with @@.

    --data reads the body from a JSON file, or from standard input (-). Options override its fields. Values and
    options that the API does not document are refused, but --data sends them.

    Examples:
        cekura-facade api --list
        cekura-facade api list_metrics --agent-id 101

    Documentation: docs/reference/command-line.md
    """
    if list_:
        from ._calling import show_operations

        execute(lambda: show_operations, {"as_json": as_json, "verbose": False, "quiet": False})
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


@command(commands, _TEMPLATE, hidden=True)
def _template(*, data: Data = None) -> Work:
    """The template for the commands of operations. It is never run."""
    raise NotImplementedError


def _call(operation: Operation, *, data: str | None = None, **given: Any) -> NoReturn:
    from ._calling import call_operation

    values = passed(operation.fields, given)
    common = {**{name: given[name] for name in COMMON_OPTIONS}, "as_json": True}
    file = None if data is None else Path(data)
    execute(lambda: lambda report: call_operation(report, operation, values, file), common)


def field_options(fields: Iterable[Field]) -> list[TyperOption]:
    """An option for each field."""
    return [
        TyperOption(
            param_decls=[destination(each), option(each)], metavar=each.metavar, multiple=each.is_list, help=each.help
        )
        for each in fields
    ]


def option(field: Field) -> str:
    """The option for a parameter of an operation or a field of its body."""
    name = field.name.rstrip("_").replace("_", "-")
    return f"--field-{name}" if name in _TAKEN else f"--{name}"


def destination(field: Field) -> str:
    """The name under which the value of an option is passed to the command."""
    return f"{'body' if field.key else 'parameter'}_{field.name}"


def passed(fields: Iterable[Field], given: Mapping[str, Any]) -> list[tuple[Field, list[str]]]:
    """The values that were passed, with their fields."""
    found = [(each, given.get(destination(each))) for each in fields]
    return [
        (each, [value] if isinstance(value, str) else list(value))
        for each, value in found
        if value not in (None, (), [])
    ]


def _docstring(operation: Operation) -> str:
    """The help of an operation: what the API says, and two examples."""
    path = f"cekura-facade api {operation.name}"
    required = [each for each in operation.fields if each.is_required]
    optional = [each for each in operation.fields if not each.is_required]
    commands = [_command(path, [*required, *optional[: not required]])]
    if operation.has_body:
        commands.append(f"{_command(path, [each for each in required if not each.key])} --data body.json")
    elif optional:
        commands.append(_command(path, [*required, *optional[-1:]]))
    else:
        commands.append(f"{commands[0]} > {operation.name}.json")
    sentences = [f"{operation.summary}.", operation.description, f"Sends {operation.method} {operation.path}."]
    described = "\n\n".join(filter(None, sentences))
    examples = "\n".join(dict.fromkeys(commands))
    return f"{described}\n\nExamples:\n{examples}\n\nDocumentation: docs/reference/command-line.md"


def _command(path: str, fields: Iterable[Field]) -> str:
    return " ".join([path, *(f"{option(each)} {_example(each)}" for each in fields)])


def _example(field: Field) -> str:
    if field.values:
        return next(filter(None, field.values))
    examples = {"ID": "101", "NUMBER": "1", "true|false": "true", "JSON": f"@{field.name}.json", "@FILE": "@file"}
    return examples.get(field.metavar, "TEXT")
