"""A chart of what users notice: for each measure, a bar for each contender."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from replay_chart import BLUE, GREY, settings


@dataclass(frozen=True)
class Felt:
    """What a user notices: how much it is for each contender, this project first, and how a number is written."""

    what: str
    values: dict[str, float]
    written: Callable[[float], str]

    def cells(self, first: str) -> tuple[str, str, str]:
        """Return the text of each column: what, one contender, and the others."""
        others = [f"{name}: {self.written(value)}" for name, value in self.values.items() if name != first]
        return self.what, self.written(self.values[first]), "; ".join(others)


def draw(measures: Sequence[Felt], file: Path) -> None:
    """Write a chart as SVG, with the first bar of each measure in another color."""
    with settings():
        figure = Figure(figsize=(9, 1.1 + 0.42 * sum(len(each.values) + 1 for each in measures)), facecolor="white")
        figure.set_layout_engine("constrained")
        plots = figure.subplots(len(measures), squeeze=False, height_ratios=[len(each.values) for each in measures])
        for [axes], measure in zip(plots, measures, strict=True):
            axes.set_title(measure.what.replace("`", ""))
            names = [name.replace("`", "") for name in measure.values]
            colors = [BLUE, *(GREY for _ in names[1:])]
            bars = axes.barh(names, list(measure.values.values()), color=colors, height=0.6)
            axes.bar_label(bars, [measure.written(value) for value in measure.values.values()], padding=4)
            axes.set_xlim(0, max(measure.values.values()) * 1.15)
            axes.invert_yaxis()
            axes.xaxis.set_visible(False)
            axes.spines["bottom"].set_visible(False)
            axes.grid(visible=False)
            axes.tick_params(left=False)
        file.parent.mkdir(exist_ok=True)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Title": "Performance"})
