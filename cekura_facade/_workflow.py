"""The workflow: generate metrics, wait for them, review them, and create them. Also previews and simplifications."""

from __future__ import annotations

import re
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeGuard

import attrs
from cekura_api.calls import given
from cekura_api.model import check, shown
from cekura_api.models import GeneratedMetric, GenerateMetricsRequest, Metric, MetricCreate
from cekura_api.types import UNSET, Unset

from ._errors import InvalidRequestError
from ._failures import unexpected
from ._http import HTTP, JSON, checked
from ._jobs import GENERATION, Handle, preview as preview_kind, simplification as simplification_kind, wait
from ._matching import agents_of, id_of
from ._saving import SavedMetrics, create_in_bulk

if TYPE_CHECKING:  # A client that is generated from an older specification may lack some of these.
    from cekura_api.models import GenerateMetricsProgress, PreviewMetricProgress, SimplifyPromptProgress

MetricInput = GeneratedMetric | MetricCreate | Mapping[str, object]
"""A metric to save: a suggestion, a MetricCreate, or a mapping with the fields."""

OnProgress = Callable[["GenerateMetricsProgress"], object]
"""Called with the state of a job. With AsyncCekura it may be a coroutine function."""

Review = Callable[[list[GeneratedMetric]], Iterable[MetricInput] | Awaitable[Iterable[MetricInput]]]
"""Called with the suggestions. Returns those to save. With AsyncCekura it may be a coroutine function."""

GenerationRequest = int | GenerateMetricsRequest
"""A request of `generate_and_create_many`: an agent id or a GenerateMetricsRequest."""

_LONGEST_ID = 1000  # characters


def generation_request(agent_id: int | None, assistant_id: str | None, num_metrics: int) -> GenerateMetricsRequest:
    """The body of the generate call."""
    return GenerateMetricsRequest(agent_id=given(agent_id), assistant_id=given(assistant_id), num_metrics=num_metrics)


async def generate(
    http: HTTP, request: GenerateMetricsRequest
) -> Handle[GenerateMetricsProgress, list[GeneratedMetric]]:
    """Start a job that suggests metrics."""
    from cekura_api.api.metrics import generate_metrics

    if (request.agent_id is UNSET) == (request.assistant_id is UNSET):
        raise InvalidRequestError("Pass either agent_id or assistant_id.")
    if not isinstance(request.assistant_id, Unset) and not _can_be_sent(request.assistant_id):
        raise InvalidRequestError(f"assistant_id={shown(request.assistant_id)}: expected a string that is not blank.")
    response = await http.send(checked(generate_metrics.build_request, body=request))
    progress_id = generate_metrics.parse_response(response).progress_id
    if not _is_uuid(progress_id):
        raise unexpected(http.settings.credential, response, "its progress_id is not a UUID")
    return Handle(GENERATION, progress_id, request.to_dict(), is_new=True)


def check_timeout(value: float) -> float:
    """How long to wait for a job, in seconds. Raises InvalidRequestError."""
    checked(check, "timeout", value, float, minimum=0)
    return min(value, 1e9) * 1.0  # About 30 years, because the clock cannot count much further.


def check_callback(name: str, value: object) -> None:
    """Raise InvalidRequestError if a callback is not a function."""
    if value is not None and not callable(value):
        raise InvalidRequestError(f"{name} is a {type(value).__name__}: expected a function.")


@attrs.frozen
class GenerateAndCreate:
    """`generate_and_create` with fixed options, for any number of requests."""

    http: HTTP
    review: Review | None
    timeout: float = attrs.field(converter=check_timeout)
    on_progress: OnProgress | None = None

    def __attrs_post_init__(self) -> None:
        check_callback("review", self.review)
        check_callback("on_progress", self.on_progress)

    async def run(self, request: GenerateMetricsRequest) -> SavedMetrics:
        """Generate metrics, wait for them, let `review` choose, and save them."""
        job = await generate(self.http, request)
        suggested = await wait(self.http, job, self.timeout, self.on_progress)
        with job.about(suggested):
            chosen: Iterable[MetricInput] = suggested
            if self.review is not None:
                chosen = await self.http.call(self.review, list(suggested))
                if chosen is None:
                    raise InvalidRequestError("review returned None. Return the metrics to save, or [] for none.")
            return await create_in_bulk(self.http, fields_of_each(chosen, may_be_empty=True))


