"""Many workflows at once, beside ten workers that loop in bare httpx: how long each takes, and how much memory.

Each measurement is a process of its own, so that its peak of resident memory is that of nothing else: what the
operating system counts, with the interpreter, the buffers of C libraries and all, is what a machine must have.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .chart import Felt
from .report import FACADE, HTTPX, VENDOR, Row, duration, megabytes

_WORKLOAD = Path(__file__).with_name("workload.py")
_TEN = f"ten workers in {HTTPX} with the same requests"
_LIMIT = 120.0  # seconds that one measurement may take


@dataclass(frozen=True)
class _Measured:
    number: int
    runs: Sequence[dict[str, Any]]  # none if the time was over

    @property
    def each(self) -> float:
        """Seconds for each workflow."""
        return self._median("seconds") / self.number

    @property
    def peak(self) -> float:
        return self._median("peak_bytes")

    @property
    def failed(self) -> int:
        return max((int(sum(run["errors"].values())) for run in self.runs), default=self.number)

    def _median(self, name: str) -> float:
        return statistics.median(float(run[name]) for run in self.runs) if self.runs else math.inf

    def shown(self) -> str:
        if not self.runs:
            return f"not done after {_LIMIT:.0f} s"
        errors = " and ".join({name for run in self.runs for name in run["errors"]})
        return f"{duration(self.each)} each" + (f", {self.failed} fail ({errors})" if errors else "")


def measure(url: str, *, quick: bool) -> list[Row]:
    """Measure many workflows at once."""
    few, some, many, most = (2, 4, 8, 16) if quick else (100, 300, 1000, 3000)
    plan = [("facade", number) for number in (few, some, many, most)]
    plan += [("httpx_workers", number) for number in (few, many, most)]
    plan += [("httpx_workers_with_one_list", many), ("httpx_workers_without_list", many)]
    plan += [("httpx_gather", few), ("httpx_gather", some)]
    results: dict[tuple[str, int], list[dict[str, Any]]] = {each: [] for each in plan}
    for _ in range(1 if quick else 3):
        for each in plan:
            results[each] += _run(*each, url)
    # Far from their floor, and slow to fail: once is enough.
    slow = [("httpx_gather", many), ("vendor_gather", few), ("vendor_gather", many)] if not quick else []
    results |= {each: _run(*each, url) for each in slow}
    measured = {(name, number): _Measured(number, runs) for (name, number), runs in results.items()}
    rows = []
    ours = {number: measured["facade", number] for number in (few, some, many, most)}
    for number, one in ours.items():
        beside = [
            f"{name}: {measured[contender, number].shown()}"
            for contender, name in (
                ("httpx_workers", f"{HTTPX}, ten workers with the same requests"),
                ("httpx_workers_with_one_list", f"{HTTPX}, ten workers with one list and the save"),
                ("httpx_workers_without_list", f"{HTTPX}, ten workers with the save alone"),
                ("httpx_gather", f"{HTTPX}, gather, with one list and the save"),
                ("vendor_gather", f"{VENDOR}, gather"),
            )
            if (contender, number) in measured
        ]
        felt = None
        if number == many:
            workers = measured["httpx_workers", many]
            per_minute = {FACADE: 60 / one.each, f"{HTTPX}, ten workers": 60 / workers.each}
            felt = Felt(f"Agents per minute, {number:,} at once", per_minute, "{:,.0f}".format)
        rows.append(Row(f"{number:,} workflows at once", "none fails", one.shown(), one.failed == 0, beside, felt))
    growth = ours[most].each / ours[few].each
    rows.append(_ratio(f"time of each at {most:,} workflows at once", growth, 1.2, f"that at {few:,}"))
    share = ours[many].each / measured["httpx_workers", many].each
    rows.append(_ratio(f"time of each at {many:,} workflows at once", share, 1.2, _TEN))
    peak, floor = ours[most].peak, measured["httpx_workers", most].peak
    beside = [f"{FACADE} {megabytes(peak)}", f"ten workers {megabytes(floor)}"]
    rows.append(_ratio(f"memory for {most:,} workflows at once", peak / floor, 1.3, _TEN, beside))
    return rows


def _ratio(what: str, ratio: float, goal: float, floor: str, beside: Sequence[str] = ()) -> Row:
    return Row(what, f"<= {goal:.2f} x {floor}", f"{ratio:.2f} x", ratio <= goal, beside)


def _run(contender: str, number: int, url: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-I", str(_WORKLOAD), contender, url, str(number)]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT)
    except subprocess.TimeoutExpired:
        return []
    return [json.loads(done.stdout)]
