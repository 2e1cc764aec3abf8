"""`doctor`: every check that fails or warns is named and explained, as a table and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from cekura_facade.cli._doctor import _is_unencrypted
from cekura_facade.sandbox import Sandbox
from tests.support import closed_port, reply, scripted
from tests.terminal import JSON, Shell, environment

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def shell(sandbox: Sandbox, home: Path, tmp_path: Path) -> Shell:
    return Shell(tmp_path, environment(home, sandbox.url, sandbox.api_key))


def doctor(shell: Shell, *arguments: str, **env: str) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Returns the exit code, the checks by name, and the output without --json."""
    table = shell.run("doctor", *arguments, **env)
    document = shell.run("doctor", *arguments, *JSON, **env)
    assert table.returncode == document.returncode
    assert table.stderr == document.stderr == ""
    facts = json.loads(document.stdout)
    assert facts["exit_code"] == table.returncode
    assert facts["ok"] == (table.returncode == 0) == all(check["ok"] for check in facts["checks"])
    for check in facts["checks"]:
        assert check.keys() == {"name", "ok", "message", "advice", "warning"}
        if check["ok"] is False or check["warning"]:
            assert check["advice"]
        for text in (check["message"], check["advice"] or ""):
            assert steady(text) in steady(table.stdout)
            assert "should not happen" not in text
    return table.returncode, {check["name"]: check for check in facts["checks"]}, table.stdout


def steady(text: str) -> str:
    """Text without line breaks and times."""
    return re.sub(r"\d+ ms", "… ms", " ".join(text.split()))


def states(checks: dict[str, dict[str, Any]]) -> dict[str, bool | None]:
    return {name: check["ok"] for name, check in checks.items()}


def test_everything_works(shell: Shell, sandbox: Sandbox, home: Path) -> None:
    code, checks, text = doctor(shell)
    assert code == 0
    assert states(checks) == {"API key": True, "base URL": True, "connection": True, "access": True}
    assert checks["API key"]["message"] == "from CEKURA_API_KEY"
    assert checks["base URL"]["message"] == f"{sandbox.url} (from CEKURA_API_URL)"
    assert sandbox.api_key not in text


def test_where_key_and_base_url_come_from(shell: Shell, sandbox: Sandbox, home: Path) -> None:
    (home / ".cekura").mkdir()
    config = home / ".cekura" / "config.toml"
    config.write_text(f'api_key = "{sandbox.api_key}"\napi_url = "{sandbox.url}"\n')
    config.chmod(0o600)
    _, checks, _ = doctor(shell, CEKURA_API_KEY="", CEKURA_API_URL="")
    assert checks["API key"]["message"] == "from api_key in ~/.cekura/config.toml"
    assert "(from api_url in ~/.cekura/config.toml)" in checks["base URL"]["message"]
    (shell.folder / "key").write_text(sandbox.api_key)
    (shell.folder / "key").chmod(0o600)
    arguments = ["--api-key-file", "key", "--base-url", sandbox.url]
    code, checks, _ = doctor(shell, *arguments, CEKURA_API_KEY="wrong", CEKURA_API_URL="wrong")
    assert code == 0
    assert checks["API key"]["message"] == "from --api-key-file key"
    assert "(from --base-url)" in checks["base URL"]["message"]
    assert "file permissions" not in checks


def test_without_a_key(shell: Shell) -> None:
    code, checks, _ = doctor(shell, CEKURA_API_KEY="")
    assert code == 1
    assert states(checks) == {"API key": False, "base URL": True, "connection": True, "access": None}
    assert checks["API key"]["message"] == "No API key."
    assert "--api-key-file FILE" in checks["API key"]["advice"]
    assert "api_key=..." not in checks["API key"]["advice"]


def test_with_a_key_file_that_cannot_be_read(shell: Shell) -> None:
    code, checks, _ = doctor(shell, "--api-key-file", "missing")
    assert code == 1
    assert states(checks) == {"API key": False, "base URL": True, "connection": True, "access": None}
    assert checks["API key"]["message"] == "--api-key-file missing cannot be read: No such file or directory."


def test_with_a_key_that_is_not_accepted(shell: Shell) -> None:
    code, checks, text = doctor(shell, CEKURA_API_KEY="wrong-key")
    assert code == 1
    assert states(checks) == {"API key": True, "base URL": True, "connection": True, "access": False}
    assert "401" in checks["access"]["message"]
    assert "wrong-key" not in text


def test_when_the_service_is_unreachable(shell: Shell) -> None:
    with closed_port() as url:
        code, checks, _ = doctor(shell, CEKURA_API_URL=url)
    assert code == 1
    assert (checks["connection"]["ok"], checks["access"]["ok"]) == (False, None)
    assert "Check the base URL and the network." in checks["connection"]["advice"]


def test_with_a_base_url_that_is_not_valid(shell: Shell) -> None:
    code, checks, _ = doctor(shell, CEKURA_API_URL="nowhere")
    assert code == 1
    assert states(checks) == {"configuration": False}
    assert "CEKURA_API_URL" in checks["configuration"]["message"]


@pytest.mark.parametrize(
    "text", ["api_key = [", "api_key = 5", 'api_key = ""', 'access_token = "x"\ntoken_expires_at = "never"']
)
def test_with_a_configuration_file_that_is_not_valid(shell: Shell, home: Path, text: str) -> None:
    (home / ".cekura").mkdir()
    (home / ".cekura" / "config.toml").write_text(text)
    code, checks, _ = doctor(shell, CEKURA_API_KEY="")
    assert code == 1
    assert not checks["API key"]["ok"]
    assert "config.toml" in checks["API key"]["message"]


