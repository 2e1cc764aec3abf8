"""Runs `scripts/regenerate.py` on a copy of the checkout, in this process, which is faster."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import attrs
import jinja2
import openapi_python_client
import pytest
import regenerate
from regeneration import pipeline
from regeneration.documents import Document
from regeneration.errors import RegenerationError
from regeneration.generate import generate as generate_anew
from regeneration.operations import Operations
from regeneration.pipeline import Derivation, derive
from regeneration.validate import check_openapi

from tests.once import once

ROOT = Path(__file__).resolve().parent.parent

_MADE = TemporaryDirectory(prefix="generated-")
_generated: dict[tuple[str, str, str], Path] = {}
_derived: dict[tuple[object, ...], bytes] = {}
_valid: set[str] = set()


class _CompiledTemplates(jinja2.BytecodeCache):
    """A cache for the generator's templates, which it otherwise compiles for each call."""

    def __init__(self) -> None:
        self.codes: dict[str, bytes] = {}

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        # The folder differs each time, but Jinja compares the source as well.
        return name

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if bucket.key in self.codes:
            bucket.bytecode_from_string(self.codes[bucket.key])

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self.codes[bucket.key] = bucket.bytecode_to_string()


_Environment = partial(jinja2.Environment, bytecode_cache=_CompiledTemplates())


def generate(specification: Path, configuration: Path, package: Path) -> None:
    """Generate a client, with templates that are compiled once for all tests of this process."""
    with mock.patch.object(openapi_python_client, "Environment", _Environment):
        generate_anew(specification, configuration, package)


@attrs.frozen
class Result:
    """The exit code and the output of a run."""

    returncode: int
    stdout: str
    stderr: str


def copied_checkout(factory: pytest.TempPathFactory, to: Path) -> Path:
    """Copy the files that the pipeline reads and writes into a new folder, under git."""

    def make(folder: Path) -> None:
        for name in ("spec", "scripts", "generated_client"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in (".gitignore", "CHANGELOG.md"):
            shutil.copy(ROOT / name, folder / name)
        committed = ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]
        for command in (["init", "-q"], ["add", "-A"], committed):
            subprocess.run(["git", *command], cwd=folder, check=True)

    return shutil.copytree(once(factory, "checkout", make), to)


def run(checkout: Path, *arguments: str | Path, cwd: Path | None = None) -> Result:
    """Run the command in this process. Each specification is derived, generated and validated once."""
    out, err = io.StringIO(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with (
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.multiple(regenerate, ROOT=checkout, SPEC=checkout / "spec"),
        mock.patch.multiple(pipeline, derive=_derive_once, generate=_generate_once, validated_beside=_validated_once),
        mock.patch.object(sys, "argv", ["regenerate.py", *map(str, arguments)]),
    ):
        try:
            code = regenerate.main()
        except SystemExit as stop:
            code = int(str(stop.code))
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Result(code, out.getvalue(), err.getvalue())


def _derive_once(published: Document, covered: Operations, overlay: Document, selection: str = "") -> Derivation:
    # A test may have replaced a stage.
    stages = tuple(filter(callable, vars(pipeline).values()))
    key = (pickle.dumps(published), repr(covered), pickle.dumps(overlay), selection, stages)
    if key not in _derived:
        _derived[key] = pickle.dumps(derive(published, covered, overlay, selection))
    found: Derivation = pickle.loads(_derived[key])
    return found


def _generate_once(specification: Path, configuration: Path, package: Path) -> None:
    key = (specification.read_text("utf-8"), configuration.read_text("utf-8"), package.name)
    if key not in _generated:
        made = Path(_MADE.name, str(len(_generated)), package.name)
        made.parent.mkdir()
        generate(specification, configuration, made)
        _generated[key] = made
    shutil.copytree(_generated[key], package)


@contextmanager
def _validated_once(specification: Path) -> Iterator[None]:
    text = specification.read_text("utf-8")
    if text not in _valid:
        check_openapi(json.loads(text))
        _valid.add(text)
    yield


def script(name: str, *arguments: str | Path, root: Path = ROOT, **settings: Any) -> Result:
    """Run a script in a separate process."""
    command = [sys.executable, str(root / "scripts" / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **settings)
    return Result(done.returncode, done.stdout, done.stderr)


def one_line(error: pytest.ExceptionInfo[RegenerationError] | RegenerationError) -> str:
    """The message of an error, which must be a single line for people."""
    text = str(error.value if isinstance(error, pytest.ExceptionInfo) else error)
    assert "\n" not in text
    assert not re.search(r"0x[0-9a-f]{6}|(Recursion|Type|Key|Value|Attribute)Error", text)
    return text
