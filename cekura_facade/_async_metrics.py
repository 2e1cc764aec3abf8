"""`AsyncCekura(...).metrics`: the workflow, in steps and as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cekura_api.api.metrics import AsyncMetrics as AsyncGeneratedMetrics
from cekura_api.models import Metric

from . import _jobs as jobs, _workflow as workflow
from ._async_http import AsyncHTTP
from ._async_jobs import AsyncGenerationJob, AsyncJob
from ._many import AsyncOutcomes
from ._saving import SavedMetrics, create_in_bulk
from ._workflow import GenerationRequest, MetricInput, OnProgress, Review

if TYPE_CHECKING:
    from cekura_api.models import PreviewMetricProgress, SimplifyPromptProgress

    from ._plan import Applied, Plan


class AsyncMetrics(AsyncGeneratedMetrics):
    """Metrics: generate, preview, create, list, update and delete them."""

    def __init__(self, http: AsyncHTTP) -> None:
        super().__init__(http)
        self._http = http

    async def generate(
        self, *, agent_id: int | None = None, assistant_id: str | None = None, num_metrics: int = 1
    ) -> AsyncGenerationJob:
        """Start a job that suggests metrics for an agent. Nothing is saved.

        Args:
            agent_id: Agent id. Pass either this or `assistant_id`. The agent's description must have at least 100
                characters.
            assistant_id: The agent's id at the voice provider. Pass either this or `agent_id`.
            num_metrics: Number of metrics to suggest, 1 to 100 (default 1).

        Returns:
            The job. Call `wait()` on it.

        Raises:
            InvalidRequestError: An argument is missing or out of range. Nothing was sent.
            APIError: The service refused the request, or could not be reached.

        API call: `POST /test_framework/v1/metrics/generate_metrics/`.
        """
        request = workflow.generation_request(agent_id, assistant_id, num_metrics)
        return AsyncGenerationJob(self._http, await self._http.run(workflow.generate(self._http, request)))

    def job(
        self, progress_id: str, *, agent_id: int | None = None, assistant_id: str | None = None
    ) -> AsyncGenerationJob:
        """Resume a job by its id, in any process. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job or of an error, a UUID.
            agent_id: Id of the agent that the job is for. With an OAuth token, v2 of the API needs either this or
                `assistant_id`. Other versions ignore it.
            assistant_id: The agent's id at the voice provider, instead of `agent_id`.

        Returns:
            The job.

        Raises:
            InvalidRequestError: `progress_id` is not a UUID.
        """
        ids = {"agent_id": agent_id, "assistant_id": assistant_id}
        handle = jobs.Handle(jobs.GENERATION, workflow.progress_id(progress_id, must_be_uuid=True), ids)
        return AsyncGenerationJob(self._http, handle)

    async def create_in_bulk(self, metrics: Iterable[MetricInput]) -> SavedMetrics:
        """Save metrics, each exactly once.

        The client first lists the existing metrics and skips those that match: the same scope, name, description and
        eval_type. After any failure, you can make the same call again. If a response is lost, it lists them again
        for up to `settle_timeout` seconds and sends only the missing ones. It returns when the list shows the new
        metrics, or after `settle_timeout`. More than 100 metrics are sent in several requests.

        Args:
            metrics: The metrics to save, at least one: what `wait` returned, MetricCreate objects or mappings. Each
                field is sent unchanged.

        Returns:
            The saved metrics in the order given. `created` has those that this call created, `existing` the others.

        Raises:
            InvalidRequestError: `metrics` is empty, or an item is not a metric. Nothing was sent.
            BadRequestError: The service refused a metric. `problems` says which one and why.
            BulkCreateUncertainError: It is not known whether the metrics in `unconfirmed` are saved.
            APIError: The service could not be reached, or its response was not as specified. Every error has the saved
                metrics as `created`.

        API call: `POST /test_framework/v1/metrics/bulk_create/`, after `GET /test_framework/v1/metrics/`.
        """
        return await self._http.run(create_in_bulk(self._http, workflow.fields_of_each(metrics)))

    async def plan(
        self, metrics: Iterable[MetricInput], *, agent_id: int | None = None, project_id: int | None = None
    ) -> Plan:
        """Compare a list of metrics with those of an agent or project. Nothing is changed.

        Metrics are matched by name. For each pair, only the fields that the list sets are compared. Changes that the
        service itself makes to a string, such as removing white space at its end, are not differences. A mapping with
        `vocera_defined_metric_code` is a predefined metric, which is matched by this code alone.

        Args:
            metrics: The wanted metrics: what `export` or `wait` returned, MetricCreate objects or mappings. Fields that
                only the service sets, such as `id`, are ignored.
            agent_id: Agent id. Pass either this or `project_id`. The metrics of an agent are those that are assigned
                to it, and those of its project that are assigned to no agent.
            project_id: Project id. Pass either this or `agent_id`.

        Returns:
            The plan: the metrics to create, copy and update, in the order of the list, and those that only the service
            has, in ascending order of their ids.

        Raises:
            InvalidRequestError: An argument is not valid. `problems` lists what is wrong with the metrics: a name that
                occurs twice in the list or in the service, a value that is out of range, or a metric for another agent
                or project.
            NotFoundError: The agent does not exist.
            APIError: The service refused a request, or could not be reached.

        API call: `GET /test_framework/v1/metrics/` and `GET /test_framework/v1/metrics/{id}/`.
        """
        from . import _plan as plans

        flow = plans.compare(self._http, agent_id, project_id, workflow.fields_of_each(metrics, may_be_empty=True))
        return await self._http.run(flow)

    async def apply(self, plan: Plan, *, prune: bool = False) -> Applied:
        """Make the metrics of an agent or project match a list, as a plan shows.

        The client first computes the plan again, and skips finished steps. After any failure, you can make the same
        call again. The client makes only the changes that the plan shows.

        Args:
            plan: The plan that `plan` returned.
            prune: Whether to delete the metrics in `plan.deletable` at the end (default False). These are not in the
                list, and belong to the agent or project alone.

        Returns:
            The created, updated, deleted and unchanged metrics, each in the order of the plan.

        Raises:
            PlanChangedError: The service changed, and other steps are needed now. The error has the new plan as `plan`.
            BulkCreateUncertainError: It is not known whether the metrics in `unconfirmed` were created or copied.
            InvalidRequestError: As for `plan`.
            APIError: A step failed. Every error has the finished steps as `applied`.

        API call: as for `plan` and `create_in_bulk`, and `PATCH` and `DELETE /test_framework/v1/metrics/{id}/`.
        """
        from ._apply import apply

        return await self._http.run(apply(self._http, plan, prune=prune))

    async def export(
        self, *, agent_id: int | None = None, project_id: int | None = None, with_agents: bool = False
    ) -> list[dict[str, object]]:
        """Get the metrics of an agent or project as a list that you can pass to `plan`.

        Each has the fields that can be set and are not empty. Predefined metrics have only their name and code.

        Args:
            agent_id: Agent id. Pass either this or `project_id`.
            project_id: Project id. Pass either this or `agent_id`.
            with_agents: Whether to include `agents` and `configuration`, which contain ids of agents (default False).
                Without them, the list is valid for any agent and project.

        Returns:
            The fields of each metric, in ascending order of the ids.

        Raises:
            InvalidRequestError: Not exactly one id was passed, or it is not valid. Nothing was sent.
            NotFoundError: The agent does not exist.
            APIError: The service refused a request, or could not be reached.

        API call: `GET /test_framework/v1/metrics/` and `GET /test_framework/v1/metrics/{id}/`.
        """
        from . import _plan as plans

        return await self._http.run(plans.export(self._http, agent_id, project_id, with_agents=with_agents))

    async def generate_and_create(
        self,
        *,
        agent_id: int | None = None,
        assistant_id: str | None = None,
        num_metrics: int = 1,
        review: Review | None = None,
        timeout: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> SavedMetrics:
        """Suggest metrics for an agent, wait for them, and save them. Combines `generate`, `wait` and `create_in_bulk`.

        Args:
            agent_id: Agent id. Pass either this or `assistant_id`. The agent's description must have at least 100
                characters.
            assistant_id: The agent's id at the voice provider. Pass either this or `agent_id`.
            num_metrics: Number of metrics to suggest, 1 to 100 (default 1).
            review: Called with the list of suggestions. Returns the ones to save, which it may change, or an empty list
                (default: all are saved). It may be a coroutine function.
            timeout: How long to wait for the suggestions, in seconds, 0 or more (default 600).
            on_progress: Called with each GenerateMetricsProgress that differs from the one before.
                It may be a coroutine function.

        Returns:
            The saved metrics in the order of the suggestions. `created` has those that this call created, `existing`
            the others. Empty if the service suggested nothing, or `review` returned an empty list.

        Raises:
            InvalidRequestError: An argument is missing or out of range, or `review` returned something that is not a
                metric.
            CekuraError: As for the three steps. If a job was started, the error has its `progress_id`. If the job was
                completed, the error has the suggestions as `metrics`.

        API call: as for the three steps.
        """
        request = workflow.generation_request(agent_id, assistant_id, num_metrics)
        flow = workflow.GenerateAndCreate(self._http, review, timeout, on_progress)
        return await self._http.run(flow.run(request))

    def generate_and_create_many(
        self,
        requests: Iterable[GenerationRequest],
        *,
        num_metrics: int = 1,
        concurrency: int = 10,
        review: Review | None = None,
        timeout: float = 600.0,
        on_progress: OnProgress | None = None,
    ) -> AsyncOutcomes:
        """Call `generate_and_create` for many agents. If one agent fails, the others continue.

        All workflows share the connections of this client. If one receives a 429 with Retry-After, all of them wait.

        Args:
            requests: Agent ids, or GenerateMetricsRequest objects. The next one is read when a workflow can start.
            num_metrics: Number of metrics to suggest for each agent id, 1 to 100 (default 1).
            concurrency: Maximum number of workflows at a time, 1 or more (default 10). Waiting for a job needs no
                connection.
            review: Called with the list of suggestions of each agent. Returns the ones to save, which it may change, or
                an empty list (default: all are saved). It may be a coroutine function.
            timeout: How long to wait for the suggestions of each agent, in seconds, 0 or more (default 600).
            on_progress: Called with each GenerateMetricsProgress that differs from the one before. Its `agent_id` is
                that of the agent. It may be a coroutine function.

        Returns:
            An asynchronous iterator over a GenerationOutcome for each request, in the order in which they finish. Use
            it with `async with`, which cancels the running workflows at its end. Its `stop()` lets the running
            workflows finish, and starts no others.

        Raises:
            InvalidRequestError: `concurrency`, `timeout` or a callback is not valid. An error in a single request, such
                as in `num_metrics`, is in the outcome of that request.

        API call: as for `generate_and_create`.
        """
        flow = workflow.GenerateAndCreate(self._http, review, timeout, on_progress)
        return AsyncOutcomes(flow, requests, num_metrics, concurrency)

    async def preview(
        self,
        metric: MetricInput | Metric,
        *,
        call_log_ids: Sequence[int] | None = None,
        run_ids: Sequence[int] | None = None,
        agent_id: int | None = None,
        project_id: int | None = None,
    ) -> AsyncJob[PreviewMetricProgress, PreviewMetricProgress]:
        """Start a job that evaluates a metric on past calls or runs. Nothing is saved.

        Args:
            metric: A suggestion, a MetricCreate, a saved Metric or a mapping, with `name` and `eval_type`. Its `type`
                is `llm_judge` if it has none.
            call_log_ids: Ids of the calls, 1 to 10. Pass this, `run_ids`, or both.
            run_ids: Ids of the runs, 1 to 10. Pass this, `call_log_ids`, or both.
            agent_id: Id of the agent that all calls and runs belong to.
            project_id: Id of the project that all calls and runs belong to.

        Returns:
            The job. Its `wait()` returns a PreviewMetricProgress, with the `results`.

        Raises:
            InvalidRequestError: The metric or an id is not valid, or no calls and runs were passed, or too many.
                Nothing was sent.
            APIError: The service refused the request, or could not be reached.

        API call: `POST /test_framework/v1/metrics/preview/`.
        """
        given = {"call_log_ids": call_log_ids, "run_ids": run_ids, "agent_id": agent_id, "project_id": project_id}
        return AsyncJob(self._http, await self._http.run(workflow.preview(self._http, metric, given)))

    def preview_job(
        self, progress_id: str, *, agent_id: int | None = None, project_id: int | None = None
    ) -> AsyncJob[PreviewMetricProgress, PreviewMetricProgress]:
        """Resume a preview by its id, in any process. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job that `preview` started, or of an error.
            agent_id: Id of the agent that the job is for. With an OAuth token, v2 of the API needs either this or
                `project_id`. Other versions ignore it.
            project_id: Id of the project that the job is for, instead of `agent_id`.

        Returns:
            The job.

        Raises:
            InvalidRequestError: `progress_id` is not a usable string.
        """
        ids = {"agent_id": agent_id, "project_id": project_id}
        return AsyncJob(self._http, jobs.Handle(jobs.preview(), workflow.progress_id(progress_id), ids))

    async def simplify_prompt(
        self, original_prompt: str, *, metric_id: int | None = None, agent_id: int | None = None
    ) -> AsyncJob[SimplifyPromptProgress, SimplifyPromptProgress]:
        """Start a job that shortens a prompt. Nothing is saved.

        Args:
            original_prompt: The prompt, not empty.
            metric_id: Id of the metric that has the prompt. If its prompt is already simplified, the service returns
                the stored one.
            agent_id: Id of the agent that the prompt is for. With an OAuth token, v2 of the API needs it to return the
                result. Other versions ignore it.

        Returns:
            The job. Its `wait()` returns a SimplifyPromptProgress, with the `simplified_prompt`. If the service
            responds at once, the job is done, and its `progress_id` is empty.

        Raises:
            InvalidRequestError: The prompt is empty, or the id is not valid. Nothing was sent.
            APIError: The service refused the request, or could not be reached.

        API call: `POST /test_framework/v1/metrics/simplify_prompt/`.
        """
        flow = workflow.simplify_prompt(self._http, original_prompt, metric_id, agent_id)
        return AsyncJob(self._http, await self._http.run(flow))

    def simplification_job(
        self, progress_id: str, *, agent_id: int | None = None
    ) -> AsyncJob[SimplifyPromptProgress, SimplifyPromptProgress]:
        """Resume a simplification by its id, in any process. Nothing is sent.

        Args:
            progress_id: The `progress_id` of a job that `simplify_prompt` started, or of an error.
            agent_id: Id of the agent that the prompt is for. With an OAuth token, v2 of the API needs it. Other
                versions ignore it.

        Returns:
            The job.

        Raises:
            InvalidRequestError: `progress_id` is not a usable string.
        """
        handle = jobs.Handle(jobs.simplification(), workflow.progress_id(progress_id), {"agent_id": agent_id})
        return AsyncJob(self._http, handle)
