"""Until its first response, a process imports only modules that it uses."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cekura_facade.sandbox import Sandbox

_RUN = """
import sys
from cekura_facade.cli import main
sys.argv = ["cekura-facade", *{words!r}]
try:
    main()
finally:
    print(*sys.modules, file=sys.stderr)
"""
# Each of these imports is slow. httpx imports its own command line if click and rich are installed.
_HEAVY = {"asyncio", "click", "pygments", "rich.progress", "rich.table", "yaml"}


@pytest.mark.parametrize(
    "words", [["agents", "list", "--json"], ["agents", "list"], ["agents", "get", "101", "--json"]]
)
def test_a_command_imports_only_what_it_needs(sandbox: Sandbox, words: list[str]) -> None:
    environment = {**os.environ, "CEKURA_API_URL": sandbox.url, "CEKURA_API_KEY": sandbox.api_key}
    command = [sys.executable, "-c", _RUN.format(words=words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "101" in done.stdout
    assert _HEAVY & set(done.stderr.split()) == set()


def test_a_blocking_client_needs_no_asyncio(sandbox: Sandbox) -> None:
    code = f"""
import sys
sys.modules["click"] = None
from cekura_facade import Cekura
with Cekura({sandbox.api_key!r}, base_url={sandbox.url!r}) as cekura:
    assert cekura.metrics.list(agent_id=101) == []
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "cekura_api.models.metric" in imported
    unused = {"asyncio", "backoff", "tomllib", "cekura_facade._async_http", "cekura_api.models.preview_metric_progress"}
    assert unused & imported == set()
