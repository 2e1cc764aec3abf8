"""The checks, in the order in which they run. Their reports do not quote the service."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from attrs import frozen

from cekura_facade import APIConnectionError, APIError, APIStatusError, NotFoundError, UnexpectedResponseError
from cekura_facade._matching import comparable, is_cut, is_int, may_be_in_scope, scope_of, score_type

from ._result import Level, Result, Value
from ._service import Fields, NotObserved, WrongShape, has_id
from ._subject import LONGEST_NAME, Metric, Subject, names_filter

# A text that shows any change: it has two spaces, a composed and a decomposed letter, and characters to escape.
_TEXT = "two  spaces, e\u0301, \u00e9, <&> "
_OLDER_TYPE = "binary_qualitative"


@frozen
class Observation:
    """What a check observed, as a sentence and for programs, and whether the assumption is true."""

    observed: str
    value: Value
    passed: bool | None


@frozen
class Check:
    """A check. `observe` raises an APIError or NotObserved if it observed nothing, and WrongShape if it failed."""

    id: str
    assumption: str
    level: Level
    observe: Callable[[Subject], Observation]

    def run(self, subject: Subject) -> Result:
        """Run the check."""
        try:
            found = self.observe(subject)
        except WrongShape as error:
            found = Observation(str(error), value=None, passed=False)
        except (APIError, NotObserved) as error:
            found = Observation(f"Not observed. {_described(error)}", value=None, passed=None)
        return Result(
            id=self.id,
            assumption=self.assumption,
            level=self.level,
            observed=found.observed,
            value=found.value,
            passed=found.passed,
        )


CHECKS: list[Check] = []


def _check(
    id: str, assumption: str, level: Level
) -> Callable[[Callable[[Subject], Observation]], Callable[[Subject], Observation]]:
    def register(observe: Callable[[Subject], Observation]) -> Callable[[Subject], Observation]:
        CHECKS.append(Check(id, assumption, level, observe))
        return observe

    return register


# Agents


@_check("agent-project", "An agent has a project.", "required")
def _agent_project(subject: Subject) -> Observation:
    known = "project_id" in subject.scope
    return Observation("The agent has a project." if known else "The agent has no project.", value=known, passed=known)


@_check("agent-pages", "A list of agents is a page with count, next, previous and results.", "required")
def _agent_pages(subject: Subject) -> Observation:
    page = subject.service.agents()
    keys = [key for key in ("count", "next", "previous", "results") if isinstance(page, dict) and key in page]
    is_page = isinstance(page, dict) and isinstance(page.get("results"), list) and "next" in page
    return Observation(f"The response has {_listed(keys)}.", value=keys, passed=is_page)


# Errors


@_check("unknown-progress-id", "The response for an unknown progress id is a 404 with a detail.", "optional")
def _unknown_progress_id(subject: Subject) -> Observation:
    try:
        subject.service.progress(str(uuid.uuid4()), subject.agent_id)
    except APIStatusError as error:
        shape = _shape(error.body)
        passed = error.status_code == 404 and shape == "detail"
        return Observation(
            f"Status {error.status_code}, {_SHAPES[shape]}.", value=f"{error.status_code} {shape}", passed=passed
        )
    return Observation("The service returned a job.", value="200", passed=False)


@_check("refused-metric", "The response for a refused metric is a 400 with the reasons by field.", "optional")
def _refused_metric(subject: Subject) -> Observation:
    refused = subject.scratch.fields(agent=subject.agent_id, eval_type="no-such-type")
    subject.refused.append(refused)
    return _refusal(lambda: subject.scratch.create(refused), "fields")


@_check("refused-array", "The response for a refused array is a 400 with an array of the same length.", "optional")
def _refused_array(subject: Subject) -> Observation:
    fine = subject.scratch.fields(agent=subject.agent_id)
    refused = subject.scratch.fields(agent=subject.agent_id, eval_type="no-such-type")
    subject.refused += [fine, refused]
    return _refusal(lambda: subject.scratch.create_in_bulk([fine, refused]), "array")


# Creating metrics


@_check("bulk-create", "bulk_create returns an array of the saved metrics, each with an id.", "required")
def _bulk_create(subject: Subject) -> Observation:
    scratch, number = subject.scratch, subject.agent_id
    description = f" Created by cekura-facade check,\nwhich deletes it again: {_TEXT}"
    sent = [
        # The names are in neither ascending nor descending order, so that a sorted response is noticed.
        scratch.fields(f" {{}} b {_TEXT}", agent=number, description=description, eval_type=_OLDER_TYPE),
        scratch.fields("{} c", agent=number),
    ]
    if "project_id" in subject.scope:
        sent.append(scratch.fields("{} a", project=subject.scope["project_id"]))
    response = scratch.create_in_bulk(sent)
    subject.created_at = subject.service.http.clock.now()
    if not isinstance(response, list) or not all(map(has_id, response)):
        return Observation("The response is not an array of metrics with ids.", value=False, passed=False)
    by_key = {scratch.key(metric): metric for metric in response}
    complete = len(response) == len(sent) == len({metric["id"] for metric in response})
    if not complete or any(scratch.key(fields) not in by_key for fields in sent):
        return Observation(f"The response has {len(response)} of {len(sent)} metrics.", value=False, passed=False)
    subject.returned = [metric["id"] for metric in response]
    subject.bulk = [Metric(fields, by_key[scratch.key(fields)]) for fields in sent]
    return Observation(f"The response has {len(response)} metrics, each with a different id.", value=True, passed=True)


@_check("bulk-create-order", "The response of bulk_create has the order of the request.", "optional")
def _bulk_create_order(subject: Subject) -> Observation:
    sent = [metric.id for metric in [subject.probe(), *subject.bulk[1:]]]
    kept = sent == subject.returned
    return Observation("The order is the same." if kept else "The order is different.", value=kept, passed=kept)


@_check("long-name", f"The service refuses a name of more than {LONGEST_NAME} characters.", "optional")
def _long_name(subject: Subject) -> Observation:
    subject.probe()
    name = "{} " + "x" * LONGEST_NAME
    fields = subject.scratch.fields(name, agent=subject.agent_id)
    try:
        subject.long = Metric(fields, subject.scratch.create(fields))
    except APIStatusError as error:
        if error.status_code != 400:
            raise
        return Observation("The service refused the metric.", value="refused", passed=True)
    stored = str(subject.detail(subject.long).get("name"))
    if stored == fields["name"]:
        return Observation("The service stored the name in full.", value="kept", passed=False)
    return Observation(f"The service cut the name to {len(stored)} characters.", value="cut", passed=False)


@_check("get-new-metric", "GET metrics/{id}/ returns a new metric immediately.", "required")
def _get_new_metric(subject: Subject) -> Observation:
    try:
        subject.detail(subject.probe())
    except NotFoundError:
        return Observation("The service did not find the new metric.", value=False, passed=False)
    return Observation("The service returned the new metric.", value=True, passed=True)


# What is stored


@_check("placement", "A metric that is sent with agent belongs to that agent.", "optional")
def _placement(subject: Subject) -> Observation:
    saved = subject.detail(subject.plain())
    agents = saved.get("agents")
    if saved.get("agent") == subject.agent_id or (isinstance(agents, list) and subject.agent_id in agents):
        return Observation("The service stored the metric with the agent.", value="as_sent", passed=True)
    if is_int(saved.get("project")) and saved.get("project") == subject.agent.get("project"):
        return Observation(
            "The service stored the metric in the agent's project, without the agent.", value="project", passed=False
        )
    return Observation("The service stored the metric elsewhere.", value="elsewhere", passed=False)


@_check("deprecation-warning", "Responses to writes have no deprecation warning.", "informational")
def _deprecation_warning(subject: Subject) -> Observation:
    subject.probe()
    warned = subject.service.deprecated
    return Observation(
        "A response has a warning." if warned else "No response has a warning.", value=warned, passed=not warned
    )


@_check("text-changes", "The service stores names and descriptions as they are sent.", "optional")
def _text_changes(subject: Subject) -> Observation:
    metric = subject.probe()
    saved = subject.detail(metric)
    changes = [
        f"{name}: {change}"
        for name in ("name", "description")
        for change in _changes(metric.sent[name], str(saved.get(name)))
    ]
    return Observation(
        f"Changed: {', '.join(changes)}." if changes else "The service changes nothing.",
        value=changes,
        passed=not changes,
    )


@_check("older-eval-type", f"The service stores the older eval_type {_OLDER_TYPE} as it is sent.", "optional")
def _older_eval_type(subject: Subject) -> Observation:
    stored = subject.detail(subject.probe()).get("eval_type")
    known = stored if stored in (_OLDER_TYPE, "binary_workflow_adherence", "binary") else "another type"
    return Observation(f"The service stores it as {known}.", value=str(known), passed=stored == _OLDER_TYPE)


@_check("identity", "The client recognizes each saved metric as the one that was sent.", "required")
def _identity(subject: Subject) -> Observation:
    every, project = subject.every(), subject.scope.get("project_id")
    recognized = sum(_is_same(metric.sent, subject.detail(metric), project) for metric in every)
    passed = recognized == len(every)
    return Observation(f"The client recognizes {recognized} of {len(every)} metrics.", value=recognized, passed=passed)


# Lists


@_check("list-lag", "A new metric appears in a list within settle_timeout.", "required")
def _list_lag(subject: Subject) -> Observation:
    subject.probe()
    subject.wait_until_listed()
    limit = subject.service.http.settings.settle_timeout
    if subject.lag is None:
        return Observation(
            f"After {subject.wait:g} seconds, new metrics are missing from the list.", value=None, passed=False
        )
    seconds = round(subject.lag, 2)
    text = f"All new metrics appeared within {seconds:g} seconds (settle_timeout: {limit:g} seconds)."
    return Observation(text, value=seconds, passed=subject.lag <= limit)


@_check("list-scope-agent-id", "A list by agent_id also has the metrics of the agent's project.", "optional")
def _list_scope_agent_id(subject: Subject) -> Observation:
    if subject.shows(subject.of_project(), agent_id=subject.agent_id):
        return Observation(
            "The list has the metrics of the agent and its project.", value="agent_and_project", passed=True
        )
    return Observation("The list has the metrics of that agent only.", value="agent", passed=False)


@_check("list-scope-project-id", "A list by project_id has the metrics of the project and its agents.", "optional")
def _list_scope_project_id(subject: Subject) -> Observation:
    project_id, of_project = subject.scope.get("project_id"), subject.of_project()
    shown = [
        name
        for name, metric in (("agent", subject.plain()), ("project", of_project))
        if subject.shows(metric, project_id=project_id)
    ]
    return Observation(
        f"The list has new metrics that were sent with: {_listed(shown)}.", value=shown, passed=len(shown) == 2
    )


@_check("list-scope-both", "A list by agent_id and project_id has the metrics of both.", "required")
def _list_scope_both(subject: Subject) -> Observation:
    of_project = subject.of_project()
    shown = [
        name
        for name, metric in (("agent", subject.plain()), ("project", of_project))
        if subject.shows(metric, **subject.scope)
    ]
    return Observation(
        f"The list has new metrics that were sent with: {_listed(shown)}.", value=shown, passed=len(shown) == 2
    )


@_check("list-filters", "The parameter filters narrows a list to the metrics with a name.", "optional")
def _list_filters(subject: Subject) -> Observation:
    metric = subject.plain()
    subject.require_listed()
    try:
        shown = subject.ids(filters=names_filter([metric]), **subject.scope)
    except APIStatusError as error:
        if error.status_code != 400:
            raise
        return Observation("The service refused the parameter.", value="refused", passed=False)
    if shown == {metric.id}:
        return Observation("The list has exactly the metric with that name.", value="narrowed", passed=True)
    return Observation("The list has other metrics, or not that one.", value="ignored", passed=False)


@_check("list-agents", "The parameter agents narrows a list to the metrics that have an agent.", "optional")
def _list_agents(subject: Subject) -> Observation:
    agents = str(subject.agent_id)
    if subject.shows(subject.of_project(), agents=agents):
        return Observation("The list also has a metric without an agent.", value="ignored", passed=False)
    if _placement(subject).passed and not subject.shows(subject.plain(), agents=agents):
        return Observation("The list does not have the metric of the agent.", value="missing", passed=False)
    return Observation("The list does not have a metric without an agent.", value="narrowed", passed=True)


@_check("list-complete", "A list by agent_id and project_id has all metrics.", "optional")
def _list_complete(subject: Subject) -> Observation:
    subject.require_listed()
    shown = subject.ids(**subject.scope)
    number = sum(metric.id in shown for metric in subject.bulk)
    text = f"The list has {number} of {len(subject.bulk)} new metrics."
    return Observation(text, value=number == len(subject.bulk), passed=number == len(subject.bulk))


@_check("list-fields", "A list has all fields that GET metrics/{id}/ returns.", "optional")
def _list_fields(subject: Subject) -> Observation:
    metric = subject.plain()
    subject.require_listed()
    listed = subject.service.metrics(filters=names_filter([metric]), **subject.scope)
    found = next((each for each in listed if each["id"] == metric.id), None)
    if found is None:
        raise NotObserved("The list does not have the metric.")
    missing = sorted(subject.detail(metric).keys() - found.keys())
    return Observation(f"The list leaves out: {_listed(missing)}.", value=missing, passed=not missing)


@_check("refused-array-saves-nothing", "If the service refuses an array or a metric, it saves nothing.", "required")
def _refused_array_saves_nothing(subject: Subject) -> Observation:
    if not subject.refused:
        raise NotObserved("The service did not refuse any metric.")
    subject.require_listed()
    saved = subject.scratch.listed() & {subject.scratch.key(fields) for fields in subject.refused}
    return Observation(f"{len(saved) or 'None'} of the metrics were saved.", value=len(saved), passed=not saved)


# Deleting, and limits


@_check("deleted-metric", "The response for a deleted metric is a 404 with a detail.", "required")
def _deleted_metric(subject: Subject) -> Observation:
    metric = subject.plain()
    subject.scratch.delete(metric.id)
    try:
        subject.service.metric(metric.id)
    except APIStatusError as error:
        shape, is_404 = _shape(error.body), error.status_code == 404
        return Observation(
            f"Status {error.status_code}, {_SHAPES[shape]}.", value=f"{error.status_code} {shape}", passed=is_404
        )
    return Observation("The service returned the deleted metric.", value="200", passed=False)


@_check("retry-after", "A response with status 429 has a Retry-After header.", "optional")
def _retry_after(subject: Subject) -> Observation:
    limits = subject.service.rate_limits
    if not limits:
        raise NotObserved("No response had status 429.")
    return Observation(
        f"{sum(limits)} of {len(limits)} responses had the header.", value=sum(limits), passed=all(limits)
    )


_SHAPES = {
    "detail": "an object with a detail",
    "fields": "an object with a list of reasons for each field",
    "array": "an array of such objects",
    "other": "a body of another shape",
}


def _refusal(send: Callable[[], object], expected: str) -> Observation:
    try:
        send()
    except APIStatusError as error:
        shape, status = _shape(error.body), error.status_code
        same = shape == expected and (shape != "array" or (len(error.body) == 2 and error.body[0] == {}))
        return Observation(
            f"Status {status}, {_SHAPES[shape]}.", value=f"{status} {shape}", passed=status == 400 and same
        )
    return Observation("The service did not refuse it.", value="201", passed=False)


def _shape(body: object) -> str:
    """The shape of the body of an error, without its texts."""
    if isinstance(body, list) and body and all(each == {} or _shape(each) == "fields" for each in body):
        return "array"
    if not isinstance(body, dict) or not body:
        return "other"
    if isinstance(body.get("detail"), str):
        return "detail"
    return "fields" if all(isinstance(reasons, list) for reasons in body.values()) else "other"


def _changes(sent: str, stored: str) -> list[str]:
    """How a stored text differs from the one that was sent."""
    changes = {
        "trim": stored[:1] != " " or stored[-1:] != " ",
        "nfc": "e\u0301" not in stored and stored.count("\u00e9") == 2,
        "nfd": "\u00e9" not in stored and stored.count("e\u0301") == 2,
        "collapse_whitespace": "  " not in stored,
        "crlf": "\r\n" in stored,
        "html_escape": "&lt;" in stored or "&#" in stored,
        "other": comparable(stored) != comparable(sent),
    }
    found = [change for change, is_seen in changes.items() if is_seen]
    return found or (["other"] if stored != sent else [])


def _is_same(sent: Fields, saved: Fields, project: int | None) -> bool:
    """Whether the client takes a saved metric for the one that was sent."""
    name = str(saved.get("name"))
    return (
        (comparable(name) == comparable(sent["name"]) or is_cut(name, sent["name"]))
        and comparable(saved.get("description")) == comparable(sent["description"])
        and score_type(saved.get("eval_type")) == score_type(sent["eval_type"])
        and may_be_in_scope(scope_of(saved), scope_of(sent).in_project(project))
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _described(error: APIError | NotObserved) -> str:
    """Why there is nothing to report, without text of the service."""
    if isinstance(error, APIStatusError):
        return f"The service responded with status {error.status_code}."
    if isinstance(error, UnexpectedResponseError):
        return "The service sent an unexpected response."
    if isinstance(error, APIConnectionError):
        return "The response was lost."
    return str(error)
