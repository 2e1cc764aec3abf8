"""Which requests are refused, with error bodies in the shape of Django REST Framework.

The generated models check what the specification states: types, limits, required fields and known values. This module
adds the rules that it does not state.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from attrs import frozen
from cekura_api import models
from cekura_api.calls import json_body
from cekura_api.model import Model
from cekura_api.models import GenerateMetricsRequest, MetricCreate, known_values
from cekura_api.types import UNSET

from cekura_facade.sandbox._json import parse_json
from cekura_facade.sandbox._state import State

Problems = dict[str, list[str]]
MetricTest = Callable[[Mapping[str, Any]], bool]
_OLDER_BINARY = ("binary_workflow_adherence", "binary_qualitative")


class ErrorResponse(Exception):
    """Ends a request with an error response."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer that fits in 64 bits. A boolean is not."""
    return type(value) is int and -(2**63) <= value < 2**63


def query_integer(name: str, text: str) -> int:
    """Return the integer in a query parameter."""
    if not re.fullmatch("-?[0-9]{1,19}", text) or not is_integer(int(text)):
        raise ErrorResponse(400, {name: ["A valid integer is required."]})
    return int(text)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_list_of_integers(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_integer, value))


@frozen
class _Rule:
    """A rule for a field that the specification does not state."""

    accepts: Callable[[Any], bool]
    message: str


def _choice(*values: str) -> _Rule:
    return _Rule(lambda value: value in values, f"Not a valid choice; choose one of {', '.join(values)}.")


def _listed(field: str, *others: str) -> _Rule:
    """Return a rule that accepts the values that the specification lists, and some others."""
    listed = get_args(getattr(known_values, f"Known{field.title().replace('_', '')}", None))
    # An older specification may list none.
    return _choice(*dict.fromkeys((*listed, *others))) if listed else _Rule(lambda _: True, "")


_NOT_BLANK = _Rule(lambda value: _is_string(value) and value.strip() != "", "This field may not be blank.")
_INTEGER = _Rule(is_integer, "Expected an integer of 64 bits.")
_INTEGER_32 = _Rule(lambda value: is_integer(value) and -(2**31) <= value < 2**31, "Expected an integer of 32 bits.")
_NUMBER = _Rule(lambda value: type(value) in (int, float), "Expected a number.")
_PREVIEW_RULES: Mapping[str, _Rule] = {
    "name": _NOT_BLANK,
    "type": _listed("type"),
    "eval_type": _listed("eval_type", "binary"),  # Older specifications list older names for `binary`.
    "evaluation_trigger": _listed("evaluation_trigger"),
    "trigger_type": _listed("trigger_type"),
}
_METRIC_RULES: Mapping[str, _Rule] = {
    **_PREVIEW_RULES,
    "type": _choice("custom_code", "llm_judge"),  # `basic` and `custom_prompt` are listed, but refused.
    "assistant_id": _NOT_BLANK,
    **dict.fromkeys(("agent", "project", "window_size"), _INTEGER),
    **dict.fromkeys(("std_multiplier", "ewma_alpha"), _NUMBER),
    "display_order": _INTEGER_32,
    "kb_file_ids": _Rule(_is_list_of_integers, "Expected a list of integers."),
    "configuration": _Rule(lambda value: isinstance(value, dict), "Expected an object."),
    "scenarios": _Rule(
        lambda value: value == "all" or _is_list_of_integers(value), 'Expected "all" or a list of integers.'
    ),
    "alert_type": _listed("alert_type"),
    "significant_change_alert_status": _listed("significant_change_alert_status"),
    "significant_change_alert_direction": _listed("significant_change_alert_direction"),
}
# The second model has the fields that `MetricCreate` lacks, such as those of alerts. A specification may lack it.
_METRIC_MODELS: tuple[type[Model], ...] = (MetricCreate, getattr(models, "EvaluationTriggerRequest", MetricCreate))
_READ_ONLY = (
    "agent_names",
    "ewma_alpha",
    "function_name",
    "id",
    "knowledge_base_files",
    "metric_cost",
    "overall_score",
    "pending_optimisation_proposal",
    "reviews",
    "std_multiplier",
    "total_score",
    "uses_llm_judge",
    "vocera_defined_metric_code",
    "window_size",
)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _problems(sent: Any, kinds: Sequence[type[Model]], rules: Mapping[str, _Rule]) -> Problems:
    """Return what is wrong with each field, by its models and its own rule. Missing fields are not reported."""
    if not isinstance(sent, dict):
        return {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(sent).__name__}."]}
    problems = {name: _problem(name, value, kinds, rules.get(name)) for name, value in sent.items()}
    return {name: [why] for name, why in problems.items() if why}


