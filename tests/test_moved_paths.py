"""If operations move to other paths, the client uses these, and the facade works as before."""

from __future__ import annotations

import copy
import functools
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from regeneration.documents import load, load_specification
from regeneration.errors import MissingOperationError, RegenerationError
from regeneration.interface import interface
from regeneration.locate import locate
from regeneration.operations import Operation, Operations
from regeneration.operations_file import load_operations
from regeneration.pipeline import Derivation, build, derive
from regeneration.report import Report, compare, markdown

from cekura_facade.sandbox import Sandbox
from tests.forks import LIBRARIES, Forks
from tests.once import once
from tests.regenerating import ROOT
from tests.terminal import COMMAND

SPEC = ROOT / "spec"
PUBLISHED = load(SPEC / "upstream.yaml")
COVERED = load_operations(SPEC / "operations.yaml")
OVERLAY = load(SPEC / "overlay.yaml")
SPECIFICATIONS = ROOT.parent / "shared" / "specs"
V1, V2 = "/test_framework/v1", "/test_framework/v2"
AGENT_V2 = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string"},
        "description": {"type": "string"},
        "project": {"type": "integer"},
        "provider": {
            "type": "object",
            "properties": {"type": {"type": "string"}, "agent_id": {"type": "string", "nullable": True}},
        },
    },
}
AGENTS_V2 = {
    "type": "object",
    "properties": {
        "count": {"type": "integer"},
        "next": {"type": "string", "nullable": True},
        "results": {"type": "array", "items": AGENT_V2},
    },
}
SCOPES = {"agent_id": "integer", "project_id": "integer", "assistant_id": "string"}


def json_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema}}, "description": ""}


def moved(which: str = ".", names: str = "{metric_pk}", to: str = V2) -> dict[str, Any]:
    """The covered part, with the paths that contain `which` in v2, as v2 publishes them."""
    document = copy.deepcopy(PUBLISHED)
    for path in [path for path in document["paths"] if re.search(which, path)]:
        item = document["paths"].pop(path)
        document["paths"][path.replace(V1, to).replace("{id}", names)] = item
        for method, operation in item.items():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["name"] = names[1:-1]
            if "progress" in path:
                operation["parameters"] += [
                    {"in": "query", "name": name, "schema": {"type": kind}} for name, kind in SCOPES.items()
                ]
            if "aiagents" in path and method == "get":
                operation["responses"]["200"] = json_of(AGENT_V2 if "{" in path else AGENTS_V2)
            if path.endswith("/metrics/") and method == "post":
                # As in v2, where a metric need not have a project, nor a type.
                operation["requestBody"]["content"] = json_of(
                    {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string"},
                            "eval_type": {"type": "string"},
                            "project": {"type": ["integer", "null"]},
                            "agents": {"type": "array", "items": {"type": ["integer", "null"]}},
                        },
                    }
                )["content"]
    return document


def newest_without_v1() -> dict[str, Any]:
    files = sorted(SPECIFICATIONS.glob("*")) if SPECIFICATIONS.is_dir() else []
    versions = [file for file in files if file.suffix != ".md"]
    if not versions:
        pytest.skip("../shared/specs is not there")
    document = load_specification(versions[-1])
    gone = (f"{V1}/metrics", f"{V1}/aiagents")
    document["paths"] = {path: item for path, item in document["paths"].items() if not path.startswith(gone)}
    return document


def derived(document: dict[str, Any]) -> Derivation:
    return derive(document, COVERED, OVERLAY)


DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "published": newest_without_v1,
    "small": moved,
    "mixed": lambda: moved("aiagents/.|bulk_create|metrics/[{]|preview-|simplify"),
}


