"""Collects the outcome of a command while it runs, and always reports it at the end."""

from __future__ import annotations

import functools
import shlex
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import typer

from ._errors import ExitCode, Failed, WrongUsage, as_json, exit_code, explain, trace
from ._output import Output
from ._signals import ignore_signals, interrupt_on_signals
from ._text import one_line, visible


@dataclass(frozen=True)
class Options:
    """The options that every command has."""

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
        from ._files import read_bytes

        name = f"--api-key-file {visible(self.api_key_file)}"
        try:
            key = read_bytes(self.api_key_file, name).decode("utf-8-sig").strip()
        except OSError as error:
            raise WrongUsage(f"{name} cannot be read: {error.strerror}. Pass a file that contains the key.") from None
        except UnicodeDecodeError:
            raise WrongUsage(f"{name} is not UTF-8 text. Pass a file that contains the key and nothing else.") from None
        if not key:
            raise WrongUsage(f"{name} is empty. Write the API key to it.")
        return key

    def command(self, *words: str) -> list[str]:
        """A command with the same common options, as words that are quoted for a shell."""
        options = [] if self.base_url is None else ["--base-url", self.base_url]
        options += [] if self.api_key_file is None else ["--api-key-file", str(self.api_key_file)]
        return [visible(shlex.quote(word)) for word in ["cekura-facade", *words, *options]]


@dataclass
class Saving:
    """The outcome of a command that saves metrics. Metrics are mappings with all known fields.

    Attributes:
        created: Metrics that the command created.
        existing: Metrics that existed before.
        suggested: With --dry-run, the metrics that would be saved.
        unconfirmed: Metrics that may or may not be saved.
        unfinished: Metrics that were suggested, or read from a file, and are not all saved.
        file: The file with the unfinished metrics.
    """

    created: list[dict[str, Any]] = field(default_factory=list)
    existing: list[dict[str, Any]] = field(default_factory=list)
    suggested: list[dict[str, Any]] = field(default_factory=list)
    unconfirmed: list[dict[str, Any]] = field(default_factory=list)
    unfinished: list[dict[str, Any]] = field(default_factory=list)
    file: str | None = None


@dataclass(frozen=True)
class Next:
    """A command that continues from here.

    Attributes:
        heading: When or why to run it.
        words: The command, quoted for a shell.
        works_as_is: Whether it can succeed if nothing else changes.
    """

    heading: str
    words: Sequence[str]
    works_as_is: bool


