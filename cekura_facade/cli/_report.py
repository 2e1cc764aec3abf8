"""What came of a command: collected while it runs, and said at its end however it ends."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import shlex
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import typer

from ._errors import ExitCode, WrongUsage, as_json, exit_code, explain, trace
from ._output import Output, silence
from ._text import visible

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(frozen=True)
class Options:
    """What every command that talks to the service has in common."""

    base_url: str | None
    api_key_file: Path | None
    as_json: bool
    verbose: bool
    quiet: bool = False

    def client(self) -> dict[str, Any]:
        """The arguments for a client. Raises WrongUsage."""
        return {"api_key": self._api_key(), "base_url": self.base_url}

    def _api_key(self) -> str | None:
        if self.api_key_file is None:
            return None
        name = f"--api-key-file {visible(self.api_key_file)}"
        try:
            key = self.api_key_file.read_text("utf-8").strip()
        except OSError as error:
            raise WrongUsage(f"{name} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise WrongUsage(f"{name} is not UTF-8 text.") from None
        if not key:
            raise WrongUsage(f"{name} is empty: put the API key into it.")
        return key

    def command(self, *words: str) -> str:
        """A command of ours that is given the same options, for a shell."""
        options = [] if self.base_url is None else ["--base-url", self.base_url]
        options += [] if self.api_key_file is None else ["--api-key-file", str(self.api_key_file)]
        return visible(shlex.join(["cekura-facade", *words, *options]))


@dataclass
class Report:
    """What came of a command.

    Attributes:
        metrics: Its result: metrics with all that is known of them.
        unconfirmed: Metrics that may or may not be saved.
        unfinished: Metrics that were suggested, or read, and are not all saved.
        failures: What went wrong, each with what it is about, if that is not all of the command.
        file: Where the unfinished metrics are.
        commands: What goes on from here.
        notes: What else is to be said at the end.
        at_end: What is to be done at the end, however the work ends, and is not interrupted.
        document: The JSON document, if it is none of metrics.
        ending: The exit code, if it is none that follows from the rest.
        signal: What interrupted it.
        cancel: Cancels what runs, if that is a coroutine.
    """

    options: Options
    output: Output
    metrics: list[dict[str, Any]] = field(default_factory=list)
    unconfirmed: list[dict[str, Any]] = field(default_factory=list)
    unfinished: list[dict[str, Any]] = field(default_factory=list)
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    file: str | None = None
    commands: dict[str, None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    saves: bool = False
    at_end: list[Callable[[], None]] = field(default_factory=list)
    document: object | None = None
    ending: ExitCode | None = None
    signal: int | None = None  # its number
    cancel: Callable[[], object] | None = None

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine, which is cancelled by a signal. Raises KeyboardInterrupt then."""

        async def cancellable() -> None:
            loop, task = asyncio.get_running_loop(), asyncio.current_task()
            assert task is not None  # noqa: S101 - A running coroutine always has a task. This tells mypy.
            self.cancel = functools.partial(loop.call_soon_threadsafe, task.cancel)
            try:
                await work
            finally:
                self.cancel = None

        with suppress(asyncio.CancelledError):
            asyncio.run(cancellable())
        if self.signal is not None:
            raise KeyboardInterrupt

    def fail(self, error: Exception, about: str = "") -> None:
        """Something went wrong."""
        self.failures.append((about, error))

    def show(self, metrics: list[dict[str, Any]], title: str, *, saved: bool, brief: bool = False) -> None:
        """Show metrics as a result, if results are shown as tables."""
        if metrics and not self.options.as_json:
            self.output.show(self.output.out, metrics, title, saved=saved, brief=brief)

    def go_on(self, *words: str) -> None:
        """A command of ours that goes on from here."""
        self.commands[self.options.command(*words)] = None

    @property
    def exit_code(self) -> int:
        """The exit code for all of this."""
        if self.signal is not None:
            return 128 + self.signal
        if self.ending is not None:
            return self.ending
        codes = {exit_code(error) for _, error in self.failures}
        if codes and self.saves and self.metrics:
            return ExitCode.IN_PART
        order = (ExitCode.IN_PART, ExitCode.FAILED, ExitCode.WRONG_USAGE, ExitCode.TIMED_OUT)
        return next((code for code in order if code in codes), ExitCode.DONE)

    def close(self) -> None:
        """Say it: the errors and what to do, and the JSON document if that is wanted."""
        output = self.output
        said: dict[str, list[str]] = {}
        for about, error in self.failures:
            said.setdefault(explain(error), []).append(about)
        for message, abouts in said.items():
            about = ", ".join(filter(None, abouts))
            output.say(f"{about}: {message}" if about else f"Error: {message}", "red")
        if self.options.verbose:
            for _, error in self.failures:
                output.say(trace(error))
        if self.signal is not None:
            output.say("Interrupted.", "yellow")
        for note in self.notes:
            output.say(note)
        if self.commands:
            output.say("To go on:")
            for command in self.commands:
                output.command(command)
        if self.options.as_json and (self.exit_code != ExitCode.WRONG_USAGE):
            finished = self.metrics if self.exit_code == ExitCode.DONE else self._unfinished_document()
            output.json(finished if self.document is None else self.document)

    def _unfinished_document(self) -> dict[str, Any]:
        return {
            "exit_code": int(self.exit_code),
            "errors": [({"about": about} if about else {}) | as_json(error) for about, error in self.failures],
            "saved": self.metrics if self.saves else [],
            "unconfirmed": self.unconfirmed,
            "unfinished": self.unfinished,
            "file": self.file,
            "next": list(self.commands),
        }


def carry_out(options: Options, work: Callable[[Report], None]) -> NoReturn:
    """Do the work of a command, say what came of it, and end with the exit code."""
    output = Output()
    report = Report(options, output)
    if options.verbose:
        _show_log(output)
    # The outer one is for signals, which may come while an error is being handled.
    try:
        _let_signals_interrupt(report)
        try:
            work(report)
        except Exception as error:  # noqa: BLE001 - The command reports every error, and ends with its exit code.
            report.fail(error)
        _ignore_signals()
    except KeyboardInterrupt:
        report.signal = report.signal or signal.SIGINT
        _ignore_signals()
    for conclude in report.at_end:
        conclude()
    _say(report)
    raise typer.Exit(report.exit_code)


def _say(report: Report) -> None:
    try:
        report.close()
        report.output.out.file.flush()
    except OSError:
        # Nobody reads on: the terminal was closed, or the other end of a pipe.
        silence(report.output.out.file)
        silence(report.output.err.file)


def _let_signals_interrupt(report: Report) -> None:
    """Let a request to end, and a terminal that is closed, interrupt the work as Ctrl-C does.

    Once: what follows must not interrupt the keeping of what there is. Should that hang, the third one ends it.
    """
    interrupts = itertools.count(1)

    def interrupt(number: int, _frame: object) -> None:
        report.signal = report.signal or number
        nth = next(interrupts)
        if nth > 2:
            os._exit(128 + report.signal)
        if nth == 1 and report.cancel is None:
            raise KeyboardInterrupt
        if nth == 1 and report.cancel is not None:
            report.cancel()

    # Whoever started us may have us ignore some, as a shell does in the background, or nohup.
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Drop signals while another program gets them as well."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            # Not SIG_IGN: a program that is started would inherit that.
            signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _show_log(output: Output) -> None:
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            output.say(visible(record.getMessage()), "dim")

    logger = logging.getLogger("cekura_facade")
    logger.setLevel(logging.INFO)
    logger.addHandler(Handler())
