"""Saving each metric exactly once, by looking at what stands there: before anything is sent, and after whatever failed.

The service knows no idempotency key, and to a caller a lost answer looks like a lost request.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from generated_client.models import Metric

from ._checks import MAX_METRICS, is_int
from ._errors import APIConnectionError, APIError, BulkCreateUncertainError, CekuraError, RateLimitError
from ._exchange import MAX_PAUSE, call, growing
from ._responses import may_be_carried_out
from ._steps import Steps

if TYPE_CHECKING:
    from ._http import HTTP

LIST = "metrics.list_metrics"
METRICS = "an array of metrics, each with an id"
_NAMES_LENGTH = 1500  # of the names in one address, in characters
_FORMER_BINARY = ("binary_workflow_adherence", "binary_qualitative")


class _Wanted:
    """The metrics to save, and what is known of each so far, by its position in the order given."""

    def __init__(self, fields: Sequence[dict[str, Any]]) -> None:
        self.fields = fields
        self.keys = [(_text(each.get("name")), _text(each.get("description"))) for each in fields]
        self.saved: dict[int, Metric] = {}
        self.failed: dict[int, APIError] = {}  # why it is not saved yet
        self.refused: set[int] = set()

    def created(self) -> list[Metric]:
        return [self.saved[i] for i in sorted(self.saved)]

    def missing(self) -> list[int]:
        return [i for i in range(len(self.fields)) if i not in self.saved and i not in self.refused]

    def unclear(self) -> list[int]:
        return [i for i in self.missing() if may_be_carried_out(self.failed[i])]

    def claim(self, found: Iterable[Metric], positions: Sequence[int]) -> list[Metric]:
        """Take each metric that is found for one that is wanted. Returns those that are none of them.

        One whose scope is the same comes first, then one that stands for the wanted scope among others.
        """
        taken = {metric.id for metric in self.saved.values()}
        left = {metric.id: metric for metric in found if metric.id not in taken}
        for same_scope in (True, False):
            if not left:
                break
            wanted: dict[tuple[str, str], list[int]] = {}
            for i in positions:
                if i not in self.saved:
                    wanted.setdefault(self.keys[i], []).append(i)
            for metric in list(left.values()):
                candidates = wanted.get((_text(_said(metric, "name")), _text(_said(metric, "description"))), [])
                fitting = (i for i in candidates if _is_saved_as(self.fields[i], metric, same_scope))
                for i in itertools.islice(fitting, 1):
                    candidates.remove(i)
                    self.saved[i] = left.pop(metric.id)
        return list(left.values())

    def scopes(self) -> Iterator[dict[str, Any]]:
        """What to list to see all that is missing, as arguments of list_metrics."""
        scopes: dict[tuple[str, Any], None] = {}
        names: dict[str, None] = {}
        for fields in (self.fields[i] for i in self.missing()):
            agents, project, assistant_id = _agents(fields), fields.get("project"), fields.get("assistant_id")
            if agents:
                scopes["agent_id", min(agents)] = None
            elif is_int(project):
                scopes["project_id", project] = None
            elif isinstance(assistant_id, str) and assistant_id:
                scopes["assistant_id", assistant_id] = None
            else:
                names |= {fields["name"]: None, fields["name"].strip(): None}
        while names:
            lengths = itertools.accumulate(len(json.dumps(name)) for name in names)
            some = list(names)[: max(1, sum(length <= _NAMES_LENGTH for length in lengths))]
            conditions = [{"field": "name", "op": "in", "value": some}]
            scopes["filters", json.dumps({"operator": "and", "conditions": conditions})] = None
            names = {name: None for name in names if name not in some}
        yield from ({name: value} for name, value in scopes)

    def uncertain(self, why: APIError) -> BulkCreateUncertainError:
        unconfirmed = [self.fields[i] for i in self.unclear()]
        names = ", ".join(repr(fields["name"]) for fields in unconfirmed[:5]) + ("…" if len(unconfirmed) > 5 else "")
        return BulkCreateUncertainError(
            f"{len(unconfirmed)} of {len(self.fields)} metrics may or may not be saved ({names}): {why} Nothing "
            "more was sent. Save all of them again later: what stands there by then is not saved twice.",
            created=self.created(),
            unconfirmed=unconfirmed,
        )


def create_in_bulk(http: HTTP, fields: Sequence[dict[str, Any]]) -> Steps[list[Metric]]:
    """Step 3: save metrics. Returns them as saved, in the order given."""
    wanted = _Wanted(fields)
    try:
        yield from _look(http, wanted, max(http.unsettled.get(wanted.keys[i], 0.0) for i in wanted.missing()))
        try:
            yield from _send(http, wanted)
        except BaseException as error:
            if isinstance(error, Exception):
                raise
            # Interrupted or cancelled: the service may still be at work on what was sent when they are given next.
            now = http.clock.now()
            later = {wanted.keys[i]: now + http.settings.settle_timeout for i in wanted.missing()}
            http.unsettled = {key: until for key, until in http.unsettled.items() if until > now} | later
            raise
    except CekuraError as error:
        error.created = error.created or wanted.created()
        raise
    finally:
        wanted.failed.clear()  # Their tracebacks hold this frame.
    return wanted.created()


def _send(http: HTTP, wanted: _Wanted) -> Steps[None]:
    """Send what is missing, and after a look send again what is missing still and may be sent again."""
    size, delays = MAX_METRICS, growing(0.5, 8.0, jitter=True)
    for retries in itertools.count():
        sent = wanted.missing()
        for start in range(0, len(sent), size):
            yield from _send_chunk(http, wanted, sent[start : start + size])
        unclear = wanted.unclear()
        try:
            yield from _look(http, wanted, http.clock.now() + http.settings.settle_timeout if unclear else 0.0)
        except APIError as error:
            if unclear:
                raise wanted.uncertain(error) from error
        size = min(size, len(sent))
        errors = {i: wanted.failed[i] for i in wanted.missing()}
        wanted.refused |= {i for i, error in errors.items() if not _may_be_sent_again(error, size)}
        pauses = [next(delays), *(getattr(each, "retry_after", 0.0) for each in errors.values())]
        pause = max(each or 0.0 for each in pauses)
        over = retries >= http.settings.max_retries or pause > MAX_PAUSE
        if not wanted.missing() or over or not http.budget.take():
            break
        size = max(1, size // 2) if any(map(_is_too_large, errors.values())) else size
        yield pause
    for i in wanted.unclear():
        raise wanted.uncertain(wanted.failed[i]) from wanted.failed[i]
    for i in sorted(wanted.failed.keys() - wanted.saved.keys()):
        raise wanted.failed[i]


def _send_chunk(http: HTTP, wanted: _Wanted, positions: Sequence[int]) -> Steps[None]:
    """Send some of them once. If that fails, keep the reason, for the others can be saved all the same."""
    taken = {metric.id for metric in wanted.saved.values()}
    try:
        answer: list[Metric] = yield from call(
            http,
            "metrics.create_metrics_in_bulk",
            {"body": [SimpleNamespace(to_dict=wanted.fields[i].copy) for i in positions]},  # sent as they are
            lambda result: are_metrics(result) and len({m.id for m in result} - taken) == len(result) == len(positions),
            f"an array of {len(positions)} saved metrics, each with an id of its own",
            retries=0,
            subjects=[(i, wanted.fields[i]["name"]) for i in positions],
        )
    except APIError as error:
        wanted.failed.update(dict.fromkeys(positions, error))
    else:
        # In the order sent, where it does not show by itself what is what.
        left = wanted.claim(answer, positions)
        wanted.saved.update(zip((i for i in positions if i not in wanted.saved), left, strict=True))


def _look(http: HTTP, wanted: _Wanted, until: float) -> Steps[None]:
    """Look which of the missing are there, until all are, or a look at that time has shown that they are not."""
    pauses = growing(0.25, 2.0)
    while wanted.missing():
        last = http.clock.now() >= until
        try:
            for scope in wanted.scopes():
                wanted.claim((yield from call(http, LIST, scope, are_metrics, METRICS)), wanted.missing())
        except APIError:
            if last:
                raise
        if last:
            return
        yield max(0.0, min(next(pauses), until - http.clock.now()))


def are_metrics(result: object) -> bool:
    """Whether it is a list of saved metrics."""
    return isinstance(result, list) and all(isinstance(each, Metric) and is_int(each.id) for each in result)


def _is_too_large(error: APIError) -> bool:
    return getattr(error, "status_code", None) == 413


def _may_be_sent_again(error: APIError, size: int) -> bool:
    again = isinstance(error, RateLimitError | APIConnectionError) or may_be_carried_out(error)
    return again or (_is_too_large(error) and size > 1)


def _is_saved_as(fields: dict[str, Any], metric: Metric, same_scope: bool) -> bool:
    """Whether a saved metric of the same name and description is the one that is wanted.

    What the service does not say of a metric, and what is left to the service, cannot differ.
    """
    eval_type = fields.get("eval_type")
    if eval_type is not None and _kind(eval_type) != _kind(_said(metric, "eval_type")):
        return False
    for name in ("project", "assistant_id"):
        value = _said(metric, name)
        if fields.get(name) and value and fields[name] != value:
            return False
    wanted, agents = _agents(fields), _agents({"agents": _said(metric, "agents"), "agent": _said(metric, "agent")})
    if same_scope:
        return wanted == agents
    return (wanted <= agents if wanted else bool(fields.get("assistant_id"))) or not agents


def _said(metric: Metric, name: str) -> Any:
    """A field, known to this version of the specification or not."""
    return getattr(metric, name, None) or metric.additional_properties.get(name)


def _agents(fields: dict[str, Any]) -> set[int]:
    agents = fields.get("agents")
    return {each for each in [*(agents if isinstance(agents, list) else []), fields.get("agent")] if is_int(each)}


def _kind(eval_type: object) -> str:
    return "binary" if eval_type in _FORMER_BINARY else str(eval_type)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
