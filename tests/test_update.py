"""Updating to a new specification: the report of changes, and updates that are complete or not done at all."""

from __future__ import annotations

import copy
import errno
import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from regeneration.documents import load, load_specification, operations as each_operation
from regeneration.errors import MissingOperationError
from regeneration.operations_file import load_operations
from regeneration.pipeline import derive, differing_files
from regeneration.place import put_in_place, scratch
from regeneration.report import Change, Kind, Report, compare, markdown, with_changes
from regeneration.select import choose

from tests.forks import Forks
from tests.regenerating import copied_checkout, run as regenerate, script
from tests.support import reply, scripted

ROOT = Path(__file__).parent.parent
SPEC = ROOT / "spec"
PUBLISHED = load(SPEC / "upstream.yaml")
COVERED = load_operations(SPEC / "operations.yaml")
OVERLAY = load(SPEC / "overlay.yaml")
V1 = "/test_framework/v1"


def published() -> dict[str, Any]:
    """A copy of the committed specification as a new publication, which a test can change."""
    return copy.deepcopy(PUBLISHED)


def effective(document: dict[str, Any]) -> dict[str, Any]:
    return derive(document, COVERED, OVERLAY).effective


@functools.cache
def effective_before() -> dict[str, Any]:
    """The effective specification before a change. It is shared, so no test changes it."""
    return effective(published())


def changes_of(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(change.kind, change.what) for change in compare(effective_before(), effective(document))]


def test_without_changes_there_is_nothing_to_report() -> None:
    assert changes_of(published()) == []
    assert Report(()).bump == "none"


def test_each_change_has_its_class() -> None:
    new = published()
    listing = new["paths"][f"{V1}/metrics/"]["get"]
    listing["parameters"] = [p for p in listing["parameters"] if p["name"] != "slug"]
    listing["parameters"].append({"in": "query", "name": "page", "schema": {"type": "integer"}})
    listing["parameters"].append({"in": "query", "name": "tenant", "required": True, "schema": {"type": "string"}})
    listing["description"] = "Said in other words."
    listing["parameters"][0]["schema"]["type"] = "string"
    agent = new["components"]["schemas"]["AIAgent"]["properties"]
    del agent["agent_name"]
    agent["inbound"]["type"] = "integer"
    agent["brand_new"] = {"type": "boolean"}
    agent["language"]["enum"] = ["en", "tlh"]
    request = new["components"]["schemas"]["SchemaGenerateMetricsMetricCreate"]
    request["properties"]["tone"] = {"type": "string"}
    assert set(changes_of(new)) == {
        ("breaking", "`list_metrics(slug)` is gone"),
        ("breaking", "`list_metrics(tenant)` is new, and required"),
        ("breaking", "`list_metrics(agent_id)` was `int` and is `str`"),
        ("breaking", "`Agent.agent_name` is gone"),
        ("breaking", "`Agent.inbound` was `bool` and is `int`"),
        ("added", "`list_metrics(page)` is new"),
        ("added", "`Agent.brand_new` is new"),
        ("added", "`Agent.language: 'tlh'` is new"),
        ("added", "`GenerateMetricsRequest.tone` is new"),
        ("wording only", "`list_metrics()` has a new description"),
        # Strings and ids have different limits.
        ("wording only", "`list_metrics(agent_id)` has a new description"),
        *(
            ("wording only", f"`Agent.language: {value!r}` is gone")
            for value in PUBLISHED["components"]["schemas"]["AIAgent"]["properties"]["language"]["enum"]
            if value != "en"
        ),
    }


