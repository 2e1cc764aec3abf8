"""The generated endpoints, resource classes and models, called without a server."""

from __future__ import annotations

import asyncio
import copy
import importlib
import inspect
import io
import itertools
import keyword
import pickle
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, ParamSpec, TypeVar

import httpx
import pytest
import yaml
from cekura_api import API, AsyncAPI, AuthenticatedClient, errors, models
from cekura_api.api.agents import list_agents
from cekura_api.api.metrics import delete_metric, generate_metrics_progress, get_metric, list_metrics, update_metric
from cekura_api.model import Model
from cekura_api.models import Agent, AgentPage, GenerateMetricsProgress, GenerateMetricsRequest, Metric, MetricUpdate
from cekura_api.transport import Endpoint, Page
from cekura_api.types import UNSET
from hypothesis import given, settings, strategies as st
from regeneration.documents import load
from regeneration.errors import RegenerationError
from regeneration.operations_file import load_operations
from regeneration.pipeline import derive
from regeneration.select import choose

from tests import regenerating

P = ParamSpec("P")
T = TypeVar("T")

SPEC = Path(__file__).parent.parent / "spec"
V1 = "/test_framework/v1"
NUMBER = itertools.count()


class Fake:
    """A transport that responds to each request with the next of some JSON values."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []

    def ask(self, endpoint: Endpoint[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.sent.append(endpoint.build_request(*args, **kwargs))
        return endpoint.parse_response(httpx.Response(200, json=self.answers.pop(0)))

    def pages(self, endpoint: Endpoint[P, Page[T]], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        yield from self.ask(endpoint, *args, **kwargs).results


class AsyncFake:
    """The asynchronous version."""

    def __init__(self, *answers: object) -> None:
        self.fake = Fake(*answers)

    async def ask(self, endpoint: Endpoint[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.fake.ask(endpoint, *args, **kwargs)

    async def pages(self, endpoint: Endpoint[P, Page[T]], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        for item in (await self.ask(endpoint, *args, **kwargs)).results:
            yield item


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}}


def success(schema: dict[str, Any]) -> dict[str, Any]:
    return {"200": {"description": "", **json_body(schema)}}


@pytest.fixture
def regenerate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Generate and import a package for a document and the text of an operations.yaml."""

    def make(published: dict[str, Any], operations: str, overlay: dict[str, Any] | None = None) -> ModuleType:
        (tmp_path / "operations.yaml").write_text(operations)
        overlay = overlay or {"overlay": "1.0.0", "actions": []}
        effective = derive(published, load_operations(tmp_path / "operations.yaml"), overlay).effective
        (tmp_path / "openapi.yaml").write_text(yaml.safe_dump(effective))
        name = f"surface_{next(NUMBER)}"
        regenerating.generate(tmp_path / "openapi.yaml", SPEC / "generator.yaml", tmp_path / name)
        monkeypatch.syspath_prepend(str(tmp_path))
        return importlib.import_module(name)

    return make


def small(paths: dict[str, Any]) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": paths}


def part(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


# Additions to the specification.

FOLDER = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "title": {"type": "string", "maxLength": 5}},
    "required": ["title"],
}
FOLDERS = {"type": "object", "properties": {"results": {"type": "array", "items": FOLDER}, "next": {"type": "string"}}}
ADDED = """
  - {name: list_folders, tag: folders, method: get, path: /v1/folders/, response: FolderPage, resource_method: list}
  - name: create_folder
    tag: folders
    method: post
    path: /v1/folders/
    request: FolderCreate
    response: Folder
    resource_method: create
  - {name: count_metrics, tag: metrics, method: get, path: /v1/metrics/count/, response: Count}
"""


