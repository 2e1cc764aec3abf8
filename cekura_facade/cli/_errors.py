"""Exit codes, and the texts of errors: what happened, why, and what to do."""

from __future__ import annotations

import enum
import re
import traceback
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cekura_facade as errors

from ._text import one_line, plural, visible

_CHANGED = "The service does not match the plan, so the rest of the plan was not applied."
_NOT_FOUND = "Check the id and the base URL. This account may not have access to it."
# In a path, an id follows the name of its resource.
_RESOURCES = {"aiagents": "agent", "metrics": "metric", "projects": "project"}
_QUERIES = {"agent_id": "agent", "assistant_id": "assistant", "project_id": "project", "progress_id": "job"}
# Advice for Python code, and its equivalent on the command line.
_OPTIONS = (
    ("api_key=... or bearer_token=...", "--api-key-file FILE"),
    ("api_key=... and base_url=....", "--api-key-file FILE and --base-url URL."),
    ("from base_url=", "from --base-url"),
    ("from api_key=", "from --api-key-file"),
    ("(api_key=)", "(--api-key-file)"),
)
# The beginning of a message about an argument that an option sets.
_PARAMETER = re.compile("^(agent_id|assistant_id|project_id|num_metrics|timeout)=")


class ExitCode(enum.IntEnum):
    """Exit code of the command. After a signal other than SIGINT, it is 128 and the number, as in shells."""

    DONE = 0
    FAILED = 1
    WRONG_USAGE = 2
    TIMED_OUT = 3
    IN_PART = 4
    CHANGES = 5
    INTERRUPTED = 130


class WrongUsage(Exception):
    """The arguments are not valid. Nothing was sent."""


class Failed(Exception):
    """The command failed."""


def exit_code(error: Exception) -> ExitCode:
    """The exit code for an error, if nothing was saved."""
    if isinstance(error, WrongUsage | errors.InvalidRequestError | errors.ConfigurationError):
        return ExitCode.WRONG_USAGE
    if isinstance(error, errors.GenerationTimeoutError):
        return ExitCode.TIMED_OUT
    return ExitCode.IN_PART if isinstance(error, errors.BulkCreateUncertainError) else ExitCode.FAILED


def explain(error: Exception, about: str = "") -> str:
    """An error in one line, or in one line for each refused field. `about` names what the request was for."""
    if isinstance(error, errors.BadRequestError) and error.problems:
        return _refusal(error)
    if isinstance(error, errors.NotFoundError) and (subject := about or _subject(error.url)) and _is_json(error):
        return f"{subject[0].upper()}{subject[1:]} was not found. {_NOT_FOUND}"
    if isinstance(error, errors.GenerationTimeoutError | errors.GenerationFailedError):
        return _explain_job(error)
    if isinstance(error, errors.CekuraError | WrongUsage | Failed):
        text = _CHANGED if isinstance(error, errors.PlanChangedError) else str(error)
        for code, option in _OPTIONS:
            text = text.replace(code, option)
        if isinstance(error, errors.InvalidRequestError):
            text = _PARAMETER.sub(lambda found: f"--{found[1].replace('_', '-')} ", text)
        return one_line(text)
    if isinstance(error, OSError) and error.strerror:
        return one_line(f"{error.filename or 'input or output'}: {error.strerror}.")
    name = type(error).__name__
    return one_line(f"Unexpected error ({name}: {error}). This is a bug. Pass --verbose to see where, and report it.")


def as_json(error: Exception, about: str = "") -> dict[str, Any]:
    """An error as a part of a JSON document."""
    facts: dict[str, Any] = {"about": about} if about else {}
    facts |= {"type": type(error).__name__, "message": explain(error, about)}
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
    """The traceback of an error, for --verbose. Every line is marked, because messages may have line breaks."""
    lines = visible("".join(traceback.format_exception(error)).rstrip(), lines=True).split("\n")
    return "\n".join(f"  | {line}" for line in lines)


def _explain_job(error: errors.GenerationTimeoutError | errors.GenerationFailedError) -> str:
    if isinstance(error, errors.GenerationFailedError):
        reason = f'The service says: "{one_line(error.reason)}".' if error.reason else "The service gives no reason."
        return f"The job failed. {reason} No metrics were saved. Start another job."
    status = error.last_progress.status if error.last_progress else None
    state = f"Its last status was {status}." if status else f"Its status could not be read: {error.__cause__}"
    return one_line(f"The job did not finish in time, and continues. {state}")


def _is_json(error: errors.APIStatusError) -> bool:
    return isinstance(error.body, dict | list)


def _subject(url: str) -> str:
    """The object in a URL, such as `agent 123`. Empty if the URL has no id."""
    parts = urlsplit(url)
    if found := re.search(r"/(\w+)/(\d+)(?:/|$)", parts.path):
        return f"{_RESOURCES.get(found[1], found[1])} {found[2]}"
    query = parse_qs(parts.query)
    return next((f"{noun} {one_line(query[name][0])}" for name, noun in _QUERIES.items() if query.get(name)), "")


def _refusal(error: errors.BadRequestError) -> str:
    refused = {problem.index for problem in error.problems if problem.index is not None}
    lines = []
    for problem in error.problems:
        metric = "" if problem.index is None else f"metric {problem.index + 1}"
        metric += f" ({one_line(problem.name)})" if problem.name else ""
        lines.append(": ".join(filter(None, (metric, one_line(problem.field or ""), one_line(problem.message)))))
    what = plural(len(refused), "metric") if refused else "the request"
    return f"The service refused {what}:" + "".join(("\n  " if len(lines) > 1 else " ") + line for line in lines)
