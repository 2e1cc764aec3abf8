"""The sources of credential and base URL, and settings that are refused before sending."""

from __future__ import annotations

import copy
import json
import os
import pickle
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import cekura_facade as facade
from cekura_facade.sandbox import Sandbox
from tests.support import Either, reply, scripted

SECRET = "sk-very-secret-0123456789"


def configure(home: Path, text: str | bytes) -> Path:
    file = home / ".cekura" / "config.toml"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def headers_sent(client: Callable[..., Either], *args: Any, **settings: Any) -> dict[str, str]:
    with scripted(reply(200, [])) as server:
        os.environ.setdefault("CEKURA_API_URL", server.url)
        try:
            client(*args, **settings).metrics.list(agent_id=1)
        finally:
            del os.environ["CEKURA_API_URL"]
    return server.received[0].headers


def test_an_argument_comes_before_the_environment(
    client: Callable[..., Either], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEKURA_API_KEY", "from-environment")
    assert headers_sent(client, "from-argument")["x-cekura-api-key"] == "from-argument"
    assert "authorization" not in headers_sent(client, "from-argument")


def test_the_environment_comes_before_the_file(
    client: Callable[..., Either], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    configure(home, 'api_key = "from-file"')
    assert headers_sent(client)["x-cekura-api-key"] == "from-file"
    monkeypatch.setenv("CEKURA_API_KEY", "from-environment")
    assert headers_sent(client)["x-cekura-api-key"] == "from-environment"
    monkeypatch.setenv("CEKURA_API_KEY", "")
    assert headers_sent(client)["x-cekura-api-key"] == "from-file"


def test_a_bearer_token_is_sent_in_the_authorization_header(
    client: Callable[..., Either], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CEKURA_API_KEY", "from-environment")
    sent = headers_sent(client, bearer_token="token")
    assert sent["authorization"] == "Bearer token"
    assert "x-cekura-api-key" not in sent


@pytest.mark.parametrize("expiry", ["", "{:%Y-%m-%dT%H:%M:%SZ}", "{:%Y-%m-%dT%H:%M:%S}"])
def test_an_access_token_of_the_vendors_login_is_used_while_it_is_valid(
    client: Callable[..., Either], home: Path, expiry: str
) -> None:
    file = 'access_token = "token"\n'

    def with_expiry(moment: datetime) -> str:
        return file + (f'token_expires_at = "{expiry.format(moment)}"\n' if expiry else "")

    configure(home, with_expiry(datetime.now(UTC) + timedelta(hours=1)))
    assert headers_sent(client)["authorization"] == "Bearer token"
    if expiry:
        configure(home, with_expiry(datetime.now(UTC) - timedelta(seconds=1)))
        with pytest.raises(facade.ConfigurationError, match="expired"):
            client()


def test_the_base_url_comes_from_argument_environment_and_file(
    client: Callable[..., Either], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    configure(home, f'api_url = "{sandbox.url}/from-file/"')
    assert "/from-file/" in repr(client("key").client)
    monkeypatch.setenv("CEKURA_API_URL", "http://127.0.0.1:1/from-environment")
    assert "/from-environment" in repr(client("key").client)
    assert sandbox.url in repr(client("key", base_url=sandbox.url).client)


def test_the_default_base_url_is_the_vendors(client: Callable[..., Either]) -> None:
    assert "https://api.cekura.ai" in repr(client("key").client)


@pytest.mark.parametrize("ending", ["", "/", "/prefix", "/prefix/"])
def test_a_base_url_may_have_a_path(client: Callable[..., Either], ending: str) -> None:
    with scripted(reply(200, [])) as server:
        client("key", base_url=server.url + ending).metrics.list(agent_id=1)
    assert server.received[0].path == ending.rstrip("/") + "/test_framework/v1/metrics/?agent_id=1"


def test_a_missing_key_says_where_to_set_one(client: Callable[..., Either]) -> None:
    with pytest.raises(facade.ConfigurationError, match=r"CEKURA_API_KEY.*config\.toml"):
        client()


@pytest.mark.parametrize("content", [f'api_key = "{SECRET}', f"api_key = {SECRET}", b"\xff\xfe" + SECRET.encode()])
def test_an_unreadable_file_is_named(client: Callable[..., Either], home: Path, content: str | bytes) -> None:
    configure(home, content)
    with pytest.raises(facade.ConfigurationError, match=r"~/\.cekura/config\.toml") as caught:
        client()
    assert SECRET not in everything_of(caught.value)


@pytest.mark.parametrize("content", ["a = " + "[" * 100_000, "a = " + "9" * 5000])
def test_an_oversized_file_is_named(client: Callable[..., Either], home: Path, content: str) -> None:
    configure(home, content)
    with pytest.raises(facade.ConfigurationError, match=r"~/\.cekura/config\.toml"):
        client()


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "socks5://x:1"), ("ALL_PROXY", "ftp://x"), ("SSL_CERT_FILE", "/nowhere")]
)
def test_an_invalid_environment_is_explained(
    client: Callable[..., Either], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(facade.ConfigurationError, match="The HTTP client cannot be created"):
        client("key")


def test_a_file_without_permission_is_reported(client: Callable[..., Either], home: Path) -> None:
    configure(home, "").unlink()
    (home / ".cekura" / "config.toml").mkdir()
    with pytest.raises(facade.ConfigurationError, match="cannot be read"):
        client()


def test_a_file_that_is_not_needed_is_not_read(client: Callable[..., Either], home: Path) -> None:
    configure(home, "nonsense")
    client("key", base_url="http://127.0.0.1:1")


@pytest.mark.parametrize(
    "url",
    [
        "api.cekura.ai",
        "//x",
        "http://a..b",
        "http://.",
        "http://xn--a.com",
        "http://x/?",
        "http://x#",
        "ftp://x",
        "http://",
        "",
        5,
        "http://u:p@x",
        "http://x?a=1",
    ],
)
def test_an_invalid_base_url_is_refused(client: Callable[..., Either], url: Any) -> None:
    with pytest.raises(facade.ConfigurationError, match="base URL from base_url="):
        client("key", base_url=url)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "\tkey", "clé", "a\x00b", 5, b"key"])
