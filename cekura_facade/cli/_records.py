"""Records other than metrics as text: a table or the fields of one, at the width of the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from ._report import Report
from ._text import visible

_NARROW = 72  # Below this width, the cells of a row are below each other.


def show_rows(report: Report, rows: Sequence[Sequence[str]], titles: Sequence[str] = ()) -> None:
    """Show rows. The first cell of each is its name."""
    if report.options.as_json or not rows:
        return
    console = report.output.out
    widths = [max(len(row[column]) for row in [*rows, *([titles] if titles else [])]) for column in range(len(rows[0]))]
    is_log = not console.is_terminal
    if not is_log and sum(widths) + 2 * (len(widths) - 1) > console.width:
        for row in rows:
            console.print(Text(visible(row[0]), "bold cyan"))
            for cell in filter(None, row[1:]):
                grid = Table.grid(padding=(0, 0, 0, 2))
                grid.add_column(overflow="fold")
                grid.add_row(Text(visible(cell)))
                console.print(grid)
        return
    if titles:
        console.print(Text("  ".join(map(str.ljust, titles, widths)).rstrip(), "bold"), soft_wrap=True)
    for row in rows:
        name, *cells = map(str.ljust, map(visible, row), widths)
        console.print(Text.assemble((name, "cyan"), "  ", "  ".join(cells).rstrip()), soft_wrap=True)


def show_fields(report: Report, fields: Mapping[str, object]) -> None:
    """Show the fields of a record that are set."""
    if report.options.as_json:
        return
    console = report.output.out
    shown = {name: _text(value) for name, value in fields.items() if value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    if not console.is_terminal:
        for name, text in shown.items():
            indented = text.replace("\n", "\n" + " " * (width + 2))
            console.print(Text(f"{visible(name).ljust(width)}  {indented}"), soft_wrap=True)
        return
    is_narrow = console.width < _NARROW
    grid = Table.grid(padding=(0, 2, 0, 0))
    if not is_narrow:
        grid.add_column(no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for name, text in shown.items():
        cells = [Text(visible(name), "cyan"), Text(text)]
        for row in [[each] for each in cells] if is_narrow else [cells]:
            grid.add_row(*row)
    console.print(grid)


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return visible(text, lines=True).strip()
