"""The pytest plugin, in a project that has the package installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

TEST = """
    import httpx
    from cekura_facade import Cekura

    def test_what_is_saved_is_there(cekura_sandbox):
        with Cekura() as cekura:
            saved = cekura.metrics.generate_and_create(agent_id=next(iter(cekura_sandbox.agents)), num_metrics=2)
        assert [metric["id"] for metric in cekura_sandbox.metrics] == [metric.id for metric in saved]
        assert len(saved) == 2

    def test_each_has_its_own(cekura_sandbox):
        assert cekura_sandbox.metrics == []
        assert cekura_sandbox.requests == []
"""


@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:9"])
def test_a_client_of_the_test_talks_to_the_sandbox(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, proxy: str | None
) -> None:
    if proxy is not None:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("no_proxy", "example.org")
    pytester.makepyfile(TEST)
    pytester.runpytest("-W", "error").assert_outcomes(passed=2)


def test_the_environment_is_restored(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os

        NAMES = ("CEKURA_API_KEY", "CEKURA_API_URL", "no_proxy", "NO_PROXY")
        BEFORE = [os.environ.get(name) for name in NAMES]

        def test_one(cekura_sandbox):
            assert os.environ["CEKURA_API_URL"] == cekura_sandbox.url
            assert "127.0.0.1" in os.environ["no_proxy"].split(",")

        def test_two():
            assert [os.environ.get(name) for name in NAMES] == BEFORE
        """
    )
    pytester.runpytest().assert_outcomes(passed=2)


def test_without_the_extra_the_fixture_says_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import sys\nsys.modules['starlette'] = None")
    pytester.makepyfile("def test_one(cekura_sandbox): ...\ndef test_two(): ...")
    result = pytester.runpytest_subprocess()  # In this process, starlette is already loaded.
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*pip install 'cekura-facade?sandbox?'*"])


def test_it_is_described_among_the_fixtures(pytester: pytest.Pytester) -> None:
    pytester.runpytest("--fixtures").stdout.fnmatch_lines(["cekura_sandbox*", "*A new sandbox on 127.0.0.1*"])


def test_the_start_of_pytest_loads_no_large_modules() -> None:
    (entry,) = entry_points(group="pytest11", name="cekura_sandbox")
    code = f"import pytest, sys; before = set(sys.modules); import {entry.module}; print(*set(sys.modules) - before)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(result.stdout.split())
    assert entry.module in loaded
    assert not loaded & {"asyncio", "attrs", "httpx", "starlette", "uvicorn", "cekura_facade.sandbox._sandbox"}


def test_the_tests_of_the_documentation_pass(pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parent.parent / "docs" / "guides" / "testing.md").read_text(encoding="utf-8")
    (block,) = re.findall(r'^```python title="test_metrics.py"\n(.*?)^```$', page, re.DOTALL | re.MULTILINE)
    pytester.makepyfile(block)
    pytester.runpytest("-W", "error").assert_outcomes(passed=2)
