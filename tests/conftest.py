"""Fixtures: an environment without the user's own configuration, the sandbox, and clients of both kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from cekura_facade.sandbox import Sandbox
from tests.support import Either, Kind

settings.register_profile("long", max_examples=10_000)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, so that no test sees or changes the user's configuration."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    proxies = [f"{kind}_proxy" for kind in ("http", "https", "all", "no")]
    for name in ("CEKURA_API_KEY", "CEKURA_API_URL", *proxies, *map(str.upper, proxies)):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(job_seconds=0.2) as running:
        yield running


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Which of the two clients the test is about: every workflow test runs on both."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def client(kind: Kind) -> Iterator[Callable[..., Either]]:
    """Make clients of the kind, closed at the end of the test: `client(api_key, base_url=...)`."""
    made: list[Either] = []

    def make(*args: Any, **settings: Any) -> Either:
        made.append(Either(kind, *args, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def cekura(client: Callable[..., Either], sandbox: Sandbox) -> Either:
    """A client of the kind, for the sandbox."""
    return client(sandbox.api_key, base_url=sandbox.url)
