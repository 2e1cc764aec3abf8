"""The package imports names on first use, and the client libraries only with a client."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cekura_facade


def test_every_public_name_can_be_imported() -> None:
    assert set(cekura_facade.__all__) <= set(dir(cekura_facade))
    for name in cekura_facade.__all__:
        assert getattr(cekura_facade, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'httpx'"):
        cekura_facade.httpx  # type: ignore[attr-defined] # noqa: B018


def test_the_models_are_the_generated_ones() -> None:
    from cekura_api import models

    names = [name for name in cekura_facade.__all__ if hasattr(models, name)]
    assert {"Metric", "MetricUpdate", "PreviewMetricProgress"} <= set(names)
    for name in names:
        assert getattr(cekura_facade, name) is getattr(models, name)


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import cekura_facade", False),
        ("from cekura_facade import CekuraError, __version__", False),
        ("from cekura_facade import Cekura", True),
        ("from cekura_facade import *; AsyncCekura", True),
    ],
)
def test_httpx_is_imported_with_a_client_only(code: str, loaded: bool) -> None:
    code += "; import sys; print('httpx' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == f"{loaded}\n"
