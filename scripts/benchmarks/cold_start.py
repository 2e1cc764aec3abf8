"""From the start of Python to its end, with one request in between: what a script or a serverless function pays."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable

from .report import FACADE, GENERATED, HTTPX, VENDOR, Row, Times
from .server import progress_id

# httpx imports its own command line where click and rich are installed, as here, and not where only this package is.
_AS_INSTALLED = "import sys; sys.modules['click'] = None\n"
_PROGRAMS = {
    HTTPX: """
import httpx
with httpx.Client(base_url={url!r}, headers={{"X-CEKURA-API-KEY": "key"}}) as client:
    path = "/test_framework/v1/metrics/generate_metrics_progress/"
    assert client.get(path, params={{"progress_id": {job!r}}}).json()["status"] == "completed"
""",
    FACADE: """
from cekura_facade import Cekura
with Cekura("key", base_url={url!r}) as cekura:
    assert cekura.metrics.job({job!r}).poll().status == "completed"
""",
    f"{FACADE}, with the certificates for https": """
import ssl
from cekura_facade import Cekura
from cekura_facade._config import TLSContext
with Cekura("key", base_url={url!r}) as cekura:
    assert cekura.metrics.job({job!r}).poll().status == "completed"
    assert TLSContext(ssl.PROTOCOL_TLS_CLIENT).loaded
""",
    GENERATED: """
from cekura_api import AuthenticatedClient
from cekura_api.api.metrics import generate_metrics_progress
with AuthenticatedClient(base_url={url!r}, token="key") as client:
    assert generate_metrics_progress.sync(client=client, progress_id={job!r}).status == "completed"
""",
    VENDOR: """
from cekura import Cekura
with Cekura(api_key="key", base_url={url!r}) as cekura:
    assert cekura.metrics.generate_progress(progress_id={job!r})["status"] == "completed"
""",
}


def measure(url: str, *, quick: bool) -> list[Row]:
    """Measure a whole program of each contender."""
    job = progress_id(metrics=10)

    def runs(program: str) -> Callable[[], float]:
        code = _AS_INSTALLED + program.format(url=url, job=job)

        def run() -> float:
            started = time.perf_counter()
            subprocess.run([sys.executable, "-I", "-c", code], check=True)
            return time.perf_counter() - started

        return run

    contenders = {name: runs(program) for name, program in _PROGRAMS.items()}
    for run in contenders.values():
        run()  # compiles what was never compiled
    times = Times(contenders, 1 if quick else 40)
    return [times.row("cold start: import, construct, first request, process exit", 1.20)]