@dataclass
class Report:
    """The outcome of a command.

    Attributes:
        saving: The outcome of a command that saves metrics.
        document: The JSON document of any other command.
        failures: Each error, with what it is about, if that is not the whole command.
        next: The commands that continue from here.
        notes: Other messages for the end.
        to_copy: Metrics that could not be written to a file, as text to copy.
        at_end: Functions that are always called at the end, and not interrupted.
        ending: The exit code, if it does not follow from the failures.
        signal: The number of the signal that interrupted the command.
        cancel: Cancels the coroutine that runs.
    """

    options: Options
    output: Output
    saving: Saving | None = None
    document: object = None
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    next: list[Next] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    to_copy: str = ""
    at_end: list[Callable[[], None]] = field(default_factory=list)
    ending: ExitCode | None = None
    signal: int | None = None
    cancel: Callable[[], object] | None = None
    has_printed_document: bool = False

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine. A signal cancels it, and raises KeyboardInterrupt."""
        import asyncio  # Few commands need this slow import.

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

    def interrupt(self, number: int) -> None:
        """Interrupt the command because of a signal."""
        self.signal = number
        if self.cancel is None:
            raise KeyboardInterrupt
        self.cancel()

    def fail(self, error: Exception, about: str = "") -> None:
        """Add an error."""
        self.failures.append((about, error))

    def has_failed_with(self, *kinds: type[Exception]) -> bool:
        """Whether there is an error of one of these kinds."""
        return any(isinstance(error, kinds) for _, error in self.failures)

    @property
    def has_sent_nothing(self) -> bool:
        """Whether the command was refused before anything was sent."""
        return any(not about and exit_code(error) is ExitCode.WRONG_USAGE for about, error in self.failures)

    def show(
        self, metrics: list[dict[str, Any]], title: str, *, saved: bool, marks: Sequence[str] | None = None
    ) -> None:
        """Show metrics as a result, unless the result is a JSON document."""
        if metrics and not self.options.as_json:
            self.output.show(self.output.out, metrics, title, saved=saved, marks=marks)

    def continue_with(self, heading: str, *words: str, works_as_is: bool = True) -> None:
        """Add a command that continues from here."""
        self.next.append(Next(heading, self.options.command(*words), works_as_is))

    def print_document(self, document: object) -> None:
        """Print the JSON document now, because the command does not end by itself."""
        self.output.json(document)
        self.has_printed_document = True

    @property
    def exit_code(self) -> int:
        """The exit code for all of this."""
        if self.signal is not None:
            return 128 + self.signal
        if self.ending is not None:
            return self.ending
        codes = {exit_code(error) for _, error in self.failures}
        if codes and self.saving is not None and (self.saving.created or self.saving.existing):
            return ExitCode.IN_PART
        order = (ExitCode.IN_PART, ExitCode.FAILED, ExitCode.WRONG_USAGE, ExitCode.TIMED_OUT)
        return next((code for code in order if code in codes), ExitCode.DONE)

    def close(self) -> None:
        """Print the errors, what to do, and the JSON document if it was requested."""
        output = self.output
        self._print_errors()
        if self.signal is not None:
            output.alert("Interrupted.", "yellow")
        # After a failure, the notes are part of the error, so they are printed even with --quiet.
        say = output.alert if self.exit_code != ExitCode.DONE else output.say
        for note in self.notes:
            say(note)
        if self.to_copy:
            output.verbatim(self.to_copy)
        heading = ""
        for each in self.next if say == output.alert or not output.quiet else ():
            if each.heading != heading:
                say(heading := each.heading)
            output.command(each.words)
        if self.options.as_json and not self.has_printed_document:
            output.json(self._document())

    def _print_errors(self) -> None:
        messages: dict[str, list[str]] = {}
        for about, error in self.failures:
            messages.setdefault(explain(error, about), []).append(about)
        for message, abouts in messages.items():
            about = ", ".join(filter(None, abouts))
            named = message.lower().startswith(f"{about} was not found".lower())
            self.output.alert(message if about and named else f"{about or 'Error'}: {message}", "red")
        if self.options.verbose:
            for _, error in self.failures:
                self.output.alert(trace(error))

    def _document(self) -> object:
        """The one JSON document of the command."""
        if self.saving is None and self.document is not None:
            return self.document
        document: dict[str, object] = {"exit_code": int(self.exit_code)}
        errors = [as_json(error, about) for about, error in self.failures]
        if (saving := self.saving) is None:
            return document | {"errors": errors}
        return document | {
            "created": saving.created,
            "existing": saving.existing,
            "suggested": saving.suggested,
            "errors": errors,
            "unconfirmed": saving.unconfirmed,
            "unfinished": saving.unfinished,
            "file": saving.file,
            "next": [" ".join(each.words) for each in self.next if each.works_as_is],
        }


def run_and_report(options: Options, work: Callable[[Report], None]) -> NoReturn:
    """Do the work of a command, report its outcome, and end the process with the exit code."""
    output = Output(quiet=options.quiet)
    report = Report(options, output)
    _show_log(output, verbose=options.verbose)
    # The outer block handles signals that arrive while an error is handled.
    try:
        interrupt_on_signals(report.interrupt)
        try:
            work(report)
        except Exception as error:  # noqa: BLE001 - The command reports every error, and ends with its exit code.
            report.fail(error)
        ignore_signals()
    except KeyboardInterrupt:
        report.signal = report.signal or signal.SIGINT
        ignore_signals()
    for conclude in report.at_end:
        conclude()
    report.close()
    if (failure := output.finish()) is not None:
        _lose_results(report, failure)
    raise typer.Exit(report.exit_code)


def _lose_results(report: Report, failure: OSError) -> None:
    lost = Failed(f"The results could not be written to standard output: {failure.strerror}.")
    report.output.alert(f"Error: {lost}", "red")
    report.output.finish()
    if report.exit_code == ExitCode.DONE:
        report.ending = ExitCode.FAILED


def _show_log(output: Output, *, verbose: bool) -> None:
    """Show what the client logs: each request if verbose, and otherwise only warnings."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            output.say(one_line(record.getMessage()), "dim")

    logger = logging.getLogger("cekura_facade")
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
    logger.handlers = [Handler()]
