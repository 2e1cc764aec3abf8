"""Exit codes, and errors in the words of the command line: what happened, and which command to give next."""

from __future__ import annotations

import enum
import traceback
from typing import Any

import cekura_facade as errors

from ._text import plural, visible


class ExitCode(enum.IntEnum):
    """What the command ends with. Signals other than SIGINT give 128 and their number, as shells do."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    TIMED_OUT = 3
    IN_PART = 4
    INTERRUPTED = 130


class WrongUsage(Exception):
    """What was asked for cannot be done as it was asked for. Nothing was sent."""


class Failed(Exception):
    """What was asked for did not come about."""


def exit_code(error: Exception) -> ExitCode:
    """The exit code for an error after which nothing is saved."""
    if isinstance(error, WrongUsage | errors.InvalidRequestError | errors.ConfigurationError):
        return ExitCode.WRONG_USAGE
    if isinstance(error, errors.GenerationTimeoutError):
        return ExitCode.TIMED_OUT
    return ExitCode.IN_PART if isinstance(error, errors.BulkCreateUncertainError) else ExitCode.FAILED


def explain(error: Exception) -> str:
    """An error in one or a few lines."""
    if isinstance(error, errors.BadRequestError) and error.problems:
        return _refusal(error)
    if isinstance(error, errors.GenerationTimeoutError):
        status = error.last_progress.status if error.last_progress else None
        state = f"Its status is {status}." if status else f"It could not be asked: {error.__cause__}"
        return visible(f"It was not finished in time, and goes on. {state}", lines=True)
    if isinstance(error, errors.GenerationFailedError):
        reason = error.reason or "the service gives no reason"
        return visible(f"The service gave up: {reason.rstrip('.')}. Nothing was saved; start again.", lines=True)
    if isinstance(error, errors.CekuraError | WrongUsage | Failed):
        # What Python code is told to do, said for the command line.
        text = str(error).replace("api_key=... or bearer_token=...", "--api-key-file FILE")
        text = text.replace("api_key=... and base_url=...", "--api-key-file FILE and --base-url URL")
        text = text.replace("base_url=", "--base-url").replace("from api_key=", "from --api-key-file")
        return visible(text, lines=True)
    if isinstance(error, OSError) and error.strerror:
        return visible(f"{error.filename or 'input or output'}: {error.strerror}.")
    return visible(f"This should not happen ({type(error).__name__}: {error}). --verbose shows where.")


def as_json(error: Exception) -> dict[str, Any]:
    """An error as a part of a JSON document."""
    facts: dict[str, Any] = {"type": type(error).__name__, "message": explain(error)}
    for name in ("progress_id", "status_code", "request_id"):
        if value := getattr(error, name, None):
            facts[name] = value
    if isinstance(error, errors.BadRequestError):
        facts["problems"] = [
            {"metric": problem.index, "name": problem.name, "field": problem.field, "message": problem.message}
            for problem in error.problems
        ]
    return facts


def trace(error: BaseException) -> str:
    """The traceback of an error, for --verbose."""
    return visible("".join(traceback.format_exception(error)).rstrip(), lines=True)


def _refusal(error: errors.BadRequestError) -> str:
    refused = {problem.index for problem in error.problems if problem.index is not None}
    what = plural(len(refused), "metric") if refused else "the request"
    said = []
    for problem in error.problems:
        metric = "" if problem.index is None else f"metric {problem.index + 1}"
        metric += f" ({visible(problem.name)})" if problem.name else ""
        said.append(": ".join(part for part in (metric, problem.field, problem.message) if part))
    return f"The service refuses {what}:" + "".join(("\n  " if len(said) > 1 else " ") + visible(each) for each in said)
