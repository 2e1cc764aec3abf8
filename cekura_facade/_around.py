"""The steps around the main job: one metric looked at, changed, deleted and tried, and its prompt simplified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from cekura_api.models import Metric

from . import _checks as checks, _errors as errors
from ._exchange import call, endpoint
from ._jobs import PREVIEW, SIMPLIFICATION, AsyncJob, Job
from ._saving import are_metrics
from ._steps import Steps, workflow

if TYPE_CHECKING:
    from cekura_api.models import MetricUpdate, PreviewMetricProgress, SimplifyPromptProgress
else:  # A client that is regenerated from an older specification may lack them.
    from cekura_api import models

    MetricUpdate, PreviewMetricProgress, SimplifyPromptProgress = (
        getattr(models, name, Any) for name in ("MetricUpdate", "PreviewMetricProgress", "SimplifyPromptProgress")
    )

_METRIC = "a metric with an id"
Preview = TypeVar("Preview")
Simplification = TypeVar("Simplification")


class _Around(Generic[Preview, Simplification]):
    """What Metrics and AsyncMetrics have beside the workflow."""

    _http: Any
    _job: ClassVar[type[Any]]

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


class _BlockingAround(
    _Around[Job[PreviewMetricProgress, PreviewMetricProgress], Job[SimplifyPromptProgress, SimplifyPromptProgress]]
):
    _job = Job


class _AwaitedAround(
    _Around[
        AsyncJob[PreviewMetricProgress, PreviewMetricProgress],
        AsyncJob[SimplifyPromptProgress, SimplifyPromptProgress],
    ]
):
    _job = AsyncJob


def _is_metric(result: object) -> bool:
    return are_metrics([result])
