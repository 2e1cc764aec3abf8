"""What is printed, and how: results on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ._text import json_text, visible

_NARROW = 72  # columns; below, a metric is shown as a paragraph and not as a row
_WIDE = 100
_SHOWN = 320  # characters of a description in a table
_WIDTH_OF_A_LOG = 120


class Output:
    """The two streams of a command, each as a console.

    Attributes:
        out: Standard output.
        err: Standard error.
        asks: Whether there is somebody to ask: standard input and standard error are a terminal.
        animates: Whether standard error is a terminal that may be drawn on.
    """

    def __init__(self) -> None:
        sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        self.out, self.err = _console(sys.stdout), _console(sys.stderr)
        self.asks = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
        self.animates = self.err.is_terminal

    def say(self, text: str = "", style: str = "") -> None:
        """A message: wrapped at words on a terminal, and on one line elsewhere."""
        self.err.print(Text(text, style), soft_wrap=not sys.stderr.isatty())

    def command(self, text: str) -> None:
        """A command to copy: never wrapped."""
        self.err.print(Text("  " + text, "bold"), soft_wrap=True)

    def json(self, document: object) -> None:
        """The one JSON document."""
        self.out.file.write(json_text(document, ascii=not self.out.encoding.startswith("utf")) + "\n")

    def show(
        self, console: Console, metrics: Sequence[Mapping[str, Any]], title: str, *, saved: bool, brief: bool = False
    ) -> None:
        """Metrics as a table; on a narrow terminal as paragraphs.

        Args:
            console: Where.
            metrics: The fields of each.
            title: What they are.
            saved: Whether they are saved, and have ids.
            brief: Whether to leave out descriptions, because they were shown before.
        """
        if brief:
            metrics = [{name: value for name, value in each.items() if name != "description"} for each in metrics]
        keys = [visible(metric.get("id", "")) if saved else str(n) for n, metric in enumerate(metrics, 1)]
        several = len({_agent(metric) for metric in metrics}) > 1
        console.print(Text(title, "bold"))
        if console.width < _NARROW:
            console.print(_paragraphs(metrics, keys, several=several))
        else:
            console.print(_table(metrics, keys, console.width, several=several, saved=saved))
        if any(_description(metric).endswith("…") for metric in metrics):
            self.say("Long descriptions are cut here. In an editor, in a file and with --format json they are whole.")


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # Nobody reads on, which is no failure of what was to be done; rich would end the process here.
        silence(self.file)


def silence(stream: IO[str]) -> None:
    """Let what is still written to a stream go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _console(stream: TextIO) -> Console:
    plain = not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")
    anywhere = any(each is not None and each.isatty() for each in (sys.stdin, sys.stdout, sys.stderr))
    return _Console(
        file=stream,
        force_terminal=not plain,
        force_interactive=not plain,
        width=None if anywhere or os.environ.get("COLUMNS") else _WIDTH_OF_A_LOG,
        markup=False,
        highlight=False,
        emoji=False,
    )


def _table(
    metrics: Sequence[Mapping[str, Any]], keys: Sequence[str], width: int, *, several: bool, saved: bool
) -> RenderableType:
    table = Table(box=box.ROUNDED, show_lines=any(map(_description, metrics)))
    table.add_column("ID" if saved else "#", justify="right", no_wrap=True, style="cyan")
    if several:
        table.add_column("Agent", no_wrap=True)
    table.add_column("Name", ratio=2, overflow="fold", style="bold")
    table.add_column("Type", no_wrap=width >= _WIDE, overflow="fold")
    described = any(map(_description, metrics))
    if described:
        table.add_column("Description", ratio=3, overflow="fold")
    for key, metric in zip(keys, metrics, strict=True):
        agent = [_agent(metric)] if several else []
        description = [_description(metric)] if described else []
        table.add_row(*map(Text, (key, *agent, visible(metric.get("name", "")), _kind(metric), *description)))
    return table


def _paragraphs(metrics: Sequence[Mapping[str, Any]], keys: Sequence[str], *, several: bool) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for key, metric in zip(keys, metrics, strict=True):
        kind = f"{_kind(metric)}, agent {_agent(metric)}" if several else _kind(metric)
        text = Text.assemble((visible(metric.get("name", "")), "bold"), "\n", (kind, "dim"))
        if description := _description(metric):
            text.append("\n" + description)
        grid.add_row()
        grid.add_row(Text(key), text)
    return grid


def _description(metric: Mapping[str, Any]) -> str:
    text = visible(metric.get("description") or "", lines=True).strip()
    return text if len(text) <= _SHOWN else text[:_SHOWN].rstrip() + "…"


def _kind(metric: Mapping[str, Any]) -> str:
    return visible(metric.get("eval_type") or metric.get("type") or "")


def _agent(metric: Mapping[str, Any]) -> str:
    agents = metric.get("agents") or [metric.get("agent") or ""]
    return visible(", ".join(map(str, agents)) if isinstance(agents, list) else agents)
