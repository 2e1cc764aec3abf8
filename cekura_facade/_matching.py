"""Which saved metric is the one that was to be saved, although the service may have changed its text and its place.

Two metrics are equal if their names, descriptions, score types and scopes are. Strings are compared without what a
service may change in them: the Unicode form, white space, line ends and HTML escapes. A long name may also be cut.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import TypeGuard

from cekura_api.models import Agent, Metric
from cekura_api.types import UNSET

_LONGEST_NAME = 255  # characters
_LONGEST_SPELLING = 1000  # characters: more does not fit into a URL with others
_FORMER_BINARY = ("binary_workflow_adherence", "binary_qualitative")
_ESCAPES = 3  # how often a string may have been escaped; each round reads all of it
SCOPE = ("agent", "agents", "project", "assistant_id")  # fields that say where a metric belongs
CODE = "vocera_defined_metric_code"  # of a predefined metric
Fields = Mapping[str, object]
NOTHING: tuple[object, ...] = (None, "", [], {})
# What a service may do to a string, apart from escaping it.
_CHANGES: tuple[Callable[[str], str], ...] = (
    str.strip,
    functools.partial(re.sub, r"\s+", " "),
    functools.partial(re.sub, r"\r?\n", "\r\n"),
    functools.partial(re.sub, r"\r\n", "\n"),
    functools.partial(unicodedata.normalize, "NFC"),
    functools.partial(unicodedata.normalize, "NFD"),
)
_ESCAPINGS: tuple[Callable[[str], str], ...] = (
    html.escape,
    functools.partial(html.escape, quote=False),
    lambda text: html.escape(text).replace("&#x27;", "&#39;"),
)


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
    return [form for form in dict.fromkeys(forms) if len(form) <= _LONGEST_SPELLING]


def is_too_long(name: str) -> bool:
    """Whether a name may become too long to be saved in full."""
    return max(len(name), len(html.escape(name)), len(unicodedata.normalize("NFD", name))) > _LONGEST_NAME


def is_cut(saved: str, name: str) -> bool:
    """Whether the service may have saved a name that is too long like this."""
    if comparable(saved) == comparable(name[:_LONGEST_NAME]):
        return len(name) > _LONGEST_NAME
    # It may be cut in the middle of an escape, or of a composed character.
    beginning = comparable(re.sub(r"&#?\w*$", "", saved))
    nfd = functools.partial(unicodedata.normalize, "NFD")
    return len(saved) == _LONGEST_NAME and nfd(comparable(name)).startswith(nfd(beginning))


def is_saved_as(saved: object, wanted: object) -> bool:
    """Whether a service that was sent a value may have saved it like this. Nothing and an empty value are equal."""
    if saved in NOTHING and wanted in NOTHING:
        return True
    if isinstance(saved, bool) or isinstance(wanted, bool):  # True is not 1 in JSON.
        return saved is wanted
    if isinstance(wanted, str):
        return isinstance(saved or "", str) and _is_saved_text(str(saved or ""), wanted)
    if isinstance(saved, Mapping) and isinstance(wanted, Mapping):
        return saved.keys() == wanted.keys() and all(is_saved_as(saved[key], wanted[key]) for key in wanted)
    if isinstance(saved, list | tuple) and isinstance(wanted, list | tuple):
        return len(saved) == len(wanted) and all(map(is_saved_as, saved, wanted))
    return saved == wanted


def _is_saved_text(saved: str, wanted: str) -> bool:
    """Whether changes of a service lead from one string to another. The other way round, a person made the change."""
    if saved == wanted or comparable(saved) != comparable(wanted):
        return saved == wanted
    forms = _changed([wanted])
    for _ in range(_ESCAPES if "&" in saved else 0):
        if saved in forms:
            return True
        forms = _changed(escape(form) for form in forms for escape in _ESCAPINGS)
    return saved in forms


def _changed(forms: Iterable[str]) -> list[str]:
    """Strings, and what any sequence of changes makes of them."""
    every = list(dict.fromkeys(forms))
    for form in every:  # It grows meanwhile.
        every.extend(other for change in _CHANGES if (other := change(form)) not in every)
    return every


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
    if any(not saved.get(each) for each in ("name", "description", "eval_type") if wanted.get(each)):
        return True
    return any(wanted.get(each) for each in SCOPE) and not any(saved.get(each) for each in SCOPE)


def is_same_text(saved: Fields, wanted: Fields) -> bool:
    """Whether name and description are saved exactly as they were sent."""
    return all((saved.get(each) or "") == (wanted.get(each) or "") for each in ("name", "description"))


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
    saved_project = id_of(saved.get("project"))
    if project and saved_project and project != saved_project:
        return False
    if wanted.get("assistant_id") and saved.get("assistant_id") and wanted["assistant_id"] != saved["assistant_id"]:
        return False
    agents, others = agents_of(wanted), agents_of(saved)
    if agents and others:
        return agents <= others
    # A metric of a project may be assigned to agents.
    return not others or bool(wanted.get("assistant_id")) or project == saved_project is not None
