"""Formats help and usage errors, with sections, examples and colors, at the width of the terminal.

Typer's own help with colors needs rich, which would double the time that `--help` takes.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, NoReturn, Protocol, cast

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from ._text import json_text, visible

MAX_WIDTH = 100
_DESCRIPTION = 36  # With fewer columns than this, descriptions are below the names.
_INDENT = 2
_SECTIONS = (  # in the order in which they are shown
    WORKFLOW := "Workflow",
    RESOURCES := "Metrics and agents",
    TOOLS := "Setup and tools",
    "Commands",
    "Arguments",
    "Options",
    COMMON := "Common options",
)
# Typer has no public name for the base class of all usage errors.
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
# The parser's messages about numbers, and our own.
_IN_WORDS = (
    (r"is not a valid int(?:eger)?(?: range)?\.", "is not an integer."),
    (r"is not a valid float(?: range)?\.", "is not a number."),
    (r"is not in the range x>=(\S+)\.", r"is not a number from \1."),
    (r"is not in the range (\S+)<=x<=(\S+)\.", r"is not a number from \1 to \2."),
)

EXIT_CODES = (
    ("0", "The command succeeded."),
    ("1", "The service refused the request, or the command failed."),
    ("2", "The arguments or the configuration are not valid. Nothing was sent."),
    ("3", "The job was not finished in time. The command prints how to resume it."),
    ("4", "Some of the metrics were not saved or deleted, or it is not known whether they were."),
    ("5", "`plan` found changes."),
    ("130", "You interrupted the command."),
)
ENVIRONMENT = (
    ("CEKURA_API_KEY", "API key. Default: api_key from ~/.cekura/config.toml."),
    ("CEKURA_API_URL", "Base URL. Default: api_url from ~/.cekura/config.toml, then https://api.cekura.ai."),
    ("VISUAL, EDITOR", "Editor for suggestions."),
    ("NO_COLOR", "If set, the output has no colors."),
)


class Writer(Protocol):
    """What a help page is written to."""

    def write(self, string: str, /) -> None:
        """Add a string."""


class UsageError(Protocol):
    """What is wrong with the arguments."""

    ctx: typer.Context | None
    message: str

    def format_message(self) -> str:
        """The message."""


class Text(NamedTuple):
    """The docstring of a command, in its parts."""

    description: str
    examples: list[str]
    page: str


def read_docstring(docstring: str | None) -> Text:
    """Split the docstring of a command into its description, `Examples:` and `Documentation:`."""
    text, _, page = (docstring or "").partition("\nDocumentation: ")
    description, _, examples = text.partition("\nExamples:\n")
    return Text(description.strip(), [line.strip() for line in examples.splitlines() if line.strip()], page.strip())


class Page:
    """A help page that is being written."""

    def __init__(self) -> None:
        self.width = min(shutil.get_terminal_size((MAX_WIDTH, 24)).columns, MAX_WIDTH)
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") in ("dumb", "unknown")
        self._has_colors = sys.stdout.isatty() and not plain
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """What was written."""
        return "\n".join(self._lines).strip("\n") + "\n"

    def paragraphs(self, text: str) -> None:
        """Write paragraphs, which are separated by empty lines."""
        for paragraph in text.split("\n\n"):
            self._lines += ["", *wrapped(paragraph, self.width)]

    def line(self, title: str, text: str) -> None:
        """Write a title, with its text on the same line."""
        head, *others = wrapped(f"{title} {text}", self.width, hanging=_INDENT)
        self._lines += ["", self._styled(title, bold=True) + head.removeprefix(title), *others]

    def heading(self, title: str) -> None:
        """Write the title of a section."""
        self._lines += ["", self._styled(f"{title}:", bold=True)]

    def rows(self, rows: Sequence[tuple[str, str]], column: int = 0) -> None:
        """Write names with their descriptions on the same line, or below them on a narrow terminal."""
        column = column or longest(rows)
        for name, text in rows:
            if self.width - column - 2 * _INDENT < _DESCRIPTION:
                names = wrapped(name, self.width, indent=_INDENT, hanging=_INDENT * 2)
                self._lines += [self._styled(line, fg="cyan") for line in names]
                self._lines += wrapped(text, self.width, indent=_INDENT * 3)
                continue
            start = _INDENT + column + 2
            lines = [line[start:] for line in wrapped(text, self.width, indent=start)]
            if len(name) > column:
                self._lines.append(" " * _INDENT + self._styled(name, fg="cyan"))
            else:
                first = lines.pop(0) if lines else ""
                padding = " " * (column - len(name) + 2)
                self._lines.append((" " * _INDENT + self._styled(name, fg="cyan") + padding + first).rstrip())
            self._lines += [" " * start + line for line in lines]

    def commands(self, commands: Iterable[str]) -> None:
        """Write commands so that they can be copied to a shell."""
        for command in commands:
            # An option and its value stay on the same line.
            text = re.sub(r"(?<= )(--?[\w-]+) (?=[^-\s])", "\\1\0", command)
            lines = wrapped(text, self.width - 2, indent=_INDENT)
            lines = [line.replace("\0", " ") for line in lines]
            self._lines += [*(f"{line} \\" for line in lines[:-1]), *lines[-1:]]

    def _styled(self, text: str, *, fg: str | None = None, bold: bool | None = None) -> str:
        return typer.style(text, fg=fg, bold=bold) if self._has_colors else text


def start_page(usage: str, docstring: str | None) -> tuple[Page, Text]:
    """A page with the usage and the description of a command, and its docstring in parts."""
    page, text = Page(), read_docstring(docstring)
    page.line("Usage:", usage)
    page.paragraphs(text.description)
    return page, text


def wrapped(text: str, width: int, *, indent: int = 0, hanging: int | None = None) -> list[str]:
    """The lines of a string. A word is only divided if it is longer than a line."""
    later = indent if hanging is None else hanging
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * later,
        break_on_hyphens=False,
    )


def longest(rows: Iterable[tuple[str, str]]) -> int:
    """The width of a column of names. Longer names are on a separate line."""
    return max((len(name) for name, _ in rows if len(name) <= MAX_WIDTH // 3), default=0)


class Command(TyperCommand):
    """A command whose docstring has its examples and the name of its page in the documentation."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments. An error names this command even if the parser does not."""
        try:
            return super().parse_args(ctx, args)
        except _USAGE_ERROR as error:
            cast(UsageError, error).ctx = ctx
            raise

    def format_help(self, ctx: typer.Context, formatter: Writer) -> None:  # type: ignore[override]
        """Write the help page."""
        page, text = start_page(_usage(self, ctx), self.help)
        write_parameters(page, self, ctx)
        write_end(page, text)
        page.line("Exit codes:", "see `cekura-facade --help`.")
        formatter.write(page.text)