def test_new_functions_and_classes_break_nothing() -> None:
    old = published()
    for path, method in (("preview/", "post"), ("preview-progress/", "get"), ("{id}/", "patch")):
        del old["paths"][f"{V1}/metrics/{path}"][method]
    new = {(change.kind, change.what) for change in compare(effective(old), effective_before())}
    assert {
        ("added", f"`{name}` is new") for name in ("preview_metric()", "PreviewMetricRequest", "MetricUpdate")
    } < new
    assert {kind for kind, _ in new} == {"added"}
    assert not any(mark in what for _, what in new for mark in (".", ": ", "(body)", "(id)", "(progress_id)"))
    gone = {(change.kind, change.what) for change in compare(effective_before(), effective(old))}
    assert {("breaking", "`preview_metric()` is gone"), ("breaking", "`MetricUpdate` is gone")} < gone


def answers(path: str, method: str, schema: object) -> Callable[[dict[str, Any]], object]:
    """Publish a response with this schema."""
    body = {"description": "", "content": {"application/json": {"schema": schema}}}
    return lambda document: document["paths"][V1 + path][method].update(responses={"200": body})


def refers_to_itself(document: dict[str, Any]) -> None:
    loop = {"$ref": "#/components/schemas/Loop"}
    document["components"]["schemas"]["Loop"] = {"type": "object", "properties": {"again": loop}}
    answers("/metrics/preview/", "post", loop)(document)


def publishes(path: str, method: str, **parts: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["paths"][V1 + path][method].update(parts)


def previews(schema: object) -> Callable[[dict[str, Any]], object]:
    return lambda document: document["components"]["schemas"]["MetricPreview"]["properties"].update(metric_data=schema)


OTHER_TYPES = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "object"}}}
NUMBERED = {"type": "object", "properties": {"name": {"type": "integer"}}}
A_NUMBER = {"content": {"application/json": {"schema": NUMBERED}}}
NO_RESULTS = {"properties": {"next": {"type": "string"}}}
NOWHERE = {"$ref": "#/components/schemas/Nowhere"}


@pytest.mark.parametrize(
    ("publish", "name", "reason"),
    [
        (answers("/metrics/{id}/", "patch", {"type": "string"}), "update_metric", "is no longer an object"),
        (answers("/metrics/{id}/", "patch", OTHER_TYPES), "update_metric", "would change Metric.id, Metric.name,"),
        (publishes("/metrics/", "post", requestBody=A_NUMBER), "create_metric", "would change MetricCreate.name,"),
        (answers("/aiagents/", "get", NO_RESULTS), "list_agents", "AgentPage.results"),
        (publishes("/aiagents/", "get", parameters="x"), "list_agents", "expected a list"),
        (publishes("/aiagents/", "get", parameters=[None]), "list_agents", "expected an object"),
        (publishes("/metrics/preview/", "post", responses=[]), "preview_metric", "expected an object"),
        (publishes("/metrics/preview/", "post", requestBody="x"), "preview_metric", "expected an object"),
        (answers("/metrics/preview/", "post", NOWHERE), "preview_metric", "has no target"),
        (refers_to_itself, "preview_metric", "refers to itself"),
        (previews({"type": "string"}), "preview_metric", "MetricPreviewData"),
        (previews({"type": "array", "items": {}}), "preview_metric", "MetricPreviewData"),
    ],
)
def test_an_optional_operation_of_any_shape_breaks_nothing(
    publish: Callable[[dict[str, Any]], object], name: str, reason: str
) -> None:
    document = published()
    publish(document)
    derivation = derive(document, COVERED, OVERLAY)
    assert [left.operation.name for left in derivation.left_out] == [name]
    assert reason in derivation.left_out[0].why
    changes = compare(effective_before(), derivation.effective)
    other_types = [change.what for change in changes if " was `" in change.what or "is required now" in change.what]
    assert other_types == []


@pytest.mark.parametrize("items", [{"anyOf": [{"$ref": "#/components/schemas/AIAgent"}, {"type": "null"}]}, {}])
def test_the_items_of_a_page_of_agents_are_agents(items: dict[str, Any]) -> None:
    document = published()
    document["components"]["schemas"]["PaginatedAIAgentList"]["properties"]["results"]["items"] = items
    assert changes_of(document) == []


