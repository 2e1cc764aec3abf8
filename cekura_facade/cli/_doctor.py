"""Implements `doctor`: checks the credential and the base URL that every command would use."""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shlex
import stat
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from cekura_api.api.metrics import list_metrics
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cekura_facade import (
    APIConnectionError,
    APIStatusError,
    Cekura,
    CekuraError,
    ConfigurationError,
    UnexpectedResponseError,
)

from ._errors import ExitCode, WrongUsage, explain
from ._output import Output
from ._report import Options, Report
from ._text import one_line, visible

# Since no metric has this name, the list is empty and cheap for the service.
_NO_METRIC = {"operator": "and", "conditions": [{"field": "name", "op": "in", "value": [str(uuid.uuid4())]}]}
_CHECK_URL = "Check the base URL, and whether a proxy or login page responds in place of the service."


_SECRET = re.compile(r"^\s*[\"']?(?:api_key|access_token)\b", re.MULTILINE)


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        name: What was checked.
        ok: Whether the check passed, or None if it did not run.
        message: What was found.
        advice: What to do if the check failed.
        warning: Whether commands work, but in an unsafe way.
    """

    name: str
    ok: bool | None
    message: str
    advice: str | None = None
    warning: bool = False


def examine(report: Report) -> None:
    """Check the credential, the base URL and the files they come from, and send one request."""
    checks: list[Check] = []
    base_url: str | None = None
    has_key = True
    client, problem = _client(report.options)
    if client is None:
        checks.append(problem or Check("configuration", ok=False, message="The configuration is not usable."))
    else:
        with client:
            settings = client.transport.settings
            base_url = visible(settings.base_url)
            has_key = problem is None
            source = settings.credential.source
            if report.options.api_key_file:
                source = f"--api-key-file {visible(report.options.api_key_file)}"
            checks.append(problem or Check("API key", ok=True, message=f"from {source}"))
            origin = "--base-url" if report.options.base_url else settings.base_url_source
            checks.append(Check("base URL", ok=True, message=f"{base_url} (from {origin})"))
            if _is_unencrypted(settings.base_url):
                checks.append(
                    Check(
                        "encryption",
                        ok=True,
                        message=f"The API key is sent to {visible(settings.base_url.host)} without encryption.",
                        advice="Use a base URL that starts with https://.",
                        warning=True,
                    )
                )
            checks += _file_permissions(report.options)
            checks += _send(client, has_key=has_key)
    is_ok = all(check.ok for check in checks)
    report.ending = ExitCode.DONE if is_ok else ExitCode.FAILED
    if report.options.as_json:
        listed = [asdict(check) for check in checks]
        report.document = {"exit_code": int(report.ending), "ok": is_ok, "base_url": base_url, "checks": listed}
    else:
        report.output.out.print(_shown(report.output, checks))


def _client(options: Options) -> tuple[Cekura | None, Check | None]:
    """A client, and the failed checks of the configuration. The client can send a request even without a key."""
    arguments: dict[str, Any] = {"base_url": options.base_url, "timeout": 10.0, "max_retries": 0}
    try:
        return Cekura(**{**arguments, **options.client()}), None
    except (ConfigurationError, WrongUsage) as error:
        problem = _failed("API key", explain(error), "Fix the key, or pass another one with --api-key-file FILE.")
    try:
        return Cekura(**{**arguments, "api_key": "none"}), problem
    except ConfigurationError as error:
        return None, _failed("configuration", explain(error), "Fix the setting that the message names.")


def _failed(name: str, text: str, otherwise: str) -> Check:
    """A failed check for an error. The first sentence of the error says what happened."""
    message, _, advice = re.sub(r"(?<=[.?!]) (?=[A-Z])", "\n", text, count=1).partition("\n")
    return Check(name, ok=False, message=message, advice=advice or otherwise)


def _is_unencrypted(url: httpx.URL) -> bool:
    """Whether requests to a URL leave this machine without encryption."""
    host = url.host.rstrip(".").lower()
    if url.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return not (address := ipaddress.ip_address(host)).is_loopback and not address.is_unspecified
    except ValueError:
        return True


def _config_file() -> Path | None:
    try:
        return Path("~/.cekura/config.toml").expanduser()
    except RuntimeError:  # The user has no home folder.
        return None


def _file_permissions(options: Options) -> Iterator[Check]:
    """A warning for each file with a credential that other users of this machine can read or change."""
    if os.name != "posix":
        return
    for path in filter(None, (_config_file(), options.api_key_file)):
        try:
            mode = path.stat().st_mode
            is_secret = path == options.api_key_file or _SECRET.search(path.read_text("utf-8", "replace"))
        except OSError:
            continue
        if stat.S_ISREG(mode) and is_secret and (allowed := mode & (stat.S_IRWXG | stat.S_IRWXO) & 0o066):
            can = "read" if allowed & 0o044 else "change"
            yield Check(
                "file permissions",
                ok=True,
                message=f"Other users of this machine can {can} {visible(path)}.",
                advice=f"Run: chmod 600 {visible(shlex.quote(str(path)))}",
                warning=True,
            )


def _send(client: Cekura, *, has_key: bool) -> Iterator[Check]:
    """Send one request to check whether the service responds and accepts the key."""
    started = time.monotonic()
    error: Exception | None = None
    try:
        # This needs the raw response, because parsing accepts lists of other items.
        response = list_metrics.sync_detailed(client=client.api, filters=json.dumps(_NO_METRIC))
        unlike = _unlike_a_list(response.content)
    except CekuraError as failure:
        error, unlike = failure, ""
        if isinstance(failure, UnexpectedResponseError):
            body = failure.body if isinstance(failure.body, str) else json.dumps(failure.body)
            unlike = _unlike_a_list(body.encode("utf-8", "replace")) or "the response cannot be read"
    except Exception as failure:  # noqa: BLE001 - Whatever is wrong with the response, it is a failed check.
        error, unlike = failure, f"the response cannot be read ({type(failure).__name__}: {failure})"
    milliseconds = (time.monotonic() - started) * 1000
    host = visible(client.transport.settings.base_url.host)
    if unlike:
        message = f"{host} responds, but not as the Cekura API does: {one_line(unlike)}."
        yield Check("connection", ok=False, message=message, advice=_CHECK_URL)
    elif error is not None and not _is_response(error):
        advice = "Check the base URL and the network."
        yield _failed("connection", explain(error), advice if isinstance(error, APIConnectionError) else _CHECK_URL)
    else:
        yield Check("connection", ok=True, message=f"The service responded within {milliseconds:.0f} ms.")
        if not has_key:
            yield Check("access", ok=None, message="not checked, because there is no usable API key")
        elif error is None:
            yield Check("access", ok=True, message="The service accepts the API key.")
        else:
            yield _failed("access", explain(error), "Check the API key and the base URL.")
        return
    yield Check("access", ok=None, message="not checked, because the service did not respond as expected")


def _is_response(error: Exception) -> bool:
    """Whether an error is a response of the service, not of a proxy or another server."""
    return (
        isinstance(error, APIStatusError)
        and 400 <= error.status_code < 500
        and (isinstance(error.body, dict | list) or error.status_code in (401, 403, 429))
        and not str(error.body).lstrip().startswith("<")
    )


def _unlike_a_list(content: bytes) -> str:
    """Why a body is not a list of metrics. Empty if it is a list of metrics."""
    if not content.strip():
        return "the response is empty"
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        is_page = content.lstrip()[:1] == b"<"
        return "the response is an HTML page" if is_page else "the response is not JSON"
    if not isinstance(body, list):
        names = {dict: "an object", str: "a string", bool: "a boolean", type(None): "null"}
        return f"the response is {names.get(type(body), 'a number')} instead of a list of metrics"
    for number, item in enumerate(body, 1):
        if not isinstance(item, dict) or not isinstance(item.get("id"), int) or isinstance(item["id"], bool):
            return f"item {number} of the response is not a metric with an id"
    return ""


def _shown(output: Output, checks: list[Check]) -> RenderableType:
    marks = {True: ("✓", "green"), False: ("✗", "red"), None: ("-", "dim")}
    plain = {"✓": "ok", "✗": "no", "!": "!", "-": "-"}
    rows = []
    for check in checks:
        mark, style = ("!", "yellow") if check.warning else marks[check.ok]
        text = Text(" ".join(filter(None, (visible(check.message), visible(check.advice or "")))))
        rows.append((Text(mark if output.is_unicode else plain[mark], style), Text(check.name, "bold"), text))
    if output.is_narrow:
        parts = ((Text.assemble(mark, " ", name), Padding(text, (0, 0, 0, 2))) for mark, name, text in rows)
        return Group(*(each for pair in parts for each in pair))
    grid = Table.grid(padding=(0, 2, 0, 0))
    for column in range(3):
        grid.add_column(overflow="fold", no_wrap=column < 2)
    for row in rows:
        grid.add_row(*row)
    return grid
