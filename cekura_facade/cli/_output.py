"""Prints results on standard output, and everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from typing import IO, Any, TextIO

from rich.console import Console, RenderableType
from rich.text import Text

from . import NO_READER
from ._text import json_text, visible

_NARROW = 72  # columns, below which metrics are paragraphs instead of rows
_SHOWN = 400  # maximum number of characters of a description in a table
_WIDTH_OF_A_LOG = 120
_INDENTED = 4  # columns, so that later lines of a message do not look like new messages


class Output:
    """The two streams of a command, each as a console.

    Attributes:
        out: Standard output.
        err: Standard error.
        quiet: Whether only errors and questions are printed on standard error.
        asks: Whether questions can be asked, because standard input and standard error are terminals.
        animates: Whether standard error is a terminal that may be drawn on.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        self.out, self.err = _console(sys.stdout), _console(sys.stderr)
        self.quiet = quiet
        self.asks = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        self.animates = self.err.is_terminal and not quiet

    @property
    def is_unicode(self) -> bool:
        """Whether standard output can express more than ASCII."""
        return self.out.encoding.startswith("utf")

    @property
    def is_narrow(self) -> bool:
        """Whether a result is shown as paragraphs, because a table would be too narrow to read."""
        return self.out.width < _NARROW

    def say(self, text: str = "", style: str = "") -> None:
        """Print information, unless the command is quiet."""
        if not self.quiet:
            self.alert(text, style)

    def alert(self, text: str = "", style: str = "") -> None:
        """Print an error or a part of a dialog. On a terminal, it is wrapped at words. Otherwise, it is one line."""
        if not sys.stderr.isatty():
            self.err.print(Text(text, style), soft_wrap=True)
            return
        for line in text.split("\n"):
            wrapped = Text(line, style).wrap(self.err, max(self.err.width - _INDENTED, 1))
            for nth, part in enumerate(wrapped):
                self.err.print(Text.assemble(" " * _INDENTED if nth else "", part), no_wrap=True)

    def verbatim(self, text: str) -> None:
        """Print lines to copy, without wrapping."""
        self.err.print(Text(text), soft_wrap=True)

    def command(self, words: Sequence[str]) -> None:
        """Print a command to copy, given as quoted words. On a terminal, a long one is continued on the next line."""
        lines = [f"  {words[0]}"]
        for word in words[1:]:
            if sys.stderr.isatty() and len(lines[-1]) + len(word) + 3 > self.err.width:
                lines[-1] += " \\"
                lines.append(f"    {word}")
            else:
                lines[-1] += f" {word}"
        for line in lines:
            self.err.print(Text(line, "bold"), soft_wrap=True)

    def json(self, document: object) -> None:
        """Print the JSON document."""
        self.out.write(json_text(document, ascii=not self.is_unicode) + "\n")

    def show(
        self,
        console: Console,
        metrics: Sequence[Mapping[str, Any]],
        title: str,
        *,
        saved: bool,
        marks: Sequence[str] | None = None,
    ) -> None:
        """Show metrics as a table, or as paragraphs on a narrow terminal.

        Args:
            console: The console to print on.
            metrics: The fields of each metric.
            title: The title of the table.
            saved: Whether the metrics are saved, and have ids.
            marks: Words that replace the descriptions of metrics that were shown before, such as their outcome.
        """
        if marks is not None:
            metrics = [{name: value for name, value in each.items() if name != "description"} for each in metrics]
        keys = [visible(metric.get("id", "")) if saved else str(n) for n, metric in enumerate(metrics, 1)]
        several = len({_agent(metric) for metric in metrics}) > 1
        console.print(Text(title, "bold"))
        if console.width < _NARROW:
            console.print(_paragraphs(metrics, keys, marks, several=several))
        else:
            console.print(_table(metrics, keys, marks, several=several, saved=saved))
        if any(_description(metric).endswith("…") for metric in metrics):
            self.say("Long descriptions are cut. They are complete in the editor, in files and with --json.")

    def finish(self) -> OSError | None:
        """Flush both streams. Returns why results could not be written, unless their reader has closed the pipe."""
        for console in (self.out, self.err):
            console.flush()
        failure = self.out.failure
        return None if failure is None or failure.errno in NO_READER else failure


