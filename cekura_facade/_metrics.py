"""What `Cekura(...).metrics` offers: resources and jobs, thin over the workflow."""

from __future__ import annotations

from collections.abc import Iterable

from generated_client.models import GeneratedMetric, GenerateMetricsProgress, Metric

from . import _checks as checks
from . import _workflow as workflow
from ._checks import MetricInput
from ._http import AsyncHTTP, SyncHTTP
from ._saving import create_in_bulk
from ._steps import arun, run
from ._workflow import OnProgress, Review


class GenerationJob:
    """A metric generation job of the service. It lives there: `progress_id` is all it takes to pick it up again.

    Attributes:
        progress_id: Its id, a UUID as text.
    """

    def __init__(self, http: SyncHTTP, progress_id: str, *, fresh: bool = False) -> None:
        self._http = http
        self._fresh = fresh
        self.progress_id = progress_id

    def poll(self) -> GenerateMetricsProgress:
        """Ask once how far the job has come (GET /test_framework/v1/metrics/generate_metrics_progress/).

        Returns:
            The state: `status` (queued, in_progress, completed, failed, or one that is not documented yet),
            `current_step`, and `metrics` once it is completed. A job that failed is a state as well, not an error.

        Raises:
            APIError: The service could not be asked, or did not answer as promised. `progress_id` is on the error.
        """
        return run(workflow.poll(self._http, self.progress_id), self._http)

    def wait(self, *, timeout: float = 600.0, on_progress: OnProgress | None = None) -> list[GeneratedMetric]:
        """Poll on a growing schedule until the job is finished. A poll that fails does not end the wait.

        Args:
            timeout: How long to wait, in seconds, 0 or more; 0 looks once.
            on_progress: Called with every GenerateMetricsProgress that differs from the one before.

        Returns:
            The suggested metrics, in the order of the service: as many as it made, which may be none.

        Raises:
            InvalidRequestError: The time-out is none.
            GenerationFailedError: The service gave up on the job.
            GenerationTimeoutError: It was not finished in time. It goes on.
            APIError: The service refuses to tell, or could not be reached until the end. Every error has `progress_id`.
        """
        return run(
            workflow.wait(self._http, self.progress_id, checks.timeout(timeout), on_progress, fresh=self._fresh),
            self._http,
        )

    def __repr__(self) -> str:
        return f"GenerationJob({self.progress_id!r})"


class AsyncGenerationJob:
    """As GenerationJob, awaited.

    Attributes:
        progress_id: Its id, a UUID as text.
    """

    def __init__(self, http: AsyncHTTP, progress_id: str, *, fresh: bool = False) -> None:
        self._http = http
        self._fresh = fresh
        self.progress_id = progress_id

    async def poll(self) -> GenerateMetricsProgress:
        """As GenerationJob.poll, awaited."""
        return await arun(workflow.poll(self._http, self.progress_id), self._http)

    async def wait(self, *, timeout: float = 600.0, on_progress: OnProgress | None = None) -> list[GeneratedMetric]:
        """As GenerationJob.wait, awaited. `on_progress` may be a coroutine function."""
        checks.callback("on_progress", on_progress)
        waiting = workflow.wait(self._http, self.progress_id, checks.timeout(timeout), on_progress, fresh=self._fresh)
        return await arun(waiting, self._http)

    def __repr__(self) -> str:
        return f"AsyncGenerationJob({self.progress_id!r})"


