"""Write docs/pictures, which show the command in real runs against the sandbox, in a pseudo-terminal.

python scripts/pictures.py [--output DIR]
"""

from __future__ import annotations

import argparse
import io
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from cekura_facade.sandbox import ManualClock, Sandbox
from tests.terminal import NEXT_PICTURE, Shell, Terminal, environment, until

ROOT = Path(__file__).resolve().parent.parent
QUESTION = re.escape("[?] help ")
# Replacements of text that differs between runs. They have the same length, so that the layout does not change.
IDS = ("3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f", "8a61d0c4-72be-4c19-b5f3-6d9e01a7c2b8")
ELAPSED = re.compile(r"(?<![0-9:])0:[0-9]{2}(?![0-9])")
SPINNER = re.compile("[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]")
# The pictures do not use fonts from another host.
FONTS = "ui-monospace, 'Cascadia Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
SVG = re.sub(r"@font-face {{.*?}}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, monospace", FONTS)


def main() -> int:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "pictures", metavar="DIR")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    for name, (columns, arguments, act) in PICTURES.items():
        clock = ManualClock() if act is watch else time.monotonic
        with TemporaryDirectory() as scratch, Sandbox(job_seconds=1, clock=clock) as sandbox:
            shell = Shell(Path(scratch), environment(Path(scratch), sandbox.url, sandbox.api_key))
            with shell.terminal(*arguments, columns=columns) as terminal:
                raw = act(terminal, sandbox)
            # In the order of the agents, and not in that of the responses.
            for job, constant in zip(sorted(sandbox.jobs.values(), key=lambda job: job.agent_id), IDS, strict=False):
                raw = raw.replace(job.progress_id, constant)
        (folder / f"{name}.svg").write_text(picture(name, arguments, raw, columns), "utf-8")
    return 0


def save(terminal: Terminal, _sandbox: Sandbox) -> str:
    """Answer yes."""
    terminal.answer("y")
    terminal.end()
    return terminal.raw


def stop(terminal: Terminal, _sandbox: Sandbox) -> str:
    """Press Ctrl-C at the question."""
    terminal.expect(QUESTION)
    terminal.press("c")
    terminal.end()
    return terminal.raw


def watch(terminal: Terminal, sandbox: Sandbox) -> str:
    """Show two jobs at different steps, while the clock is stopped."""
    until(lambda: len(sandbox.jobs) == 2)
    jobs = sorted(sandbox.jobs.values(), key=lambda job: job.agent_id)
    for job, done, step in zip(jobs, (0.7, 0.45), ("Writing metrics", "Looking for what callers"), strict=True):
        object.__setattr__(job, "started_at", -done * job.seconds)
        terminal.expect(step)
    terminal.expect(re.escape(NEXT_PICTURE))
    return terminal.drawn


# The columns of the terminal, as few as the text allows; the arguments; and what a person does.
PICTURES: dict[str, tuple[int, list[str], Callable[[Terminal, Sandbox], str]]] = {
    "generate": (80, ["generate", "--agent-id", "101", "-n", "3"], save),
    "agents": (100, ["generate", "--agent-id", "101", "--agent-id", "102", "-n", "10"], watch),
    "interrupted": (80, ["generate", "--agent-id", "103"], stop),
}


def picture(name: str, arguments: list[str], raw: str, columns: int) -> str:
    """A picture of a command and of what a terminal shows after it."""
    raw = SPINNER.sub("⠋", ELAPSED.sub("0:02", raw))
    screen = pyte.Screen(columns, 200)
    pyte.Stream(screen).feed(raw)
    rows = [Text.assemble(("$ ", "green"), (shlex.join(["cekura-facade", *arguments]), "bold"))]
    rows += [row(screen.buffer[number], columns) for number in range(screen.lines)]
    while not rows[-1].plain.strip():
        rows.pop()
    console = Console(file=io.StringIO(), width=columns + 1, record=True, color_system="truecolor", force_terminal=True)
    for each in rows:
        console.print(each, no_wrap=True, crop=False, highlight=False)
    return console.export_svg(title="cekura-facade", code_format=SVG, unique_id=f"cekura-{name}")


def row(line: dict[int, pyte.screens.Char], columns: int) -> Text:
    """A row of the screen, with its colours."""
    text = Text()
    for column in range(columns):
        character = line[column]
        colour = {"default": "", "brown": "yellow"}.get(character.fg, character.fg)
        text.append(character.data, " ".join(filter(None, ["bold" if character.bold else "", colour])))
    text.rstrip()
    return text


if __name__ == "__main__":
    sys.exit(main())
