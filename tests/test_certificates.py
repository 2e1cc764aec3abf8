"""The certificates are loaded before the first https request, and once for all clients of a process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

import cekura_facade as facade
from cekura_facade import _config
from cekura_facade.sandbox import Sandbox
from tests.support import Either, reply, scripted

_create_ssl_context = httpx.create_ssl_context


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The arguments of each call that reads certificates from a file or folder."""
    found: list[object] = []
    context = ssl.SSLContext
    load, defaults = context.load_verify_locations, context.load_default_certs

    def load_verify_locations(self: ssl.SSLContext, *args: object, **options: object) -> None:
        found.append((args, options))
        load(self, *args, **options)  # type: ignore[arg-type]

    def load_default_certs(self: ssl.SSLContext, *args: object) -> None:
        found.append(args)
        defaults(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(context, "load_verify_locations", load_verify_locations, raising=False)
    monkeypatch.setattr(context, "load_default_certs", load_default_certs)
    monkeypatch.setattr(httpx, "create_ssl_context", _create_ssl_context)  # The other tests share a context.
    _config.load_certificates.cache_clear()
    return found


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that SSL_CERT_FILE names."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return authority


class _Server(ssl.SSLContext):
    """The TLS of a server.

    Attributes:
        protocols: The protocol of each connection.
    """

    protocols: list[str | None]

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        connection = super().wrap_socket(*args, **options)
        self.protocols.append(connection.selected_alpn_protocol())
        return connection


def _server_context(authority: trustme.CA) -> _Server:
    context = _Server(ssl.PROTOCOL_TLS_SERVER)
    context.protocols = []
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_http_needs_no_certificates(client: Callable[..., Either], sandbox: Sandbox, loads: list[object]) -> None:
    assert client(sandbox.api_key, base_url=sandbox.url).metrics.list(agent_id=101) == []
    assert loads == []


def test_two_clients_load_the_certificates_once(
    client: Callable[..., Either], authority: trustme.CA, tmp_path: Path, loads: list[object]
) -> None:
    tls = _server_context(authority)
    with scripted(reply(200, []), reply(200, []), reply(200, []), tls=tls) as server:
        clients = [client("key", base_url=server.url) for _ in range(2)]
        assert loads == []
        for each in (*clients, clients[0]):
            assert each.metrics.list(agent_id=1) == []
    assert [str(tmp_path / "authority.pem") in str(load) for load in loads] == [True]
    assert tls.protocols == ["http/1.1"] * 2


def test_certificates_of_another_file_are_also_loaded(
    client: Callable[..., Either], authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = trustme.CA()
    other.cert_pem.write_to_path(str(tmp_path / "other.pem"))
    with scripted(reply(200, []), tls=_server_context(authority)) as server:
        assert client("key", base_url=server.url).metrics.list(agent_id=1) == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
        with pytest.raises(facade.APIConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            client("key", base_url=server.url, max_retries=0).metrics.list(agent_id=1)


def test_certificates_that_cannot_be_read_are_reported_by_the_first_https_request(
    client: Callable[..., Either], authority: trustme.CA, tmp_path: Path
) -> None:
    _config.load_certificates.cache_clear()
    (tmp_path / "authority.pem").write_text("not a certificate")
    with scripted(reply(200, []), tls=_server_context(authority)) as server:
        one = client("key", base_url=server.url)
        with pytest.raises(facade.ConfigurationError, match="SSL_CERT_"):
            one.metrics.list(agent_id=1)
    assert server.received == []


def test_a_client_of_the_user_keeps_its_certificates(
    client: Callable[..., Either], authority: trustme.CA, kind: str, loads: list[object]
) -> None:
    with scripted(reply(200, []), tls=_server_context(authority)) as server:
        http = httpx.Client() if kind == "sync" else httpx.AsyncClient()
        before = len(loads)
        assert client("key", base_url=server.url, http_client=http).metrics.list(agent_id=1) == []
    assert before == len(loads) > 0


def test_threads_load_the_certificates_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second thread requests them while the first one loads them."""
    _config.load_certificates.cache_clear()
    created: list[ssl.SSLContext] = []
    contexts = [_config.TLSContext(ssl.PROTOCOL_TLS_CLIENT) for _ in range(2)]
    second = threading.Thread(target=lambda: contexts[1].loaded)

    def create() -> ssl.SSLContext:
        created.append(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        if len(created) == 1:
            second.start()
            assert not _config.LOADING.acquire(blocking=False), "nothing keeps the second thread from loading, too"
        return created[-1]

    monkeypatch.setattr(httpx, "create_ssl_context", create)
    assert contexts[0].loaded is created[0]
    second.join()
    assert contexts[1].loaded is created[0]
    assert len(created) == 1
    _config.load_certificates.cache_clear()