def _problem(name: str, value: Any, kinds: Sequence[type[Model]], rule: _Rule | None) -> str | None:
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for text in _strings([name, value]) for letter in text):
        return "Null characters and surrogates are not allowed."
    why = next(filter(None, (_stated_problem(model, name, value) for model in kinds)), None)
    if why is None and rule is not None and not rule.accepts(value):
        why = rule.message
    return "This field may not be null." if why and value is None else why


def _stated_problem(model: type[Model], name: str, value: Any) -> str | None:
    """Return why the specification does not allow a value, such as `Expected an integer >= 1.`."""
    # To check one field alone, the required ones are passed as UNSET.
    required = dict.fromkeys(model.required_fields(), UNSET)
    try:
        json_body(model, {**required, name: value})
    except ValueError as error:
        return f"Expected {str(error).rpartition(': expected ')[2]}"
    return None


def _missing(sent: Any, names: Iterable[str]) -> Problems:
    """Return a problem for each required field that is missing."""
    if not isinstance(sent, dict):
        return {}
    return {name: ["This field is required."] for name in names if name not in sent}


def generation_problems(sent: Any) -> Problems:
    """Return what is wrong with a request to generate metrics, by field."""
    problems = _problems(sent, [GenerateMetricsRequest], {"assistant_id": _NOT_BLANK})
    if not problems and ("agent_id" in sent) == ("assistant_id" in sent):
        problems["non_field_errors"] = ["Provide either agent_id or assistant_id, and not both."]
    return problems


def preview_problems(sent: Any) -> Problems:
    """Return what is wrong with a request to preview a metric, by field."""
    from cekura_api.models import MetricPreviewData, PreviewMetricRequest  # An older specification may lack them.

    problems = _problems(sent, [PreviewMetricRequest], {})
    if not isinstance(sent, dict):
        return problems
    metric = cleaned(sent.get("metric_data"))
    of_metric = _problems(metric, [MetricPreviewData], _PREVIEW_RULES) | _missing(
        metric, MetricPreviewData.required_fields()
    )
    if of_metric:
        problems["metric_data"] = [f"{field}: {why}" for field, reasons in of_metric.items() for why in reasons]
    if "call_log_ids" not in sent and "run_ids" not in sent:
        problems["non_field_errors"] = ["Provide call_log_ids or run_ids."]
    return problems


def simplification_problems(sent: Any) -> Problems:
    """Return what is wrong with a request to simplify a prompt, by field."""
    from cekura_api.models import SimplifyPromptRequest  # An older specification may lack it.

    problems = _problems(sent, [SimplifyPromptRequest], {"original_prompt": _NOT_BLANK})
    return problems | _missing(sent, SimplifyPromptRequest.required_fields())