PAGE = b"<html>log in</html>"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (reply(200, {"results": []}), "an object instead of a list of metrics"),
        (reply(200, [[]]), "item 1 of the response is not a metric"),
        (reply(200, [7]), "item 1 of the response is not a metric"),
        (reply(200, [{"id": 1, "name": "a"}, {"name": "b"}]), "item 2 of the response is not a metric"),
        (reply(200, [{"id": "x", "name": "a"}]), "item 1 of the response is not a metric"),
        (reply(200, None), "null instead of a list"),
        (reply(200, 5), "a number instead of a list"),
        (reply(200, b"[" * 100_000), "is not JSON"),
        (reply(200, b"\xff\x00"), "is not JSON"),
        (reply(200, b""), "is empty"),
        (reply(204, b""), ""),
        (reply(200, PAGE, type="text/html"), "an HTML page"),
        (reply(404, PAGE, type="text/html"), "HTML page"),
        (reply(502, PAGE, type="text/html"), "502"),
        (reply(302, b"", {"Location": "http://127.0.0.1:1/login"}), ""),
        (b"SSH-2.0-OpenSSH_9.6\r\n", ""),
    ],
)
def test_a_response_that_is_not_the_service_s(home: Path, tmp_path: Path, answer: bytes, said: str) -> None:
    with scripted(answer) as server:
        shell = Shell(tmp_path, environment(home, server.url, KEY))
        code, checks, text = doctor(shell)
    assert code == 1
    assert (checks["connection"]["ok"], checks["access"]["ok"]) == (False, None)
    assert said in checks["connection"]["message"]
    assert "accepts" not in text
    assert KEY not in text


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_service_that_refuses_the_request(home: Path, tmp_path: Path, status: int) -> None:
    with scripted(reply(status, {"detail": "No."})) as server:
        code, checks, _ = doctor(Shell(tmp_path, environment(home, server.url, KEY)))
    assert code == 1
    assert (checks["connection"]["ok"], checks["access"]["ok"]) == (True, False)


def test_metrics_that_pass_the_filter_are_not_a_failure(home: Path, tmp_path: Path) -> None:
    with scripted(reply(200, [{"id": 1, "name": "a", "eval_type": "binary"}])) as server:
        code, _, _ = doctor(Shell(tmp_path, environment(home, server.url, KEY)))
    assert code == 0


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://api.example.com", True),
        ("http://10.0.0.7:8000", True),
        ("http://localhost.example.com", True),
        ("http://[2001:db8::1]", True),
        ("https://api.example.com", False),
        ("http://localhost:8000", False),
        ("http://LOCALHOST", False),
        ("http://sandbox.localhost", False),
        ("http://127.8.0.1", False),
        ("http://[::1]:8000", False),
    ],
)
def test_which_base_urls_are_unencrypted(url: str, warned: bool) -> None:
    assert _is_unencrypted(httpx.URL(url)) is warned


def test_plain_http_to_another_host_is_a_warning(shell: Shell, sandbox: Sandbox) -> None:
    port = sandbox.url.rsplit(":", 1)[1]
    # With a proxy, this name needs no resolution.
    env = {"CEKURA_API_URL": f"http://api.example.test:{port}", "HTTP_PROXY": sandbox.url}
    _, checks, _text = doctor(shell, **env)
    assert checks["encryption"] == {
        "name": "encryption",
        "ok": True,
        "warning": True,
        "message": "The API key is sent to api.example.test without encryption.",
        "advice": "Use a base URL that starts with https://.",
    }
    assert "encryption" not in doctor(shell)[1]


@pytest.mark.parametrize(("mode", "can"), [(0o644, "read"), (0o640, "read"), (0o602, "change"), (0o600, None)])
def test_files_that_other_users_can_read_are_a_warning(
    shell: Shell, sandbox: Sandbox, home: Path, mode: int, can: str | None
) -> None:
    (home / ".cekura").mkdir()
    config, key = home / ".cekura" / "config.toml", shell.folder / "my key"
    config.write_text(f'# mine\napi_key = "{sandbox.api_key}"\n')
    key.write_text(sandbox.api_key)
    for path in (config, key):
        path.chmod(mode)
    code, checks, _text = doctor(shell, CEKURA_API_KEY="")
    assert code == 0  # The command works nevertheless.
    assert ("file permissions" in checks) == (can is not None)
    if can:
        assert checks["file permissions"]["warning"] is True
        assert checks["file permissions"]["message"] == f"Other users of this machine can {can} {config}."
        assert checks["file permissions"]["advice"] == f"Run: chmod 600 {config}"
    config.write_text("# nothing secret\n")
    _, checks, _ = doctor(shell, "--api-key-file", "my key")
    assert ("file permissions" in checks) == (can is not None)
    if can:
        assert checks["file permissions"]["advice"] == "Run: chmod 600 'my key'"


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_it_fits_the_terminal(shell: Shell, columns: int) -> None:
    with shell.terminal("doctor", columns=columns, CEKURA_API_KEY="wrong-key") as terminal:
        assert terminal.end() == 1
    assert max(map(len, terminal.screen.splitlines())) <= columns
    for word in ("credential", "CEKURA_API_KEY", "connection", "responded"):
        assert word in terminal.screen  # not split
