"""Checks of what callers give, made before anything is sent. Each raises InvalidRequestError."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

from cekura_api.models import GeneratedMetric, GenerateMetricsRequest, Metric, MetricCreate

from ._config import shown
from ._errors import InvalidRequestError

MAX_METRICS = 100  # of one job, and of one request that saves
MAX_PREVIEWED = 10  # calls or runs
MAX_TEXT = 1000  # characters of what goes into an address
MetricInput = GeneratedMetric | MetricCreate | Mapping[str, Any]
"""What `create_in_bulk` takes as a metric."""


def generation_request(agent_id: int | None, assistant_id: str | None, num_metrics: int) -> GenerateMetricsRequest:
    """The body of the generate call."""
    if (agent_id is None) == (assistant_id is None):
        given = "neither is" if agent_id is None else "both are"
        raise InvalidRequestError(f"Give either agent_id or assistant_id: {given} given.")
    if not is_int(num_metrics) or not 1 <= num_metrics <= MAX_METRICS:
        raise InvalidRequestError(f"num_metrics={shown(num_metrics)}: give a whole number from 1 to {MAX_METRICS}.")
    request = GenerateMetricsRequest(num_metrics=num_metrics)
    if agent_id is not None:
        request.agent_id = positive_id("agent_id", agent_id)
    if assistant_id is not None:
        request.assistant_id = text_id("assistant_id", assistant_id)
    return request


def positive_id(name: str, value: object) -> int:
    """An id that is a number."""
    return positive(name, value, "the id as a whole number")


def positive(name: str, value: object, what: str = "a whole number") -> int:
    """A whole number, such as a count."""
    if not is_int(value) or not 1 <= value < 2**63:
        raise InvalidRequestError(f"{name}={shown(value)}: give {what}, 1 or more.")
    return value


def text_id(name: str, value: object) -> str:
    """An id that is a text."""
    return short_text(name, str(value) if isinstance(value, uuid.UUID) else value, "the id as a text")


def short_text(name: str, value: object, what: str = "a text") -> str:
    """A text that goes into an address."""
    if len(text(name, value, what)) > MAX_TEXT:
        raise InvalidRequestError(f"{name}={shown(value)}: give {what} of up to {MAX_TEXT} characters.")
    return str(value)


def text(name: str, value: object, what: str = "a text") -> str:
    """A text that is not empty."""
    if not is_text(value):
        raise InvalidRequestError(f"{name}={shown(value)}: give {what} that is not empty.")
    return value


def progress_id(value: object) -> str:
    """A progress id: a UUID, as text."""
    if isinstance(value, uuid.UUID):
        return str(value)
    if not is_progress_id(value):
        example = "3f2b8c1e-5d4a-4f6b-9a7c-0e1d2c3b4a5f"
        raise InvalidRequestError(f"progress_id={shown(value)}: give that of a GenerationJob, a UUID like {example!r}.")
    return str(value)


def is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_progress_id(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is a text that is not empty, and can be sent."""
    return isinstance(value, str) and value.strip() != "" and not any("\ud800" <= each <= "\udfff" for each in value)


def timeout(value: object) -> float:
    """How long to wait for a job, in seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise InvalidRequestError(f"timeout={shown(value)}: give seconds, 0 or more (0 looks once).")
    return min(value, 1e9) * 1.0  # 30 years: beyond, the clock's arithmetic ends.


def callback(name: str, value: object) -> None:
    """A function of the caller's, if there is one."""
    if value is not None and not callable(value):
        raise InvalidRequestError(f"{name} is a {type(value).__name__}: give a function.")