async def preview(
    http: HTTP, metric: MetricInput | Metric, given: Mapping[str, int | Sequence[int] | None]
) -> Handle[PreviewMetricProgress, PreviewMetricProgress]:
    """Start a job that evaluates a metric on calls or runs. `given` has their ids and the other fields."""
    from cekura_api.api.metrics import preview_metric

    optional = {name: value for name, value in given.items() if value is not None}
    if not {"call_log_ids", "run_ids"} & optional.keys():
        raise InvalidRequestError("Pass call_log_ids or run_ids: the calls or runs to evaluate.")
    fields = _fields("metric", metric)
    body = {"metric_data": {"type": "llm_judge", **fields}, **optional}
    response = await http.send(checked(preview_metric.build_request, body=body))
    progress_id = preview_metric.parse_response(response).progress_id
    if not _is_job_id(http, progress_id):
        raise unexpected(http.settings.credential, response, "its progress_id is not usable")
    ids = {"agent_id": min(agents_of(fields), default=None), "project_id": id_of(fields.get("project"))}
    return Handle(preview_kind(), progress_id, optional if ids.keys() & optional.keys() else ids, is_new=True)


async def simplify_prompt(
    http: HTTP, original_prompt: str, metric_id: int | None, agent_id: int | None
) -> Handle[SimplifyPromptProgress, SimplifyPromptProgress]:
    """Start a job that shortens a prompt. The service may also do it at once."""
    from cekura_api.api.metrics import simplify_prompt as endpoint
    from cekura_api.models import SimplifyPromptProgress, SimplifyPromptRequest

    kind = simplification_kind()
    if not _is_text(original_prompt):
        raise InvalidRequestError(f"original_prompt={shown(original_prompt)}: expected a string that is not empty.")
    body = SimplifyPromptRequest(original_prompt=original_prompt, metric_id=given(metric_id))
    response = await http.send(checked(endpoint.build_request, body=body))
    result = endpoint.parse_response(response)
    if isinstance(result.progress_id, str) and _is_job_id(http, result.progress_id):
        return Handle(kind, result.progress_id, {"agent_id": agent_id}, is_new=True)
    if not _is_text(result.simplified_prompt):
        raise unexpected(http.settings.credential, response, "it has neither a simplified_prompt nor a progress_id")
    done = SimplifyPromptProgress.from_dict({**result.to_dict(), "status": "completed"})
    return Handle(kind, "", done=done)


def fields_of_each(metrics: Iterable[MetricInput], *, may_be_empty: bool = False) -> list[dict[str, object]]:
    """The fields of each metric to save. Raises InvalidRequestError."""
    check_collection("metrics", metrics, of="metrics")
    fields = []
    for index, metric in enumerate(metrics):
        if isinstance(metric, Metric):
            raise InvalidRequestError(
                f"metric {index} is saved already (id {metric.id}). Pass a mapping to save a copy."
            )
        fields.append(_fields(f"metric {index}", metric))
    if not fields and not may_be_empty:
        raise InvalidRequestError("metrics is empty. Pass at least one metric.")
    return fields


def progress_id(value: object, *, must_be_uuid: bool = False) -> str:
    """Check a progress id. Raises InvalidRequestError if it cannot exist."""
    text = str(value) if isinstance(value, uuid.UUID) else value
    if not isinstance(text, str) or not (_is_uuid(text) if must_be_uuid else _can_be_sent(text)):
        expected = "a UUID such as '3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f'" if must_be_uuid else "a string"
        raise InvalidRequestError(f"Invalid progress_id {shown(value)}: expected {expected}, from the job.")
    return text


def _fields(name: str, metric: object) -> dict[str, object]:
    """The fields of a metric. Raises InvalidRequestError if they cannot be written as JSON."""
    if not isinstance(metric, GeneratedMetric | MetricCreate | Metric | Mapping):
        raise InvalidRequestError(
            f"{name} is a {type(metric).__name__}: expected a GeneratedMetric, a MetricCreate or a mapping."
        )
    try:
        fields = dict(metric) if isinstance(metric, Mapping) else metric.to_dict()
        if not all(isinstance(key, str) for key in fields):
            raise TypeError("the name of a field is not a string")
        JSON.encode(fields)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InvalidRequestError(f"{name} cannot be written as JSON: {error}.") from None
    if not _is_text(fields.get("name")):
        raise InvalidRequestError(f"{name}: name is {shown(fields.get('name'))}. Give it a name.")
    return fields


def check_collection(name: str, value: object, *, of: str) -> None:
    """Raise InvalidRequestError if a value is not a collection."""
    single = (str, bytes, Mapping, GeneratedMetric, MetricCreate, Metric)
    if not isinstance(value, Iterable) or isinstance(value, single):
        raise InvalidRequestError(f"{name} is a {type(value).__name__}: expected a list of {of}.")


def _is_uuid(value: object) -> bool:
    return isinstance(value, str) and bool(re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value.lower()))


def _is_text(value: object) -> TypeGuard[str]:
    """Whether it is a string that is not empty."""
    return isinstance(value, str) and value.strip() != ""


def _is_job_id(http: HTTP, value: str) -> bool:
    return _can_be_sent(value) and not http.settings.credential.is_in(value)


def _can_be_sent(value: object) -> bool:
    """Whether it is a string that a URL can contain."""
    return _is_text(value) and len(value) <= _LONGEST_ID and not re.search("[\ud800-\udfff]", value)
