"""Draw published specifications over time: their operations, and the changes for users of the client."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path

import attrs
import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

# Colors for people with color blindness (Okabe and Ito), on white, which suits light and dark pages.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#57606A"
MOST_LABELS = 40  # With more labels than this, numbers overlap.
BREAKING = "Breaking changes to the covered operations since the version before"
ADDED = "Additions to the covered operations since the version before"
# The marker, its size and color, and what they mean.
RESULTS = {
    "ok": ("o", 5, BLUE, "Gives a client without manual edits"),
    "refused": ("X", 8, "black", "Refused, because it lacks an operation that the client needs"),
    "FAILED": ("v", 9, "black", "Failed"),
}


@attrs.frozen
class Version:
    """A published version: its size, its result, and its changes since the last version that gave a client."""

    published: date
    operations: int
    result: str  # A key of RESULTS.
    breaking: int | None = None  # None if there is no version to compare it with.
    added: int | None = None


def draw(versions: Sequence[Version], file: Path) -> None:
    """Write a chart of the versions as SVG, with the same bytes each time. Raises OSError if that is not possible."""
    ordered = sorted(versions, key=lambda version: version.published)
    with settings():
        figure = Figure(figsize=(9, 5.8), layout="constrained", facecolor="white")
        size, breaking, added = figure.subplots(3, sharex=True, height_ratios=[2, 1, 1])
        draw_operations(size, ordered)
        draw_changes(breaking, BREAKING, ORANGE, [(v.published, v.breaking) for v in ordered])
        draw_changes(added, ADDED, GREEN, [(v.published, v.added) for v in ordered])
        first, last = date2num(ordered[0].published), date2num(ordered[-1].published)
        margin = max(0.03 * (last - first), 2)  # days
        added.set_xlim(first - margin, last + margin)
        locator = AutoDateLocator(minticks=4)
        added.xaxis.set_major_locator(locator)
        added.xaxis.set_major_formatter(ConciseDateFormatter(locator))
        figure.legend(*size.get_legend_handles_labels(), loc="outside lower center", ncols=len(RESULTS))
        figure.savefig(
            file, format="svg", metadata={"Date": None, "Creator": None, "Title": "Published specifications"}
        )


def settings() -> AbstractContextManager[None]:
    """The settings of matplotlib in which the charts are drawn."""
    return mpl.rc_context(
        {
            "svg.hashsalt": "specification-history",  # Without this, the ids in the file are random.
            "svg.fonttype": "path",
            "font.family": "DejaVu Sans",  # the font that every matplotlib has
            "font.size": 9,
            "text.color": GREY,
            "xtick.color": GREY,
            "ytick.color": GREY,
            "axes.edgecolor": "#AFB8C1",
            "axes.titlecolor": "#24292F",
            "axes.titlelocation": "left",
            "axes.titlesize": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid.axis": "y",
            "axes.grid": True,
            "grid.color": "#EAEEF2",
            "axes.axisbelow": True,
            "figure.constrained_layout.w_pad": 0.12,  # inches
            "figure.constrained_layout.h_pad": 0.12,
            "legend.frameon": False,
        }
    )


def draw_operations(axes: Axes, versions: Sequence[Version]) -> None:
    """A line through all versions. A version that gives no client has a cross."""
    axes.set_title("Operations in the published document")
    days = [date2num(version.published) for version in versions]
    counts = [version.operations for version in versions]
    axes.plot(days, counts, color=BLUE, linewidth=1.5)
    for result, (marker, points, color, label) in RESULTS.items():
        shown = [at for at, version in enumerate(versions) if version.result == result]
        if shown:
            at_days, at_counts = [days[at] for at in shown], [counts[at] for at in shown]
            axes.plot(at_days, at_counts, marker, color=color, markersize=points, label=label, clip_on=False)
    for at in {0, len(versions) - 1}:
        label_point(axes, days[at], counts[at])
    axes.set_ylim(bottom=0, top=max([*counts, 1]) * 1.2)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def draw_changes(axes: Axes, title: str, color: str, changes: Sequence[tuple[date, int | None]]) -> None:
    """A stem with a number for each version that was compared. A version without changes has a dot."""
    axes.set_title(title)
    compared = [(date2num(day), count) for day, count in changes if count is not None]
    days, counts = [day for day, _ in compared], [count for _, count in compared]
    if compared:  # The layout of an empty plot is wrong.
        axes.vlines(days, 0, counts, color=color, linewidth=2)
        axes.plot(days, counts, "o", color=color, markersize=4, clip_on=False)
    if len(compared) <= MOST_LABELS:
        for day, count in compared:
            if count:
                label_point(axes, day, count)
    axes.set_ylim(bottom=0, top=max([*counts, 1]) * 1.45)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))


def label_point(axes: Axes, day: float, count: int) -> None:
    """Write the number above its point."""
    axes.annotate(f"{count:,}", (day, count), xytext=(0, 7), textcoords="offset points", ha="center")
