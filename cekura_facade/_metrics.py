"""What `Cekura(...).metrics` offers: the workflow in its steps and as a whole, written once for both clients."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from generated_client.models import GeneratedMetric, GenerateMetricsProgress, GenerateMetricsRequest, Metric
from generated_client.types import UNSET

from . import _checks as checks, _errors as errors
from ._exchange import call, endpoint
from ._jobs import GENERATION, PREVIEW, SIMPLIFICATION, AsyncGenerationJob, AsyncJob, GenerationJob, Job
from ._many import AsyncOutcomes, GenerationRequest, Outcomes
from ._saving import LIST, METRICS, are_metrics, create_in_bulk
from ._steps import Awaited, Blocking, Steps, workflow

if TYPE_CHECKING:
    from generated_client.models import MetricUpdate, PreviewMetricProgress, SimplifyPromptProgress
else:  # A client that is regenerated from an older specification may lack them.
    from generated_client import models

    MetricUpdate, PreviewMetricProgress, SimplifyPromptProgress = (
        getattr(models, name, Any) for name in ("MetricUpdate", "PreviewMetricProgress", "SimplifyPromptProgress")
    )

OnProgress = Callable[[GenerateMetricsProgress], object]
"""Called with how far a job has come. With AsyncCekura it may be a coroutine function."""
Review = Callable[[list[GeneratedMetric]], Any]
"""Called with the suggestions; returns those to save. With AsyncCekura it may be a coroutine function."""

_METRIC = "a metric with an id"
Generation = TypeVar("Generation", GenerationJob, AsyncGenerationJob)
Preview = TypeVar("Preview")
Simplification = TypeVar("Simplification")
Many = TypeVar("Many", Outcomes, AsyncOutcomes)


class _Metrics(Generic[Generation, Preview, Simplification, Many]):
    _generation: ClassVar[type[Any]]
    _job: ClassVar[type[Any]]
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

        What stands there already (same scope, name, description and eval_type) is not saved again, so the call can be
        made again after any failure. When it is not clear whether a request was carried out, the service is looked at
        (GET /test_framework/v1/metrics/) until it is, for up to `settle_timeout`, and only what is then missing is sent
        again. More than 100 metrics are sent in several requests.

        Args:
            metrics: What `wait` returned, MetricCreate objects or mappings, at least one. Every field is sent as it is.

        Returns:
            The saved metrics, each with its id, in the order given.

        Raises:
            InvalidRequestError: Nothing to save, or something that is no metric. Nothing was sent.
            BadRequestError: The service refuses a metric: `problems` tells which one and why.
            BulkCreateUncertainError: Some may or may not be saved: `unconfirmed`.
            APIError: The service could not be reached, or did not answer as promised. What was saved is on every error,
                as `created`.
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
                chosen = yield functools.partial(review, list(suggested))
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
            is there. Its `stop()` starts no more of them. Leaving it early cancels those that are under way.

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

    @workflow
    def get(self, metric_id: int) -> Steps[Metric]:
        """One metric (GET /test_framework/v1/metrics/{id}/).

        Args:
            metric_id: Its id.

        Returns:
            The metric.

        Raises:
            InvalidRequestError: The id cannot be right. Nothing was sent.
            NotFoundError: There is no such metric, or not for this account.
            APIError: The service refused, or could not be reached.
        """
        arguments = {"id": str(checks.positive_id("metric_id", metric_id))}
        metric: Metric = yield from call(self._http, "metrics.get_metric", arguments, _is_metric, _METRIC)
        return metric

    @workflow
    def update(
        self, /, metric_id: int, changes: MetricUpdate | Mapping[str, Any] | None = None, **fields: Any
    ) -> Steps[Metric]:
        """Change some fields of a metric (PATCH /test_framework/v1/metrics/{id}/).

        All other fields stay as they are. The request is sent again, up to `max_retries` times, when it is not clear
        whether it was carried out: that gives the same metric.

        Args:
            metric_id: Its id.
            changes: The fields to change, as a MetricUpdate or a mapping; or
            fields: the fields to change, as keywords: `update(7, name="Tone")`. Where both name a field, this counts.

        Returns:
            The metric as it is now.

        Raises:
            InvalidRequestError: The id cannot be right, or there is nothing to change. Nothing was sent.
            BadRequestError: The service refuses a field: `problems` tells which one and why.
            NotFoundError: There is no such metric, or not for this account.
            APIError: The service could not be reached, or did not answer as promised.
        """
        changed = checks.changes(changes, fields)
        arguments = {
            "id": checks.positive_id("metric_id", metric_id),
            "body": SimpleNamespace(to_dict=changed.copy),  # sent as they are
        }
        name = "metrics.update_metric"
        metric: Metric = yield from call(self._http, name, arguments, _is_metric, _METRIC, repeatable=True)
        return metric

    @workflow
    def delete(self, metric_id: int) -> Steps[None]:
        """Delete a metric (DELETE /test_framework/v1/metrics/{id}/).

        The request is sent again, up to `max_retries` times, when it is not clear whether it was carried out. If the
        service then says that there is no such metric, it is deleted, as was asked for.

        Args:
            metric_id: Its id.

        Raises:
            InvalidRequestError: The id cannot be right. Nothing was sent.
            NotFoundError: There is no such metric, or not for this account.
            APIError: The service refused, could not be reached, or did not answer as promised.
        """
        arguments = {"id": checks.positive_id("metric_id", metric_id)}
        try:
            yield from call(self._http, "metrics.delete_metric", arguments, None, "", repeatable=True)
        except errors.NotFoundError as error:
            # A proxy says it in other words than the service.
            if not (error._unclear_before and isinstance(error.body, dict) and "detail" in error.body):
                raise

    @workflow
    def preview(
        self,
        metric: checks.MetricInput | Metric,
        *,
        call_log_ids: Sequence[int] | None = None,
        run_ids: Sequence[int] | None = None,
        agent_id: int | None = None,
        project_id: int | None = None,
    ) -> Steps[Preview]:
        """Start a job that tries a metric on past calls or runs (POST /test_framework/v1/metrics/preview/).

        Nothing is saved.

        Args:
            metric: A suggestion, a MetricCreate, a saved Metric, or a mapping, with `name` and `eval_type`. Without a
                `type` it is an `llm_judge`.
            call_log_ids: Ids of the calls to try it on, 1 to 10;
            run_ids: ids of runs, 1 to 10. At least one of the two.
            agent_id: The id of the agent that all of them are of.
            project_id: The id of the project that all of them are of.

        Returns:
            The job: `wait()` for it. It returns a PreviewMetricProgress, with the `results`.

        Raises:
            InvalidRequestError: Something that is no metric, no calls and no runs, or too many. Nothing was sent.
            APIError: The service refused, or could not be reached.
        """
        body = checks.preview_request(metric, call_log_ids, run_ids, agent_id, project_id)
        response = yield from call(
            self._http,
            "metrics.preview_metric",
            {"body": SimpleNamespace(to_dict=body.copy)},
            lambda result: self._is_job_id(result.progress_id),
            "an object with a progress_id",
        )
        job: Preview = self._job(self._http, response.progress_id, PREVIEW, fresh=True)
        return job

    def preview_job(self, progress_id: str) -> Preview:
        """Pick up a preview by its id, in another process or on another day. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job that `preview` started, or of an error.

        Returns:
            The job.

        Raises:
            InvalidRequestError: This is no progress id.
        """
        job: Preview = self._job(self._http, checks.text_id("progress_id", progress_id), PREVIEW)
        return job

    @workflow
    def simplify_prompt(self, original_prompt: str, *, metric_id: int | None = None) -> Steps[Simplification]:
        """Start to make a prompt shorter (POST /test_framework/v1/metrics/simplify_prompt/). Nothing is saved.

        Args:
            original_prompt: The prompt, not empty.
            metric_id: The id of the metric that it is of. Of one that is optimised already, what is stored comes back.

        Returns:
            The job: `wait()` for it. It returns a SimplifyPromptProgress, with the `simplified_prompt`. Where the
            service answers at once, the job is done, and its progress_id is empty.

        Raises:
            InvalidRequestError: There is no prompt, or the id cannot be right. Nothing was sent.
            APIError: The service refused, or could not be reached.
        """
        endpoint(SIMPLIFICATION.endpoint)  # Without it there is no class for the state either.
        body: dict[str, Any] = {"original_prompt": checks.text("original_prompt", original_prompt)}
        if metric_id is not None:
            body["metric_id"] = checks.positive_id("metric_id", metric_id)
        response = yield from call(
            self._http,
            "metrics.simplify_prompt",
            {"body": SimpleNamespace(to_dict=body.copy)},
            lambda result: self._is_job_id(result.progress_id) or checks.is_text(result.simplified_prompt),
            "an object with a simplified_prompt or a progress_id",
        )
        done, progress_id = None, response.progress_id
        if not self._is_job_id(progress_id):
            done, progress_id = SimplifyPromptProgress.from_dict({**response.to_dict(), "status": "completed"}), ""
        job: Simplification = self._job(self._http, progress_id, SIMPLIFICATION, fresh=not done, done=done)
        return job

    def simplification_job(self, progress_id: str) -> Simplification:
        """Pick up a simplification by its id, in another process or on another day. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job that `simplify_prompt` started, or of an error.

        Returns:
            The job.

        Raises:
            InvalidRequestError: This is no progress id.
        """
        job: Simplification = self._job(self._http, checks.text_id("progress_id", progress_id), SIMPLIFICATION)
        return job

    def _is_job_id(self, value: object) -> bool:
        usable = checks.is_text(value) and len(value) <= checks.MAX_TEXT
        return usable and not self._http.settings.credential.is_in(value)


class Metrics(
    _Metrics[
        GenerationJob,
        Job[PreviewMetricProgress, PreviewMetricProgress],
        Job[SimplifyPromptProgress, SimplifyPromptProgress],
        Outcomes,
    ],
    Blocking,
):
    """Metrics: suggesting, trying, saving, listing and changing them."""

    _generation, _job, _many = GenerationJob, Job, Outcomes


class AsyncMetrics(
    _Metrics[
        AsyncGenerationJob,
        AsyncJob[PreviewMetricProgress, PreviewMetricProgress],
        AsyncJob[SimplifyPromptProgress, SimplifyPromptProgress],
        AsyncOutcomes,
    ],
    Awaited,
):
    """As Metrics, awaited; but what picks up a job, which sends nothing, is not."""

    _generation, _job, _many = AsyncGenerationJob, AsyncJob, AsyncOutcomes


def _is_metric(result: object) -> bool:
    return are_metrics([result])
