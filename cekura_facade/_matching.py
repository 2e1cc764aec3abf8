"""Matches saved metrics with wanted ones, although the service may change the text and the scope of a metric.

Two metrics match if their names, descriptions, score types and scopes match. The comparison of strings ignores changes
that a service may make: Unicode normalization, white space, line ends and HTML escapes. A long name may also be cut.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeGuard

from cekura_api.models import Agent, Metric
from cekura_api.types import UNSET, Unset

LONGEST_NAME = 255  # characters
_LONGEST_SPELLING = 1000  # characters, so that several names fit in a URL
_FORMER_BINARY = ("binary_workflow_adherence", "binary_qualitative")
_ESCAPES = 3  # how often a string may have been escaped
SCOPE = ("agent", "agents", "project", "assistant_id")  # fields that say what a metric belongs to
CODE = "vocera_defined_metric_code"  # the field that identifies a predefined metric
Fields = Mapping[str, object]
NOTHING: tuple[object, ...] = (None, "", [], {})
# The changes that a service may make to a string.
_CHANGES: tuple[Callable[[str], str], ...] = (
    str.strip,
    lambda text: " ".join(text.split()),
    lambda text: re.sub(r"\s+", " ", text),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\r\n", "\n"),
    html.escape,
    functools.partial(unicodedata.normalize, "NFC"),
    functools.partial(unicodedata.normalize, "NFD"),
)
_CHANGES_AT_ONCE = 4
# Names that none of these changes alters, which most are.
_UNCHANGED = re.compile("[!#-%(-;=?-~]+(?: [!#-%(-;=?-~]+)*")


def comparable(value: object) -> str:
    """A string, normalized for comparison. Any other value counts as an empty string."""
    text = value if isinstance(value, str) else ""
    for _ in range(_ESCAPES if "&" in text else 0):
        text = html.unescape(text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def spellings(name: str) -> list[str]:
    """The forms in which the service may have saved a name."""
    if len(name) <= LONGEST_NAME and _UNCHANGED.fullmatch(name):
        return [name]
    forms = (name, *(change(name) for change in _CHANGES), name[:LONGEST_NAME])
    return [form for form in dict.fromkeys(forms) if len(form) <= _LONGEST_SPELLING]


def is_too_long(name: str) -> bool:
    """Whether a name may be too long to be saved in full, after the changes that a service may make."""
    return max(len(name), len(html.escape(name)), len(unicodedata.normalize("NFD", name))) > LONGEST_NAME


def is_cut(saved: str, name: str) -> bool:
    """Whether `saved` may be a name that was too long, as the service has cut it."""
    if comparable(saved) == comparable(name[:LONGEST_NAME]):
        return len(name) > LONGEST_NAME
    # The cut may be in the middle of an escape, or of a composed character.
    beginning = comparable(re.sub(r"&#?\w*$", "", saved))
    nfd = functools.partial(unicodedata.normalize, "NFD")
    return len(saved) == LONGEST_NAME and nfd(comparable(name)).startswith(nfd(beginning))


def is_saved_as(saved: object, wanted: object) -> bool:
    """Whether a service that received `wanted` may have saved it as `saved`. Missing and empty values are equal."""
    if isinstance(wanted, str) and isinstance(saved, str | None):
        return _is_saved_text(saved or "", wanted)
    if isinstance(wanted, Mapping) and isinstance(saved, Mapping):
        return saved.keys() == wanted.keys() and all(is_saved_as(saved[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple) and isinstance(saved, list):
        return len(saved) == len(wanted) and all(map(is_saved_as, saved, wanted))
    # In Python, True == 1.
    is_equal = saved == wanted and isinstance(saved, bool) == isinstance(wanted, bool)
    return is_equal or (saved in NOTHING and wanted in NOTHING)


def gaps(code: object) -> list[str]:
    """The white space of a program, which matters in Python."""
    return re.findall(r"\s+", code.strip().replace("\r\n", "\n")) if isinstance(code, str) else []


def _is_saved_text(saved: str, wanted: str) -> bool:
    """Whether changes that a service may make turn the wanted string into the saved one."""
    forms = {wanted}
    rounds = 0 if saved == wanted or comparable(saved) != comparable(wanted) else _CHANGES_AT_ONCE
    while saved not in forms and rounds:  # Each round takes several times longer than the last.
        forms |= {change(form) for form in forms for change in _CHANGES}
        rounds -= 1
    return saved in forms


def score_type(eval_type: object) -> object:
    """The current name of an eval_type."""
    return "binary" if eval_type in _FORMER_BINARY else eval_type


def fields_of(metric: Metric) -> dict[str, object]:
    """The fields of a metric that are compared, including those that this version of the specification lacks."""
    known = {name: getattr(metric, name, UNSET) for name in ("name", "description", "eval_type", *SCOPE, CODE)}
    return metric.additional_properties | {name: value for name, value in known.items() if value is not UNSET}


def assistant_of(agent: Agent) -> object:
    """The id of an agent at its voice provider, from a response of v1 or v2."""
    fields = agent.to_dict()
    provider = fields.get("provider")
    return provider.get("agent_id") if isinstance(provider, dict) else fields.get("assistant_id")


def agents_of(fields: Fields) -> set[int]:
    """The ids of the agents that a metric belongs to."""
    agents = fields.get("agents")
    ids = map(id_of, [*(agents if isinstance(agents, list | tuple) else []), fields.get("agent")])
    return {each for each in ids if each is not None}


def id_of(value: object) -> int | None:
    """An id as a number. The service also accepts it as a string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if is_int(value) else None


