"""Fixtures: an environment without the user's own configuration, the sandbox, and clients of both kinds."""

from __future__ import annotations

import functools
import gc
import itertools
import os
import signal
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

from cekura_facade.sandbox import Sandbox
from tests.support import Either, Kind, VirtualClock, renew

# Shells start background jobs with Ctrl-C ignored, and nohup ignores the end of a terminal. Processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
_create_ssl_context = httpx.create_ssl_context
settings.register_profile("long", max_examples=10_000)


def pytest_collection_finish() -> None:
    """Exempt the existing million objects from garbage collection, because they stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Paths for `home`. To number a new folder, the factory would list thousands of others for each test."""
    folder = tmp_path_factory.mktemp("homes")
    return (folder / str(number) for number in itertools.count())


@pytest.fixture(autouse=True)
def home(homes: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate home folder, so that no test reads or changes the user's configuration."""
    folder = next(homes)
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    proxies = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]
    for name in ("CEKURA_API_KEY", "CEKURA_API_URL", *proxies, *map(str.upper, proxies)):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture(autouse=True)
def certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the system's certificates once, because reading them takes longer than most tests."""
    for module in ("httpx", "httpx._transports.default"):
        monkeypatch.setattr(f"{module}.create_ssl_context", _ssl_context)


def _ssl_context(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
    if verify is not True or cert is not None:
        return _create_ssl_context(verify, cert, trust_env)
    return _certificates(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"), trust_env)


@functools.cache
def _certificates(file: str | None, folder: str | None, trust_env: bool) -> ssl.SSLContext:
    return _create_ssl_context(trust_env=trust_env)


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    """The running sandbox that `sandbox` resets for each test."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    """A sandbox whose jobs are finished at the first poll."""
    return renew(running, job_seconds=0)


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """The kind of client. Every workflow test runs with both."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the clients of a test. Their pauses and deadlines take no time."""
    return VirtualClock()


@pytest.fixture
def client(kind: Kind, clock: VirtualClock) -> Iterator[Callable[..., Either]]:
    """Make clients of the kind, closed at the end of the test: `client(api_key, base_url=...)`.

    They share a virtual clock. A test of real time passes `clock=Clock()`.
    """
    made: list[Either] = []

    def make(*args: Any, **settings: Any) -> Either:
        made.append(Either(kind, *args, **{"clock": clock, **settings}))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def cekura(client: Callable[..., Either], sandbox: Sandbox) -> Either:
    """A client of the kind, for the sandbox."""
    return client(sandbox.api_key, base_url=sandbox.url)