class Metrics:
    """Suggesting, saving and listing metrics."""

    def __init__(self, http: SyncHTTP) -> None:
        self._http = http

    def generate(
        self, *, agent_id: int | None = None, assistant_id: str | None = None, num_metrics: int = 1
    ) -> GenerationJob:
        """Start a job that suggests metrics for an agent (POST /test_framework/v1/metrics/generate_metrics/).

        Nothing is saved. The agent's description must have 100 characters or more.

        Args:
            agent_id: The id of the agent; or
            assistant_id: the id that the agent has at its voice provider. One of the two.
            num_metrics: How many metrics to suggest, 1 to 100.

        Returns:
            The job: `wait()` for it.

        Raises:
            InvalidRequestError: Neither or both ids, or a number out of range. Nothing was sent.
            APIError: The service refused, or could not be reached.
        """
        request = checks.generation_request(agent_id, assistant_id, num_metrics)
        return GenerationJob(self._http, run(workflow.generate(self._http, request), self._http), fresh=True)

    def job(self, progress_id: str) -> GenerationJob:
        """Pick up a job by its id, in another process or on another day. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job, or of an error.

        Returns:
            The job.

        Raises:
            InvalidRequestError: This is no progress id.
        """
        return GenerationJob(self._http, checks.progress_id(progress_id))

    def create_in_bulk(self, metrics: Iterable[MetricInput]) -> list[Metric]:
        """Save metrics (POST /test_framework/v1/metrics/bulk_create/).

        Args:
            metrics: What `wait` returned, MetricCreate objects or mappings, at least one. Every field is sent as it is.

        Returns:
            The saved metrics, each with its id, in the order given.

        Raises:
            InvalidRequestError: Nothing to save, or something that is no metric. Nothing was sent.
            BadRequestError: The service refuses a metric: `problems` tells which one and why. None was saved.
            APIError: The service could not be reached, or did not answer as promised.
        """
        return run(create_in_bulk(self._http, checks.metrics_to_create(metrics)), self._http)

    def generate_and_create(
        self,
        *,
        agent_id: int | None = None,
        assistant_id: str | None = None,
        num_metrics: int = 1,
        review: Review | None = None,
        timeout: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> list[Metric]:
        """Suggest metrics for an agent, wait for them, and save them: `generate`, `wait` and `create_in_bulk` in one.

        Args:
            agent_id: The id of the agent; or
            assistant_id: the id that the agent has at its voice provider. One of the two.
            num_metrics: How many metrics to suggest, 1 to 100.
            review: Called with the list of suggestions; returns those to save, changed or not, or an empty list.
            timeout: How long to wait for the suggestions, in seconds, 0 or more.
            on_progress: Called with every GenerateMetricsProgress that differs from the one before.

        Returns:
            The saved metrics, in the order of the suggestions. Empty if there were none, or none was to be saved.

        Raises:
            InvalidRequestError: An argument cannot be right, or `review` returned something that is no metric.
            GenerationFailedError: The service gave up on the job.
            GenerationTimeoutError: It was not finished in time. It goes on.
            APIError: The service refused, or could not be reached. Once a job was started its `progress_id` is on the
                error, and once there were suggestions they are on it as well, as `metrics`.
        """
        request = checks.generation_request(agent_id, assistant_id, num_metrics)
        checks.callback("review", review)
        checks.callback("on_progress", on_progress)
        steps = workflow.generate_and_create(self._http, request, review, checks.timeout(timeout), on_progress)
        return run(steps, self._http)

    def list(
        self, *, agent_id: int | None = None, project_id: int | None = None, assistant_id: str | None = None
    ) -> list[Metric]:
        """The metrics of an agent or project (GET /test_framework/v1/metrics/).

        Args:
            agent_id: The id of an agent: its own metrics and those of its project.
            project_id: The id of a project.
            assistant_id: The id that an agent has at its voice provider.

        Returns:
            The metrics, in the order of the service; without any argument all that the account has, which may be many.

        Raises:
            InvalidRequestError: An id cannot be right. Nothing was sent.
            APIError: The service refused, or could not be reached.
        """
        return run(workflow.list_all(self._http, agent_id, project_id, assistant_id), self._http)


class AsyncMetrics:
    """As Metrics, awaited."""

    def __init__(self, http: AsyncHTTP) -> None:
        self._http = http

    async def generate(
        self, *, agent_id: int | None = None, assistant_id: str | None = None, num_metrics: int = 1
    ) -> AsyncGenerationJob:
        """As Metrics.generate, awaited."""
        request = checks.generation_request(agent_id, assistant_id, num_metrics)
        return AsyncGenerationJob(
            self._http, await arun(workflow.generate(self._http, request), self._http), fresh=True
        )

    def job(self, progress_id: str) -> AsyncGenerationJob:
        """As Metrics.job. Nothing is sent, so there is nothing to await."""
        return AsyncGenerationJob(self._http, checks.progress_id(progress_id))

    async def create_in_bulk(self, metrics: Iterable[MetricInput]) -> list[Metric]:
        """As Metrics.create_in_bulk, awaited."""
        return await arun(create_in_bulk(self._http, checks.metrics_to_create(metrics)), self._http)

    async def generate_and_create(
        self,
        *,
        agent_id: int | None = None,
        assistant_id: str | None = None,
        num_metrics: int = 1,
        review: Review | None = None,
        timeout: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> list[Metric]:
        """As Metrics.generate_and_create, awaited. `review` and `on_progress` may be coroutine functions."""
        request = checks.generation_request(agent_id, assistant_id, num_metrics)
        checks.callback("review", review)
        checks.callback("on_progress", on_progress)
        steps = workflow.generate_and_create(self._http, request, review, checks.timeout(timeout), on_progress)
        return await arun(steps, self._http)

    async def list(
        self, *, agent_id: int | None = None, project_id: int | None = None, assistant_id: str | None = None
    ) -> list[Metric]:
        """As Metrics.list, awaited."""
        return await arun(workflow.list_all(self._http, agent_id, project_id, assistant_id), self._http)
