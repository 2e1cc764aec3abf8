"""Makes the metrics of an agent or project equal to the list of a plan. Each step is done once, or is reported."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from cekura_api.api.metrics import delete_metric
from cekura_api.models import Metric

from ._errors import (
    APIError,
    BulkCreateUncertainError,
    CekuraError,
    InvalidRequestError,
    NotFoundError,
    PlanChangedError,
)
from ._failures import may_be_processed
from ._http import HTTP, ask
from ._matching import CODE, Fields, fields_of
from ._plan import Applied, MetricChange, Plan, Scope, find_existing, find_plan, find_scope
from ._retry import growing
from ._save_state import Wanted
from ._saving import read, save


async def apply(http: HTTP, plan: Plan, *, prune: bool = False) -> Applied:
    """Do what a plan shows and is not done yet. Raises PlanChangedError if something else is needed."""
    if not isinstance(plan, Plan):
        raise InvalidRequestError(f"plan is a {type(plan).__name__}: expected what metrics.plan returned.")
    done = Applied()
    with _reporting(done):
        scope = await find_scope(http, plan.agent_id, plan.project_id)
        new = await find_plan(http, scope, plan.wanted)
        if steps := list(_unshown(plan, new, prune=prune)):
            raise _changed(f"these steps are needed now, too: {', '.join(steps)}", new)
        done.unchanged.extend(new.unchanged)
        await _create(http, new.create, done)
        await _attach(http, scope, new.attach, done)
        for change in new.update:
            await _update(http, scope, plan, change, done)
        for metric in new.deletable if prune else ():
            await _delete(http, scope, plan, metric, done)
    return done


@contextlib.contextmanager
def _reporting(done: Applied) -> Iterator[None]:
    """Add what was done to every error."""
    try:
        yield
    except BaseException as error:
        vars(error)["applied"] = done  # Ctrl-C and cancellation have it, too.
        if isinstance(error, CekuraError):
            error.created = error.created or done.created
        counts = {"created": done.created, "updated": done.updated, "deleted": done.deleted}
        said = ", ".join(f"{len(metrics)} {name}" for name, metrics in counts.items())
        error.add_note(f"Until then, metrics.apply had done this: {said}. Call it again: it skips what is done.")
        raise


def _unshown(plan: Plan, new: Plan, *, prune: bool) -> Iterator[str]:
    """The steps of a new plan that an earlier one does not show."""
    shown = {change.metric.id: change for change in plan.update}
    yield from (f"create {each['name']!r}" for each in new.create if each not in plan.create)
    yield from (f"attach {code!r}" for code in new.attach if code not in plan.attach)
    for change in new.update:
        known = shown.get(change.metric.id)
        if known is None or not (known.after.items() >= change.after.items() and _is_as(known.before, change.before)):
            yield f"update metric {change.metric.id} ({change.metric.name!r})"
    if prune:
        ids = {metric.id for metric in plan.deletable}
        yield from (f"delete metric {each.id} ({each.name!r})" for each in new.deletable if each.id not in ids)


def _is_as(shown: Fields, now: Fields) -> bool:
    return all(shown.get(name) == value for name, value in now.items())


def _changed(what: str, new: Plan) -> PlanChangedError:
    return PlanChangedError(
        f"The service changed after the plan was computed: {what}. Review the new plan, which is the attribute `plan` "
        "of this error, and apply that.",
        plan=new,
    )


async def _create(http: HTTP, fields: Sequence[dict[str, object]], done: Applied) -> None:
    saving = Wanted(fields)
    try:
        if fields:
            await save(http, saving)
    finally:
        done.created.extend(saving.in_order())


async def _attach(http: HTTP, scope: Scope, codes: Sequence[str], done: Applied) -> None:
    """Copy predefined metrics. The list shows whether they exist if the response does not."""
    if not codes:
        return
    from cekura_api.api.metrics import copy_predefined_metrics  # An older specification may lack it.

    failure: APIError | None = None
    try:
        copied = await ask(http, copy_predefined_metrics, body={**scope.ids, "metric_codes": list(codes)})
        done.created.extend(copied)
        http.state.hidden.update((metric.id, CODE) for metric in copied)
    except APIError as error:
        if not may_be_processed(error):
            raise
        failure = error
    found = await _find_copies(http, scope, codes)
    if failure is not None:
        done.created.extend(found.values())
        if missing := [code for code in codes if code not in found]:
            raise BulkCreateUncertainError(
                f"These predefined metrics may or may not be copied ({', '.join(missing)}): {failure} Call it again "
                "later: it copies those that do not exist by then.",
                created=done.created,
                unconfirmed=[{CODE: code} for code in missing],
            ) from failure


async def _find_copies(http: HTTP, scope: Scope, codes: Sequence[str]) -> dict[str, Metric]:
    """List until copies of these predefined metrics show, or `settle_timeout` is over. Returns those that exist."""
    found: dict[str, Metric] = {}
    until = http.now() + http.settings.settle_timeout
    pauses = growing(0.25, 2.0)
    while True:
        with contextlib.suppress(CekuraError):
            existing = {fields_of(metric).get(CODE): metric for metric in await find_existing(http, scope)}
            found = {code: existing[code] for code in codes if code in existing}
        is_over = http.now() >= until
        if is_over or (len(found) == len(codes) and not any(each.id in http.state.hidden for each in found.values())):
            return found
        await http.sleep(min(next(pauses), until - http.now()))


async def _update(http: HTTP, scope: Scope, plan: Plan, change: MetricChange, done: Applied) -> None:
    from cekura_api.api.metrics import update_metric  # An older specification may lack it.

    now = await read(http, change.metric.id)
    if not _is_as(now.to_dict(), change.before):
        what = f"metric {now.id} ({now.name!r}) is not as the plan shows it"
        raise _changed(what, await find_plan(http, scope, plan.wanted))
    done.updated.append(await ask(http, update_metric, now.id, body=change.after))


async def _delete(http: HTTP, scope: Scope, plan: Plan, metric: Metric, done: Applied) -> None:
    try:
        now = await read(http, metric.id)
        if not scope.owns(now):
            what = f"metric {now.id} ({now.name!r}) does not belong to the agent or project alone any more"
            raise _changed(what, await find_plan(http, scope, plan.wanted))
        await ask(http, delete_metric, metric.id)
    except NotFoundError:  # Somebody else has deleted it.
        return
    done.deleted.append(metric)