def test_an_operation_is_added_by_an_entry(regenerate: Callable[..., ModuleType]) -> None:
    published = load(SPEC / "upstream.yaml")
    published["paths"]["/v1/folders/"] = {
        "get": {
            "summary": "List the folders",
            "parameters": [{"in": "query", "name": "depth", "schema": {"type": "integer", "maximum": 9}}],
            "responses": success(FOLDERS),
        },
        "post": {"requestBody": {**json_body(FOLDER), "required": True}, "responses": success(FOLDER)},
    }
    count = {"type": "object", "properties": {"count": {"type": "integer"}}}
    published["paths"]["/v1/metrics/count/"] = {"get": {"responses": success(count)}}
    operations = (
        (SPEC / "operations.yaml").read_text().replace("\n# Names for schemas", f"{ADDED}\n# Names for schemas")
    )
    operations += "  Folder: [id]\n"
    operations = operations.replace("parts:\n", "parts:\n  Folder: FolderPage.results[]\n")
    package = regenerate(published, operations, load(SPEC / "overlay.yaml"))

    endpoint = part(package, "api.folders.list_folders")
    assert endpoint.build_request(depth=2) == {"method": "get", "url": "/v1/folders/", "params": {"depth": 2}}
    page = {"results": [{"id": 1, "title": "a"}, {"id": 2}], "next": None}
    assert [folder.id for folder in endpoint.parse_response(httpx.Response(200, json=page)).results] == [1, 2]

    fake = Fake(page, {"id": 3, "title": "new"}, {"count": 4})
    api = package.API(fake)
    assert [folder.id for folder in api.folders.list(depth=3)] == [1, 2]
    assert api.folders.create(title="new").id == 3
    assert api.metrics.count_metrics().count == 4
    assert [request.get("params", request.get("json")) for request in fake.sent] == [
        {"depth": 3},
        {"title": "new"},
        None,
    ]
    with pytest.raises(ValueError, match=r"^depth=10: expected an integer <= 9\.$"):
        api.folders.list(depth=10).__next__()
    with pytest.raises(ValueError, match=r"^title='too long': expected a string with a length of at most 5\.$"):
        api.folders.create(title="too long")
    with pytest.raises(ValueError, match="title"):
        api.folders.create(id=1)

    async def awaited() -> tuple[list[int], int, int]:
        asynchronous = package.AsyncAPI(AsyncFake(page, {"id": 3}, {"count": 4}))
        listed = [folder.id async for folder in asynchronous.folders.list()]
        created = await asynchronous.folders.create({"title": "new"})
        return listed, created.id, (await asynchronous.metrics.count_metrics()).count

    assert asyncio.run(awaited()) == ([1, 2], 3, 4)


def test_a_new_parameter_and_a_new_field_are_keywords(regenerate: Callable[..., ModuleType]) -> None:
    published = load(SPEC / "upstream.yaml")
    published["paths"][f"{V1}/metrics/"]["get"]["parameters"].append(
        {"in": "query", "name": "sort", "description": "How to sort", "schema": {"type": "string"}}
    )
    published["components"]["schemas"]["PatchedSchemaPostMetricEdit"]["properties"]["tone"] = {
        "type": "string",
        "description": "How it sounds",
    }
    package = regenerate(published, (SPEC / "operations.yaml").read_text(), load(SPEC / "overlay.yaml"))
    fake = Fake([], {"id": 7, "name": "x"})
    metrics = package.API(fake).metrics
    metrics.list(sort="name", agent_id=1)
    metrics.update(7, tone="calm")
    assert fake.sent[0]["params"] == {"sort": "name", "agent_id": 1}
    assert fake.sent[1]["json"] == {"tone": "calm"}
    assert "sort: How to sort." in (metrics.list.__doc__ or "")
    assert "tone: How it sounds." in (metrics.update.__doc__ or "")
    assert inspect.signature(metrics.update).parameters["tone"].kind is inspect.Parameter.KEYWORD_ONLY


# Requests.


