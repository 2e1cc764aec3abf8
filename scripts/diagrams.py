"""Write the diagrams of the documentation to docs/pictures: SVG files, each for light and for dark pages.

python scripts/diagrams.py [--output DIR]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import attrs

ROOT = Path(__file__).resolve().parent.parent
WIDTH = 600  # At this width, text of 19 px is still 11 px high on a phone of 390 px.
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', Arial, sans-serif"
MONO = "ui-monospace, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


@attrs.frozen
class Theme:
    """The colors of a diagram. The background is that of the page."""

    ink: str
    quiet: str
    accent: str
    fill: str
    lost: str


THEMES = {
    "light": Theme(ink="#1f2328", quiet="#57606a", accent="#00796b", fill="#e6f4f1", lost="#b3261e"),
    "dark": Theme(ink="#e8eaed", quiet="#a8b0ba", accent="#4db6ac", fill="#1d3b39", lost="#ff8a80"),
}
WORKFLOW = {
    "generate": "starts a job at the service",
    "wait": "polls the job until it is done",
    "review": "you choose and change metrics",
    "create_in_bulk": "saves the missing metrics",
}
PIPELINE = {
    "published": "the vendor's document",
    "select": "keeps the covered operations",
    "normalise": "fixes faults by rules",
    "overlay": "adds what only a person knows",
    "lenience": "accepts unexpected responses",
    "validate": "checks the specification",
    "generate": "writes the typed client",
}
# Who sends, what is said, and whether it arrives.
SAVE = (
    ("client", "list metrics", True),
    ("service", "1 of 3 exists: skip it", True),
    ("client", "create 2 metrics", True),
    ("service", "the response is lost", False),
    ("client", "list metrics again", True),
    ("service", "1 of the 2 exists", True),
    ("client", "create the missing one", True),
    ("service", "created", True),
)


def main() -> None:
    """Write the diagrams."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures", metavar="DIR")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in DIAGRAMS.items():
        for theme, colors in THEMES.items():
            (folder / f"{name}-{theme}.svg").write_text(draw(colors), "utf-8")


def steps(named: dict[str, str], theme: Theme) -> str:
    """Draw steps from top to bottom, each as a box with its name, and beside it what it does."""
    parts, top, middle = [], 8, 132
    for number, (name, description) in enumerate(named.items()):
        if number:
            parts.append(arrow(middle, top - 22, middle, top - 2, theme.quiet))
        parts += [
            f'<rect x="8" y="{top}" width="248" height="46" rx="8" fill="{theme.fill}" stroke="{theme.accent}"/>',
            text(middle, top + 30, name, theme.ink, f'font-family="{MONO}" font-weight="600" text-anchor="middle"'),
            text(274, top + 30, description, theme.quiet),
        ]
        top += 70
    return svg(top - 16, parts)


def save(theme: Theme) -> str:
    """Draw what the client and the service say to each other while metrics are saved."""
    left, right, top = 70, 530, 66
    parts = []
    for x, who in ((left, "client"), (right, "service")):
        parts += [
            f'<rect x="{x - 62}" y="8" width="124" height="40" rx="8" fill="{theme.fill}" stroke="{theme.accent}"/>',
            text(x, 34, who, theme.ink, 'font-weight="600" text-anchor="middle"'),
            f'<path d="M{x} 48V{top + 50 * len(SAVE)}" stroke="{theme.quiet}" stroke-dasharray="3 5"/>',
        ]
    for sender, said, arrives in SAVE:
        top += 50
        color = theme.accent if arrives else theme.lost
        start, end = (left + 6, right - 6) if sender == "client" else (right - 6, left + 6)
        if not arrives:
            end = left + 90
            parts.append(f'<path d="M{end - 9} {top - 9}l18 18m0-18l-18 18" stroke="{color}" stroke-width="3"/>')
            end += 14
        ink = theme.ink if arrives else theme.lost
        parts += [
            text((left + right) // 2, top - 10, said, ink, 'text-anchor="middle"'),
            arrow(start, top, end, top, color, dashed=sender == "service", pointed=arrives),
        ]
    return svg(top + 24, parts)


def text(x: int, y: int, content: str, color: str, style: str = "") -> str:
    """Return a line of text."""
    return f'<text x="{x}" y="{y}" fill="{color}"{" " * bool(style)}{style}>{escape(content)}</text>'


def arrow(x: int, y: int, to_x: int, to_y: int, color: str, *, dashed: bool = False, pointed: bool = True) -> str:
    """Return a horizontal or vertical arrow."""
    dash = ' stroke-dasharray="7 5"' if dashed else ""
    line = f'<path d="M{x} {y}L{to_x} {to_y}" stroke="{color}" stroke-width="2"{dash}/>'
    if not pointed:
        return line
    back = 8 if to_x < x else -8
    head = "l-5 -8h10z" if x == to_x else f"l{back} -5v10z"
    return f'{line}<path d="M{to_x} {to_y}{head}" fill="{color}"/>'


def svg(height: int, parts: Iterable[str]) -> str:
    """Return the file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'fill="none" font-family="{SANS}" font-size="19">'
    )
    return "\n".join([head, *parts, "</svg>", ""])


DIAGRAMS: dict[str, Callable[[Theme], str]] = {
    "workflow": lambda theme: steps(WORKFLOW, theme),
    "exactly-once": save,
    "pipeline": lambda theme: steps(PIPELINE, theme),
}


if __name__ == "__main__":
    main()
