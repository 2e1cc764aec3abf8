# Derived by `python scripts/unasync.py` from _async_jobs.py. Do not edit.
"""The jobs of Cekura."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from cekura_api.models import GeneratedMetric, GenerateMetricsProgress

from . import _jobs as jobs
from ._jobs import Progress, Result
from ._sync_http import SyncHTTP
from ._workflow import check_callback, check_timeout


class Job(Generic[Progress, Result]):
    """A job of the service. Its `progress_id` is all that is needed to resume it, in any process.

    With an OAuth token, v2 of the API also needs the agent of the job. `poll` and `wait` pass it.

    Attributes:
        progress_id: Id of the job. Empty if the service returned the result at once. `poll` and `wait` then send
            nothing.
    """

    def __init__(self, http: SyncHTTP, handle: jobs.Handle[Progress, Result]) -> None:
        self._http = http
        self._handle = handle
        self.progress_id: str = handle.progress_id

    def poll(self) -> Progress:
        """Request the state of the job once.

        Returns:
            The state. Its `status` is `completed`, `failed`, or another value if the job is not finished, such as
            `queued`. A completed GenerationJob has `metrics`. A failed job is a state too, not an error.

        Raises:
            APIError: The request failed. The error has the `progress_id`.

        API call: the progress operation of the job, for a GenerationJob
        `GET /test_framework/v1/metrics/generate_metrics_progress/`.
        """
        return self._http.run(jobs.poll(self._http, self._handle))

    def wait(self, *, timeout: float = 600.0, on_progress: Callable[[Progress], object] | None = None) -> Result:
        """Poll the job at growing intervals until it is finished. A failed poll does not end the wait.

        Args:
            timeout: How long to wait, in seconds, 0 or more (default 600). 0 polls once.
            on_progress: Called with each state, as `poll` returns it, that differs from the one before.

        Returns:
            For a GenerationJob, the suggested metrics in the order of the service. The list may be empty. For any other
            job, its completed state.

        Raises:
            InvalidRequestError: `timeout` is not a number >= 0, or `on_progress` is not a function.
            GenerationFailedError: The job failed.
            GenerationTimeoutError: The job was not finished in time. It continues.
            APIError: The service refused to return the state: the credential is not accepted, or the job is still
                unknown after ten seconds. The error has the `progress_id`.

        API call: as for `poll`.
        """
        check_callback("on_progress", on_progress)
        return self._http.run(jobs.wait(self._http, self._handle, check_timeout(timeout), on_progress))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.progress_id!r})"


class GenerationJob(Job[GenerateMetricsProgress, list[GeneratedMetric]]):
    """A job that suggests metrics. Its `progress_id` is all that is needed to resume it, in any process.

    With an OAuth token, v2 of the API also needs the agent of the job. `poll` and `wait` pass it.

    Attributes:
        progress_id: Id of the job, a UUID.
    """