def test_a_request_has_the_arguments_of_httpx() -> None:
    assert get_metric.build_request(7) == {"method": "get", "url": f"{V1}/metrics/7/"}
    request = update_metric.build_request(7, body=MetricUpdate(name="x"))
    assert request.pop("extensions") == delete_metric.build_request(7)["extensions"] == {"idempotent": True}
    assert request == {
        "method": "patch",
        "url": f"{V1}/metrics/7/",
        "json": {"name": "x"},
        "headers": {"Content-Type": "application/json"},
    }
    assert list_metrics.build_request(agent_id=1, include_scores=True)["params"] == {
        "agent_id": 1,
        "include_scores": True,
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get_metric.build_request(0), "metric_id=0: expected an integer >= 1."),
        (lambda: get_metric.build_request(2**63), f"metric_id={2**63}: expected an integer <= {2**63 - 1}."),
        (lambda: get_metric.build_request(True), "metric_id=True: expected an integer, not a boolean."),
        (lambda: get_metric.build_request("7"), "metric_id='7': expected an integer, not a string."),  # type: ignore[arg-type]
        (lambda: list_metrics.build_request(agent_id=-1), "agent_id=-1: expected an integer >= 1."),
        (
            lambda: generate_metrics_progress.build_request(progress_id="x" * 1001),
            f"progress_id='{'x' * 99}: expected a string with a length of at most 1000.",
        ),
    ],
)
def test_a_parameter_outside_of_its_limits_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match="expected") as refused:
        call()
    assert str(refused.value) == message


def test_each_parameter_is_sent_in_its_place(regenerate: Callable[..., ModuleType]) -> None:
    parameters = [
        {"in": place, "name": name, "schema": {"type": kind}}
        for place, name, kind in [
            *(("query", "depth", "integer"), ("query", "where", "object"), ("query", "unset", "string")),
            *(("header", "X-Count", "integer"), ("cookie", "session", "string")),
        ]
    ]
    operation = {
        "parameters": parameters,
        "requestBody": {**json_body(FOLDER), "required": True},
        "responses": success(FOLDER),
    }
    entry = "{name: do_it, tag: things, method: post, path: /x/, request: Sent}"
    package = regenerate(small({"/x/": {"post": operation}}), f"operations: [{entry}]")
    fake = Fake({})
    package.API(fake).things.do_it(title="a", depth=2, where='{"a": 1}', x_count=3, session="s")
    assert fake.sent == [
        {
            "method": "post",
            "url": "/x/",
            "params": {"depth": 2, "where": '{"a": 1}'},
            "headers": {"X-Count": "3", "Content-Type": "application/json"},
            "cookies": {"session": "s"},
            "json": {"title": "a"},
        }
    ]


def test_files_are_sent_as_a_form(regenerate: Callable[..., ModuleType]) -> None:
    file = {"type": "string", "format": "binary"}
    schema = {"type": "object", "properties": {"files": {"type": "array", "items": file}, "about": {"type": "object"}}}
    body = {"content": {"multipart/form-data": {"schema": schema}}, "required": True}
    published = small({"/x/": {"post": {"requestBody": body, "responses": {"204": {"description": ""}}}}})
    package = regenerate(published, "operations: [{name: do_it, tag: things, method: post, path: /x/}]")
    endpoint = part(package, "api.things.do_it")
    form = inspect.signature(endpoint.build_request, eval_str=True).parameters["body"].annotation
    files = [part(package, "types").File(io.BytesIO(data), f"{data!r}.txt") for data in (b"1", b"2")]
    request = endpoint.build_request(body=form.from_dict({"files": files, "about": {"a": 1}, "title": "t"}))
    sent = httpx.Request(request.pop("method"), "http://127.0.0.1:1", files=request.pop("files")).read()
    assert request == {"url": "/x/"}
    assert [sent.count(each) for each in (b'name="files"', b'{"a": 1}', b'name="title"')] == [2, 1, 1]