@pytest.mark.parametrize("argument", ["api_key", "bearer_token"])
def test_a_key_that_cannot_be_sent_is_refused(client: Callable[..., Either], argument: str, key: Any) -> None:
    with pytest.raises(facade.ConfigurationError, match=argument) as caught:
        client(**{argument: f"{SECRET}{key}" if isinstance(key, str) and key else key})
    assert SECRET not in everything_of(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 0},
        {"timeout": 0.0},
        {"settle_timeout": -1},
        {"settle_timeout": float("nan")},
        {"timeout": -1},
        {"timeout": "5"},
        {"timeout": None},
        {"timeout": float("nan")},
        {"timeout": 1e12},
        {"timeout": float("inf")},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"max_response_bytes": 0},
        {"http_client": 5},
        *({"user_agent": value} for value in (" ", "a ", "\ta", "a\nb", "a\r\nX: 1", "a\x00", "a\x7f", "é", b"a", 5)),
        {"bearer_token": "and a key"},
    ],
)
def test_an_invalid_setting_is_refused(client: Callable[..., Either], settings: dict[str, Any]) -> None:
    with pytest.raises(facade.ConfigurationError, match=f"{next(iter(settings))}"):
        client(SECRET, **settings)


def test_the_other_kind_of_http_client_is_refused(client: Callable[..., Either], kind: str) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(500))
    other: Any = httpx.AsyncClient(transport=transport) if kind == "sync" else httpx.Client(transport=transport)
    client_name, wanted = ("Cekura", "Client") if kind == "sync" else ("AsyncCekura", "AsyncClient")
    found = "AsyncClient" if kind == "sync" else "Client"
    with pytest.raises(
        facade.ConfigurationError, match=rf"{found}: {client_name} uses httpx and needs an httpx\.{wanted}\."
    ):
        client("key", http_client=other)


