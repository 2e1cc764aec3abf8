"""One run of the checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import httpx
from attrs import asdict

from cekura_facade import Cekura, __version__

from ._checks import CHECKS
from ._result import Remaining, Result
from ._scratch import Scratch
from ._service import Service
from ._subject import Subject, scope_of


class Contract:
    """Checks that the service behaves as the client requires. A run creates up to four metrics, and deletes them.

    No agent uses these metrics. Their names contain a random token, so that they cannot be confused with others.

    Args:
        client: A client for the service.
        agent_id: Id of the agent that the metrics are created for.
        wait: How long to wait for new metrics to appear in a list, in seconds, 0 or more (default 30). The deletion
            waits for the same time for a metric if the response to its creation was lost.
    """

    def __init__(self, client: Cekura, agent_id: int, *, wait: float = 30.0) -> None:
        self._service, self._agent_id, self._wait = Service(client), agent_id, wait
        self._scratch: Scratch | None = None
        self._results: list[Result] = []

    @property
    def results(self) -> Sequence[Result]:
        """The results so far, in the order in which the checks ran."""
        return tuple(self._results)

    @property
    def remaining(self) -> Sequence[Remaining]:
        """The metrics that the run could not delete, or may have created. Empty before the run."""
        return () if self._scratch is None else tuple(self._scratch.remaining)

    @property
    def passed(self) -> bool:
        """Whether all checks ran, all required checks passed, and all metrics are deleted."""
        required = [result.passed for result in self._results if result.level == "required"]
        return len(self._results) == len(CHECKS) and all(required) and not self.remaining

    def run(self, on_result: Callable[[Result], None] | None = None) -> Sequence[Result]:
        """Run the checks, and delete the metrics that they created, even after an error or Ctrl-C.

        If a request of a check fails, its result is that nothing was observed, and the next check runs.

        Args:
            on_result: Function that is called with each result.

        Returns:
            The results, in the order in which the checks ran.

        Raises:
            CekuraError: The agent cannot be read. Nothing was created.
        """
        self._results.clear()
        agent = self._service.client.agents.get(self._agent_id).to_dict()
        self._scratch = Scratch(self._service, scope_of(agent), self._wait)
        subject = Subject(self._service, self._scratch, agent, self._wait)
        with self._service.watched():
            try:
                for check in CHECKS:
                    self._results.append(check.run(subject))
                    if on_result is not None:
                        on_result(self._results[-1])
            finally:
                self._scratch.clean_up()
        return self.results

    def to_dict(self) -> dict[str, object]:
        """Return the results as a JSON object for a bug report, without credentials and without customer data."""
        return {
            "package": "cekura-facade",
            "version": __version__,
            "date": datetime.now(UTC).date().isoformat(),
            "host": httpx.URL(self._service.http.settings.base_url).host,
            "passed": self.passed,
            "results": [asdict(result) for result in self._results],
            "remaining": [asdict(metric) for metric in self.remaining],
        }