@pytest.mark.parametrize("value", ["", ".", ".."])
def test_a_path_parameter_cannot_lead_to_another_path(regenerate: Callable[..., ModuleType], value: str) -> None:
    parameter = {"in": "path", "name": "slug", "required": True, "schema": {"type": "string"}}
    published = small(
        {"/things/{slug}/": {"get": {"parameters": [parameter], "responses": {"204": {"description": ""}}}}}
    )
    package = regenerate(published, "operations: [{name: see, tag: things, method: get, path: '/things/{slug}/'}]")
    see = part(package, "api.things.see")
    assert see.build_request("a/b?c")["url"] == "/things/a%2Fb%3Fc/"
    with pytest.raises(ValueError, match=r"slug|path"):
        see.build_request(value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda api: api.metrics.update(7), "Nothing to send: pass `body`, or at least one of its fields."),
        (lambda api: api.metrics.update(7, {}), "Nothing to send: pass `body`, or at least one of its fields."),
        (lambda api: api.metrics.create(), "Missing: name, eval_type."),
        (lambda api: api.metrics.create({"name": "x"}), "Missing: eval_type."),
        (lambda api: api.metrics.update(7, name=None), "name=None: expected a string, not null."),
        (lambda api: api.metrics.update(7, agents=["x"]), "agents=['x']: item 1: expected an integer, not a string."),
        (lambda api: api.metrics.update(7, "x"), "body='x': expected a MetricUpdate or a mapping."),
        (lambda api: api.metrics.update(0, name="x"), "metric_id=0: expected an integer >= 1."),
    ],
)
def test_a_body_that_is_not_valid_is_refused(call: Callable[[Any], object], message: str) -> None:
    fake = Fake({"id": 7, "name": "x"})
    with pytest.raises(ValueError, match=r"expected|Missing|Nothing") as refused:
        call(API(fake))
    assert str(refused.value).startswith(message)
    assert fake.sent == []


def test_keywords_win_over_the_body_and_null_is_a_value() -> None:
    fake = Fake(*[{"id": 7, "name": "x"}] * 4)
    metrics = API(fake).metrics
    metrics.update(7, {"name": "old", "new_field": 1}, name="new")
    metrics.update(7, MetricUpdate(name="old"), description="d")
    metrics.update(7, add_to_new_agents=None)
    metrics.create(name="x", eval_type="binary")
    assert [request["json"] for request in fake.sent] == [
        {"new_field": 1, "name": "new"},
        {"name": "old", "description": "d"},
        {"add_to_new_agents": None},
        {"name": "x", "eval_type": "binary"},
    ]
    with pytest.raises(TypeError, match="nmae"):
        metrics.update(7, nmae="x")  # type: ignore[call-arg]


def test_operations_of_a_workflow_have_no_methods() -> None:
    methods = {name for name in dir(API(Fake()).metrics) if not name.startswith("_")}
    assert methods == {"list", "get", "create", "update", "delete", "generate_evaluation_trigger"}
    assert {name for name in dir(AsyncAPI(AsyncFake()).agents) if not name.startswith("_")} == {"list", "get"}


# Responses.


@pytest.mark.parametrize(
    ("endpoint", "body", "reason"),
    [
        (get_metric, b"<html>", "the body is not JSON"),
        (get_metric, b"", "the body is not JSON"),
        (get_metric, b"[]", "the body is not valid: expected an object, not a list"),
        (get_metric, b"null", "the body is not valid: expected an object, not null"),
        (get_metric, b'{"name": "x"}', "the body is not valid: Metric.id is missing"),
        (
            get_metric,
            b'{"id": "7", "name": "x"}',
            "the body is not valid: Metric.id: expected an integer, not a string",
        ),
        (
            get_metric,
            b'{"id": true, "name": "x"}',
            "the body is not valid: Metric.id: expected an integer, not a boolean",
        ),
        (get_metric, b'{"id": 7, "name": null}', "the body is not valid: Metric.name: expected a string, not null"),
        (list_metrics, b"{}", "the body is not valid: expected a list, not an object"),
        (list_metrics, b'""', "the body is not valid: expected a list, not a string"),
        (list_metrics, b"[1]", "the body is not valid: item 1: expected an object, not an integer"),
        (
            list_metrics,
            b'[{"id": 1, "name": "a"}, {"name": "b"}]',
            "the body is not valid: item 2: Metric.id is missing",
        ),
        (list_agents, b"{}", "the body is not valid: AgentPage.results is missing"),
        (list_agents, b'{"results": {}}', "the body is not valid: AgentPage.results: expected a list, not an object"),
        (list_agents, b'{"results": [{}]}', "the body is not valid: AgentPage.results: item 1: Agent.id is missing"),
        (
            list_agents,
            b'{"results": [5]}',
            "the body is not valid: AgentPage.results: item 1: expected an object, not an integer",
        ),
        (
            generate_metrics_progress,
            b'{"status": 1}',
            "the body is not valid: GenerateMetricsProgress.status: expected a string, not an integer",
        ),
    ],
)
def test_a_success_of_another_shape_says_why(endpoint: Any, body: bytes, reason: str) -> None:
    response = httpx.Response(200, content=body)
    with pytest.raises(errors.UnexpectedResponse) as unexpected:
        endpoint.parse_response(response)
    assert unexpected.value.reason == reason
    assert unexpected.value.response is response
    assert str(unexpected.value).endswith(reason)


