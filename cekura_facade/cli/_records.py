"""Shows records other than metrics as a table, or the fields of one record, at the width of the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ._report import Report
from ._text import visible

_NARROW = 72  # On a narrower terminal, the cells of a row are printed below each other.


def show_rows(report: Report, rows: Sequence[Sequence[str]], titles: Sequence[str] = ()) -> None:
    """Show rows. The first cell of each is its name."""
    if report.options.as_json or not rows:
        return
    console = report.output.out
    table = [[visible(cell) for cell in row] for row in ([titles, *rows] if titles else rows)]
    widths = [max(map(cell_len, column)) for column in zip(*table, strict=True)]
    if console.is_terminal and sum(widths) + 2 * (len(widths) - 1) > console.width:
        from rich.padding import Padding

        for name, *cells in table[bool(titles) :]:
            console.print(Text(name, "bold cyan", overflow="fold"))
            for cell in filter(None, cells):
                console.print(Padding(Text(cell, overflow="fold"), (0, 0, 0, 2)))
        return
    for number, row in enumerate(table):
        name, *cells = map(set_cell_size, row, widths)
        is_title = bool(titles) and number == 0
        line = Text.assemble((name, "" if is_title else "cyan"), "  ", "  ".join(cells).rstrip())
        console.print(Text("", "bold").append(line) if is_title else line, soft_wrap=True)


def show_fields(report: Report, fields: Mapping[str, object], *, with_empty: bool = False) -> None:
    """Show the fields of a record that are set, or all fields with `with_empty`."""
    if report.options.as_json:
        return
    console = report.output.out
    shown = {name: _text(value) for name, value in fields.items() if with_empty or value not in (None, "", [], {})}
    width = max(map(len, shown), default=0)
    if not console.is_terminal:
        for name, text in shown.items():
            indented = text.replace("\n", "\n" + " " * (width + 2))
            console.print(Text(f"{visible(name).ljust(width)}  {indented}"), soft_wrap=True)
        return
    from rich.padding import Padding
    from rich.table import Table

    is_narrow = console.width < _NARROW
    grid = Table.grid(padding=(0, 2, 0, 0))
    if not is_narrow:
        grid.add_column(no_wrap=True, style="cyan")
    grid.add_column(overflow="fold")
    for name, text in shown.items():
        title, content = Text(visible(name), "cyan"), Text(text)
        if is_narrow:
            grid.add_row(title)
            grid.add_row(Padding(content, (0, 0, 0, 2)))
        else:
            grid.add_row(title, content)
    console.print(grid)


def _text(value: object) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return visible(text, lines=True).strip()