def copy_problems(agents: Container[int], predefined: Iterable[Mapping[str, Any]], sent: Any) -> Problems:
    """Return what is wrong with a request to copy predefined metrics, by field."""
    from cekura_api.models import CopyPredefinedMetricsRequest  # An older specification may lack it.

    problems = _problems(sent, [CopyPredefinedMetricsRequest], {})
    if problems:
        return problems
    if ("predefined_metric_ids" in sent) == ("metric_codes" in sent):
        return {"non_field_errors": ["Provide either predefined_metric_ids or metric_codes, and not both."]}
    if ("project_id" in sent) == ("agent_id" in sent):
        return {"non_field_errors": ["Provide either project_id or agent_id, and not both."]}
    for name, key in (("predefined_metric_ids", "id"), ("metric_codes", "code")):
        if name in sent and not sent[name]:
            problems[name] = ["This list may not be empty."]
        known = [metric[key] for metric in predefined]
        if unknown := [value for value in sent.get(name, []) if value not in known]:
            problems[name] = [f'Invalid value "{value}" - object does not exist.' for value in unknown]
    if "agent_id" in sent and sent["agent_id"] not in agents:
        problems["agent_id"] = [f'Invalid pk "{sent["agent_id"]}" - object does not exist.']
    return problems


def cleaned(sent: Any) -> Any:
    """Return a metric without the fields that only the service may set, and with the current names of older types."""
    if not isinstance(sent, dict):
        return sent
    kept = {name: value for name, value in sent.items() if name not in _READ_ONLY}
    return {**kept, "eval_type": "binary"} if kept.get("eval_type") in _OLDER_BINARY else kept


def metric_problems(state: State, sent: Any, saved: Mapping[str, Any] | None = None) -> Problems:
    """Return what is wrong with a cleaned metric, by field. An update passes the metric that it changes as `saved`."""
    problems = _problems(sent, _METRIC_MODELS, _METRIC_RULES)
    if not isinstance(sent, dict):
        return problems
    whole = {**(saved or {}), **sent}
    problems |= _missing(whole, ("name", "eval_type"))  # Specifications also call other fields required.
    for name, kind, value in (("enum_values", "eval_type", "enum"), ("custom_code", "type", "custom_code")):
        if whole.get(kind) == value and not whole.get(name):
            problems.setdefault(name, [f"This field is required, and not empty, when {kind} is {value}."])
    found: dict[str, Callable[[Any], bool]] = {
        "agent": lambda number: number in state.agents,
        "agents": lambda numbers: all(number in state.agents for number in numbers),
        "assistant_id": lambda assistant_id: state.agent_of_assistant(assistant_id) is not None,
    }
    for name, exists in found.items():
        if name in sent and name not in problems and not exists(sent[name]):
            problems[name] = [f'Invalid pk "{sent[name]}" - object does not exist.']
    return problems


def _condition(field: str, op: str, value: Any) -> MetricTest:
    """Return the test for one condition of a filter. Raises ValueError if the condition is not valid."""
    accepts = {"agents__id": is_integer, "eval_type": _is_string, "type": _is_string, "name": _is_string}[field]
    wanted = value if op == "in" and isinstance(value, list) else [value]
    if not all(map(accepts, wanted)) or op not in (("in", "eq") if accepts is is_integer else ("in", "eq", "contains")):
        raise ValueError(op)

    def matches(metric: Mapping[str, Any]) -> bool:
        values = metric.get("agents", []) if field == "agents__id" else [metric.get(field)]
        if op == "contains":
            return any(value.lower() in str(candidate).lower() for candidate in values)
        return any(candidate in wanted for candidate in values)

    return matches


def metric_filter(text: str) -> MetricTest:
    """Return the test that the parameter `filters` of the list of metrics describes."""
    try:
        parsed = parse_json(text.encode("utf-8", "replace"))
        combine = {"and": all, "or": any}[parsed["operator"]]
        conditions = [_condition(**condition) for condition in parsed["conditions"]]
    except (KeyError, TypeError, ValueError):
        expected = '{"operator": "and", "conditions": [{"field": "name", "op": "in", "value": ["…"]}]}'
        raise ErrorResponse(400, {"filters": [f"Expected JSON such as {expected}."]}) from None
    return lambda metric: not conditions or combine(matches(metric) for matches in conditions)