def test_a_transport_has_its_own_class_for_that() -> None:
    class Mine(Exception):
        pass

    response = httpx.Response(200, json=[], extensions={"unexpected_response": lambda response, why: Mine(why)})
    with pytest.raises(Mine, match="the body is not valid: expected an object, not a list"):
        get_metric.parse_response(response)


@pytest.mark.parametrize("status", [302, 400, 404, 500])
def test_a_status_other_than_success_is_unexpected(status: int) -> None:
    for endpoint in (get_metric, delete_metric):
        with pytest.raises(errors.UnexpectedStatus) as unexpected:
            endpoint.parse_response(httpx.Response(status, text="why"))
        assert (unexpected.value.status_code, unexpected.value.content) == (status, b"why")


@pytest.mark.parametrize("content", [b"", b"{}", b'["gone"]'])
def test_a_success_without_a_result_may_have_a_json_body(content: bytes) -> None:
    parse: Callable[[httpx.Response], object] = delete_metric.parse_response
    assert parse(httpx.Response(200, content=content)) is None


def test_an_html_page_is_not_a_success() -> None:
    with pytest.raises(errors.UnexpectedResponse, match="the body is not JSON"):
        delete_metric.parse_response(httpx.Response(200, content=b"<html>Log in</html>"))


def test_the_functions_send_and_parse() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return (
            httpx.Response(200, json={"id": 7, "name": "x"})
            if request.url.path.endswith("/7/")
            else httpx.Response(404)
        )

    def client(**settings: Any) -> AuthenticatedClient:
        made = AuthenticatedClient("http://127.0.0.1:1", token="t", **settings)
        transport = httpx.MockTransport(answer)
        made.set_httpx_client(httpx.Client(base_url="http://127.0.0.1:1", transport=transport))
        return made.set_async_httpx_client(httpx.AsyncClient(base_url="http://127.0.0.1:1", transport=transport))

    assert get_metric.sync(7, client=client()).id == 7
    assert asyncio.run(get_metric.asyncio(7, client=client())).name == "x"
    found = get_metric.sync_detailed(7, client=client())
    assert found.parsed == Metric(id=7, name="x")
    missing = asyncio.run(get_metric.asyncio_detailed(8, client=client()))
    assert (missing.status_code, missing.parsed) == (404, None)
    with pytest.raises(errors.UnexpectedStatus):
        get_metric.sync(8, client=client())
    with pytest.raises(errors.UnexpectedStatus):
        get_metric.sync_detailed(8, client=client(raise_on_unexpected_status=True))


# Models.


def test_a_repr_shows_only_the_set_fields() -> None:
    assert repr(Metric.from_dict({"id": 1001, "name": "Tone"})) == "Metric(id=1001, name='Tone')"
    assert repr(Agent.from_dict({"id": 1, "x-new": [None]})) == "Agent(id=1, x-new=[None])"
    assert repr(GenerateMetricsRequest()) == "GenerateMetricsRequest()"


def test_unknown_fields_are_kept() -> None:
    metric = Metric.from_dict({"id": 1, "name": "x", "new": {"a": [1]}})
    assert metric.additional_properties == {"new": {"a": [1]}}
    assert metric.to_dict() == {"new": {"a": [1]}, "id": 1, "name": "x"}


@pytest.mark.parametrize("value", [None, {}, "x", [1], [{"name": "a"}, 5], [[]]])
def test_a_nested_value_of_another_shape_is_kept(value: object) -> None:
    progress = GenerateMetricsProgress.from_dict({"status": "completed", "metrics": value})
    assert progress.metrics == value
    assert progress.to_dict() == {"status": "completed", "metrics": value}


