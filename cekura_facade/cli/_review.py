"""The review of what was suggested: a question, and an editor."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import _files, _yaml
from ._output import Output
from ._report import uninterrupted
from ._text import plural, visible

_HEADER = (
    "# Delete the metrics that are not to be saved, change what you like, then save the file and close the editor.",
    "# Lines like these are left out.",
    "#",
    "",
    "",
)


@dataclass
class Reviewed:
    """Suggestions, as they are reviewed.

    Attributes:
        metrics: As they are now.
        about: What they were suggested for.
    """

    metrics: list[dict[str, Any]]
    about: str


def review(output: Output, draft: Reviewed) -> bool:
    """Show the suggestions, and ask until the answer is yes or no; meanwhile they may be edited."""
    while draft.metrics:
        show(output, draft)
        while (answer := _ask(output, f"Save {plural(len(draft.metrics), 'metric')}?")) == "e":
            if _edit(output, draft):
                break
        if answer != "e":
            return answer == "y"
    output.say("No metric is left.")
    return False


def show(output: Output, draft: Reviewed) -> None:
    """Show the suggestions on standard error."""
    title = f"{plural(len(draft.metrics), 'suggestion')} for {draft.about}"
    output.show(output.err, draft.metrics, title, saved=False)


def _ask(output: Output, question: str) -> str:
    while True:
        output.err.print(f"{question} [y]es / [n]o / [e]dit ", end="", soft_wrap=True)
        output.err.file.flush()
        try:
            if not (line := sys.stdin.readline()):
                raise KeyboardInterrupt  # Ctrl-D: nobody answers, which is not a no.
        except KeyboardInterrupt:
            output.say()
            raise
        if line.strip().lower() in ("y", "yes", "n", "no", "e", "edit"):
            return line.strip().lower()[0]


def _edit(output: Output, draft: Reviewed) -> bool:
    """Have the suggestions edited. Returns whether they were changed; the draft is only what could be read."""
    editor = _editor()
    if not editor:
        output.say("There is no editor: set VISUAL or EDITOR.", "red")
        return False
    handle, name = tempfile.mkstemp(prefix="cekura-", suffix=".yaml")
    os.close(handle)
    path, text, kept = Path(name), "\n".join(_HEADER) + _yaml.dump(draft.metrics), False
    try:
        while True:
            path.write_text(text, "utf-8")
            code = _run([*editor, name])
            changed = path.read_bytes() != text.encode()
            if code in (-signal.SIGINT, 128 + signal.SIGINT):
                kept = changed
                raise KeyboardInterrupt
            if code != 0:
                output.say(f"The editor ended with {code}: nothing is changed.", "red")
                return False
            edited, found = _read(path)
            if found == draft.metrics:
                output.say("Nothing is changed.")
                return False
            if not isinstance(found, _yaml.BrokenText):
                draft.metrics = found
                return True
            output.say(f"The file cannot be used: {visible(found)}", "red")
            if not changed:
                kept = True
                output.say("It came back as it was. The suggestions are as they were before.")
                return False
            text = _with_problem(edited, str(found))
    except OSError as error:
        output.say(f"{visible(editor[0])}: {error.strerror}. Set VISUAL or EDITOR.", "red")
        return False
    finally:
        if kept:
            output.say(f"Your text is kept in {visible(name)}.")
        else:
            path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[str, list[dict[str, Any]] | _yaml.BrokenText]:
    """Return the text of a file, with the metrics in it, or with why it cannot be used."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = _yaml.BrokenText("not UTF-8 text.")
        problem.line = error.object[: error.start].count(b"\n") + 1
        return content.decode("utf-8", "replace"), problem
    try:
        return text, _files.parse(text)
    except _yaml.BrokenText as error:
        return text, error


def _editor() -> list[str]:
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        if chosen and (words := shlex.split(chosen)):
            return words
    except ValueError:  # such as a quote that is not closed: then it is the name of a program
        return [str(chosen)]
    return [name for name in ("sensible-editor", "editor", "nano", "vim", "vi", "notepad") if shutil.which(name)][:1]


def _run(command: list[str]) -> int:
    # Ctrl-C is the editor's affair while it runs; standard output may be a pipe.
    with uninterrupted():
        return subprocess.run(command, stdout=sys.stderr, check=False).returncode  # noqa: S603 - The user chose the editor.


def _with_problem(text: str, problem: str) -> str:
    """The text with the problem in its header, on a line that is there already: so no other line changes its number."""
    lines = text.split("\n")
    if len(lines) > 2 and lines[2].startswith("#"):
        lines[2] = f"# Cannot be used: {visible(problem)}"
    return "\n".join(lines)