class Group(TyperGroup):
    """A command with subcommands. Without a subcommand, it prints its help."""

    called = "The command"
    otherwise = ""

    def format_help(self, ctx: typer.Context, formatter: Writer) -> None:  # type: ignore[override]
        """Write the help page, with the subcommands in sections."""
        page, text = start_page(_usage(self, ctx), self.help)
        sections: dict[str, list[tuple[str, str]]] = {}
        for section, name, summary in self.summaries(ctx):
            sections.setdefault(section, []).append((name, summary))
        column = max((longest(rows) for rows in sections.values()), default=0)
        for title in sorted(sections, key=_SECTIONS.index):
            page.heading(title)
            page.rows(sections[title], column)
        write_parameters(page, self, ctx)
        self.write_more(page)
        write_end(page, text)
        formatter.write(page.text)

    def summaries(self, ctx: typer.Context) -> list[tuple[str, str, str]]:
        """The section, the name and the summary of each command: the first paragraph of its help."""
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return [
            ("Commands", name, read_docstring(command.help).description.partition("\n\n")[0])
            for name, command in found
            if command is not None and not command.hidden
        ]

    def names(self, ctx: typer.Context) -> dict[str, str]:
        """The names that a user may have meant, each with the words to type."""
        return {name: name for name in self.list_commands(ctx)}

    def resolve_command(self, ctx: typer.Context, args: list[str]) -> tuple[str | None, Any, list[str]]:  # type: ignore[override]
        """Find the command, or suggest the one that was meant."""
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None and not ctx.resilient_parsing:
            names = self.names(ctx)
            close = difflib.get_close_matches(args[0].replace("-", "_"), names, n=2, cutoff=0.7)
            close = close or difflib.get_close_matches(args[0], names, n=2)
            hint = f" Did you mean {' or '.join(f'`{ctx.command_path} {names[each]}`' for each in close)}?"
            ctx.fail(f"{self.called} {args[0]!r} does not exist.{hint if close else self.otherwise}")
        return super().resolve_command(ctx, args)

    def write_more(self, page: Page) -> None:
        """Write more sections, which a subclass may have."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse the arguments. If there are none, print the help."""
        if not args and not ctx.resilient_parsing:
            args = ["--help"]
        return super().parse_args(ctx, args)


