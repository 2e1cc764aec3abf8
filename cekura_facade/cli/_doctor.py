"""`doctor`: what every command would use, and whether that works."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from cekura_api.api.metrics import list_metrics
from rich.table import Table
from rich.text import Text

from cekura_facade import APIConnectionError, APIError, APIStatusError, AuthenticationError, Cekura, ConfigurationError

from ._errors import ExitCode, explain
from ._report import Options, Report
from ._text import visible

# A list that is empty, and costs the service little: no metric has such a name.
_NOTHING = {"operator": "and", "conditions": [{"field": "name", "op": "in", "value": [str(uuid.uuid4())]}]}


def examine(report: Report) -> None:
    """Say where key and address come from, whether the service answers, and whether it accepts the key."""
    facts: dict[str, Any] = {"key": None, "address": None, "answers": None, "accepted": None}
    rows: list[tuple[str, bool | None, str]] = []
    if (client := _client(report.options, facts, rows)) is not None:
        with client:
            _ask(client, facts, rows)
    facts["ok"] = all(fine for _, fine, _ in rows)
    report.ending = ExitCode.DONE if facts["ok"] else ExitCode.FAILED
    if report.options.as_json:
        report.document = facts
        return
    yes, no = ("✓", "✗") if report.output.out.encoding.startswith("utf") else ("ok", "no")
    marks = {True: (yes, "green"), False: (no, "red"), None: ("-", "dim")}
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, fine, text in rows:
        mark, style = marks[fine]
        grid.add_row(Text(mark, style), Text(name, "bold"), Text(visible(text), overflow="fold"))
    report.output.out.print(grid)


def _client(options: Options, facts: dict[str, Any], rows: list[tuple[str, bool | None, str]]) -> Cekura | None:
    arguments: dict[str, Any] = {**options.client(), "timeout": 10.0, "max_retries": 0}
    problem = ""
    try:
        client = Cekura(**arguments)
        source = client.transport.settings.credential.source
        facts["key"] = f"--api-key-file {options.api_key_file}" if options.api_key_file else source
    except ConfigurationError as error:
        problem = explain(error)
        try:
            # Whether the service answers shows without a key as well.
            client = Cekura(**{**arguments, "api_key": "none"})
        except ConfigurationError as another:
            rows.append(("configuration", False, explain(another)))
            return None
    rows.append(("key", not problem, problem or f"from {facts['key']}"))
    settings = client.transport.settings
    source = "--base-url" if options.base_url else settings.base_url_source
    facts["address"] = {"url": str(settings.base_url), "source": source}
    rows.append(("address", True, f"{settings.base_url} (from {source})"))
    return client


def _ask(client: Cekura, facts: dict[str, Any], rows: list[tuple[str, bool | None, str]]) -> None:
    """One request, whose outcome answers both."""
    started, problem = time.monotonic(), None
    try:
        list_metrics.sync_detailed(client=client.api, filters=json.dumps(_NOTHING))
    except APIError as error:
        problem = error
    milliseconds = (time.monotonic() - started) * 1000
    # A 401, 403 or 404 is an answer of the service; a 502, or a page in HTML, is not.
    facts["answers"] = problem is None or (isinstance(problem, APIStatusError) and problem.status_code < 500)
    if not facts["answers"]:
        reached = "" if isinstance(problem, APIConnectionError) else "something answers, but not as the service does. "
        rows.append(("service", False, reached + explain(problem or AssertionError())))
        rows.append(("access", None, "not known, for the service does not answer"))
        return
    rows.append(("service", True, f"answers, in {milliseconds:.0f} ms"))
    if facts["key"] is None:
        rows.append(("access", None, "not known without a key"))
        return
    facts["accepted"] = not isinstance(problem, AuthenticationError)
    if problem is None:
        rows.append(("access", True, "the key is accepted"))
    else:
        rows.append(("access", False, explain(problem)))
