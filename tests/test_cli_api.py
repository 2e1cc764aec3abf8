"""`api`: any operation of the API, its options, and their values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cekura_facade import Cekura
from cekura_facade.cli import _errors, _managing, _operations
from cekura_facade.sandbox import Sandbox
from tests.commands import leaves, options_of, run_each, run_each_in_terminal
from tests.pages import ROOT
from tests.support import Received, reply, scripted
from tests.terminal import Shell, environment

METRIC = ["--name", "Greeting", "--eval-type", "binary", "--agents", "101"]


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def sent(home: Path, folder: Path, *runs: list[str], status: int = 200, body: object = None) -> list[Received]:
    """The requests of each run."""
    with scripted(reply(status, body if body is not None else {"id": 7, "name": "x"})) as server:
        for run in run_each(Shell(folder, environment(home, server.url, "key")), list(runs)):
            assert run.code == 0, run.err
        return server.received


def test_every_generated_operation_is_a_command(shell: Shell) -> None:
    modules = (ROOT / "generated_client" / "cekura_api" / "api").glob("*/*.py")
    names = sorted(path.stem for path in modules if path.stem != "__init__")
    assert [words.removeprefix("api ") for words in leaves() if words.startswith("api ")] == names
    [run] = run_each(shell, [["api", "--list", "--json"]])
    assert [each["name"] for each in run.document] == names
    for each in run.document:
        assert each["method"] in {"GET", "POST", "PATCH", "PUT", "DELETE"}
        assert each["path"].startswith("/")
        assert each["summary"]


def test_a_new_operation_needs_no_new_code(home: Path, tmp_path: Path, sandbox: Sandbox) -> None:
    package = tmp_path / "cekura_api"
    source = ROOT / "generated_client" / "cekura_api"
    for path in source.rglob("*.py"):
        copy = package / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text("utf-8"), "utf-8")
    new = (source / "api" / "metrics" / "get_metric.py").read_text("utf-8")
    new = new.replace("metric_id", "number").replace("Get a metric.", "Read a metric.")
    (package / "api" / "metrics" / "read_metric.py").write_text(new, "utf-8")
    with Cekura(sandbox.api_key, base_url=sandbox.url) as cekura:
        cekura.metrics.create(name="Greeting", eval_type="binary", agents=[101])
    shell = Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))
    program = ["-c", "import sys; from cekura_facade.cli import main; main()"]
    for arguments, expected in (
        (["api", "read_metric", "--number", "1001"], '"Greeting"'),
        (["api", "--list"], "read_metric"),
        (["api", "read_metric", "--help"], "Read a metric."),
    ):
        result = subprocess.run(
            [sys.executable, *program, *arguments],
            env=shell.env | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert expected in result.stdout


def test_an_operation_has_an_option_for_each_parameter_and_field() -> None:
    found = leaves()
    assert {"--agent-id", "--project-id", "--assistant-id", "--slug"} <= options_of(found["api list_metrics"])
    assert {"--metric-id", "--name", "--type", "--agents", "--data"} <= options_of(found["api update_metric"])
    assert "--data" not in options_of(found["api get_metric"])


def test_a_response_is_printed_as_json(shell: Shell, sandbox: Sandbox) -> None:
    created, listed, got, deleted, again = run_each(
        shell,
        [
            ["api", "create_metric", *METRIC],
            ["api", "list_metrics", "--agent-id", "101"],
            ["api", "get-metric", "--metric-id", "1001"],
            ["api", "delete_metric", "--metric-id", "1001"],
            ["api", "get_metric", "--metric-id", "1001"],
        ],
    )
    assert created.document["id"] == 1001
    assert listed.document == [got.document]
    assert created.document == got.document
    assert deleted.document == {"exit_code": 0, "errors": []}
    assert (again.code, again.document["exit_code"]) == (1, 1)
    assert "1001" in again.document["errors"][0]["message"]
    assert sandbox.metrics == []


def test_each_kind_of_value(home: Path, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Was the caller greeted?\n", "utf-8")
    (tmp_path / "settings.json").write_text('{"limit": 3}', "utf-8")
    base = ["api", "update_metric", "--metric-id", "7"]
    cases: list[tuple[list[str], dict[str, Any]]] = [
        (["--name", "true"], {"name": "true"}),
        (["--name", '"quoted"'], {"name": '"quoted"'}),
        (["--name", "@@home"], {"name": "@home"}),
        (["--prompt", "@prompt.txt"], {"prompt": "Was the caller greeted?\n"}),
        (["--audio-enabled", "true"], {"audio_enabled": True}),
        (["--add-to-new-agents", "null"], {"add_to_new_agents": None}),
        (["--display-order", "3"], {"display_order": 3}),
        (["--agents", "101", "--agents", "102"], {"agents": [101, 102]}),
        (["--agents", "[101, 102]"], {"agents": [101, 102]}),
        (["--enum-values", "good", "--enum-values", "bad"], {"enum_values": ["good", "bad"]}),
        (["--configuration", '{"limit": 3}'], {"configuration": {"limit": 3}}),
        (["--configuration", "@settings.json"], {"configuration": {"limit": 3}}),
        (["--configuration", "words"], {"configuration": "words"}),
        (["--type", "llm_judge"], {"type": "llm_judge"}),
    ]
    received = sent(home, tmp_path, *([*base, *options] for options, _ in cases))
    assert [request.json for request in received] == [body for _, body in cases]
    assert {(request.method, request.path) for request in received} == {("PATCH", "/test_framework/v1/metrics/7/")}


def test_a_body_comes_from_a_file_and_options_override_it(home: Path, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"name": "a", "description": "b", "later": 1}', "utf-8")
    base = ["api", "update_metric", "--metric-id", "7", "--data", "body.json"]
    first, second = sent(home, tmp_path, base, [*base, "--name", "c"])
    assert first.json == {"name": "a", "description": "b", "later": 1}
    assert second.json == {"name": "c", "description": "b", "later": 1}


def test_a_body_comes_from_standard_input(shell: Shell, sandbox: Sandbox) -> None:
    metrics = [{"name": name, "eval_type": "binary", "agents": [101]} for name in ("One", "Two")]
    result = shell.run("api", "create_metrics_in_bulk", "--data", "-", input=json.dumps(metrics))
    assert [each["name"] for each in json.loads(result.stdout)] == ["One", "Two"]
    prompt = shell.run("metrics", "update", "1001", "--prompt", "@-", "--json", input="Was it short?")
    assert json.loads(prompt.stdout)["prompt"] == "Was it short?"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["api", "get_metric"], "Missing --metric-id"),
        (["api", "get_metric", "--metric-id", "x"], "--metric-id x: expected an integer"),
        (["api", "get_metric", "--metric-id", "0"], "metric_id=0"),
        (["api", "create_metric", "--name", "a"], "Missing --eval-type"),
        (["api", "create_metric", "--name", "a", "--eval-type", "binry"], "Did you mean 'binary'?"),
        (["api", "create_metric", "--name", "a", "--eval-type", "zzz"], "Known values: binary, continuous_qualitative"),
        (["api", "update_metric", "--metric-id", "7"], "Nothing to send"),
        (["api", "update_metric", "--metric-id", "7", "--agents", "x"], "--agents x: expected an integer"),
        (["api", "update_metric", "--metric-id", "7", "--audio-enabled", "yes"], "expected a boolean"),
        (["api", "update_metric", "--metric-id", "7", "--display-order", "NaN"], "expected an integer"),
        (["api", "update_metric", "--metric-id", "7", "--prompt", "@nothing.txt"], "nothing.txt cannot be read"),
        (["api", "update_metric", "--metric-id", "7", "--data", "nothing.json"], "nothing.json cannot be read"),
        (["api", "update_metric", "--metric-id", "7", "--data", "typo.json"], "Did you mean 'description'?"),
        (["api", "update_metric", "--metric-id", "7", "--data", "list.json"], "expected a JSON object"),
        (["api", "update_metric", "--metric-id", "7", "--data", "broken.json"], "broken.json is not JSON"),
        (["api", "create_metrics_in_bulk"], "needs --data"),
        (["api", "create_metrics_in_bulk", "--data", "typo.json"], "expected a list"),
        (["metrics", "update", "7"], "Pass at least one field"),
        (["metrics", "update", "7", "--eval-type", "binry"], "Did you mean 'binary'?"),
    ],
)
def test_what_is_not_valid_is_refused_before_anything_is_sent(
    shell: Shell, sandbox: Sandbox, arguments: list[str], said: str
) -> None:
    (shell.folder / "typo.json").write_text('{"descripton": "a"}', "utf-8")
    (shell.folder / "list.json").write_text("[]", "utf-8")
    (shell.folder / "broken.json").write_text('{"name": NaN}', "utf-8")
    [run] = run_each(shell, [[*arguments, "--json"]])
    assert run.code == 2
    assert said in run.err
    assert run.document["exit_code"] == 2
    assert said in run.document["errors"][0]["message"]
    assert sandbox.requests == []


def test_a_list_of_operations_fits_the_terminal(shell: Shell) -> None:
    for columns in (200, 100, 60, 40):
        [page] = run_each_in_terminal(shell, [["api", "--list"]], columns)
        assert max(map(len, page.splitlines())) <= columns + 20  # with styles
        assert "generate_evaluation_trigger" in page


def test_an_operation_that_the_client_lacks(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    names = _operations.names()
    assert "update_metric" in names
    monkeypatch.setattr(_operations, "names", list)
    with pytest.raises(_errors.Failed, match="generated without the operation update_metric"):
        _managing.require("update_metric")
