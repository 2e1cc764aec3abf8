"""Implements `sandbox`: runs the sandbox until the command is interrupted."""

from __future__ import annotations

import importlib.util
import os
import shlex
import threading

from ._errors import Failed, WrongUsage
from ._report import Report
from ._text import plural, visible


def serve(report: Report, port: int, job_seconds: float, behavior: str) -> None:
    """Run the sandbox until the command is interrupted, and print the environment variables for its clients."""
    if missing := [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]:
        raise Failed(f"{', '.join(missing)} not found. Install the extra: pip install 'cekura-facade[sandbox]'")
    from cekura_facade.sandbox import BEHAVIORS, Sandbox

    output = report.output
    if behavior not in BEHAVIORS:
        raise WrongUsage(f"Unknown behavior {behavior!r}. Choose one of {', '.join(BEHAVIORS)}.")
    try:
        sandbox = Sandbox(port=port, job_seconds=job_seconds, behavior=BEHAVIORS[behavior]).start()
    except OSError as error:
        why = f"Port {port} cannot be used: {error.strerror}. Pass another --port, or 0 for a free one."
        raise WrongUsage(why) from None
    try:
        agents = {number: str(agent["agent_name"]) for number, agent in sandbox.agents.items()}
        if report.options.as_json:
            listed = [{"id": number, "name": name} for number, name in agents.items()]
            report.print_document({"api_key": sandbox.api_key, "api_url": sandbox.url, "agents": listed})
        else:
            for name, value in (("CEKURA_API_KEY", sandbox.api_key), ("CEKURA_API_URL", sandbox.url)):
                output.out.write(f"export {name}={shlex.quote(value)}\n")
        if output.finish() is not None:
            return
        proxies = (f"{kind}_proxy" for kind in ("http", "https", "all"))
        if any(os.environ.get(name) or os.environ.get(name.upper()) for name in proxies):
            output.say("Your environment sets a proxy, which cannot reach the sandbox. Also set NO_PROXY=127.0.0.1.")
        names = ", ".join(f"{number} ({visible(name)})" for number, name in agents.items())
        output.say(f"The sandbox runs at {sandbox.url} and keeps its data in memory. Agents: {names}.")
        output.say("Press Ctrl-C to stop it.")
        threading.Event().wait()
    finally:
        sandbox.stop()
        requests, metrics = plural(len(sandbox.requests), "request"), plural(len(sandbox.metrics), "saved metric")
        report.notes.append(f"The sandbox stopped after {requests}, and discarded {metrics}.")
