"""Reviews suggestions with a question and an editor."""

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
from ._asking import ask
from ._output import Output
from ._signals import uninterrupted
from ._text import plural, visible

_HEADER = (
    "# Change the metrics, and delete those that you do not want to save. Then save this file and close the editor.",
    "# Lines that start with # are ignored.",
    "#",
    "",
    "",
)


_IS_WINDOWS = os.name == "nt"


@dataclass
class Reviewed:
    """Suggestions that are being reviewed.

    Attributes:
        metrics: The suggestions, with the changes so far.
        about: The agent that they are for, such as `agent 101`.
    """

    metrics: list[dict[str, Any]]
    about: str


def review(output: Output, draft: Reviewed) -> bool:
    """Show the suggestions, and ask whether to save them. Returns the answer. They may be edited meanwhile."""
    while draft.metrics:
        show(output, draft)
        number = len(draft.metrics)
        choices = {
            "yes": "Save the metric." if number == 1 else f"Save all {number} metrics.",
            "no": "Save nothing.",
            "edit": "Open the suggestions in an editor, where you can change and delete metrics.",
        }
        while (answer := ask(output, f"Save {plural(number, 'metric')}?", choices)) == "e":
            if _edit(output, draft):
                break
        if answer != "e":
            return answer == "y"
    output.say("No metrics are left.")
    return False


def show(output: Output, draft: Reviewed) -> None:
    """Show the suggestions on standard error."""
    title = f"{plural(len(draft.metrics), 'suggestion')} for {draft.about}"
    output.show(output.err, draft.metrics, title, saved=False)


def _edit(output: Output, draft: Reviewed) -> bool:
    """Open the suggestions in an editor. Returns whether they were changed."""
    editor = chosen_editor()
    if not editor:
        output.alert("No editor was found. Set VISUAL or EDITOR.", "red")
        return False
    handle, name = tempfile.mkstemp(prefix="cekura-", suffix=".yaml")
    os.close(handle)
    path, text, kept = Path(name), "\n".join(_HEADER) + _yaml.dump(draft.metrics), False
    try:
        while True:
            path.write_text(text, "utf-8", newline="\n")
            code = _run([*editor, name])
            changed = path.read_bytes() != text.encode()
            if code in (-signal.SIGINT, 128 + signal.SIGINT):
                kept = changed
                raise KeyboardInterrupt
            if code != 0:
                output.alert(f"The editor ended with exit code {code}, so nothing was changed.", "red")
                return False
            edited, found = _read(path)
            if found == draft.metrics:
                output.say("Nothing was changed.")
                return False
            if not isinstance(found, _yaml.BrokenText):
                draft.metrics = found
                return True
            output.alert(f"The file cannot be used: {visible(found)}", "red")
            if not changed:
                kept = True
                output.alert("You did not change it, so the suggestions stay as they were.")
                return False
            text = _with_problem(edited, str(found))
    except OSError as error:
        output.alert(f"{visible(editor[0])}: {error.strerror}. Set VISUAL or EDITOR to your editor.", "red")
        return False
    finally:
        if kept:
            output.alert(f"Your changes are kept in {visible(name)}.")
        else:
            path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[str, list[dict[str, Any]] | _yaml.BrokenText]:
    """Return the text of a file, with the metrics in it or the reason why it cannot be used."""
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


def chosen_editor() -> list[str]:
    """The command of the editor of the user, or of the first one that is found. Empty if no editor was found."""
    chosen = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    try:
        # In a path of Windows, a backslash does not escape the next character.
        if chosen and (words := shlex.split(chosen, posix=not _IS_WINDOWS)):
            return [word.strip('"') for word in words] if _IS_WINDOWS else words
    except ValueError:  # With an unclosed quote, for example, the whole value is the name of a program.
        return [str(chosen)]
    return [name for name in ("sensible-editor", "editor", "nano", "vim", "vi", "notepad") if shutil.which(name)][:1]


def _run(command: list[str]) -> int:
    # The editor handles Ctrl-C while it runs. Standard output may be a pipe.
    with uninterrupted():
        program = shutil.which(command[0]) or command[0]  # Windows does not start a script by its name alone.
        done = subprocess.run([program, *command[1:]], stdout=sys.stderr, check=False)  # noqa: S603 - The user chose it.
    return done.returncode


def _with_problem(text: str, problem: str) -> str:
    """The text with the problem in its header. This replaces a line, so that line numbers do not change."""
    lines = text.split("\n")
    if len(lines) > 2 and lines[2].startswith("#"):
        lines[2] = f"# Cannot be used: {visible(problem)}"
    return "\n".join(lines)