def metrics_to_create(metrics: object) -> list[dict[str, Any]]:
    """The fields of each metric, as they will be sent."""
    wanted = "give a list of GeneratedMetric, MetricCreate or mappings"
    one = (str, bytes, Mapping, GeneratedMetric, MetricCreate, Metric)
    if isinstance(metrics, one) or not isinstance(metrics, Iterable):
        raise InvalidRequestError(f"metrics is a {type(metrics).__name__}: {wanted}.")
    fields = [_fields(index, metric) for index, metric in enumerate(metrics)]
    if not fields:
        raise InvalidRequestError(f"metrics is empty, there is nothing to save: {wanted}.")
    if _as_json(fields) is not None:  # All in one go; which one it is, is asked only if it is one.
        for index, each in enumerate(fields):
            if error := _as_json([each]):
                raise InvalidRequestError(f"metric {index} ({each['name']!r}) cannot be written as JSON: {error}.")
    return fields


def changes(given: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a metric to change, as they will be sent."""
    changed = {**({} if given is None else _as_mapping("changes", given, "a MetricUpdate or a mapping")), **fields}
    if not changed:
        raise InvalidRequestError("There is nothing to change: give the fields, like name='Tone'.")
    _refuse_what_is_no_json("changes", changed)
    return changed


def preview_request(
    metric: object, call_log_ids: object, run_ids: object, agent_id: int | None, project_id: int | None
) -> dict[str, Any]:
    """The body of the preview call."""
    fields = _as_mapping("metric", metric, "a GeneratedMetric, a MetricCreate, a Metric or a mapping")
    _refuse_what_is_no_json("metric", fields)
    text("the name of the metric", fields.get("name"))
    body: dict[str, Any] = {"metric_data": {"type": "llm_judge", **fields}}
    for name, ids in {"call_log_ids": call_log_ids, "run_ids": run_ids}.items():
        if ids is not None:
            if isinstance(ids, str | bytes | Mapping) or not isinstance(ids, Iterable):
                raise InvalidRequestError(f"{name} is a {type(ids).__name__}: give a list of ids.")
            body[name] = [positive_id(name, each) for each in ids]
            if not 1 <= len(body[name]) <= MAX_PREVIEWED:
                raise InvalidRequestError(f"{name} holds {len(body[name])} ids: give 1 to {MAX_PREVIEWED}.")
    if len(body) == 1:
        raise InvalidRequestError("Give call_log_ids or run_ids: what the metric is to be tried on.")
    scope = {"agent_id": agent_id, "project_id": project_id}
    return body | {name: positive_id(name, value) for name, value in scope.items() if value is not None}


def _as_mapping(name: str, value: Any, wanted: str) -> dict[str, Any]:
    """The fields of a generated model, or of a mapping."""
    try:
        return dict(value) if isinstance(value, Mapping) else dict(value.to_dict())
    except (TypeError, ValueError, AttributeError):  # It is none, or holds what is none of its fields.
        raise InvalidRequestError(f"{name} is a {type(value).__name__} without usable fields: give {wanted}.") from None


def _refuse_what_is_no_json(name: str, fields: dict[str, Any]) -> None:
    if error := _as_json([fields]):
        raise InvalidRequestError(f"{name} cannot be written as JSON: {error}.")


def _as_json(fields: list[dict[str, Any]]) -> Exception | None:
    """Why it cannot be written as JSON."""
    try:
        if not all(isinstance(key, str) for each in fields for key in each):
            raise TypeError("a field's name is not a text")
        json.dumps(fields, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return error
    return None


def _fields(index: int, metric: object) -> dict[str, Any]:
    if isinstance(metric, Metric):
        raise InvalidRequestError(
            f"metric {index} is a Metric, which is saved already (id {metric.id}). "
            "To save a copy, give a mapping with the fields that it shall have."
        )
    if not isinstance(metric, GeneratedMetric | MetricCreate | Mapping):
        raise InvalidRequestError(
            f"metric {index} is a {type(metric).__name__}: give a GeneratedMetric, a MetricCreate or a mapping."
        )
    fields = _as_mapping(f"metric {index}", metric, "a GeneratedMetric, a MetricCreate or a mapping")
    name = fields.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequestError(f"metric {index}: name is {shown(name)}: give it a name.")
    return fields