@pytest.fixture(params=DOCUMENTS, scope="module")
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the client that is generated from a document."""
    document = DOCUMENTS[request.param]()

    def make(folder: Path) -> None:
        derivation = build_from(document, folder)
        assert derivation.left_out == ()
        (folder / "paths.json").write_text(json.dumps([entry.path for entry in derivation.operations.entries]))

    return once(tmp_path_factory, f"moved-{request.param}", make)


def build_from(document: dict[str, Any], folder: Path) -> Derivation:
    return build(copy.deepcopy(document), SPEC, folder)


def environment(client: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (client, ROOT)))}


@functools.cache
def forks(client: Path) -> Forks:
    """The process in whose forks programs use this client."""
    return Forks((*LIBRARIES, "pytest", "cekura_facade.sandbox:Sandbox"), environment(client))


def run(client: Path, script: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forks(client).run([str(script), *arguments], ROOT, environment(client))


@pytest.mark.parametrize("credential", ["key", "token"])
@pytest.mark.parametrize("kind", ["Cekura", "AsyncCekura"])
def test_the_workflow_runs_on_the_new_paths(client: Path, kind: str, credential: str) -> None:
    done = run(client, ROOT / "tests" / "moved_workflow.py", kind, credential)
    assert done.returncode == 0, done.stderr
    requests = json.loads(done.stdout)
    shapes = [re.sub(r"\{\w+\}", "[0-9]+", path) for path in json.loads((client / "paths.json").read_text())]
    assert all(any(re.fullmatch(shape, path) for shape in shapes) for _, path, _, _ in requests)
    used = {shape for shape in shapes for _, path, _, _ in requests if re.fullmatch(shape, path)}
    assert used == set(shapes)
    assert all(status < 300 for *_, status in requests)
    for _, path, query, _ in requests:
        if "progress" in path:
            assert bool(SCOPES.keys() & query.keys()) == path.startswith(V2), (path, query)


def test_a_version_without_v1_is_used_on_v2_only() -> None:
    # The published v2 has no operation that copies predefined metrics.
    stays = f"{V1}/predefined-metrics/copy/"
    for document, left, some in (
        (moved(), set(), "16 of 16 operations"),
        (newest_without_v1(), {stays}, "15 of 16 operations, all but copy_predefined_metrics,"),
    ):
        derivation = derived(document)
        assert {path for path in derivation.effective["paths"] if not path.startswith(f"{V2}/")} == left
        assert derivation.left_out == ()
        assert derivation.moves == (f"{some} moved from {V1}/ to {V2}/",)
        assert len(derivation.operations.entries) == len(COVERED.entries)


def test_the_report_has_one_line_for_a_move_and_names_other_changes() -> None:
    derivation = derived(moved())
    changes = compare(derived(PUBLISHED).effective, derivation.effective)
    breaking = [change.what for change in changes if change.kind == "breaking"]
    assert "`Agent.agent_name` is gone" in breaking
    # A path alone is not a change for users.
    assert all(what.startswith(("`Agent", "`MetricCreate.project`", "`MetricCreate")) for what in breaking), breaking
    text = markdown(Report(changes, paths=derivation.moves))
    [line] = [line for line in text.splitlines() if "moved from" in line]
    assert line == f"- `16 of 16 operations moved from {V1}/ to {V2}/`"


def test_names_of_parameters_in_a_path_may_change_with_it() -> None:
    same = interface(derived(moved(names="{id}")).effective)
    for names in ("{metric_pk}", "{metric_id}", "{agent_id}", "{class}"):
        derivation = derived(moved(names=names))
        assert interface(derivation.effective) == same
        assert {"get_metric(metric_id)", "get_agent(agent_id)"} <= same.keys()
    # They may also change where the path stays.
    assert interface(derived(moved(names="{pk}", to=V1)).effective).keys() >= {"get_metric(metric_id)"}


def test_the_first_path_that_has_the_method_is_used() -> None:
    both = moved()
    both["paths"] |= copy.deepcopy(PUBLISHED["paths"])
    assert {path.startswith(f"{V1}/") for path in derived(both).effective["paths"]} == {True}
    del both["paths"][f"{V1}/metrics/{{id}}/"]["patch"]
    derivation = derived(both)
    assert derivation.left_out == ()
    assert derivation.moves == (f"update_metric moved from {V1}/ to {V2}/",)
    assert derivation.effective["paths"][f"{V2}/metrics/{{metric_pk}}/"].keys() == {"patch"}
    everything = {(entry.method, entry.path): entry for entry in locate(both, COVERED).entries}
    assert everything["get", f"{V1}/metrics/{{id}}/"].name == "get_metric"


def test_an_optional_operation_without_a_path_is_left_out() -> None:
    document = moved()
    document["paths"][f"{V2}/metrics/preview_it/"] = document["paths"].pop(f"{V2}/metrics/preview/")
    [left_out] = derived(document).left_out
    assert left_out.operation.name == "preview_metric"
    assert f"The closest are POST {V2}/metrics/preview_it/" in str(left_out)


def refusal(document: dict[str, Any]) -> str:
    with pytest.raises(MissingOperationError) as caught:
        derived(document)
    return str(caught.value)


def test_a_refusal_names_the_closest_operations() -> None:
    document = moved(to="/api/v3")
    for method in ("get", "delete"):
        document["paths"][f"{V1}/scores/{{id}}/"] = {method: document["paths"]["/api/v3/metrics/{metric_pk}/"][method]}
    why = refusal(document)
    assert "\n" not in why
    assert f"delete_metric (DELETE {V1}/metrics/{{id}}/). It is not at {V2}/metrics/{{id}}/ either." in why
    assert "The closest is DELETE /api/v3/metrics/{metric_pk}/." in why
    assert "The closest is POST /api/v3/metrics/bulk_create/." in why

    only = moved()
    only["paths"]["/v3/metrics/bulk_create_all/"] = only["paths"].pop(f"{V2}/metrics/bulk_create/")
    only["paths"]["/v3/metrics/bulk_create/"] = {"get": only["paths"][f"{V2}/metrics/"]["get"]}
    why = refusal(only)
    assert why.index("POST /v3/metrics/bulk_create_all/") < why.index("GET /v3/metrics/bulk_create/")
    assert "add its new path to its entry in spec/operations.yaml" in why


def test_a_move_needs_only_one_new_line(tmp_path: Path) -> None:
    document = moved("bulk_create", to="/api/v3")
    path = re.search(r"closest (?:is|are) POST ([^,]*?)[,.] ?", refusal(document))
    assert path is not None
    text = (SPEC / "operations.yaml").read_text("utf-8")
    line = f"      - {V2}/metrics/bulk_create/\n"
    assert text.count(line) == 1
    (tmp_path / "operations.yaml").write_text(text.replace(line, f"{line}      - {path[1]}\n"))
    derivation = derive(document, load_operations(tmp_path / "operations.yaml"), OVERLAY)
    assert derivation.moves == (f"create_metrics_in_bulk moved from {V1}/ to /api/v3/",)


def test_hostile_paths_are_not_shown() -> None:
    document = moved()
    item = document["paths"].pop(f"{V2}/metrics/bulk_create/")
    hostile = [
        "/metrics/bulk_create\n/",
        "/metrics/bulk_\x1b[31mcreate/",
        "/metrics/`bulk_create`/",
        "/metrics/bulk_crëate/",
    ]
    document["paths"] |= dict.fromkeys([*hostile, f"/metrics/bulk_create/{'x' * 250}", 5], item)
    why = refusal(document)
    assert f"The closest is POST {V2}/metrics/preview/." in why
    assert re.fullmatch(r"[ -_a-~]+", why)
    assert "xxx" not in why


def test_an_agent_has_a_project_even_if_it_is_not_published() -> None:
    without: dict[str, Any] = copy.deepcopy(AGENT_V2)
    del without["properties"]["project"]
    document = moved()
    document["paths"][f"{V2}/aiagents/{{metric_pk}}/"]["get"]["responses"]["200"] = json_of(without)
    del document["paths"][f"{V2}/aiagents/"]
    assert interface(derived(document).effective)["Agent.project"].type == "int | None"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("[]", "`path` must be a path such as"),
        ("[/a/, 5]", "`path` must be a path such as"),
        ("a/", "`path` must be a path such as"),
        ("{a: /a/}", "`path` must be a path such as"),
        ("['/a/{id}/', '/a/{pk}/']", "GET /a/{}/ is listed twice"),
    ],
)
def test_a_wrong_path_in_operations_yaml_is_refused(tmp_path: Path, path: str, why: str) -> None:
    file = tmp_path / "operations.yaml"
    file.write_text(f"operations:\n  - {{name: look, tag: things, method: get, path: {path}}}\n")
    with pytest.raises(RegenerationError, match=re.escape(why)):
        load_operations(file)


def test_parameters_keep_their_names_by_position() -> None:
    paths = ("/a/{x}/b/{y}/", "/v2/a/{x}/b/{y}/")
    entry = Operation("look", "things", "get", paths[0], parameters={"y": "item_id", "q": "query"}, paths=paths)
    operation: dict[str, Any] = {"get": {"responses": {}}}
    [found] = locate({"paths": {"/v2/a/{one}/b/{two}/": operation}}, Operations((entry,), {})).entries
    assert (found.path, found.parameters) == (
        "/v2/a/{one}/b/{two}/",
        {"one": "x", "two": "item_id", "q": "query"},
    )
    exact = {"/a/{other}/b/{y}/": operation, paths[0]: operation}
    [found] = locate({"paths": exact}, Operations((entry,), {})).entries
    assert (found.path, found.parameters) == (paths[0], entry.parameters)


def command(client: Path, sandbox: Sandbox, *words: str) -> subprocess.CompletedProcess[str]:
    return run(client, COMMAND, *words, "--base-url", sandbox.url)


def test_the_command_line_passes_the_agent_on(client: Path, home: Path) -> None:
    """With an access token, v2 requires an agent for polling."""
    wants_agent = f"{V2}/metrics/generate_metrics_progress/" in json.loads((client / "paths.json").read_text())
    with Sandbox(job_seconds=1e6) as sandbox:
        (home / ".cekura").mkdir()
        (home / ".cekura" / "config.toml").write_text(
            f'access_token = "{sandbox.api_key}"\ntoken_expires_at = "2999-01-01T00:00:00Z"\n'
        )
        started = command(client, sandbox, "generate", "--agent-id=101", "--yes", "--timeout=0")
        assert started.returncode == 3, started.stderr
        [progress_id] = sandbox.jobs
        [resume] = re.findall(r"cekura-facade (resume .*?) --base-url", started.stderr)
        assert resume == f"resume {progress_id}" + (" --agent-id=101" if wants_agent else "")
        sandbox.advance(2e6)
        done = command(client, sandbox, *resume.split(), "--yes")
        assert done.returncode == 0, done.stderr
        assert len(sandbox.metrics) == 1
        by_assistant = command(client, sandbox, "resume", progress_id, "--assistant-id=asst_sandbox_101", "--dry-run")
        assert by_assistant.returncode == 0, by_assistant.stderr
        if wants_agent:
            refused = command(client, sandbox, "resume", progress_id, "--dry-run")
            assert "is required" in refused.stderr
        checked = command(client, sandbox, "check", "--agent-id=101", "--yes")
        assert checked.returncode == 0, checked.stderr
        unknown = [request.status for request in sandbox.requests if "generate_metrics_progress" in request.path][-1]
        assert unknown == 404