class Root(Group):
    """The command itself."""

    def write_more(self, page: Page) -> None:
        """Write the environment variables and the exit codes."""
        page.heading("Environment variables")
        page.rows(ENVIRONMENT)
        page.heading("Exit codes")
        page.rows(EXIT_CODES)

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run the command, and end the process with the exit code."""
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except _USAGE_ERROR as error:
            _show_usage_error(cast(UsageError, error), as_json="--json" in sys.argv)
            sys.exit(2)
        sys.exit(code if isinstance(code, int) else 0)


def _show_usage_error(error: UsageError, *, as_json: bool) -> None:
    """Print a usage error, and the command that prints the help."""
    width = shutil.get_terminal_size((MAX_WIDTH, 24)).columns if sys.stderr.isatty() else sys.maxsize
    message = error.format_message()
    if possible := getattr(error, "possibilities", None):
        message = f"{error.message.rstrip('.')}. Did you mean {' or '.join(sorted(possible))}?"
    for pattern, words in _IN_WORDS:
        message = re.sub(pattern, words, message)
    message = visible(message)
    path = error.ctx.command_path if error.ctx else "cekura-facade"
    for text in (f"Error: {message}", f"`{path} --help` shows how it is used."):
        print("\n".join(wrapped(text, width)), file=sys.stderr)
    if as_json:
        print(json_text({"exit_code": 2, "errors": [{"type": "WrongUsage", "message": message}]}, ascii=True))


def _usage(command: TyperCommand | TyperGroup, ctx: typer.Context) -> str:
    # Arguments come before options, because people type them in this order.
    arguments = [_metavar(each) for each in command.params if isinstance(each, TyperArgument)]
    pieces = [*arguments, "[OPTIONS]"]
    if isinstance(command, TyperGroup):
        pieces = ["[OPTIONS]", "COMMAND"]
    return " ".join([ctx.command_path, *pieces])


def _metavar(argument: TyperArgument) -> str:
    metavar: str = argument.metavar or str(argument.name).upper()
    metavar += "..." if argument.nargs == -1 else ""
    return metavar if argument.required else f"[{metavar}]"


def write_parameters(page: Page, command: TyperCommand | TyperGroup, ctx: typer.Context) -> None:
    """Write the arguments and options, in sections."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for each in command.get_params(ctx):
        if isinstance(each, TyperArgument):
            sections.setdefault("Arguments", []).append((_metavar(each).strip("[]"), each.help or ""))
        elif isinstance(each, TyperOption) and not each.hidden:
            name = ", ".join(sorted(each.opts, key=len))
            if not each.is_flag:
                name += f" {each.metavar or str(each.name).upper()}"
            # Only --help, which is the last option, has no section.
            panel = each.rich_help_panel or (COMMON if COMMON in sections else "Options")
            sections.setdefault(panel, []).append((name, each.help or ""))
    column = max((longest(rows) for rows in sections.values()), default=0)
    for title in sorted(sections, key=_SECTIONS.index):
        page.heading(title)
        page.rows(sections[title], column)


def write_end(page: Page, text: Text) -> None:
    """Write the examples and the page of the documentation."""
    if text.examples:
        page.heading("Examples")
        page.commands(text.examples)
    if text.page:
        page.line("Documentation:", text.page)