def test_unset_stays_the_same_object() -> None:
    metric = Metric.from_dict({"id": 1, "name": "x", "new": 1})
    for twin in (copy.copy(metric), copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert twin == metric
        assert twin.description is UNSET
        assert twin.to_dict() == metric.to_dict()
    assert metric != Metric.from_dict({"id": 1, "name": "x"})


CLASSES: list[type[Model]] = [getattr(models, name) for name in dir(models) if name[0].isupper() and name.isalnum()]
CLASSES = [each for each in CLASSES if isinstance(each, type) and issubclass(each, Model)]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=8,
)
PROMISED: dict[str, st.SearchStrategy[Any]] = {
    "id": st.integers(),
    "results": st.lists(st.fixed_dictionaries({"id": st.integers()}, optional={"agent_name": VALUES}), max_size=3),
    "metric_data": st.fixed_dictionaries({"name": st.text(), "type": st.text(), "eval_type": st.text()}),
}


@given(st.data())
@settings(deadline=None)
def test_a_model_keeps_every_json_object(data: st.DataObject) -> None:
    model = data.draw(st.sampled_from(CLASSES))
    # Names of the model, with values of any shape, and other names.
    names = st.sampled_from([*inspect.signature(model).parameters, "type", "next"]) | st.text()
    sent = data.draw(st.dictionaries(names, VALUES, max_size=6))
    sent |= {name: data.draw(PROMISED.get(name, st.text())) for name in model.required_fields()}
    read = model.from_dict(sent)
    assert read.to_dict() == sent
    assert model.from_dict(read.to_dict()) == read
    assert pickle.loads(pickle.dumps(read)) == read


@given(st.sampled_from(CLASSES), st.dictionaries(st.text(), VALUES, max_size=3))
@settings(deadline=None)
def test_a_missing_required_field_is_an_error(model: type[Model], sent: dict[str, Any]) -> None:
    if missing := [name for name in model.required_fields() if name not in sent]:
        with pytest.raises(ValueError, match=rf"^{model.__name__}\.{missing[0]} is missing$"):
            model.from_dict(sent)


# Foreign names and texts.

NAMES = [
    *("d", "cls", "self", "from_dict", "to_dict", "to_multipart", "additional_properties", "additional_keys", "list"),
    *("str", "type", "id", "datetime", "params", "headers", "client", "response", "body", "build_request", "do_it"),
    *("parse_response", "transport", "endpoint", "a-b", "1st", "Any", "UNSET", "Metrics", "Got", "_calls", "__class__"),
    *keyword.kwlist,
]
HOSTILE = 'a """ b \\" \\\n\n{x} {{ y }} {% z %} \'\'\' \\N{DASH} #\x00\u2028 end\\'


def test_no_name_and_no_text_breaks_the_code(regenerate: Callable[..., ModuleType]) -> None:
    fields = {name: {"type": "string", "description": HOSTILE} for name in [*NAMES, HOSTILE, "ä", "\U0001f600"]}
    schema = {"type": "object", "description": HOSTILE, "properties": fields}
    values = {"type": "string", "enum": [HOSTILE, "", "'", '"', "\\"]}
    parameters = [
        {"in": "query", "name": name, "description": HOSTILE, "schema": {"type": "string"}} for name in NAMES
    ] + [{"in": "header", "name": "X-One", "schema": values}]
    operation = {
        "summary": HOSTILE,
        "description": HOSTILE,
        "parameters": parameters,
        "requestBody": {**json_body(schema), "description": HOSTILE, "required": True},
        "responses": success({**schema, "properties": {**fields, "kind": values}}),
    }
    entry = "{name: do_it, tag: metrics, method: post, path: '/a\"b$x/', request: Sent, response: Got}"
    package = regenerate(small({'/a"b$x/': {"post": operation}}), f"operations: [{entry}]")
    body = dict.fromkeys(fields, HOSTILE)
    fake = Fake(body)
    result = package.API(fake).metrics.do_it(body)
    assert fake.sent[0]["json"] == body
    assert fake.sent[0]["url"] == '/a"b$x/'
    assert result.to_dict() == body
    assert pickle.loads(pickle.dumps(result)) == result
    # Each field and each parameter is a keyword as well.
    method = package.API(Fake(*[body] * 200)).metrics.do_it
    given_names = [name for name in inspect.signature(method).parameters if name != "body"]
    assert len(given_names) == len(fields) + len(parameters)
    for name in given_names:
        method({"d": ""}, **{name: "x"})


