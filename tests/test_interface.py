"""The public interface changes only with an entry in the changelog."""

from __future__ import annotations

import builtins
import re
import subprocess
import sys
from pathlib import Path

import check_interface
import pytest
from cekura_api import models

import cekura_facade
from cekura_facade import contract, sandbox

ROOT = Path(__file__).resolve().parent.parent
# Types in signatures that users do not import from this package.
NOT_OURS = {
    *(
        "ASGIApp",
        "Any",
        "AsyncClient",
        "AsyncIterator",
        "Awaitable",
        "Callable",
        "Client",
        "Iterable",
        "Iterator",
        "Literal",
        "Mapping",
        "Self",
        "Sequence",
    ),
    *("Progress", "httpx"),
    "JobState",  # A protocol for the states of all kinds of jobs.
    *("SyncHTTP", "AsyncHTTP"),  # The class of `transport`. Users pass it as a Transport or AsyncTransport.
}
RELEASED = {
    "p.Client": "class()",
    "p.Client.close": "function -> None",
    "p.Client.send": "function -> int",
    "p.Client.send(text)": "str, 1",
    "p.Old": "class()",
    "p.Old.member": "int",
}


def changelog(unreleased: str) -> str:
    return (
        f"# Changelog\n\n## Unreleased\n\n{unreleased}\n\n## 1.0.0\n\n- `closed` `timeout` `New` `Old` `send` `text`\n"
    )


def test_the_changelog_names_every_change_since_the_last_release() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "check_interface.py")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_whole_public_interface_is_compared() -> None:
    looked_at = check_interface.interface(ROOT)
    assert {f"cekura_facade.{name}" for name in cekura_facade.__all__} <= set(looked_at)
    assert {f"cekura_facade.sandbox.{name}" for name in sandbox.__all__} <= set(looked_at)
    assert {f"cekura_facade.contract.{name}" for name in contract.__all__} <= set(looked_at)
    assert looked_at["cekura_facade.Metrics.generate(num_metrics)"] == "int = 1, by name"
    assert looked_at["cekura_facade.AsyncMetrics.generate_and_create"] == "async function -> SavedMetrics"
    assert looked_at["cekura_facade.Metrics.generate"] == "function -> GenerationJob"
    assert looked_at["cekura_facade.GenerationJob.wait"] == "function -> list[GeneratedMetric]"
    assert looked_at["cekura_facade.AsyncMetrics.update"] == "async function -> Metric"
    assert looked_at["cekura_facade.Metrics.update(metric_id)"] == "int, 1"
    assert "cekura_facade.Metrics.update(name)" not in looked_at  # It follows the API.
    assert looked_at["cekura_facade.OnProgress"] == "Callable[[GenerateMetricsProgress], object]"
    assert looked_at["cekura_facade.UnexpectedResponseError"] == "class(APIError)"
    assert "cekura_facade.Cekura.__init__(timeout)" in looked_at
    assert not any("._" in path.replace(".__", "") for path in looked_at)


def test_every_type_in_a_public_signature_can_be_imported() -> None:
    looks = [look for look in check_interface.interface(ROOT).values() if not look.startswith(("class(", "value"))]
    types = [re.sub(r"^(async )?function -> | = .*|, by name$", "", look) for look in looks]
    named = {
        name for text in types for name in re.findall(r"[A-Za-z]\w*", re.sub(r"'.*?'|(?<=Literal)\[.*?\]", "", text))
    }
    assert {"Review", "Metric", "str"} <= named
    exported = {*cekura_facade.__all__, *contract.__all__, *sandbox.__all__, *vars(builtins), *dir(models)}
    exported |= {"AuthenticatedClient", "Transport", "AsyncTransport"}  # of cekura_api
    assert named - exported == NOT_OURS


@pytest.mark.parametrize(
    ("change", "heading", "code", "found"),
    [
        (
            {"p.Client.send(timeout)": "float = 1.0, by name"},
            "Added",
            "send(…, timeout=…)",
            "p.Client.send(timeout): (nothing)",
        ),
        (
            {"p.Client.send(text)": "str | bytes, 1"},
            "Changed",
            "send(text)",
            "p.Client.send(text): str, 1 -> str | bytes, 1",
        ),
        (
            {"p.Client.send": "function -> str"},
            "Fixed",
            "Client.send",
            "p.Client.send: function -> int -> function -> str",
        ),
        ({"p.Client.closed": "bool"}, "Added", "client.closed", "p.Client.closed: (nothing) -> bool"),
        ({"p.Client.close": None}, "Removed", "AsyncClient.close()", "p.Client.close: function -> None -> (nothing)"),
        ({"p.Client.__init__(key)": "str, 1"}, "Added", "Client(key)", "p.Client.__init__(key): (nothing) -> str, 1"),
        ({"p.New": "class()", "p.New.member": "int"}, "Added", "New", "p.New: (nothing) -> class()"),
        ({"p.Old": None, "p.Old.member": None}, "Removed", "Old", "p.Old: class() -> (nothing)"),
    ],
)
def test_a_change_must_be_named_in_the_unreleased_section(
    change: dict[str, str | None], heading: str, code: str, found: str
) -> None:
    now = {path: look for path, look in (RELEASED | change).items() if look is not None}

    def unnamed(unreleased: str) -> list[str]:
        missing: list[str] = check_interface.unnamed(RELEASED, now, changelog(unreleased))
        return missing

    assert unnamed(f"### {heading}\n\n- **Breaking:** `{code}` is other.") == []
    other = {"Added": "Removed", "Removed": "Added"}.get(heading, "Added")
    *owner, member = re.findall(r"\w+", code)
    for no_reason in (
        f"### {other}\n\n- `{code}` is other.",
        f"### {heading}\n\n- {code} is other.",
        f"### {heading}\n\n- `{code.replace(member, member + 'er')}` is other.",
        f"### {heading}\n\n- `{'` and `'.join([*owner, member + '_' * (not owner)])}` are other.",
        f"- `{code}` is other.",
        "",
    ):
        (line,) = unnamed(no_reason)
        assert line.startswith(found)
        assert heading in line.rpartition(", under ")[2]


def test_without_a_change_the_changelog_may_be_empty() -> None:
    assert check_interface.unnamed(RELEASED, RELEASED, changelog("")) == []
