"""Files of metrics: read as JSON or YAML, written so that nothing that was there before is lost."""

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


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The metrics in a file, or in standard input if the path is `-`. Raises WrongUsage, saying where and why."""
    name = "standard input" if str(path) == "-" else visible(path)
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        metrics = parse(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise WrongUsage(f"{name}, line {line}: this is not UTF-8 text.") from None
    except _yaml.BrokenText as error:
        raise WrongUsage(f"{name}, {error}") from None
    except OSError as error:
        raise WrongUsage(f"{name}: {error.strerror}.") from None
    if not metrics:
        raise WrongUsage(f"{name}: no metrics in it.")
    return metrics


def parse(text: str) -> list[dict[str, Any]]:
    """The metrics in a text that is JSON or YAML. Raises BrokenText."""
    try:
        # PyYAML reads the escapes that JSON has for letters beyond 16 bits as two.
        found = json.loads(text, object_pairs_hook=_without_repetition)
    except (json.JSONDecodeError, RecursionError):
        found = None
    if isinstance(found, dict):  # What `generate --json` prints.
        found = found.get("suggested") or found.get("unfinished")
    if isinstance(found, list) and all(isinstance(each, dict) and isinstance(each.get("name"), str) for each in found):
        metrics = found
    else:
        metrics = _yaml.load(text)  # It knows the line of what is wrong, in JSON as well.
    for number, metric in enumerate(metrics, 1):
        if not metric["name"].strip():
            raise _yaml.BrokenText(f"metric {number} has no name.")
        if not _yaml.is_finite(metric):
            raise _yaml.BrokenText(f"metric {number}: a number that is not finite cannot be sent.")
    return metrics


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise _yaml.BrokenText(f"{next(name for name in names if names.count(name) > 1)!r} stands twice in one object.")
    return fields


def write(path: Path, metrics: Sequence[Mapping[str, Any]], header: str) -> Path | None:
    """Write metrics to the file that was asked for, whole or not at all.

    Returns:
        Where what stood there before was moved to; None if nothing else did.
    """
    content = json_text(list(metrics)) + "\n" if path.suffix == ".json" else as_text(metrics, header)
    if path.exists() and not path.is_file():
        path.write_text(content, "utf-8")  # such as /dev/stderr
        return None
    before = None
    if path.is_file() and path.stat().st_size and path.read_bytes() != content.encode():
        before = _unused(path.with_name(path.name + ".bak"))
        path.replace(before)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=".cekura-", delete=False) as file:
        written = Path(file.name)
        try:
            file.write(content)
            file.flush()
            written.chmod(0o666 & ~_umask())
            written.replace(path)
        except BaseException:
            written.unlink()
            raise
    return before


def check_output(path: Path) -> None:
    """Raise WrongUsage if a file cannot be written there: before a job is started, and not after."""
    if str(path) == "-":
        raise WrongUsage("--output needs a file. To print the suggestions, pass --dry-run --json.")
    if path.is_dir():
        raise WrongUsage(f"--output {visible(path)} is a folder: name a file.")
    if not path.parent.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise WrongUsage(f"--output {visible(path)} cannot be written to.")


def rescue(metrics: Sequence[Mapping[str, Any]], header: str) -> Path:
    """Write metrics to a new file of the current folder, or if need be of the one for temporary files."""
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
        "# Delete those that are not to be saved, change what you like. Then: cekura-facade create FILE\n\n"
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
    """An unused path like this one: `a.yaml`, or `a-2.yaml` and so on."""
    candidate, number = path, 1
    while os.path.lexists(candidate):
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