def test_nothing_is_left_out_of_the_committed_client() -> None:
    operations = load_operations(SPEC / "operations.yaml")
    for selection in ("operations.yaml", "all"):
        assert derive(published(), operations, load(SPEC / "overlay.yaml"), selection).left_out == ()
    assert {entry.name for entry in operations.entries if not entry.optional} >= {
        *("generate_metrics", "generate_metrics_progress", "create_metrics_in_bulk", "list_metrics"),
        *("get_metric", "delete_metric", "get_agent"),
    }


def test_types_are_compared_as_python_has_them() -> None:
    def with_parameters(**schemas: dict[str, Any]) -> dict[str, Any]:
        document = published()
        parameters = document["paths"][f"{V1}/metrics/"]["get"]["parameters"]
        parameters += [{"in": "query", "name": name, "schema": schema} for name, schema in schemas.items()]
        return effective(document)

    either = [{"anyOf": [{"type": "string"}, {"type": other}]} for other in ("integer", "boolean")]
    before = with_parameters(when={"type": "string"}, either=either[0], same={"type": ["string", "integer"]})
    after = with_parameters(
        when={"type": "string", "format": "date-time"},
        either=either[1],
        same={"type": ["integer", "string"]},
    )
    assert [(change.kind, change.what) for change in compare(before, after)] == [
        ("breaking", "`list_metrics(either)` was `int | str` and is `bool | str`"),
        ("breaking", "`list_metrics(when)` was `str` and is `datetime`"),
        ("wording only", "`list_metrics(when)` has a new description"),
    ]


def test_a_newly_required_field_is_reported() -> None:
    new = published()
    new["components"]["schemas"]["SchemaPostMetricEdit"]["required"].append("agents")
    new["components"]["schemas"]["SchemaGenerateMetricsMetricCreate"]["required"] = ["num_metrics", "agent_id"]
    assert changes_of(new) == [
        ("breaking", "`GenerateMetricsRequest.num_metrics` is required now"),
        ("breaking", "`MetricCreate.agents` is required now"),
    ]


def test_a_promise_that_is_lost_and_a_method_that_is_renamed_are_breaking() -> None:
    before = effective_before()
    after = copy.deepcopy(before)
    after["components"]["schemas"]["Metric"]["required"] = ["name"]
    after["paths"][f"{V1}/metrics/{{id}}/"]["get"]["x-resource-method"] = "retrieve"
    after["paths"][f"{V1}/metrics/{{id}}/"]["patch"]["x-parameter-names"] = {"id": "number"}
    assert [(change.kind, change.what) for change in compare(before, after)] == [
        ("breaking", "`Metric.id` is no longer promised"),
        ("breaking", "`get_metric(): method metrics.get` is gone"),
        ("breaking", "`update_metric(metric_id)` is gone"),
        ("breaking", "`update_metric(number)` is new, and required"),
        ("added", "`get_metric(): method metrics.retrieve` is new"),
    ]
    assert ("added", "`Metric.id` is promised now") in [(each.kind, each.what) for each in compare(after, before)]


def test_new_names_of_the_vendor_are_not_a_change() -> None:
    new = published()
    text = json.dumps(new).replace("SchemaPostMetricEdit", "MetricBulkV9").replace("metrics-generate_2", "generate_9")
    assert text != json.dumps(new)
    assert changes_of(json.loads(text)) == []