@pytest.mark.parametrize("name", ["Metrics", "Any", "Model", "AsyncMetrics", "Unset"])
def test_a_reserved_class_name_is_refused(regenerate: Callable[..., ModuleType], name: str) -> None:
    published = small({"/x/": {"get": {"responses": success(FOLDER)}}})
    with pytest.raises(RegenerationError, match=f"calls a body {name}, which generated code already uses"):
        regenerate(published, f"operations: [{{name: do_it, tag: metrics, method: get, path: /x/, response: {name}}}]")


# operations.yaml.

ONE = "operations:\n  - {{name: do_it, tag: things, method: get, path: '/x/{{id}}/', response: Got{more}}}\n"
BY_ID = {"in": "path", "name": "id", "required": True, "schema": {"type": "integer"}}
PUBLISHED = small({"/x/{id}/": {"get": {"parameters": [BY_ID], "responses": success(FOLDER)}}})


@pytest.mark.parametrize(
    ("operations", "reason"),
    [
        (ONE.format(more="") + "promises: {Gone: [id]}", r"promises fields of Gone, but there is no such class"),
        (
            ONE.format(more="") + "promises: {Got: [nmae]}",
            r"promises Got\.nmae, but the specification has no such field",
        ),
        (
            ONE.format(more=", parameters: {pk: thing_id}"),
            r"renames its parameter pk, which the specification does not",
        ),
        (ONE.format(more=", parameters: {id: class}"), "class is not a snake_case name"),
        (ONE.format(more=", resource_method: Get"), "Get is not a snake_case name"),
        (ONE.format(more=", resource_method: get, workflow: true"), "part of a workflow, so it has no resource_method"),
        (ONE.format(more=", idempotent: 1"), "`idempotent` must be true or false"),
        (ONE.format(more=", colour: red"), "colour, which is unknown"),
        (ONE.format(more=", parameters: 5"), "entry 1 \\(do_it\\): `parameters` must map names"),
        (ONE.format(more=", request: 5"), "`request` must be the name of a class"),
        (ONE.format(more="") + "  - {tag: t, path: /a/}", "entry 2 has no name and no method"),
        (ONE.format(more="") + "  - 5", "entry 2: expected keys such as"),
        (
            ONE.format(more="") + "  - {name: a, tag: T, method: get, path: /a/}",
            r"entry 2 \(a\): T is not a snake_case",
        ),
        (ONE.format(more="") + "  - {name: a, tag: t, method: 5, path: /a/}", "5 is not an HTTP method"),
        (ONE.format(more="") + "parts: {Part: 5}", "`parts` must map names to places"),
        (ONE.format(more="") + "promises: [Got]", "`promises` must map classes to fields"),
        (ONE.format(more="") + "promise: {}", "promise is unknown"),
        ("operations: 5", "`operations` must be a list with at least one entry"),
        ("operations: []", "`operations` must be a list with at least one entry"),
        (
            (
                "operations:\n"
                "  - {name: one, tag: t, method: get, path: /a/, resource_method: get}\n"
                "  - {name: two, tag: t, method: get, path: /b/, resource_method: get}\n"
            ),
            "two operations of t have the resource method get",
        ),
    ],
)
def test_an_invalid_entry_is_refused(tmp_path: Path, operations: str, reason: str) -> None:
    (tmp_path / "operations.yaml").write_text(operations)
    with pytest.raises(RegenerationError, match=reason):
        derive(PUBLISHED, load_operations(tmp_path / "operations.yaml"), {"overlay": "1.0.0", "actions": []})


