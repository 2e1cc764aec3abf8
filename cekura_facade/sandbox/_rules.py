"""What a request must look like, and what it is told when it doesn't, as Django REST Framework words it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import frozen

from cekura_facade.sandbox._json import parse_json
from cekura_facade.sandbox._state import State

Problems = dict[str, list[str]]
MetricTest = Callable[[Mapping[str, Any]], bool]
_OLDER_BINARY = ("binary_workflow_adherence", "binary_qualitative")


class ErrorResponse(Exception):
    """A request that is answered with an error; `body` is what the answer says."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body


def is_integer(value: Any) -> bool:
    """Whether it is an integer that fits in 64 bits; a boolean is none."""
    return type(value) is int and -(2**63) <= value < 2**63


def is_text(value: Any) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def query_integer(name: str, text: str) -> int:
    """The integer in a query parameter."""
    if not re.fullmatch("-?[0-9]{1,19}", text) or not is_integer(int(text)):
        raise ErrorResponse(400, {name: ["A valid integer is required."]})
    return int(text)


@frozen
class _Field:
    accepts: Callable[[Any], bool]
    message: str
    nullable: bool = False


def _list_of(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(accepts(item) for item in value)


def _choice(*values: str) -> _Field:
    return _Field(lambda value: value in values, f"Not a valid choice; choose one of {', '.join(values)}.")


_TEXT = _Field(is_text, "Not a valid string.")
_FILLED = _Field(lambda value: is_text(value) and value.strip() != "", "Must be a string that is not blank.")
_TEXT_255 = _Field(
    lambda value: is_text(value) and len(value) <= 255, "Must be a string of up to 255 characters.", nullable=True
)
_BOOLEAN = _Field(lambda value: isinstance(value, bool), "Must be a valid boolean.")
_INTEGER = _Field(is_integer, "A valid integer is required.")
_INTEGERS = _Field(_list_of(is_integer), "Expected a list of integers.")

_NUMBER = _Field(lambda value: type(value) in (int, float), "A valid number is required.")

_METRIC_FIELDS: Mapping[str, _Field] = {
    **dict.fromkeys(("description", "prompt", "priority_assignment_prompt", "custom_code"), _TEXT),
    **dict.fromkeys(("evaluation_trigger_prompt", "evaluation_trigger_custom_code"), _TEXT),
    **dict.fromkeys(("slug", "function_name", "slack_channel_id"), _TEXT_255),
    **dict.fromkeys(("audio_enabled", "simulation_enabled", "observability_enabled"), _BOOLEAN),
    **dict.fromkeys(("sampling_enabled", "alert_enabled"), _BOOLEAN),
    **dict.fromkeys(("agent", "project", "window_size"), _INTEGER),
    **dict.fromkeys(("std_multiplier", "ewma_alpha"), _NUMBER),
    **dict.fromkeys(("agents", "kb_file_ids"), _INTEGERS),
    "name": _Field(
        lambda value: _FILLED.accepts(value) and len(value) <= 255,
        "Must be a string of up to 255 characters that is not blank.",
    ),
    "assistant_id": _FILLED,
    "vocera_defined_metric_code": _Field(_TEXT_255.accepts, _TEXT_255.message),
    "add_to_new_agents": _Field(_BOOLEAN.accepts, _BOOLEAN.message, nullable=True),
    "slack_workspace": _Field(_INTEGER.accepts, _INTEGER.message, nullable=True),
    "display_order": _Field(
        lambda value: is_integer(value) and -(2**31) <= value < 2**31,
        "A valid integer of 32 bits is required.",
    ),
    "scenarios": _Field(
        lambda value: value == "all" or _INTEGERS.accepts(value), 'Expected "all" or a list of integers.'
    ),
    "enum_values": _Field(_list_of(is_text), "Expected a list of strings."),
    "configuration": _Field(lambda value: isinstance(value, dict), "Expected an object."),
    "alert_filters": _Field(lambda _: True, ""),
    "type": _choice("llm_judge", "custom_code"),
    "eval_type": _choice("binary", "continuous_qualitative", "numeric", "enum", *_OLDER_BINARY),
    "evaluation_trigger": _choice("always", "automatic", "custom"),
    "trigger_type": _choice("llm_judge", "custom_code"),
    "alert_type": _choice("disabled", "normal", "significant_change"),
    "significant_change_alert_status": _choice("enabled", "disabled"),
    "significant_change_alert_direction": _choice("", "increase", "decrease"),
}
_GENERATION_FIELDS: Mapping[str, _Field] = {
    "agent_id": _INTEGER,
    "assistant_id": _FILLED,
    "num_metrics": _Field(
        lambda value: is_integer(value) and 1 <= value <= 100, "A valid integer from 1 to 100 is required."
    ),
}
_PREVIEW_FIELDS: Mapping[str, _Field] = {
    **dict.fromkeys(("agent_id", "project_id"), _INTEGER),
    **dict.fromkeys(
        ("call_log_ids", "run_ids"),
        _Field(lambda value: _INTEGERS.accepts(value) and 1 <= len(value) <= 10, "Expected 1 to 10 integers."),
    ),
}
_PREVIEWED_FIELDS = {**_METRIC_FIELDS, "type": _choice("llm_judge", "custom_code", "basic", "custom_prompt")}
_SIMPLIFICATION_FIELDS: Mapping[str, _Field] = {"original_prompt": _FILLED, "metric_id": _INTEGER}
_READ_ONLY = frozenset(
    (
        *(
            "id",
            "agent_names",
            "knowledge_base_files",
            "metric_cost",
            "uses_llm_judge",
            "reviews",
            "ewma_alpha",
        ),
        *("window_size", "std_multiplier", "overall_score", "total_score", "pending_optimisation_proposal"),
    )
)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _strings([*value, *value.values()])
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _field_problems(sent: Any, fields: Mapping[str, _Field]) -> Problems:
    if not isinstance(sent, dict):
        return {"non_field_errors": [f"Invalid data. Expected a dictionary, but got {type(sent).__name__}."]}
    problems: Problems = {}
    for name, value in sent.items():
        field = fields.get(name)
        if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for text in _strings([name, value]) for letter in text):
            problems[name] = ["Null characters and surrogates are not allowed."]
        elif field and value is None and not field.nullable:
            problems[name] = ["This field may not be null."]
        elif field and value is not None and not field.accepts(value):
            problems[name] = [field.message]
    return problems


