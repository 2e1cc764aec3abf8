"""Makes the metrics of an agent or project match the list of a plan. Each step runs once, or is reported."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from cekura_api.api.metrics import delete_metric
from cekura_api.models import Metric

from ._errors import APIError, CekuraError, NotFoundError, PlanChangedError
from ._failures import may_be_processed, unexpected
from ._http import HTTP, ask, checked
from ._matching import CODE, Fields, fields_of
from ._plan import Applied, Plan, Scope, compare
from ._save_state import Wanted
from ._saving import confirm, read, remember_unsettled, save


async def apply(http: HTTP, plan: Plan, *, prune: bool) -> Applied:
    """Run the steps of a plan that are not done yet. Raises PlanChangedError if any other step is needed."""
    done = Applied()
    try:
        new = await compare(http, plan.agent_id, plan.project_id, plan.wanted)
        shown = _steps(plan, prune=prune)
        unshown = [step for step, what in _steps(new, prune=prune).items() if step not in shown or shown[step] != what]
        if unshown:
            raise PlanChangedError(", ".join(f"{verb} {subject!r}" for verb, subject in unshown), new)
        done.unchanged.extend(new.unchanged)
        saving = Wanted(new.create)
        try:
            await save(http, saving)
        finally:
            done.created.extend(saving.in_order())
        if new.attach:
            await _attach(http, new, done)
        for change in new.update:
            from cekura_api.api.metrics import update_metric  # An older specification may lack it.

            await _check(http, plan, change.metric, change.before)
            done.updated.append(await ask(http, update_metric, change.metric.id, body=change.after))
        for metric in new.deletable if prune else ():
            await _delete(http, plan, metric)
            done.deleted.append(metric)
    except BaseException as error:
        vars(error)["applied"] = done  # Ctrl-C and cancellation get it as well.
        counts = f"{len(done.created)} created, {len(done.updated)} updated, {len(done.deleted)} deleted"
        error.add_note(f"metrics.apply: {counts}. Compute a new plan and apply it. Finished steps are not repeated.")
        raise
    return done


def _steps(plan: Plan, *, prune: bool) -> dict[tuple[str, object], object]:
    """The steps of a plan, each with the values that it writes or deletes."""
    return {
        **{("create", each["name"]): each for each in plan.create},
        **{("copy", code): None for code in plan.attach},
        **{("update", change.metric.id): (change.before, change.after) for change in plan.update},
        **{("delete", metric.id): metric.name for metric in (plan.deletable if prune else ())},
    }


async def _check(http: HTTP, plan: Plan, metric: Metric, before: Fields, *, is_deleted: bool = False) -> None:
    """Read a metric just before it is changed. Raises PlanChangedError if it is not as the plan shows it."""
    now = await read(http, metric.id)
    is_shared = is_deleted and not Scope(plan.agent_id, plan.project_id).owns(now)
    if is_shared or any(now.to_dict().get(name) != value for name, value in before.items()):
        what = f"metric {metric.id} ({metric.name!r}) is different"
        raise PlanChangedError(what, await compare(http, plan.agent_id, plan.project_id, plan.wanted))


async def _delete(http: HTTP, plan: Plan, metric: Metric) -> None:
    try:
        await _check(http, plan, metric, {"name": metric.name}, is_deleted=True)
        await ask(http, delete_metric, metric.id)
    except NotFoundError as error:  # If the 404 is not from a proxy, somebody else deleted it.
        if not isinstance(error.body, dict):
            raise


async def _attach(http: HTTP, plan: Plan, done: Applied) -> None:
    """Copy predefined metrics. After a failure, the list shows which ones were copied."""
    from cekura_api.api.metrics import copy_predefined_metrics  # An older specification may lack it.

    place = {"agent_id": plan.agent_id} if plan.agent_id else {"project_id": plan.project_id}
    scope = Scope(plan.agent_id, plan.project_id)
    saving = Wanted([scope.placed(each) for each in plan.wanted if each.get(CODE) in plan.attach])
    saving.settled_at = http.clock.now() + http.settings.settle_timeout
    try:
        try:
            body = {**place, "metric_codes": [*plan.attach]}
            response = await http.send(checked(copy_predefined_metrics.build_request, body=body))
            _claim(saving, copy_predefined_metrics.parse_response(response))
            if saving.missing():
                raise unexpected(http.settings.credential, response, "its body does not have all of the metrics")
        except APIError as error:
            if not may_be_processed(error):
                saving.settled_at = 0.0
                raise
            saving.failed = dict.fromkeys(saving.missing(), error)
            with suppress(CekuraError):
                await http.sleep(http.settings.settle_timeout)
                _claim(saving, (await compare(http, plan.agent_id, plan.project_id, plan.wanted)).unchanged)
            if saving.unclear():
                raise saving.uncertain(error) from error
    finally:
        remember_unsettled(http, saving)
        done.created.extend(saving.in_order())
    http.state.hidden.update({saving.saved[i].id: saving.key(i) for i in saving.saved})
    await confirm(http, saving)


def _claim(saving: Wanted, metrics: Sequence[Metric]) -> None:
    """Mark the wanted metrics as saved that these metrics are copies of."""
    by_code = {str(fields_of(metric).get(CODE)): metric for metric in metrics}
    saving.saved |= {i: by_code[code] for i, each in enumerate(saving.fields) if (code := str(each[CODE])) in by_code}
