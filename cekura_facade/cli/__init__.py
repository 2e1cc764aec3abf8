"""The command `cekura-facade`: suggest, review and save metrics at the terminal. Needs the extra `cli`.

This module imports only what every command needs, so that `--help` works without loading httpx.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

# The error codes of a pipe that its reader has closed. Windows uses a general one.
NO_READER: set[int] = {errno.EPIPE, errno.EIO, errno.EBADF} | ({errno.EINVAL} if os.name == "nt" else set())


def main() -> NoReturn:
    """Run the command with the arguments of this process, and end it with the exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted_at_once)
    # Python sets a closed stream to None.
    sys.stdout, sys.stderr = (stream or Path(os.devnull).open("w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    code: object = 0
    try:
        _run()
    except SystemExit as end:
        code = end.code
    except OSError as error:
        code = _cannot_write(error)
    try:
        if not sys.stdout.closed:
            sys.stdout.flush()
    except OSError as error:
        code = _cannot_write(error) or code
    sys.exit(code if isinstance(code, int | str | None) else 1)


def _run() -> None:
    """Run the command, which ends with SystemExit."""
    if sys.argv[1:] in (["--version"], ["-V"]):  # Bug reports need it without the extra.
        from cekura_facade._version import __version__

        print(f"cekura-facade {__version__}")
        return
    if missing := [name for name in ("typer", "rich", "yaml") if importlib.util.find_spec(name) is None]:
        need = f"The command needs {', '.join(missing)}."
        sys.exit(f'cekura-facade: {need} Install the extra: pip install "cekura-facade[cli]"')
    # If click and rich are installed, httpx imports its own command line, which takes longer than the rest of httpx.
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    from .app import app

    app(prog_name="cekura-facade")


def _cannot_write(error: OSError) -> int:
    """Print that standard output cannot be written to, unless its reader has closed it. Returns the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # Otherwise, Python would write again at exit.
    if error.errno in NO_READER:
        return 0
    os.write(2, f"Error: Standard output cannot be written to: {error.strerror}.\n".encode())
    return 1


def _interrupted_at_once(*_: object) -> NoReturn:
    os.write(2, b"\nInterrupted. Nothing was sent.\n")
    os._exit(130)
