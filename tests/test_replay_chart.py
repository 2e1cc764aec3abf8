"""`replay.py --chart`: the chart shows the versions, is reproducible, and refuses impossible charts."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import replay
from regeneration.documents import load
from regeneration.operations_file import load_operations
from regeneration.pipeline import derive
from replay_chart import ADDED, BREAKING, RESULTS, Version, draw

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "spec"
VERSIONS = [
    Version(date(2026, 3, 1), 1234, "ok", breaking=17, added=0),
    Version(date(2026, 1, 1), 1000, "refused"),
    Version(date(2026, 2, 1), 1111, "ok"),
    Version(date(2026, 3, 2), 1300, "ok", breaking=0, added=29),
]


def texts(chart: Path) -> list[str]:
    """The words and numbers of a chart. They are paths, each with its text as a comment."""
    return re.findall(r"<!-- (.*?) -->", chart.read_text("utf-8"))


def test_a_chart_shows_operations_and_changes_and_marks_what_is_refused(tmp_path: Path) -> None:
    draw(VERSIONS, tmp_path / "chart.svg")
    shown = texts(tmp_path / "chart.svg")
    # The ends of the line by date, the numbers of changes, and the meanings of the markers.
    assert {"1,000", "1,300", "17", "29", BREAKING, ADDED, RESULTS["ok"][3], RESULTS["refused"][3]} <= set(shown)
    assert RESULTS["FAILED"][3] not in shown
    assert "1,234" not in shown
    draw([Version(date(2026, 1, 1), 0, "FAILED")], tmp_path / "chart.svg")
    assert RESULTS["FAILED"][3] in texts(tmp_path / "chart.svg")
    assert RESULTS["ok"][3] not in texts(tmp_path / "chart.svg")


def test_a_chart_has_the_same_bytes_each_time_and_nothing_of_its_machine(tmp_path: Path) -> None:
    code = "import pickle, sys; from pathlib import Path; from replay_chart import draw; "
    code += "draw(pickle.load(sys.stdin.buffer), Path(sys.argv[1]))"
    draw(VERSIONS, tmp_path / "here.svg")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT / "scripts"),
        "PYTHONHASHSEED": "7",
        "TZ": "Asia/Tokyo",
        "SOURCE_DATE_EPOCH": "86400",
    }
    command = [sys.executable, "-c", code, str(tmp_path / "there.svg")]
    subprocess.run(command, input=pickle.dumps(VERSIONS), env=environment, check=True)
    text = (tmp_path / "here.svg").read_text("utf-8")
    assert (tmp_path / "there.svg").read_text("utf-8") == text
    assert not re.search(r"dc:date|[Mm]atplotlib v|href=\"http|/home/|/tmp/", text)
    ET.fromstring(text)


def test_the_committed_chart_is_on_the_page_with_an_alternative_text() -> None:
    page = (ROOT / "docs" / "internals" / "keeping-up.md").read_text("utf-8")
    alt = re.search(r"!\[([^\]]+)\]\(\.\./pictures/specification-history\.svg\)", page)
    assert alt
    assert len(alt[1]) > 50
    shown = texts(ROOT / "docs" / "pictures" / "specification-history.svg")
    assert {BREAKING, ADDED, RESULTS["refused"][3]} <= set(shown)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive each version and compare it, without the generator and the workflow."""
    operations, overlay = load_operations(SPEC / "operations.yaml"), load(SPEC / "overlay.yaml")
    monkeypatch.setattr(replay, "build", lambda published, *_: derive(published, operations, overlay))
    monkeypatch.setattr(replay, "run_workflow", lambda _: ("ok", ""))
    monkeypatch.setattr(replay, "ProcessPoolExecutor", ThreadPoolExecutor)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["replay.py", *map(str, arguments), "--jobs", "1"])
    return replay.main()


@pytest.mark.usefixtures("quick")
def test_a_replay_draws_its_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Version] = []
    monkeypatch.setattr("replay_chart.draw", lambda versions, chart: drawn.extend(versions))
    first: dict[str, Any] = load(SPEC / "upstream.yaml")
    lacking, second = copy.deepcopy(first), copy.deepcopy(first)
    del lacking["paths"]["/test_framework/v1/metrics/generate_metrics_progress/"]
    fields = second["components"]["schemas"]["AIAgent"]["properties"]
    del fields["agent_name"]
    fields |= {"first_new": {"type": "boolean"}, "second_new": {"type": "boolean"}}
    count = sum(len(path.keys() - {"parameters"}) for path in first["paths"].values())
    (tmp_path / "specs").mkdir()
    for name, document in {"2026-01-01_a": lacking, "2026-01-02": first, "2026-02-03_c.d": second}.items():
        (tmp_path / "specs" / f"{name}.json").write_text(json.dumps(document))
    assert run(monkeypatch, tmp_path / "specs", "--chart", tmp_path / "chart.svg") == 0
    assert drawn == [
        Version(date(2026, 1, 1), count - 1, "refused"),
        Version(date(2026, 1, 2), count, "ok"),
        Version(date(2026, 2, 3), count, "ok", breaking=1, added=2),
    ]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("specification", "chart", "words"),
    [
        ("newest.json", "chart.svg", "newest.json: the chart needs a date"),
        ("2026-13-01.json", "chart.svg", "2026-13-01.json: the chart needs a date"),
        ("2026-01-01.json", "gone/chart.svg", "gone is not a folder"),
        ("2026-01-01.json", ".", "cannot be written"),
    ],
)
def test_an_impossible_chart_is_refused_before_the_replay(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    specification: str,
    chart: str,
    words: str,
) -> None:
    (tmp_path / specification).write_text("{}")
    assert run(monkeypatch, tmp_path / specification, "--chart", tmp_path / chart) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert printed.err.count("\n") == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full, which is always full")
def test_a_chart_on_a_full_disk_is_reported_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "2026-01-01.json").write_text(json.dumps(load(SPEC / "upstream.yaml")))
    assert run(monkeypatch, tmp_path / "2026-01-01.json", "--chart", "/dev/full") == 2
    error = capsys.readouterr().err
    assert error == "replay: the chart was not written. /dev/full: No space left on device.\n"
