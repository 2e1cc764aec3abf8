"""What was measured, as rows beside their goals: for the terminal and for docs/internals/performance.md."""

from __future__ import annotations

import os
import platform
import statistics
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .chart import Felt, draw

FACADE, HTTPX, GENERATED, VENDOR = "this project", "bare httpx", "generated client alone", "vendor's package"
NOTICED = ("what you notice", FACADE, "others in the same run")
HEADINGS = ("what", "goal", FACADE, "met", "others in the same run")
TEMPLATE = Path(__file__).with_name("performance.md.template")


@dataclass(frozen=True)
class Row:
    """One line of the table: what was measured, and what is beside it. `met` is None where there is no goal."""

    what: str
    goal: str
    measured: str
    met: bool | None
    beside: Sequence[str] = field(default=())
    felt: Felt | None = None

    def cells(self) -> tuple[str, str, str, str, str]:
        """Return the text of each column."""
        verdict = {True: "yes", False: "NO", None: "-"}[self.met]
        return self.what, self.goal or "-", self.measured, verdict, "; ".join(self.beside)


SUITE = Row(
    "the whole of ./scripts/test, after set-up",
    "<= 4 min",
    "not measured here",
    None,
    ["run `time ./scripts/test` twice on an idle machine: the second time is without set-up"],
)


class Times:
    """Seconds of each contender, measured in turns, so that what else the machine does meets all of them alike."""

    def __init__(self, contenders: dict[str, Callable[[], float]], rounds: int) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for number in range(rounds):
            # From another one each time: who comes after whom matters to caches and to the garbage collector.
            start = number % len(contenders)
            for name in [*list(contenders)[start:], *list(contenders)[:start]]:
                self.seconds[name].append(contenders[name]())

    def median(self, name: str) -> float:
        """Return the median time of a contender."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, floor: str = HTTPX) -> float:
        """The median of what the rounds say, each by itself."""
        return statistics.median(self._ratios(name, floor))

    def shown(self, name: str, floor: str = HTTPX) -> str:
        """The ratio, its spread (the middle half of the rounds), and the median time."""
        low, _, high = _quartiles(self._ratios(name, floor))
        return f"{self.ratio(name, floor):.2f} x ({low:.2f}-{high:.2f}), {duration(self.median(name))}"

    def row(self, what: str, goal: float, floor: str = HTTPX) -> Row:
        """The row of the facade, with all others beside it."""
        others = [f"{floor} 1 x, {duration(self.median(floor))}"]
        others += [f"{name} {self.shown(name, floor)}" for name in self.seconds if name not in (FACADE, floor)]
        met = self.ratio(FACADE, floor) <= goal
        return Row(what, f"<= {goal:.2f} x {floor}", self.shown(FACADE, floor), met, others)

    def _ratios(self, name: str, floor: str) -> list[float]:
        return [one / other for one, other in zip(self.seconds[name], self.seconds[floor], strict=True)]


def _quartiles(values: list[float]) -> list[float]:
    return statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3


def duration(seconds: float) -> str:
    """Return a time in seconds or milliseconds."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.{2 if seconds < 0.1 else 0}f} ms"


def megabytes(size: float) -> str:
    """Return a number of bytes in megabytes."""
    return f"{size / 1e6:.0f} MB"


def machine() -> str:
    """What it ran on, as far as it matters."""
    return f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, Python {platform.python_version()}"


def show(rows: Sequence[Row]) -> None:
    """Print the table: drawn on a terminal, otherwise as Markdown, with each row on a line of its own."""
    console = Console()
    if console.is_terminal:
        table = Table(*HEADINGS, title=f"{machine()}; medians and middle halves of interleaved runs", show_lines=True)
        for row in rows:
            table.add_row(*row.cells(), style="bold red" if row.met is False else None)
        console.print(table)
    else:
        print(markdown(HEADINGS, [row.cells() for row in rows]))
    missed = sum(row.met is False for row in rows)
    print(
        f"{missed} of {sum(row.met is not None for row in rows)} goals are missed." if missed else "Every goal is met."
    )


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table, for a page."""
    lines = [headings, ["---" for _ in headings], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _lines(table: str) -> str:
    """The table with each contender on a line of its own, because the columns of the page are narrow."""
    return table.replace("; ", "<br>")


def write(rows: Sequence[Row], path: Path, picture: Path, command: str) -> None:
    """Write the page from its template, and its chart."""
    felt = [row.felt for row in rows if row.felt is not None]
    draw(felt, picture)
    template = string.Template(TEMPLATE.read_text("utf-8"))
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    page = template.substitute(
        noticed=_lines(markdown(NOTICED, [each.cells(FACADE) for each in felt])),
        table=_lines(markdown(HEADINGS, [row.cells() for row in rows])),
        machine=machine(),
        command=command,
        day=day,
    )
    path.parent.mkdir(exist_ok=True)
    path.write_text(page, "utf-8")
