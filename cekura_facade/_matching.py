"""Which saved metric is the one that was to be saved, although the service may have changed its text and its place.

Two metrics are equal if their names, descriptions, score types and scopes are. Strings are compared without what a
service may change in them: the Unicode form, white space, line ends and HTML escapes. A long name may also be cut.
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
_LONGEST_SPELLING = 1000  # characters: more does not fit into a URL with others
_FORMER_BINARY = ("binary_workflow_adherence", "binary_qualitative")
_ESCAPES = 3  # how often a string may have been escaped; each round reads all of it
SCOPE = ("agent", "agents", "project", "assistant_id")  # fields that say where a metric belongs
CODE = "vocera_defined_metric_code"  # of a predefined metric
Fields = Mapping[str, object]
NOTHING: tuple[object, ...] = (None, "", [], {})
# What a service may do to a string.
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
    """A string in the form in which it is compared. Anything else counts as an empty string."""
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
    """Whether a name may become too long to be saved in full."""
    return max(len(name), len(html.escape(name)), len(unicodedata.normalize("NFD", name))) > LONGEST_NAME


def is_cut(saved: str, name: str) -> bool:
    """Whether the service may have saved a name that is too long like this."""
    if comparable(saved) == comparable(name[:LONGEST_NAME]):
        return len(name) > LONGEST_NAME
    # It may be cut in the middle of an escape, or of a composed character.
    beginning = comparable(re.sub(r"&#?\w*$", "", saved))
    nfd = functools.partial(unicodedata.normalize, "NFD")
    return len(saved) == LONGEST_NAME and nfd(comparable(name)).startswith(nfd(beginning))


def is_saved_as(saved: object, wanted: object) -> bool:
    """Whether a service that was sent a value may have saved it like this. Nothing and an empty value are equal."""
    if isinstance(wanted, str) and isinstance(saved, str | None):
        return _is_saved_text(saved or "", wanted)
    if isinstance(wanted, Mapping) and isinstance(saved, Mapping):
        return saved.keys() == wanted.keys() and all(is_saved_as(saved[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple) and isinstance(saved, list):
        return len(saved) == len(wanted) and all(map(is_saved_as, saved, wanted))
    # In Python, True is 1.
    is_equal = saved == wanted and isinstance(saved, bool) == isinstance(wanted, bool)
    return is_equal or (saved in NOTHING and wanted in NOTHING)


def gaps(code: object) -> list[str]:
    """The white space of a program, which has a meaning in Python."""
    return re.findall(r"\s+", code.strip().replace("\r\n", "\n")) if isinstance(code, str) else []


def _is_saved_text(saved: str, wanted: str) -> bool:
    """Whether changes of a service lead from the wanted string to the saved one, and not only back."""
    forms = {wanted}
    rounds = 0 if saved == wanted or comparable(saved) != comparable(wanted) else _CHANGES_AT_ONCE
    while saved not in forms and rounds:  # Each round takes several times as long as the one before.
        forms |= {change(form) for form in forms for change in _CHANGES}
        rounds -= 1
    return saved in forms


def score_type(eval_type: object) -> object:
    """An eval_type by its present name."""
    return "binary" if eval_type in _FORMER_BINARY else eval_type


def fields_of(metric: Metric) -> dict[str, object]:
    """What the service says of a metric that is compared, whether this version of the specification knows it or not."""
    known = {name: getattr(metric, name, UNSET) for name in ("name", "description", "eval_type", *SCOPE, CODE)}
    return metric.additional_properties | {name: value for name, value in known.items() if value is not UNSET}


def assistant_of(agent: Agent) -> object:
    """The id of an agent at its voice provider, as either version of the API says it."""
    fields = agent.to_dict()
    provider = fields.get("provider")
    return provider.get("agent_id") if isinstance(provider, dict) else fields.get("assistant_id")


def agents_of(fields: Fields) -> set[int]:
    """The ids of the agents that a metric is for."""
    agents = fields.get("agents")
    ids = map(id_of, [*(agents if isinstance(agents, list | tuple) else []), fields.get("agent")])
    return {each for each in ids if each is not None}


def id_of(value: object) -> int | None:
    """An id as a number. The service also accepts one as a string."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    return value if is_int(value) else None


def is_int(value: object) -> TypeGuard[int]:
    """Whether it is an integer, which a bool is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def leaves_out(saved: Fields, wanted: Fields) -> bool:
    """Whether the list leaves out what it takes to compare a saved metric with a wanted one."""
    if any(not saved.get(each) for each in ("name", "description", "eval_type", CODE) if wanted.get(each)):
        return True
    has_no_scope = any(map(wanted.get, SCOPE)) and not any(map(saved.get, SCOPE))
    return has_no_scope or (bool(agents_of(wanted)) and not agents_of(saved) and "agents" not in saved)


def is_same_text(saved: Fields, wanted: Fields) -> bool:
    """Whether name and description, as far as they are compared, are saved exactly as they were sent."""
    return all((saved.get(each) or "") == (wanted[each] or "") for each in ("name", "description") if each in wanted)


class Place(NamedTuple):
    """Where a metric belongs, as far as that is known.

    Attributes:
        agents: Ids of the agents that it is for.
        project: Id of its project.
        assistant_id: Id of its agent at the voice provider.
    """

    agents: frozenset[int]
    project: int | None
    assistant_id: str

    def in_project(self, project: int | Unset | None) -> Place:
        """The same place with a project, unless it has one."""
        return self._replace(project=self.project or project or None)


def place_of(fields: Fields) -> Place:
    """Where a metric belongs."""
    agents, project = frozenset(agents_of(fields)), id_of(fields.get("project"))
    return Place(agents, project, str(fields.get("assistant_id") or ""))


def is_same_place(saved: Place, wanted: Place) -> bool:
    """Whether two metrics are for exactly the same agents."""
    return saved.agents == wanted.agents and may_be_in_place(saved, wanted)


def may_be_in_place(saved: Place, wanted: Place) -> bool:
    """Whether a saved metric is where a wanted one may end up: with its agents, or in their project.

    What the saved one leaves out cannot differ.
    """
    if wanted.project and saved.project and wanted.project != saved.project:
        return False
    if wanted.assistant_id and saved.assistant_id and wanted.assistant_id != saved.assistant_id:
        return False
    if wanted.agents and saved.agents:
        return wanted.agents <= saved.agents
    # A metric of a project may be assigned to agents.
    return not saved.agents or bool(wanted.assistant_id) or wanted.project == saved.project is not None