class StreamConsole(Console):
    """A console that continues without output if its stream fails.

    Attributes:
        failure: Why writing failed.
    """

    failure: OSError | None = None

    def print(self, *objects: Any, **options: Any) -> None:
        """Print, as rich does."""
        try:
            super().print(*objects, **options)
        except OSError as error:
            self._give_up(error)

    def write(self, text: str) -> None:
        """Write a string unchanged."""
        try:
            self.file.write(text)
        except OSError as error:
            self._give_up(error)

    def write_utf8(self, text: str) -> None:
        """Write the content of a file, as UTF-8 with any stream."""
        if isinstance(self.file, TextIOWrapper):
            self.file.reconfigure(encoding="utf-8")
        self.write(text)

    def flush(self) -> None:
        """Write what is buffered."""
        try:
            self.file.flush()
        except OSError as error:
            self._give_up(error)

    def on_broken_pipe(self) -> None:
        """Continue, because a reader may stop at any time. Rich would end the process."""
        silence(self.file)

    def _give_up(self, error: OSError) -> None:
        self.failure = self.failure or error
        silence(self.file)


def silence(stream: IO[str]) -> None:
    """Discard all further output to a stream."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _console(stream: TextIO) -> StreamConsole:
    plain = not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")
    anywhere = any(each is not None and each.isatty() for each in (sys.stdin, sys.stdout, sys.stderr))
    return StreamConsole(
        file=stream,
        force_terminal=not plain,
        force_interactive=not plain,
        width=None if anywhere or os.environ.get("COLUMNS") else _WIDTH_OF_A_LOG,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _table(
    metrics: Sequence[Mapping[str, Any]],
    keys: Sequence[str],
    marks: Sequence[str] | None,
    *,
    several: bool,
    saved: bool,
) -> RenderableType:
    from rich import box
    from rich.table import Table  # Only tables need this slow import.

    described = any(map(_description, metrics))
    table = Table(box=box.ROUNDED, show_lines=described)
    table.add_column("ID" if saved else "#", justify="right", no_wrap=True, style="cyan")
    if marks is not None:
        table.add_column("Result", no_wrap=True)
    if several:
        table.add_column("Agent", overflow="fold")
    table.add_column("Name", ratio=2, overflow="fold", style="bold")
    table.add_column("Type", overflow="fold")
    if described:
        table.add_column("Description", ratio=3, overflow="fold")
    for nth, (key, metric) in enumerate(zip(keys, metrics, strict=True)):
        cells = [Text(key)]
        cells += [] if marks is None else [_mark(marks[nth])]
        cells += [Text(_agent(metric))] if several else []
        cells += [Text(visible(metric.get("name", ""))), Text(_kind(metric))]
        cells += [Text(_description(metric))] if described else []
        table.add_row(*cells)
    return table


def _paragraphs(
    metrics: Sequence[Mapping[str, Any]], keys: Sequence[str], marks: Sequence[str] | None, *, several: bool
) -> RenderableType:
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for nth, (key, metric) in enumerate(zip(keys, metrics, strict=True)):
        about = [_kind(metric), *([f"agent {_agent(metric)}"] if several else [])]
        text = Text.assemble((visible(metric.get("name", "")), "bold"), "\n", (", ".join(about), "dim"))
        if marks is not None:
            text.append(", ").append(_mark(marks[nth]))
        if description := _description(metric):
            text.append("\n" + description)
        grid.add_row()
        grid.add_row(Text(key), text)
    return grid


def _mark(mark: str) -> Text:
    return Text(mark, "green" if mark == "new" else "dim")


def _description(metric: Mapping[str, Any]) -> str:
    text = visible(metric.get("description") or "", lines=True).strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN].rsplit(None, 1)[0].rstrip() + " …"


def _kind(metric: Mapping[str, Any]) -> str:
    return visible(metric.get("eval_type") or metric.get("type") or "")


def _agent(metric: Mapping[str, Any]) -> str:
    agents = metric.get("agents") or [metric.get("agent") or ""]
    return visible(", ".join(map(str, agents)) if isinstance(agents, list) else agents)