def is_int(value: object) -> TypeGuard[int]:
    """Whether a value is an integer. A bool does not count as one."""
    return isinstance(value, int) and not isinstance(value, bool)


def leaves_out(saved: Fields, wanted: Fields) -> bool:
    """Whether the list leaves out fields that are needed to compare a saved metric with a wanted one."""
    if any(not saved.get(each) for each in ("name", "description", "eval_type", CODE) if wanted.get(each)):
        return True
    has_no_scope = any(map(wanted.get, SCOPE)) and not any(map(saved.get, SCOPE))
    return has_no_scope or (bool(agents_of(wanted)) and not agents_of(saved) and "agents" not in saved)


def is_same_text(saved: Fields, wanted: Fields) -> bool:
    """Whether the compared parts of name and description are saved exactly as they were sent."""
    return all((saved.get(each) or "") == (wanted[each] or "") for each in ("name", "description") if each in wanted)


class MetricScope(NamedTuple):
    """What a metric belongs to, as far as that is known.

    Attributes:
        agents: Ids of its agents.
        project: Id of its project.
        assistant_id: Id of its agent at the voice provider.
    """

    agents: frozenset[int]
    project: int | None
    assistant_id: str

    def in_project(self, project: int | Unset | None) -> MetricScope:
        """The same scope with a project, unless it has one."""
        return self._replace(project=self.project or project or None)


def scope_of(fields: Fields) -> MetricScope:
    """What a metric belongs to."""
    agents, project = frozenset(agents_of(fields)), id_of(fields.get("project"))
    return MetricScope(agents, project, str(fields.get("assistant_id") or ""))


def is_same_scope(saved: MetricScope, wanted: MetricScope) -> bool:
    """Whether two metrics belong to exactly the same agents."""
    return saved.agents == wanted.agents and may_be_in_scope(saved, wanted)


def may_be_in_scope(saved: MetricScope, wanted: MetricScope) -> bool:
    """Whether a saved metric has a scope that the service may give to a wanted one: its agents, or their project.

    What the saved metric leaves out does not count as different.
    """
    if wanted.project and saved.project and wanted.project != saved.project:
        return False
    if wanted.assistant_id and saved.assistant_id and wanted.assistant_id != saved.assistant_id:
        return False
    if wanted.agents and saved.agents:
        return wanted.agents <= saved.agents
    # A metric of a project may be assigned to agents.
    return not saved.agents or bool(wanted.assistant_id) or wanted.project == saved.project is not None
