"""The pytest plugin of the sandbox extra, with the fixture `cekura_sandbox`.

pytest imports this module at startup in every project that has the package, so the fixture imports the sandbox.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cekura_facade.sandbox import Sandbox


@pytest.fixture
def cekura_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A new sandbox on 127.0.0.1, which `Cekura()` and `AsyncCekura()` connect to during the test."""
    try:
        from cekura_facade.sandbox import Sandbox
    except ModuleNotFoundError as error:
        pytest.fail(
            f"cekura_sandbox needs {error.name}, which is not installed: pip install 'cekura-facade[sandbox]'",
            pytrace=False,
        )
    with Sandbox(job_seconds=0) as sandbox:
        monkeypatch.setenv("CEKURA_API_KEY", sandbox.api_key)
        monkeypatch.setenv("CEKURA_API_URL", sandbox.url)
        # A proxy on another machine cannot reach 127.0.0.1 of this one.
        direct = {host for name in ("no_proxy", "NO_PROXY") for host in os.environ.get(name, "").split(",") if host}
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, ",".join(sorted({*direct, "127.0.0.1"})))
        yield sandbox
