"""How the sandbox behaves if the published sources disagree or are silent."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from attrs import field, frozen
from attrs.validators import ge, in_, instance_of, lt, optional

_MAX_NAME_LENGTH = 255
_TEXTS: Mapping[str, Callable[[str], str]] = {
    "trim": str.strip,
    "nfd": partial(unicodedata.normalize, "NFD"),
    "nfc": partial(unicodedata.normalize, "NFC"),
    "collapse_whitespace": partial(re.sub, r"\s+", " "),
    "crlf": partial(re.sub, "\r?\n", "\r\n"),
    "html_escape": html.escape,
}
_TEXT_CHANGES = (*_TEXTS, "cut_name", "eval_type")


@frozen(kw_only=True)
class Behavior:
    r"""How the sandbox stores and lists metrics. The default is one of several readings of the published sources.

    Attributes:
        list_scope: Which metrics a list by `agent_id` or `assistant_id` alone contains. `"agent"`: those of the
            agent. `"agent_and_project"` (default): also those of the agent's project. A list by `project_id`
            contains the project's metrics, and a list by both contains the union.
        placement: Where a metric that is created for an agent, without a `project`, is stored. `"as_sent"`
            (default): with the agent. `"project"`: in the agent's project, without an agent. The response then
            has a `Warning` header, and the metric in it has a `deprecation_warning`.
        text_change: How the stored `name`, `description` and `prompt` differ from the ones that were sent.
            `None` (default): not at all. `"trim"`: without surrounding white space. `"nfd"`, `"nfc"`: in that
            Unicode normalization form. `"collapse_whitespace"`: each run of white space is one space. `"crlf"`:
            lines end with `\r\n`. `"html_escape"`: with HTML entities. `"cut_name"`: a name of more than 255
            characters is accepted, and cut. `"eval_type"`: suggestions have the older type `binary_qualitative`,
            which is stored as `binary`. The sandbox always replaces older types in this way.
        list_lag: Seconds until a new metric appears in a list, 0 or more (default 0), in the sandbox's time.
            `GET metrics/{id}/` returns it immediately.
        list_omits: Fields that a list leaves out of each metric, as a tuple of names (default: none).
            `GET metrics/{id}/` returns them.
        list_limit: Maximum number of metrics in a list, 0 or more. A list contains the oldest ones, and nothing
            says that others exist. Default: `None`, no limit.
    """

    list_scope: Literal["agent", "agent_and_project"] = field(
        default="agent_and_project", validator=in_(("agent", "agent_and_project"))
    )
    placement: Literal["as_sent", "project"] = field(default="as_sent", validator=in_(("as_sent", "project")))
    text_change: (
        Literal["trim", "nfd", "nfc", "collapse_whitespace", "crlf", "html_escape", "cut_name", "eval_type"] | None
    ) = field(default=None, validator=optional(in_(_TEXT_CHANGES)))
    list_lag: float = field(default=0.0, validator=[ge(0), lt(math.inf)])
    list_omits: tuple[str, ...] = field(default=(), validator=instance_of(tuple))
    list_limit: int | None = field(default=None, validator=optional(ge(0)))


BEHAVIORS: Mapping[str, Behavior] = MappingProxyType(
    {
        "default": Behavior(),
        "list-scope-agent": Behavior(list_scope="agent"),
        "placement-project": Behavior(placement="project"),
        "specification": Behavior(list_scope="agent", placement="project"),
        "text-trim": Behavior(text_change="trim"),
        "text-nfd": Behavior(text_change="nfd"),
        "text-nfc": Behavior(text_change="nfc"),
        "text-collapse-whitespace": Behavior(text_change="collapse_whitespace"),
        "text-crlf": Behavior(text_change="crlf"),
        "text-html-escape": Behavior(text_change="html_escape"),
        "text-cut-name": Behavior(text_change="cut_name"),
        "text-eval-type": Behavior(text_change="eval_type"),
        "list-lag": Behavior(list_lag=2.0),
        "list-omits-description": Behavior(list_omits=("description",)),
        "list-limit": Behavior(list_limit=1),
    }
)
"""Behaviors by name: the default, each alternative to it, and the combination that the specification states."""


def suggested(behavior: Behavior, suggestion: dict[str, Any]) -> dict[str, Any]:
    """Return a suggestion as the service would make it."""
    older = behavior.text_change == "eval_type" and suggestion["eval_type"] == "binary"
    return {**suggestion, "eval_type": "binary_qualitative"} if older else suggestion


def received(behavior: Behavior, metric: Any) -> Any:
    """Return a metric from a request as the service would validate it."""
    if behavior.text_change != "cut_name" or not isinstance(metric, dict) or not isinstance(metric.get("name"), str):
        return metric
    return {**metric, "name": metric["name"][:_MAX_NAME_LENGTH]}


def stored(behavior: Behavior, metric: Mapping[str, Any]) -> dict[str, Any]:
    """Return a valid metric as the service would store it."""
    change = _TEXTS.get(behavior.text_change or "", str)
    texts = {name: change(metric[name]) for name in ("name", "description", "prompt") if name in metric}
    return {**metric, **texts}
