"""Saves each metric exactly once. Lists the existing metrics before anything is sent, and again after a failure.

The service has no idempotency keys, and a caller cannot distinguish a lost response from a lost request. The published
sources disagree on where a metric is stored and on what a list contains, so this code works either way.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from cekura_api.api.agents import get_agent
from cekura_api.api.metrics import create_metrics_in_bulk, get_metric, list_metrics
from cekura_api.models import Metric

from . import _errors as errors
from ._failures import is_redirect, may_be_processed, unexpected
from ._http import HTTP, ask
from ._matching import assistant_of, comparable, is_int, scope_of
from ._pages import Pages
from ._retry import MAX_PAUSE, growing
from ._save_state import Query, Wanted

MAX_METRICS = 100  # maximum number of metrics in a request
_LOG = logging.getLogger("cekura_facade")
UNREADABLE = (errors.NotFoundError, errors.PermissionDeniedError, errors.UnexpectedResponseError)


class SavedMetrics(list[Metric]):
    """Saved metrics, in the order given.

    Attributes:
        created: Those that this call created.
        existing: Those that had existed before this call.
    """

    def __init__(self, metrics: Sequence[Metric] = (), existing: Collection[int] = ()) -> None:
        super().__init__(metrics)
        self.created: list[Metric] = [metric for metric in metrics if metric.id not in existing]
        self.existing: list[Metric] = [metric for metric in metrics if metric.id in existing]


async def create_in_bulk(http: HTTP, fields: Sequence[dict[str, object]]) -> SavedMetrics:
    """Save metrics. Returns them in the order given."""
    return await save(http, Wanted(fields))


async def save(http: HTTP, wanted: Wanted) -> SavedMetrics:
    """Save metrics. `wanted` shows which ones are saved, even after an interruption."""
    found = wanted.saved  # Nothing has been sent, so these metrics already existed.
    try:
        await _find_scopes(http, wanted)
        await find(http, wanted, wanted.missing, settled_at(http, wanted))
        await claim_unlisted(http, wanted)
        found = dict(wanted.saved)
        wanted.listed_before = set(wanted.listed)
        try:
            await _send(http, wanted)
        except Exception:
            await confirm(http, wanted)
            raise
        except BaseException:
            remember_unsettled(http, wanted)
            raise
        await confirm(http, wanted)
    except errors.CekuraError as error:
        error.created = SavedMetrics(error.created or wanted.in_order(), {metric.id for metric in found.values()})
        raise
    finally:
        wanted.failed.clear()  # The tracebacks of these errors reference this frame.
    return SavedMetrics(wanted.in_order(), {metric.id for metric in found.values()})


async def _find_scopes(http: HTTP, wanted: Wanted) -> None:
    """Find the agents and projects that the metrics belong to."""
    agents = sorted({min(scope.agents) for scope in wanted.scopes if scope.agents})
    scopes = enumerate(wanted.scopes)
    by_assistant = {i: scope.assistant_id for i, scope in scopes if scope.assistant_id and not scope.agents}
    if by_assistant:
        await _find_agents(http, wanted, by_assistant)
    for number in agents:
        try:
            project = (await ask(http, get_agent, number)).project
            wanted.scopes = [each.in_project(project) if number in each.agents else each for each in wanted.scopes]
        except UNREADABLE as error:
            _LOG.warning("Agent %d cannot be read, so metrics are listed by agent_id alone. %s", number, error)


async def _find_agents(http: HTTP, wanted: Wanted, by_assistant: dict[int, str]) -> None:
    """Find the agents of assistant ids, which are passed by the positions of their metrics."""
    from cekura_api.api.agents import list_agents  # An older specification may lack it.

    pages = Pages(http, list_agents)
    try:
        while by_assistant and pages.has_next:
            for agent in await pages.next():
                for i in [i for i, assistant_id in by_assistant.items() if assistant_id == assistant_of(agent)]:
                    del by_assistant[i]
                    wanted.compared[i] = {**wanted.compared[i], "agents": [agent.id]}
                    wanted.scopes[i] = scope_of(wanted.compared[i]).in_project(agent.project)
    except UNREADABLE as error:
        _LOG.warning("The agents cannot be listed, so metrics are listed by assistant_id alone. %s", error)


async def _send(http: HTTP, wanted: Wanted) -> None:
    """Send the missing metrics. After a failure, list again, and send those that are still missing and may be sent.

    A metric is missing until it is saved (a response or a list contained it) or refused (its error shows that a retry
    would fail). A missing metric has failed if its last request failed. It is unclear if the service may have processed
    that request.
    """
    size = MAX_METRICS
    delays = growing(0.5, 8.0, jitter=True)
    for retries in itertools.count():
        sent = wanted.missing()
        await _send_once(http, wanted, sent, size)
        size = min(size, len(sent))
        reasons = {i: wanted.failed[i] for i in wanted.missing()}
        wanted.refused |= {i for i, error in reasons.items() if not _may_be_sent_again(error, size)}
        requested = [error.retry_after or 0.0 for error in reasons.values() if isinstance(error, errors.APIStatusError)]
        pause = max([next(delays), *requested])
        is_over = retries >= http.settings.max_retries or pause > MAX_PAUSE
        if not wanted.missing() or is_over or not http.budget.take():
            break
        if any(map(_is_too_large, reasons.values())):
            size = max(1, size // 2)
        await http.sleep(pause)
    if unclear := wanted.unclear():
        failure = wanted.failed[unclear[0]]
        raise wanted.uncertain(failure) from failure
    if failed := wanted.failed.keys() - wanted.saved.keys():
        raise wanted.failed[min(failed)]


async def _send_once(http: HTTP, wanted: Wanted, sent: Sequence[int], size: int) -> None:
    """Send metrics, and find those that failed requests saved.

    Raises BulkCreateUncertainError if that cannot be known.
    """
    try:
        for start in range(0, len(sent), size):
            await _send_chunk(http, wanted, sent[start : start + size])
        await find(http, wanted, wanted.missing, wanted.settled_at if wanted.unclear() else 0.0)
    except errors.CekuraError as error:  # The client may be closed meanwhile.
        if wanted.unclear():
            raise wanted.uncertain(error) from error
        if not isinstance(error, errors.APIError):
            raise
    unclear = wanted.unclear()
    lookalikes = wanted.lookalikes(http.state.created) if unclear else []
    is_redirected = any(is_redirect(wanted.failed[i]) for i in unclear)
    # In these cases, a metric may be saved although no list contains it.
    if unclear and (lookalikes or is_redirected or http.state.list_is_partial or wanted.is_list_unreliable()):
        failure = wanted.failed[unclear[0]]
        raise wanted.uncertain(failure, lookalikes) from failure


async def _send_chunk(http: HTTP, wanted: Wanted, positions: Sequence[int]) -> None:
    """Send some of the metrics once. Stores the error instead of raising it, because others can still be saved."""
    subjects = [(i, wanted.sent_names[i]) for i in positions]
    taken = {metric.id for metric in wanted.saved.values()}
    wanted.settled_at = http.clock.now() + http.settings.settle_timeout
    try:
        response = await http.send(wanted.request(positions), max_retries=0, subjects=subjects)
        created = create_metrics_in_bulk.parse_response(response)
        if not len(positions) == len(created) == len({metric.id for metric in created} - taken):
            why = f"its body is not a list of {len(positions)} metrics, each with a different id"
            raise unexpected(http.settings.credential, response, why)
    except errors.APIError as error:
        wanted.failed.update(dict.fromkeys(positions, error))
        wanted.settled_at = http.clock.now() + http.settings.settle_timeout
        return
    # Metrics that cannot be matched by their fields are matched by their order.
    left = wanted.claim(created, positions)
    wanted.saved.update(zip((i for i in positions if i not in wanted.saved), left, strict=True))
    keys = {wanted.saved[i].id: wanted.keys[i] for i in positions}
    http.state.created.update(keys)
    http.state.unlisted.update(keys)


async def find(
    http: HTTP, wanted: Wanted, left: Callable[[], list[int]], until: float, max_retries: int | None = None
) -> None:
    """List until no positions are left, at most until a time. Raises the error of the last list."""
    pauses = growing(0.25, 2.0)
    failure = None
    while left():
        is_last = http.clock.now() >= until
        try:
            failure = None
            await _list(http, wanted, left(), max_retries)
        except errors.APIError as error:
            failure = error
        if is_last or not left():
            break
        await http.sleep(max(0.0, min(next(pauses), until - http.clock.now())))
    if failure is not None:
        raise failure


async def _list(http: HTTP, wanted: Wanted, positions: Sequence[int], max_retries: int | None) -> None:
    """Run the queries for these metrics until all have been seen, and claim the metrics that are found."""
    names = {each for i in positions for each in wanted.spellings[i]}
    queries = wanted.queries(positions)
    while positions and (query := next(queries, None)):
        try:
            found = await list_once(http, query, max_retries)
        except errors.BadRequestError:
            if not query.keys() & {"filters", "agents"}:
                raise
            wanted.filters_work = wanted.filters_work and "filters" not in query
            continue
        others = {metric.name for metric in found} - names if "filters" in query else ()
        if others and not set(map(comparable, others)) <= set(map(comparable, names)):
            wanted.filters_work = False
        for number in wanted.left_out(found):
            try:
                wanted.details[number] = await read(http, number, max_retries)
            except errors.NotFoundError:  # It was deleted meanwhile.
                found = [metric for metric in found if metric.id != number]
        wanted.add_listed(found)
        wanted.claim(found, wanted.missing())
        unseen = wanted.unseen(positions)
        if len(unseen) < len(positions) and "filters" in query:
            queries = wanted.queries(unseen)  # A list that was cut short may now show others.
        positions = unseen


async def list_once(http: HTTP, query: Query, max_retries: int | None = None) -> list[Metric]:
    """List metrics. If the list leaves out names, read each metric."""
    # The query is passed as it is, because an older specification may lack some of the parameters.
    request = {**list_metrics.build_request(), "params": query}
    response = await http.send(request, max_retries=max_retries)
    try:
        return list_metrics.parse_response(response)
    except errors.UnexpectedResponseError as error:
        items = error.body if isinstance(error.body, list) else []
        ids = [item["id"] for item in items if isinstance(item, dict) and is_int(item.get("id"))]
        if not ids or len(ids) != len(items):
            raise
    return [await read(http, number, max_retries) for number in ids]


async def read(http: HTTP, metric_id: int, max_retries: int | None = None) -> Metric:
    """Read a metric with all of its fields."""
    return get_metric.parse_response(await http.send(get_metric.build_request(metric_id), max_retries=max_retries))


async def claim_unlisted(http: HTTP, wanted: Wanted) -> None:
    """Claim metrics that this client created and that no list has shown, if they still exist."""
    missing = wanted.missing()
    keys = {wanted.keys[i] for i in missing}
    # The list is a copy, because other threads may save at the same time.
    unlisted = [(number, key) for number, key in list(http.state.unlisted.items()) if key in keys]
    for i in missing:
        for number in [number for number, key in unlisted if key == wanted.keys[i]]:
            if i in wanted.saved or any(metric.id == number for metric in wanted.saved.values()):
                continue
            try:
                wanted.saved[i] = await read(http, number)
            except errors.NotFoundError:
                http.state.unlisted.pop(number, None)


async def confirm(http: HTTP, wanted: Wanted) -> None:
    """List until the created metrics appear, so that the next call finds them, in this process or another."""
    created = [i for i in wanted.saved if wanted.saved[i].id in http.state.unlisted]
    until = http.clock.now() + http.settings.settle_timeout
    with suppress(errors.CekuraError):  # The client may be closed meanwhile.
        await find(http, wanted, lambda: wanted.unseen(created), until, max_retries=0)
    unseen = wanted.unseen(created)
    for i in set(created) - set(unseen):
        http.state.unlisted.pop(wanted.saved[i].id, None)
    if unseen:
        http.state.list_is_partial = True
        message = "%d metrics were created, but no list shows them after %g s. Another process would create them again."
        _LOG.warning(message, len(unseen), http.settings.settle_timeout)


def settled_at(http: HTTP, wanted: Wanted) -> float:
    """When lists show the metrics that an interrupted call may have saved."""
    return max([0.0, *(http.state.unsettled.get(wanted.keys[i], 0.0) for i in wanted.missing())])


def remember_unsettled(http: HTTP, wanted: Wanted) -> None:
    """After an interruption, remember the metrics that the service may still be processing."""
    unsettled = http.state.unsettled | {wanted.keys[i]: wanted.settled_at for i in wanted.missing()}
    http.state.unsettled = {key: until for key, until in unsettled.items() if until > http.clock.now()}


def _is_too_large(error: errors.APIError) -> bool:
    return isinstance(error, errors.APIStatusError) and error.status_code == 413


def _may_be_sent_again(error: errors.APIError, size: int) -> bool:
    if isinstance(error, errors.RateLimitError | errors.APIConnectionError) or may_be_processed(error):
        return True
    return _is_too_large(error) and size > 1
