"""Shows progress. On a terminal, each job has a live line. Otherwise, each change is a line."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ._output import Output
from ._text import visible

_NARROW = 88  # columns, below which the progress id is on a separate line


@dataclass
class Line:
    """The progress of one job.

    Attributes:
        label: What it is for.
        step: The step that it is at.
        progress_id: Its progress id, once it has one.
        end: Its outcome, once it has ended.
    """

    label: str
    step: str = "Starting"
    progress_id: str | None = None
    end: str | None = None
    started: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> str:
        """Time since the start, as minutes and seconds."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{minutes}:{seconds:02}"


class Progress:
    """Shows lines while it is entered. Lines that have ended stay on the screen."""

    def __init__(self, output: Output, lines: list[Line]) -> None:
        self._output = output
        self._lines = lines
        self._spinner = Spinner("dots", style="cyan")
        self._live: Live | None = None

    def __enter__(self) -> Self:
        if self._output.animates:
            self._live = Live(
                console=self._output.err,
                get_renderable=self._render,
                refresh_per_second=10,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def step(self, line: Line, step: str) -> None:
        """Show a step, which may be the same as before."""
        if step != line.step:
            line.step = step
            if self._live is None:
                self._output.say(f"{line.label}: {visible(step)}")

    def start(self, line: Line, progress_id: str) -> None:
        """Show that a job was started."""
        line.progress_id = progress_id
        if self._live is None:
            self._output.say(f"{line.label}: started, progress id {progress_id}")

    def finish(self, line: Line, end: str) -> None:
        """Show the outcome of a job."""
        line.end = end
        after = f" after {line.elapsed}"
        about = f", progress id {line.progress_id}" if line.progress_id else ""
        self._output.say(f"{line.label}: {end}{after}{about}")

    def _render(self) -> RenderableType:
        width = self._output.err.width
        lines = [line for line in self._lines if line.end is None]
        labels = max((cell_len(line.label) for line in lines), default=0)
        if width >= _NARROW:
            grid = Table.grid(padding=(0, 1))
            for style in ("", "bold", "", "cyan", "dim"):
                grid.add_column(no_wrap=True, style=style)
            for line in lines:
                grid.add_row(*self._cells(line), line.progress_id)
            return grid
        rows: list[RenderableType] = []
        for line in lines:
            row = Table.grid(padding=(0, 1), expand=True)
            row.add_column(no_wrap=True)
            row.add_column(no_wrap=True, style="bold", min_width=min(labels, width // 3))
            row.add_column(no_wrap=True, ratio=1)
            row.add_column(no_wrap=True, style="cyan", min_width=len(line.elapsed))
            row.add_row(*self._cells(line))
            rows += [row, Text(f"  {line.progress_id}", "dim")] if line.progress_id else [row]
        return Group(*rows)

    def _cells(self, line: Line) -> list[RenderableType]:
        label, step = (Text(text, overflow="ellipsis") for text in (line.label, visible(line.step)))
        return [self._spinner, label, step, line.elapsed]