def test_the_promises_of_a_missing_operation_are_left_out(tmp_path: Path) -> None:
    optional = "  - {name: other, tag: things, method: get, path: /gone/, response: Other, optional: true}\n"
    (tmp_path / "operations.yaml").write_text(ONE.format(more="") + optional + "promises: {Other: [id], Got: [id]}")
    covered = load_operations(tmp_path / "operations.yaml")
    derivation = derive(PUBLISHED, covered, {"overlay": "1.0.0", "actions": []})
    assert [left.operation.name for left in derivation.left_out] == ["other"]
    assert derivation.effective["components"]["schemas"]["Got"]["required"] == ["id"]


def test_the_names_of_all_operations_depend_on_method_and_path() -> None:
    paths: dict[str, Any] = {
        "/app/v2/runs/": {"get": {}},
        "/app/v1/runs/": {"get": {}, "post": {}},
        "/app/v1/runs/{id}/": {"get": {}, "put": {}, "patch": {}, "delete": {}},
        "/app/v1/runs/{id}/stop-all/": {"post": {}},
        "/ping/": {"get": {}},
        f"{V1}/metrics/{{id}}/": {"get": {}},
    }
    covered = load_operations(SPEC / "operations.yaml")

    def names(paths: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {
            (e.method, e.path, f"{e.tag}.{e.resource_method}") for e in choose(small(paths), covered, "all").entries
        }

    assert (
        names(paths)
        == names(dict(reversed(paths.items())))
        == {
            ("get", "/app/v1/runs/", "runs.list"),
            ("get", "/app/v2/runs/", "runs.list_2"),
            ("post", "/app/v1/runs/", "runs.create"),
            ("get", "/app/v1/runs/{id}/", "runs.get"),
            ("put", "/app/v1/runs/{id}/", "runs.replace"),
            ("patch", "/app/v1/runs/{id}/", "runs.update"),
            ("delete", "/app/v1/runs/{id}/", "runs.delete"),
            ("post", "/app/v1/runs/{id}/stop-all/", "runs.post_by_id_stop_all"),
            ("get", "/ping/", "ping.list"),
            ("get", f"{V1}/metrics/{{id}}/", "metrics.get"),
        }
    )


# The package.


def test_importing_the_package_imports_no_endpoint_and_no_model() -> None:
    code = "import sys, cekura_api; print([name for name in sys.modules if '.api.' in name or '.models.' in name])"
    command = [sys.executable, "-c", code]
    folder = SPEC.parent / "generated_client"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_type_checker_knows_the_result_of_an_endpoint(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(
        "from cekura_api import API\n"
        "from cekura_api.api.agents import list_agents\n"
        "from cekura_api.api.metrics import get_metric\n"
        "from cekura_api.transport import AsyncTransport, Transport\n"
        "def typed(transport: Transport, other: AsyncTransport, api: API) -> None:\n"
        "    reveal_type(transport.ask(get_metric, metric_id=7))\n"
        "    reveal_type(transport.pages(list_agents))\n"
        "    reveal_type(api.metrics.get(7).id)\n"
        "    transport.ask(get_metric, metric=7)\n"
        "    api.metrics.update(7, nmae='x')\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path / 'cache'}"]
    folder = SPEC.parent / "generated_client"
    done = subprocess.run([*command, tmp_path / "typed.py"], cwd=folder, capture_output=True, text=True, check=False)
    lines = [
        line.partition("typed.py:")[2].replace("builtins.", "")
        for line in done.stdout.splitlines()
        if "typed.py" in line
    ]
    assert lines[:3] == [
        '6: note: Revealed type is "cekura_api.models.metric.Metric"',
        '7: note: Revealed type is "typing.Iterator[cekura_api.models.agent.Agent]"',
        '8: note: Revealed type is "int"',
    ], done.stdout
    assert {line[:3] for line in lines[3:]} == {"9: ", "10:"}


def test_a_page_needs_its_results() -> None:
    assert AgentPage.required_fields() == ["results"]
    assert [agent.id for agent in AgentPage.from_dict({"results": [{"id": 1}]}).results] == [1]