def test_a_client_of_another_package_is_refused(client: Callable[..., Either], kind: str) -> None:
    prefix = "" if kind == "sync" else "Async"
    other = type(f"{prefix}Client", (), {"__module__": "httpx2"})
    with pytest.raises(facade.ConfigurationError) as caught:
        client("key", http_client=other())
    assert str(caught.value) == (
        f"http_client is httpx2.{prefix}Client: {prefix}Cekura uses httpx and needs an httpx.{prefix}Client."
    )


def everything_of(error: BaseException | None, packages: Sequence[str] = ("cekura", "httpx", "httpcore")) -> str:
    """Everything that an error reporter could print for an error: messages, causes, and variables of every frame."""
    found, todo, seen = [], [error], set()
    while todo:
        each = todo.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        found += [repr(each), str(each), repr(getattr(each, "__notes__", "")), repr(vars(each))]
        traceback = each.__traceback__
        while traceback is not None:
            code = traceback.tb_frame.f_code
            if any(package in code.co_filename for package in packages):
                for name, value in traceback.tb_frame.f_locals.items():
                    found += [f"{name}={value!r}", repr(_attributes(value))]
            traceback = traceback.tb_next
        todo += [each.__cause__, each.__context__]
    return "\n".join(found)


def _attributes(value: object) -> dict[str, object]:
    names = [*getattr(value, "__dict__", {}), *getattr(type(value), "__slots__", ())]
    shown = {name: getattr(value, name, None) for name in names}
    return {name: list(v.items()) if isinstance(v, httpx.Headers) else v for name, v in shown.items()}


@pytest.mark.parametrize("settings", [{"api_key": SECRET}, {"bearer_token": SECRET}], ids=["key", "token"])
@pytest.mark.parametrize(
    "answer",
    [
        reply(401, {"detail": f"{SECRET} is not a key"}),
        reply(400, [{"name": [SECRET]}]),
        reply(500, SECRET.encode()),
        reply(200, SECRET.encode()),
        reply(200, {"progress_id": SECRET}),
        reply(307, b"", {"Location": "http://127.0.0.1:1/elsewhere"}),
        reply(307, b"", {"Location": f"/elsewhere/?{SECRET}"}),
        reply(400, json.dumps({"detail": SECRET}).replace("-", "\\u002d").encode(), {"X-Request-Id": SECRET}),
        f"HTTP/1.1 {SECRET}\r\n\r\n".encode(),
        b"",
        b"not HTTP",
    ],
)
def test_no_error_shows_the_credential(client: Callable[..., Either], settings: dict[str, str], answer: bytes) -> None:
    with scripted(answer) as server, pytest.raises(facade.APIError) as caught:
        client(base_url=server.url, max_retries=0, **settings).metrics.generate(agent_id=1)
    assert SECRET in str(server.received[0].headers)
    assert SECRET not in str(caught.value) + repr(vars(caught.value))
    # Echoes of the service may be in the variables of httpx. The credential that we send must not be anywhere.
    if SECRET.encode() not in answer:
        assert SECRET not in everything_of(caught.value)
    elif not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 307")):
        assert SECRET not in everything_of(caught.value, ["cekura_facade"])


def test_no_client_shows_the_credential(client: Callable[..., Either]) -> None:
    cekura = client(SECRET, base_url="http://127.0.0.1:1").client
    for each in (cekura, cekura.metrics, cekura.api, cekura.transport, cekura.transport.settings):
        assert SECRET not in repr(each) + str(each) + repr(_attributes(each))
    with pytest.raises(TypeError):
        pickle.dumps(cekura.transport.settings)
    with pytest.raises(TypeError):
        copy.deepcopy(cekura.transport.settings)
