"""`sandbox`: the sandbox as a server of its own."""

from __future__ import annotations

import importlib.util
import os
import shlex
import threading

from ._errors import Failed, WrongUsage
from ._report import Report
from ._text import plural, visible


def serve(report: Report, port: int, job_seconds: float, behavior: str) -> None:
    """Serve the sandbox until the command is interrupted, and print what points others at it."""
    if missing := [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]:
        raise Failed(f"{', '.join(missing)} not found: pip install 'cekura-facade[sandbox]'")
    from cekura_facade.sandbox import BEHAVIORS, Sandbox

    output = report.output
    if behavior not in BEHAVIORS:
        raise WrongUsage(f"Unknown behavior {behavior!r}. Choose one of {', '.join(BEHAVIORS)}.")
    try:
        sandbox = Sandbox(port=port, job_seconds=job_seconds, behavior=BEHAVIORS[behavior]).start()
    except OSError as error:
        raise WrongUsage(f"Port {port} cannot be listened on: {error.strerror}.") from None
    try:
        # Printed as it is: a shell is to read it.
        print(f"export CEKURA_API_KEY={shlex.quote(sandbox.api_key)}")
        print(f"export CEKURA_API_URL={shlex.quote(sandbox.url)}", flush=True)
        proxies = (f"{kind}_proxy" for kind in ("http", "https", "all"))
        if any(os.environ.get(name) or os.environ.get(name.upper()) for name in proxies):
            output.say("A proxy is set here. It has no way to the sandbox: also set NO_PROXY=127.0.0.1")
        agents = ", ".join(f"{number} ({visible(agent['agent_name'])})" for number, agent in sandbox.agents.items())
        output.say(f"The sandbox is at {sandbox.url}, in memory. Agents: {agents}. Ctrl-C ends it.")
        threading.Event().wait()
    finally:
        sandbox.stop()
        requests, metrics = plural(len(sandbox.requests), "request"), plural(len(sandbox.metrics), "saved metric")
        report.notes.append(f"The sandbox has ended, after {requests}, and its {metrics} with it.")
