"""Reads files of metrics as JSON or YAML, and writes them without losing an existing file."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from . import _yaml
from ._errors import WrongUsage
from ._text import json_text, plural, visible

_RESCUE = "cekura-suggestions.yaml"
_LIMIT = 16 * 2**20  # maximum size of a file of metrics, in bytes


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The metrics in a file, or in standard input if the path is `-`. Raises WrongUsage with a place and a reason."""
    text, name = read_text(path)
    try:
        metrics = parse(text)
    except _yaml.BrokenText as error:
        raise WrongUsage(f"{name}, {visible(error)}") from None
    if not metrics:
        raise WrongUsage(f"{name} has no metrics.")
    return metrics


def read_text(path: Path) -> tuple[str, str]:
    """The text of a file, or of standard input if the path is `-`, and what messages call it. Raises WrongUsage."""
    name = "standard input" if str(path) == "-" else visible(path)
    try:
        return read_bytes(path, name).decode("utf-8-sig"), name
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise WrongUsage(f"{name}, line {line}: this is not UTF-8 text. Save it as UTF-8.") from None
    except OSError as error:
        raise WrongUsage(f"{name}: {error.strerror or 'it could not be read'}.") from None


def read_bytes(path: Path, name: str, limit: int = _LIMIT) -> bytes:
    """The content of a file, or of standard input if the path is `-`. Both may be endless.

    Raises:
        WrongUsage: It cannot be read, or is too large.
        OSError: The file cannot be opened.
    """
    if str(path) != "-":
        try:
            with path.open("rb") as file:
                content = file.read(limit + 1)
        except ValueError:  # such as for a null character
            raise WrongUsage(f"{name} is not a valid path.") from None
    elif sys.stdin is None:
        raise WrongUsage("Standard input is closed. Pass a file, or pipe the content to this command.")
    else:
        content = sys.stdin.buffer.read(limit + 1)
    if len(content) > limit:
        raise WrongUsage(f"{name} is larger than {limit // 2**20} MB, the limit for this kind of file.")
    return content


def parse(text: str) -> list[dict[str, Any]]:
    """The metrics in a string of JSON or YAML. Raises BrokenText."""
    found, problem = as_json(text)
    if problem is None and isinstance(found, dict):  # the output of `generate --json`
        found = found.get("suggested") or found.get("unfinished")
    if (
        problem is None
        and isinstance(found, list)
        and all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in found)
    ):
        metrics = found
    else:
        metrics = _yaml.load(text)  # Its errors have a line, for JSON as well.
        if problem is not None:
            raise problem
    for number, metric in enumerate(metrics, 1):
        if not metric["name"].strip():
            raise _yaml.BrokenText(f"metric {number} has no name.")
        if _yaml.has_half_character(metric):
            raise _yaml.BrokenText(
                f"metric {number} contains half of a surrogate pair, such as \\ud800, which cannot be sent. Remove it."
            )
    return metrics


def as_json(text: str) -> tuple[object, _yaml.BrokenText | None]:
    """The value in a string of JSON, and what is wrong with it. The value is None if the string is not JSON."""
    found: object = None
    try:
        # PyYAML would read the JSON escape of a character beyond 16 bits as two characters.
        found = json.loads(text, object_pairs_hook=_yaml.unique, parse_int=_yaml.integer)
        _yaml.check(found)
    except _yaml.BrokenText as error:
        return found, error
    except (ValueError, RecursionError):
        return None, None
    return found, None


def write(path: Path, metrics: Sequence[Mapping[str, Any]], header: str, end: str = "") -> Path | None:
    """Write metrics to the file of --output, completely or not at all.

    Returns:
        The new path of the previous file, or None if no file with other content existed.
    """
    content = json_text(list(metrics)) + "\n" if path.suffix == ".json" else as_text(metrics, header) + end
    if path.exists() and not path.is_file():
        path.write_text(content, "utf-8")  # such as /dev/stderr
        return None
    before = None
    if path.is_file() and path.stat().st_size and path.read_bytes() != content.encode():
        before = _unused(path.with_name(path.name + ".bak"))
        path.replace(before)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".cekura-")
    written = Path(name)
    try:
        # It is closed before it is moved, because Windows cannot move an open file.
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
        written.chmod(0o666 & ~_umask())
        written.replace(path)
    except BaseException:
        written.unlink()
        raise
    return before


def check_output(path: Path) -> None:
    """Raise WrongUsage if a file cannot be written. This is checked before a job is started."""
    if str(path) == "-":
        raise WrongUsage("--output needs the name of a file, and cannot be -.")
    if path.is_dir():
        raise WrongUsage(f"--output {visible(path)} is a folder. Pass the name of a file.")
    if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise WrongUsage(f"--output {visible(path)} cannot be written to. Pass a file in an existing folder.")


def write_unsaved(metrics: Sequence[Mapping[str, Any]], header: str) -> Path:
    """Write metrics to a new file in the current folder or, if that fails, in the folder for temporary files."""
    content = as_text(metrics, header)
    try:
        return _write_new(Path(_RESCUE), content)
    except OSError:
        return _write_new(Path(tempfile.gettempdir()) / _RESCUE, content)


def as_text(metrics: Sequence[Mapping[str, Any]], header: str) -> str:
    """Metrics as YAML under a header."""
    return header + _yaml.dump(metrics)


def header(metrics: Sequence[object], about: str) -> str:
    """The comment at the top of a file of metrics."""
    return (
        f"# {plural(len(metrics), 'metric')}, suggested for {visible(about)}.\n"
        "# Change them, and delete those that you do not want to save. Then run: cekura-facade create FILE\n\n"
    )


def _write_new(path: Path, text: str) -> Path:
    while True:
        path = _unused(path)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        return path


def _unused(path: Path) -> Path:
    """The first unused path of `a.yaml`, `a-2.yaml` and so on."""
    candidate, number = path, 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