def generation_problems(sent: Any) -> Problems:
    """What is wrong with a request to generate metrics, by field."""
    problems = _field_problems(sent, _GENERATION_FIELDS)
    if not problems and ("agent_id" in sent) == ("assistant_id" in sent):
        problems["non_field_errors"] = ["Provide either agent_id or assistant_id, and not both."]
    return problems


def preview_problems(sent: Any) -> Problems:
    """What is wrong with a request to preview a metric, by field."""
    problems = _field_problems(sent, _PREVIEW_FIELDS)
    if not isinstance(sent, dict):
        return problems
    metric = sent.get("metric_data")
    of_metric = _field_problems(metric, _PREVIEWED_FIELDS)
    of_metric |= _required(metric, "name", "type", "eval_type")
    if of_metric:
        problems["metric_data"] = [f"{field}: {why}" for field, reasons in of_metric.items() for why in reasons]
    if "call_log_ids" not in sent and "run_ids" not in sent:
        problems["non_field_errors"] = ["Provide call_log_ids or run_ids."]
    return problems


def simplification_problems(sent: Any) -> Problems:
    """What is wrong with a request to simplify a prompt, by field."""
    return _field_problems(sent, _SIMPLIFICATION_FIELDS) | _required(sent, "original_prompt")


def _required(sent: Any, *names: str) -> Problems:
    if not isinstance(sent, dict):
        return {}
    return {name: ["This field is required."] for name in names if name not in sent}


def cleaned(sent: Any) -> Any:
    """A metric as it is stored: as it was sent, but for what only the server may set, and older names."""
    if not isinstance(sent, dict):
        return sent
    kept = {name: value for name, value in sent.items() if name not in _READ_ONLY}
    return {**kept, "eval_type": "binary"} if kept.get("eval_type") in _OLDER_BINARY else kept


def metric_problems(state: State, sent: Any, saved: Mapping[str, Any] | None = None) -> Problems:
    """What is wrong with a cleaned metric, by field; `saved` is what it changes, if it changes one."""
    problems = _field_problems(sent, _METRIC_FIELDS)
    if not isinstance(sent, dict):
        return problems
    whole = {**(saved or {}), **sent}
    problems |= _required(whole, "name", "eval_type")
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
    """One condition of a filter. Raises ValueError if it makes no sense."""
    accepts = {"agents__id": is_integer, "eval_type": is_text, "type": is_text, "name": is_text}[field]
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
    """The test that the `filters` parameter of the list of metrics describes."""
    try:
        parsed = parse_json(text.encode("utf-8", "replace"))
        combine = {"and": all, "or": any}[parsed["operator"]]
        conditions = [_condition(**condition) for condition in parsed["conditions"]]
    except (KeyError, TypeError, ValueError):
        expected = '{"operator": "and", "conditions": [{"field": "name", "op": "in", "value": ["…"]}]}'
        raise ErrorResponse(400, {"filters": [f"Expected JSON such as {expected}."]}) from None
    return lambda metric: not conditions or combine(matches(metric) for matches in conditions)