def test_parts_that_appear_and_disappear_upstream_are_not_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = {"$ref": "#/components/schemas/Progress"}
    # The wording of the overlay is used if the operation is published without its parameter.
    target = next(a for a in load(SPEC / "overlay.yaml")["actions"] if "'generate_metrics_progress'" in a["target"])
    worded = published()
    worded["paths"][f"{V1}/metrics/generate_metrics_progress/"]["get"].update(target["update"])
    monkeypatch.setattr(f"{__name__}.PUBLISHED", worded)
    before = effective(worded)
    monkeypatch.setattr(f"{__name__}.effective_before", lambda: before)
    new = published()
    new["paths"][f"{V1}/metrics/generate_metrics_progress/"]["get"]["responses"]["200"]["content"] = {
        "application/json": {"schema": typed}
    }
    item: dict[str, Any] = {"type": "object", "properties": {"name": {"type": "string"}}}
    new["components"]["schemas"]["Progress"] = {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "string", "enum": ["queued", "in_progress", "completed", "failed"]},
            "error": {"type": "string", "nullable": True},
            "metrics": {"type": "array", "items": item},
        },
    }
    assert changes_of(new) == []
    item["properties"]["shiny"] = {"type": "integer"}
    assert changes_of(new) == [("added", "`GeneratedMetric.shiny` is new")]
    as_a_metric = {"$ref": "#/components/schemas/MetricDetailV2"}
    operation = new["paths"][f"{V1}/metrics/generate_metrics_progress/"]["get"]
    operation["responses"]["200"]["content"]["application/json"]["schema"] = as_a_metric
    del operation["parameters"]
    assert changes_of(new) == []


@pytest.mark.parametrize(
    ("kinds", "bump"),
    [
        ((), "none"),
        (("wording only",), "patch"),
        (("wording only", "added"), "minor"),
        (("added", "breaking"), "major"),
    ],
)
def test_the_bump_follows_semantic_versioning(kinds: Any, bump: str) -> None:
    report = Report(tuple(Change(kind, "{} is new", ("x",)) for kind in kinds))
    assert report.bump == bump
    assert markdown(report).startswith(f"- Suggested version bump: **{bump}** (")


def test_the_changelog_gets_each_entry_once() -> None:
    changes: tuple[tuple[Kind, str, str], ...] = (
        ("breaking", "{} is gone", "a"),
        ("added", "{} is new", "b"),
        ("wording only", "{}", "c"),
    )
    report = Report(tuple(Change(kind, sentence, (name,)) for kind, sentence, name in changes))
    log = "# Changelog\n\n## Unreleased\n\n### Added\n\n- Mine.\n\n## 1.0.0\n\n### Changed\n\n- Old.\n"
    once = with_changes(log, report)
    assert once == (
        "# Changelog\n\n## Unreleased\n\n### Added\n\n- Mine.\n- `b` is new, since the API has it.\n"
        "\n### Changed\n\n- **Breaking:** `a` is gone, following the API.\n\n## 1.0.0\n\n### Changed\n\n- Old.\n"
    )
    assert with_changes(once, report) == once
    assert "## Unreleased\n\n### Added\n\n- `b`" in with_changes("# Changelog\n", report)


def test_selections() -> None:
    document = {
        "paths": {
            f"{V1}/metrics/": {"get": {"x-mcp-expose": True}, "put": {}},
            "/other/{id}/do-it/": {"post": {"x-mcp-expose": True}, "parameters": []},
        }
    }
    covered = load_operations(SPEC / "operations.yaml")
    assert choose(document, covered, "operations.yaml") is covered
    names = {(entry.tag, entry.name) for entry in choose(document, covered, "all").entries}
    assert names == {("metrics", "list_metrics"), ("metrics", "put_v1_metrics"), ("other", "post_by_id_do_it")}
    methods = {(entry.tag, entry.resource_method) for entry in choose(document, covered, "all").entries}
    assert methods == {("metrics", "list"), ("metrics", "replace"), ("other", "post_by_id_do_it")}
    exposed = choose(document, covered, "exposed")
    assert {entry.name for entry in exposed.entries} == {"list_metrics", "post_by_id_do_it"}
    assert exposed.parts == {}


# The following tests run the command on a copy of the checkout under git.


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_checkout(tmp_path_factory, tmp_path / "checkout")


