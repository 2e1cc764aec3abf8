"""What `Cekura(...).metrics` offers: the workflow in its steps and as a whole, written once for both clients."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

from cekura_api.models import GeneratedMetric, GenerateMetricsProgress, GenerateMetricsRequest, Metric
from cekura_api.types import UNSET

from . import _checks as checks, _errors as errors
from ._around import _AwaitedAround, _BlockingAround
from ._exchange import call
from ._jobs import GENERATION, AsyncGenerationJob, GenerationJob
from ._many import AsyncOutcomes, GenerationRequest, Outcomes
from ._saving import LIST, METRICS, are_metrics, create_in_bulk
from ._steps import Awaited, Blocking, Steps, call_back, workflow

OnProgress = Callable[[GenerateMetricsProgress], object]
"""Called with how far a job has come. With AsyncCekura it may be a coroutine function."""
Review = Callable[[list[GeneratedMetric]], Any]
"""Called with the suggestions; returns those to save. With AsyncCekura it may be a coroutine function."""

Generation = TypeVar("Generation", GenerationJob, AsyncGenerationJob)
Many = TypeVar("Many", Outcomes, AsyncOutcomes)


class _Metrics(Generic[Generation, Many]):
    _generation: ClassVar[type[Any]]
    _many: ClassVar[type[Any]]

    def __init__(self, http: Any) -> None:
        self._http = http

    @workflow
    def generate(
        self, *, agent_id: int | None = None, assistant_id: str | None = None, num_metrics: int = 1
    ) -> Steps[Generation]:
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
        response = yield from call(
            self._http,
            "metrics.generate_metrics",
            {"body": checks.generation_request(agent_id, assistant_id, num_metrics)},
            lambda result: checks.is_progress_id(getattr(result, "progress_id", None)),
            "an object with a progress_id that is a UUID",
        )
        job: Generation = self._generation(self._http, str(response.progress_id), fresh=True)
        return job

    def job(self, progress_id: str) -> Generation:
        """Pick up a job by its id, in another process or on another day. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job, or of an error.

        Returns:
            The job.

        Raises:
            InvalidRequestError: This is no progress id.
        """
        job: Generation = self._generation(self._http, checks.progress_id(progress_id))
        return job

    @workflow
    def create_in_bulk(self, metrics: Iterable[checks.MetricInput]) -> Steps[list[Metric]]:
        """Save metrics, each exactly once (POST /test_framework/v1/metrics/bulk_create/).

        The client first lists the existing metrics (GET /test_framework/v1/metrics/) and skips those that match: the
        same scope, name, description and eval_type. So you can make the same call again after any failure. If a
        response is lost, it lists them again for up to `settle_timeout` seconds and sends only the missing ones. It
        returns when the list shows the new metrics, or after `settle_timeout`. More than 100 metrics are sent in
        several requests.

        Args:
            metrics: What `wait` returned, MetricCreate objects or mappings, at least one. Each field is sent as it is.

        Returns:
            The saved metrics, each with its id, in the order given.

        Raises:
            InvalidRequestError: There is nothing to save, or an item is not a metric. Nothing was sent.
            BadRequestError: The service refused a metric. `problems` says which one and why.
            BulkCreateUncertainError: Some metrics may or may not be saved: those in `unconfirmed`.
            APIError: The service could not be reached, or its response was not as documented. Every error has the
                metrics that were saved, as `created`.
        """
        return (yield from create_in_bulk(self._http, checks.metrics_to_create(metrics)))

    @workflow
    def generate_and_create(
        self,
        *,
        agent_id: int | None = None,
        assistant_id: str | None = None,
        num_metrics: int = 1,
        review: Review | None = None,
        timeout: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> Steps[list[Metric]]:
        """Suggest metrics for an agent, wait for them, and save them: `generate`, `wait` and `create_in_bulk` in one.

        Args:
            agent_id: The id of the agent; or
            assistant_id: the id that the agent has at its voice provider. One of the two.
            num_metrics: How many metrics to suggest, 1 to 100.
            review: Called with the list of suggestions; returns those to save, changed or not, or an empty list. With
                AsyncCekura it may be a coroutine function.
            timeout: How long to wait for the suggestions, in seconds, 0 or more.
            on_progress: As for `wait`.

        Returns:
            The saved metrics, in the order of the suggestions. Empty if there were none, or none was to be saved.

        Raises:
            InvalidRequestError: An argument cannot be right, or `review` returned something that is no metric.
            CekuraError: As for the three steps. Once a job was started its `progress_id` is on the error, and once
                there were suggestions they are on it as well, as `metrics`.
        """
        checks.callback("review", review)
        checks.callback("on_progress", on_progress)
        checks.timeout(timeout)
        job = yield from _Metrics.generate.steps(
            self, agent_id=agent_id, assistant_id=assistant_id, num_metrics=num_metrics
        )
        suggested = yield from GenerationJob.wait.steps(job, timeout=timeout, on_progress=on_progress)
        with GENERATION.about(job.progress_id, suggested):
            chosen: Any = suggested
            if review is not None:
                chosen = yield from call_back(review, list(suggested))
                if chosen is None:
                    raise errors.InvalidRequestError("review returned None: return the metrics to save, [] for none.")
                if isinstance(chosen, Iterable) and not isinstance(chosen, str | Mapping | GeneratedMetric):
                    chosen = list(chosen)
            if chosen == []:
                return []
            return (yield from create_in_bulk(self._http, checks.metrics_to_create(chosen)))

    def generate_and_create_many(
        self,
        requests: Iterable[GenerationRequest],
        *,
        num_metrics: int = 1,
        concurrency: int = 10,
        review: Review | None = None,
        timeout: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> Many:
        """`generate_and_create` for many agents. One that fails does not stop the others.

        All share the connections of this client; when one is told to wait (429), all of them wait.

        Args:
            requests: Ids of agents, or GenerateMetricsRequest objects; taken one by one, as they are started.
            num_metrics: How many metrics to suggest for each id, 1 to 100.
            concurrency: How many are under way at once, 1 or more. A job that is waited for holds no connection.
            review: As for `generate_and_create`, called for each.
            timeout: As for `generate_and_create`, for each.
            on_progress: As for `wait`; `agent_id` says whose progress it is.

        Returns:
            An iterator (with AsyncCekura an asynchronous one) over a GenerationOutcome for each request, as soon as it
            is there. Use it with `with` (or `async with`): leaving that cancels the workflows that are running. Its
            `stop()` starts no more workflows, and lets the running ones finish.

        Raises:
            InvalidRequestError: An argument cannot be right. What is wrong with a single request is its outcome.
        """
        checks.callback("review", review)
        checks.callback("on_progress", on_progress)
        checks.timeout(timeout)
        checks.positive("concurrency", concurrency)
        if isinstance(requests, str | bytes | Mapping) or not isinstance(requests, Iterable):
            raise errors.InvalidRequestError(f"requests is a {type(requests).__name__}: give a list of agent ids.")

        def generate_and_create(request: GenerationRequest) -> Steps[builtins.list[Metric]]:
            given: dict[str, Any] = {"agent_id": request, "num_metrics": num_metrics}
            if isinstance(request, GenerateMetricsRequest):
                given = {"agent_id": request.agent_id, "assistant_id": request.assistant_id}
                given["num_metrics"] = request.num_metrics if request.num_metrics is not UNSET else 1
            given = {name: None if value is UNSET else value for name, value in given.items()}
            steps = _Metrics.generate_and_create.steps
            return steps(self, **given, review=review, timeout=timeout, on_progress=on_progress)

        many: Many = self._many(self._http, generate_and_create, requests, concurrency)
        return many

    @workflow
    def list(
        self, *, agent_id: int | None = None, project_id: int | None = None, assistant_id: str | None = None
    ) -> Steps[builtins.list[Metric]]:
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
        numbers = {"agent_id": agent_id, "project_id": project_id}
        scope: dict[str, Any] = {n: checks.positive_id(n, value) for n, value in numbers.items() if value is not None}
        if assistant_id is not None:
            scope["assistant_id"] = checks.text_id("assistant_id", assistant_id)
        metrics: builtins.list[Metric] = yield from call(self._http, LIST, scope, are_metrics, METRICS)
        return metrics


class Metrics(_Metrics[GenerationJob, Outcomes], _BlockingAround, Blocking):
    """Metrics: suggesting, trying, saving, listing and changing them."""

    _generation, _many = GenerationJob, Outcomes


class AsyncMetrics(_Metrics[AsyncGenerationJob, AsyncOutcomes], _AwaitedAround, Awaited):
    """As Metrics, awaited; but what picks up a job, which sends nothing, is not."""

    _generation, _many = AsyncGenerationJob, AsyncOutcomes
