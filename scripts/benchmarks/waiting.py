"""How long after a job's completion its `wait` returns. The clock is simulated, so jobs of minutes take no time."""

from __future__ import annotations

import contextlib
import io
import statistics
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import cekura.cli.commands.metrics as vendor  # type: ignore[import-untyped]
import httpx

from cekura_facade import Cekura
from cekura_facade._clock import Clock

from .chart import Felt
from .report import FACADE, VENDOR, Row, duration
from .server import progress_id, suggested

SHORTEST, LONGEST = 0.3, 300.0
_MINUTE = 60.0


class _Simulation:
    """A clock, and a job that completes after so many seconds on it. Answers come at once."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.polls = seconds, 0.0, 0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def progress(self) -> dict[str, Any]:
        self.polls += 1
        done = self.now >= self.seconds
        return {"status": "completed" if done else "in_progress", "metrics": [suggested(1)] if done else []}


def measure(_url: str, *, quick: bool) -> list[Row]:
    """Simulate jobs of many lengths. Nothing is sent."""
    number = 40 if quick else 400
    lengths = [SHORTEST * (LONGEST / SHORTEST) ** (i / (number - 1)) for i in range(number)]
    ours = [_delay(length, _wait) / length for length in lengths]
    mean, worst, polls = sum(ours) / number, max(ours), _polls(LONGEST, _wait)
    theirs = {length: _delay(length, _vendor_wait) for length in lengths}
    given_up = sum(delay == float("inf") for delay in theirs.values())
    returned = [delay for delay in theirs.values() if delay < float("inf")]
    shares = [delay / length for length, delay in theirs.items() if delay < float("inf")]
    beside = (
        f"{VENDOR}, its command line: mean {sum(shares) / len(shares):.0%}, worst {max(shares):.0%}, "
        f"up to {max(returned):.1f} s, gives up on {given_up / number:.0%} of the jobs, after 150 s"
    )
    what = f"delay between a job's completion and wait returning, jobs of {SHORTEST:g} s to {LONGEST:g} s"
    minutes = [length for length in lengths if _MINUTE / 2 <= length <= _MINUTE * 2]
    late = {FACADE: statistics.mean(_delay(length, _wait) for length in minutes)}
    late[f"{VENDOR}, its command line"] = statistics.mean(theirs[length] for length in minutes)
    felt = Felt("Time from the completion of a job of about a minute to its result, on average", late, duration)
    return [
        Row(f"{what}: mean", "<= 10% of the job's length", f"{mean:.1%}", mean <= 0.10, [beside], felt),
        Row("the same: worst", "<= 20% of the job's length", f"{worst:.1%}", worst <= 0.20 + 1e-9),
        Row(
            f"polls for a job of {LONGEST:g} s",
            "<= 40",
            str(polls),
            polls <= 40,
            [f"{VENDOR}: {_polls(LONGEST, _vendor_wait)}, then it gives up"],
        ),
    ]


def _delay(seconds: float, wait: Callable[[_Simulation], bool]) -> float:
    simulation = _Simulation(seconds)
    return simulation.now - seconds if wait(simulation) else float("inf")


def _polls(seconds: float, wait: Callable[[_Simulation], bool]) -> int:
    simulation = _Simulation(seconds)
    wait(simulation)
    return simulation.polls


class _SimulatedClock(Clock):
    def __init__(self, simulation: _Simulation) -> None:
        self._simulation = simulation

    def now(self) -> float:
        return self._simulation.time()

    def sleep(self, seconds: float) -> None:
        self._simulation.sleep(seconds)


def _wait(simulation: _Simulation) -> bool:
    """Generate and wait with Cekura, in simulated time and without a connection."""

    def respond(request: httpx.Request) -> httpx.Response:
        is_start = request.method == "POST"
        return httpx.Response(200, json={"progress_id": progress_id(metrics=1)} if is_start else simulation.progress())

    http_client = httpx.Client(transport=httpx.MockTransport(respond))
    cekura = Cekura("key", base_url="http://127.0.0.1:9", http_client=http_client)
    cekura.transport.clock = _SimulatedClock(simulation)
    cekura.metrics.generate(agent_id=1).wait(timeout=1e6)
    return True


def _vendor_wait(simulation: _Simulation) -> bool:
    """Run the vendor's own command, on the same clock."""
    client = mock.Mock()
    client.metrics.generate.return_value = {"progress_id": progress_id(metrics=1)}
    client.metrics.generate_progress.side_effect = lambda **_: simulation.progress()
    found = mock.Mock()
    with (
        mock.patch.object(time, "sleep", simulation.sleep),
        mock.patch.multiple(vendor, get_client=lambda: client, print_success=found, print_output=mock.Mock()),
        mock.patch.object(vendor, "console", mock.Mock()),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        vendor.generate_metrics(agent_id=101, num_metrics=1, format="json")
    return bool(found.called)
