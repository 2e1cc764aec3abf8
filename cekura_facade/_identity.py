"""Which saved metric is the one that was to be saved, although the service may have changed its text and its place.

Two metrics are equal if their names, descriptions, score types and scopes are. Strings are compared without what a
service may change in them: the Unicode form, white space, line ends and HTML escapes. A long name may also be cut.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from generated_client.models import Metric
from generated_client.types import UNSET

from ._checks import is_int

_LONGEST_NAME = 255  # characters
_FORMER_BINARY = ("binary_workflow_adherence", "binary_qualitative")
_ESCAPES = 3  # how often a string may have been escaped; each round reads all of it
_SCOPE = ("agent", "agents", "project", "assistant_id")
Fields = Mapping[str, Any]


def comparable(value: object) -> str:
    """A string in the form in which it is compared. Anything else counts as an empty string."""
    text = value if isinstance(value, str) else ""
    for _ in range(_ESCAPES if "&" in text else 0):
        text = html.unescape(text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def spellings(name: str) -> list[str]:
    """The forms in which the service may have saved a name."""
    forms = (
        name,
        name.strip(),
        " ".join(name.split()),
        name.replace("\n", "\r\n"),
        html.escape(name),
        unicodedata.normalize("NFC", name),
        unicodedata.normalize("NFD", name),
        name[:_LONGEST_NAME],
    )
    return list(dict.fromkeys(forms))


def may_be_cut(saved: object) -> bool:
    """Whether a saved name is so long that it may be the beginning of another one."""
    return isinstance(saved, str) and len(saved) >= _LONGEST_NAME - 5  # White space at the end may be gone as well.


def is_cut(saved: str, name: str) -> bool:
    """Whether the service may have saved a name like this because it was too long."""
    if max(map(len, spellings(name))) <= _LONGEST_NAME:
        return False
    # What is cut in the middle of an escape or of a composed character begins the same but for its end.
    beginning = comparable(re.sub(r"&#?\w*$", "", saved))[:-1]
    return comparable(name).startswith(beginning)


def score_type(eval_type: object) -> object:
    """An eval_type by its present name."""
    return "binary" if eval_type in _FORMER_BINARY else eval_type


def fields_of(metric: Metric) -> dict[str, Any]:
    """What the service says of a metric that is compared, whether this version of the specification knows it or not."""
    known = {name: getattr(metric, name, UNSET) for name in ("name", "description", "eval_type", *_SCOPE)}
    return metric.additional_properties | {name: value for name, value in known.items() if value is not UNSET}


def agents_of(fields: Fields) -> set[int]:
    """The ids of the agents that a metric is for."""
    agents = fields.get("agents")
    return {each for each in [*(agents if isinstance(agents, list) else []), fields.get("agent")] if is_int(each)}


def leaves_out(saved: Fields, wanted: Fields) -> bool:
    """Whether the list leaves out what it takes to compare a saved metric with a wanted one."""
    if any(saved.get(each) is None for each in ("name", "description", "eval_type") if wanted.get(each)):
        return True
    return any(wanted.get(each) for each in _SCOPE) and not any(each in saved for each in _SCOPE)


def is_same_scope(saved: Fields, wanted: Fields, project: int | None) -> bool:
    """Whether two metrics are for exactly the same agents."""
    return agents_of(saved) == agents_of(wanted) and may_be_in_scope(saved, wanted, project)


def may_be_in_scope(saved: Fields, wanted: Fields, project: int | None) -> bool:
    """Whether a saved metric is where a wanted one may end up: with its agents, or in their project.

    Args:
        saved: The fields of the saved metric. Those that it leaves out cannot differ.
        wanted: The fields of the metric to save.
        project: Id of the project that the wanted metric belongs to, if it is known.
    """
    if project and saved.get("project") and project != saved["project"]:
        return False
    if wanted.get("assistant_id") and saved.get("assistant_id") and wanted["assistant_id"] != saved["assistant_id"]:
        return False
    agents, others = agents_of(wanted), agents_of(saved)
    return not others or (agents <= others if agents else bool(wanted.get("assistant_id")))
