"""Makes the metrics of an agent or project match the list of a plan. Each step runs once, or is reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from cekura_api.api.metrics import delete_metric
from cekura_api.models import Metric

from ._errors import NotFoundError, PlanChangedError
from ._http import HTTP, ask, checked
from ._matching import CODE, Fields, fields_of, may_be_in_scope, scope_of
from ._plan import Applied, Plan, Scope, compare
from ._save_state import Wanted
from ._saving import read, save


async def apply(http: HTTP, plan: Plan, *, prune: bool) -> Applied:
    """Run the steps of a plan that are not done yet. Raises PlanChangedError if any other step is needed."""
    done = Applied()
    try:
        new = await compare(http, plan.agent_id, plan.project_id, plan.wanted)
        shown = _steps(plan, prune=prune).items()
        unshown = [step for step in _steps(new, prune=prune).items() if step not in shown]
        if unshown:
            raise PlanChangedError(f"it also needs {', '.join(f'{key[0]} {key[1]!r}' for key, _ in unshown)}", new)
        done.unchanged.extend(new.unchanged)
        for saving in (Wanted(new.create), _Copies(new)):
            try:
                await save(http, saving)
            finally:
                done.created.extend(saving.in_order())
        for change in new.update:
            from cekura_api.api.metrics import update_metric  # An older specification may lack it.

            await _check(http, plan, change.metric, change.before)
            done.updated.append(await ask(http, update_metric, change.metric.id, body=change.after))
        for metric in new.deletable if prune else ():
            with suppress(NotFoundError):  # Somebody else deleted it, if no list shows it.
                await _check(http, plan, metric, {"name": metric.name}, is_deleted=True)
                await ask(http, delete_metric, metric.id)
            done.deleted.append(metric)
        if done.deleted:
            await _confirm_deleted(http, plan, done)
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
        **{("copy", code): None for code in plan.copy},
        **{("update", change.metric.id): (change.before, change.after) for change in plan.update},
        **{("delete", metric.id): metric.name for metric in (plan.deletable if prune else ())},
    }


async def _check(http: HTTP, plan: Plan, metric: Metric, before: Fields, *, is_deleted: bool = False) -> None:
    """Read a metric just before it is changed. Raises PlanChangedError if it is not as the plan shows it."""
    now = await read(http, metric.id)
    is_shared = is_deleted and not Scope(plan.agent_id, plan.project_id).owns(now)
    if is_shared or any(now.to_dict().get(name) != value for name, value in before.items()):
        what = f"metric {metric.id} ({metric.name!r}) has changed"
        raise PlanChangedError(what, await compare(http, plan.agent_id, plan.project_id, plan.wanted))


async def _confirm_deleted(http: HTTP, plan: Plan, done: Applied) -> None:
    """List the metrics, because a success of a delete says little. The list may lag behind by `settle_timeout`."""
    for pause in (0.0, http.settings.settle_timeout):
        await http.sleep(pause)
        listed = {metric.id for metric in (await compare(http, plan.agent_id, plan.project_id, [])).only_in_service}
        left = [f"metric {metric.id} ({metric.name!r})" for metric in done.deleted if metric.id in listed]
        if not left:
            return
    done.deleted[:] = [metric for metric in done.deleted if metric.id not in listed]
    what = f"it still lists {', '.join(left)}, although responses reported them as deleted or missing"
    raise PlanChangedError(what, await compare(http, plan.agent_id, plan.project_id, plan.wanted))


class _Copies(Wanted):
    """Predefined metrics to copy into a project. They are known by their codes."""

    def __init__(self, plan: Plan) -> None:
        self.place = {"agent_id": plan.agent_id} if plan.agent_id else {"project_id": plan.project_id}
        placed = Scope(plan.agent_id, plan.project_id).placed
        super().__init__([placed(each) for each in plan.wanted if each.get(CODE) in plan.copy])

    def request(self, positions: Sequence[int]) -> dict[str, Any]:
        from cekura_api.api.metrics import copy_predefined_metrics  # An older specification may lack it.

        codes = [self.fields[i][CODE] for i in positions]
        return checked(copy_predefined_metrics.build_request, body={**self.place, "metric_codes": codes})

    def claim(self, found: Iterable[Metric], positions: Iterable[int]) -> list[Metric]:
        left = []
        wanted = {str(self.fields[i][CODE]): i for i in positions}
        for metric in found:
            saved = fields_of(metric)
            i = wanted.get(str(saved.get(CODE)), -1)
            if i in self.saved or i < 0 or not may_be_in_scope(scope_of(saved), self.scopes[i]):
                left.append(metric)
            else:
                self.saved[i] = metric
        return left