def status(checkout: Path, *options: str) -> str:
    return subprocess.run(
        ["git", "status", "--porcelain", *options], cwd=checkout, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that tests share, because they leave it unchanged. If one changes it, the next gets a new copy."""
    folder = tmp_path_factory.getbasetemp() / "unchanged"
    if folder.exists() and status(folder, "--ignored"):
        shutil.rmtree(folder)
    return folder if folder.exists() else copied_checkout(tmp_path_factory, folder)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """A publication with an addition and a removal."""
    file = tmp_path / "published.json"
    file.write_text(changed_text())
    return file


@functools.cache
def changed_text() -> str:
    document = published()
    properties = document["components"]["schemas"]["AIAgent"]["properties"]
    properties["brand_new"] = {"type": "boolean"}
    del properties["email_id"]
    document["paths"]["/test_framework/v9/things/"] = {"get": {"responses": {"200": {"description": ""}}}}
    return yaml.safe_dump(document)


def test_an_update_is_one_command(checkout: Path, changed: Path, tmp_path: Path) -> None:
    result = script("regenerate.py", changed, "--report", tmp_path / "report.md", root=checkout)
    assert result.returncode == 0, result.stderr
    report = (tmp_path / "report.md").read_text()
    assert report in result.stdout
    for text in (
        "**major**",
        "`Agent.email_id` is gone",
        "`Agent.brand_new` is new",
        "`GET /test_framework/v9/things/`",
    ):
        assert text in report
    changelog = (checkout / "CHANGELOG.md").read_text()
    assert "- **Breaking:** `Agent.email_id` is gone, following the API." in changelog
    assert changelog.index("brand_new") > changelog.index("## Unreleased")
    assert "brand_new: bool" in (checkout / "generated_client" / "cekura_api" / "models" / "agent.py").read_text()
    assert regenerate(checkout, "--check").returncode == 0
    again = regenerate(checkout, changed)
    assert "Suggested version bump: **none**" in again.stdout
    assert "v9/things" not in again.stdout
    assert (checkout / "CHANGELOG.md").read_text() == changelog


def test_fail_on_breaking_changes_nothing(checkout: Path, changed: Path) -> None:
    result = regenerate(checkout, changed, "--fail-on", "breaking")
    assert result.returncode == 1
    assert "`Agent.email_id` is gone" in result.stdout
    assert "breaking" in result.stderr
    assert status(checkout) == ""
    assert regenerate(checkout, "--fail-on", "breaking").returncode == 0


def test_an_update_without_an_optional_operation_reports_it(checkout: Path, tmp_path: Path) -> None:
    document = published()
    del document["paths"][f"{V1}/metrics/preview/"]
    (tmp_path / "published.yaml").write_text(yaml.safe_dump(document))
    result = regenerate(checkout, tmp_path / "published.yaml", "--fail-on", "breaking")
    assert result.returncode == 1
    assert status(checkout) == ""
    result = regenerate(checkout, tmp_path / "published.yaml")
    assert result.returncode == 0, result.stderr
    assert "`preview_metric()` is gone" in result.stdout
    why = "The specification has no operation preview_metric (POST /test_framework/v1/metrics/preview/)."
    assert f"## Optional operations that are left out\n\n- `preview_metric: {why}" in result.stdout
    assert f"regenerate: left out: preview_metric: {why}" in result.stderr
    assert not (checkout / "generated_client" / "cekura_api" / "api" / "metrics" / "preview_metric.py").exists()


def test_the_report_works_with_output_as_well(checkout: Path, changed: Path, tmp_path: Path) -> None:
    arguments = (changed, "--output", tmp_path / "out", "--report", tmp_path / "report.md")
    assert regenerate(checkout, *arguments, "--fail-on", "breaking").returncode == 1
    assert not (tmp_path / "out" / "cekura_api").exists()
    assert regenerate(checkout, *arguments).returncode == 0
    assert "`Agent.email_id` is gone" in (tmp_path / "report.md").read_text()
    assert status(checkout) == ""


def test_a_package_of_another_project(checkout: Path, tmp_path: Path) -> None:
    arguments = ("--select", "all", "--output", tmp_path / "sdk", "--package", "acme_api")
    assert regenerate(checkout, SPEC / "upstream.yaml", *arguments).returncode == 0
    assert [file.name for file in (tmp_path / "sdk").iterdir()] == ["acme_api"]
    assert status(checkout) == ""
    code = "import acme_api.api.metrics.list_metrics, acme_api.models as m; print(m.Metric.__module__, m.AIAgent)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "sdk", capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("acme_api.models.metric ")


def test_a_selection_may_be_named_operations_yaml(checkout: Path, tmp_path: Path) -> None:
    entry = {
        "name": "read",
        "tag": "agents",
        "method": "get",
        "path": f"{V1}/aiagents/{{id}}/",
        "response": "VoiceAgent",
    }
    (tmp_path / "operations.yaml").write_text(yaml.safe_dump({"operations": [entry]}))
    arguments = ("--select", "operations.yaml", "--output", "sdk", "--package", "acme_api")
    assert regenerate(checkout, *arguments, cwd=tmp_path).returncode == 0
    assert (tmp_path / "sdk" / "acme_api" / "models" / "voice_agent.py").is_file()
    assert not (tmp_path / "sdk" / "acme_api" / "models" / "metric.py").exists()
    assert regenerate(checkout, *arguments, cwd=tmp_path / "sdk").returncode == 0
    assert (tmp_path / "sdk" / "sdk" / "acme_api" / "models" / "metric.py").is_file()


@pytest.mark.parametrize(
    "arguments",
    [
        [""],
        ["--select", "all"],
        ["--output", "o", "--package", "class"],
        ["--output", "o", "--select", "all", "--fail-on", "breaking"],
        ["--package", "x"],
        ["--output", "o", "--package", "a-b"],
        ["--output", "o", "--select", "gone.yaml"],
    ],
)
def test_conflicting_options_are_refused(unchanged: Path, arguments: list[str]) -> None:
    result = regenerate(unchanged, *arguments, cwd=unchanged)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    shutil.rmtree(unchanged / "o", ignore_errors=True)
    assert status(unchanged) == ""


def broken() -> dict[str, str]:
    """Publications that are refused, with a word of the error message."""
    text = json.dumps(PUBLISHED)
    gone, circular, nowhere = published(), published(), published()
    del gone["paths"][f"{V1}/metrics/bulk_create/"]
    circular["components"]["schemas"]["KnowledgeBaseFile"]["properties"]["parent"] = {
        "$ref": "#/components/schemas/KnowledgeBaseFile"
    }
    del nowhere["components"]["schemas"]["TestSetInline"]
    return {
        "<!doctype html><title>Sorry</title>": "HTML",
        "": "empty",
        " \n": "empty",
        text[: len(text) // 2]: "cut short",
        "[]": "not a JSON object",
        '{"swagger": "2.0", "paths": {"/": {}}}': "OpenAPI 3",
        '{"openapi": "3.1.0", "paths": {}}': "without paths",
        "just words": "not a JSON object",
        json.dumps(gone): "create_metrics_in_bulk (POST /test_framework/v1/metrics/bulk_create/)",
        json.dumps(circular): "list_metrics (GET /test_framework/v1/metrics/)",
        json.dumps(nowhere): "#/components/schemas/TestSetInline",
    }


@pytest.mark.parametrize(("text", "word"), broken().items(), ids=list(broken().values()))
def test_a_refused_document_is_reported_in_one_line(unchanged: Path, tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "published.json").write_text(text)
    result = regenerate(unchanged, tmp_path / "published.json")
    assert result.returncode == 2
    assert word in result.stderr
    assert result.stderr.count("\n") == 1
    assert status(unchanged) == ""


def test_a_url_without_a_response_is_reported_in_one_line(unchanged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_short = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"
    closed = cut_short.replace(b"OK", b"OK\r\nConnection: close")
    # The test does not wait 30 seconds for the rest of an open response.
    stream = httpx.stream
    monkeypatch.setattr(httpx, "stream", lambda *args, **kwargs: stream(*args, **kwargs | {"timeout": 0.5}))
    with scripted(reply(404, b"gone"), cut_short, closed, b"") as server:
        for _ in range(4):
            result = regenerate(unchanged, server.url + "/openapi.json")
            assert (result.returncode, result.stderr.count("\n")) == (2, 1)
            assert server.url in result.stderr
        assert len(server.received) == 4
    assert status(unchanged) == ""


STAGES = [
    "pipeline.load_operations",
    "pipeline.select",
    "pipeline.normalise",
    "pipeline.apply_overlay",
    "pipeline.make_lenient",
    "pipeline.check_promises",
    "pipeline.generate",
    "place.put_in_place",
]


@functools.cache
def update_forks() -> Forks:
    """The process that runs the command in forks. It has imported the stages, but not the command."""
    names = ("openapi_python_client", "regeneration.pipeline", "regeneration.place", "regeneration.report")
    return Forks(names, {**os.environ, "PYTHONPATH": str(ROOT / "scripts")})


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda stop: stop.name)
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_that_is_stopped_at_a_stage_changes_nothing(
    unchanged: Path, changed: Path, stage: str, stop: signal.Signals
) -> None:
    when = "after" if stage == "pipeline.generate" else "before"
    command = [str(ROOT / "tests" / "paused_update.py"), str(unchanged), stage, when, str(changed)]
    with update_forks().start(command, ROOT, dict(os.environ)) as process:
        lines = iter(process.stdout.readline, "paused\n")
        assert "" not in lines, process.stderr.read()
        process.send_signal(stop)
        _, stderr = process.communicate()
    assert process.returncode != 0
    assert "Traceback" not in stderr
    if stop == signal.SIGKILL:
        assert status(unchanged) == ""
        # The next run removes what is left behind.
        assert regenerate(unchanged, "--check").returncode == 0
    assert status(unchanged, "--ignored") == ""


def test_a_full_disk_changes_nothing(unchanged: Path, changed: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    result = script("regenerate.py", changed, root=unchanged, preexec_fn=small_files)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "Nothing was changed" in result.stderr
    assert status(unchanged) == ""


def test_new_files_and_folders_replace_the_old_ones_whole(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    (place / "folder" / "gone").write_text("old")
    (place / "file").write_text("old")
    with scratch(tmp_path) as made:
        (made / "folder").mkdir()
        for name in ("folder/kept", "file", "first"):
            (made / name).write_text("new")
        put_in_place([(made / name, place / name) for name in ("folder", "file", "first")], made / "aside")
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.relative_to(place).as_posix() for file in files} == {"folder/kept", "file", "first"}
    assert {file.read_text() for file in files} == {"new"}
    assert [file.name for file in tmp_path.iterdir()] == ["place"]


def test_a_move_that_fails_names_the_file_and_clears_the_scratch_folder(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with scratch(tmp_path) as made, pytest.raises(FileNotFoundError) as caught:
        put_in_place([(made / "missing", tmp_path / "place" / "new")], made / "aside")
    assert caught.value.filename2 == str(tmp_path / "place" / "new")
    assert [file.name for file in tmp_path.rglob("*")] == ["place"]


def test_a_result_that_cannot_be_moved_is_reported(
    checkout: Path, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = checkout / "generated_client" / "cekura_api"
    replace = Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if target == package:
            raise PermissionError(errno.EACCES, "Permission denied", str(source), None, str(target))
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", refuse)
    result = regenerate(checkout, changed)
    assert result.returncode == 2
    assert f"regenerate: {package}: Permission denied. The result was moved only in part." in result.stderr
    assert "Nothing was changed" not in result.stderr
    assert not list(checkout.glob(".regenerate-*"))


def test_replay_runs_the_facade_on_every_version(tmp_path: Path) -> None:
    lacking = published()
    del lacking["paths"][f"{V1}/metrics/generate_metrics_progress/"]
    broken = published()
    del broken["components"]["schemas"]["TestSetInline"]
    (tmp_path / "1.json").write_text(json.dumps(PUBLISHED))
    (tmp_path / "2.yaml").write_text(yaml.safe_dump(PUBLISHED))
    (tmp_path / "3.json").write_text(yaml.safe_dump(lacking))
    done = script("replay.py", tmp_path, "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "2/2 versions give a client without manual edits"
    assert "0 breaking, 0 added, 0 wording only" in lines[2]
    assert lines[-2].startswith("refused: 3: ")
    assert "generate_metrics_progress" in lines[-2]
    assert not any(line.startswith("without") for line in lines)
    older = published()
    del older["paths"][f"{V1}/metrics/preview/"]
    (tmp_path / "2.yaml").write_text(yaml.safe_dump(older))
    (tmp_path / "4.json").write_text(json.dumps(broken))
    done = script("replay.py", *(tmp_path / name for name in ("2.yaml", "3.json", "4.json")), "--jobs", "2")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1/2 versions give a client without manual edits"
    assert "without optional operations: 2: preview_metric" in done.stdout.splitlines()


def test_verify_counts_what_works(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text(json.dumps(PUBLISHED))
    done = script("verify.py", tmp_path / "spec.json")
    assert done.returncode == 0, done.stdout + done.stderr
    for what, count in {
        "operations": sum(1 for _ in each_operation(PUBLISHED)),
        "schemas": len(PUBLISHED["components"]["schemas"]),
    }.items():
        assert count >= 15
        assert re.search(rf"^ *{count} of +{count} {what} generated$", done.stdout, re.MULTILINE)


PUBLISHED_VERSIONS = sorted((ROOT.parent / "shared" / "specs").glob("*.xz"))


NOT_HERE = "the published specifications are not here: ../shared/specs"
ALL_VERSIONS = os.environ.get("PUBLISHED_VERSIONS") == "all"


@pytest.mark.skipif(not PUBLISHED_VERSIONS, reason=NOT_HERE)
@pytest.mark.skipif(not ALL_VERSIONS, reason="it takes a minute: set PUBLISHED_VERSIONS=all")
def test_all_of_the_newest_specification_works() -> None:
    done = script("verify.py", PUBLISHED_VERSIONS[-1])
    assert done.returncode == 0, done.stdout + done.stderr


@functools.cache
def versions_with_every_operation() -> list[Path]:
    """The published versions that are not refused by the stages before the generator."""

    def is_refused(version: Path) -> bool:
        try:
            derive(load_specification(version), COVERED, OVERLAY)
        except MissingOperationError:
            return True
        return False

    return [version for version in PUBLISHED_VERSIONS if not is_refused(version)]


@pytest.mark.skipif(not PUBLISHED_VERSIONS, reason=NOT_HERE)
def test_every_published_version_gives_a_specification_for_the_generator() -> None:
    assert len(versions_with_every_operation()) >= 12


@pytest.mark.skipif(not PUBLISHED_VERSIONS, reason=NOT_HERE)
def test_published_versions_give_a_client() -> None:
    """The oldest, one in the middle and the newest. PUBLISHED_VERSIONS=all runs all of them."""
    versions = versions_with_every_operation()
    some = versions if ALL_VERSIONS else [versions[0], versions[len(versions) // 2], versions[-1]]
    done = script("replay.py", *some)
    assert done.returncode == 0, done.stdout
    flowed, _, counted = done.stdout.splitlines()[-1].partition(" ")[0].partition("/")
    assert flowed == counted == str(len(some))


def test_the_copy_of_the_checkout_is_complete(checkout: Path) -> None:
    assert differing_files(checkout / "generated_client" / "cekura_api", ROOT / "generated_client" / "cekura_api") == []
