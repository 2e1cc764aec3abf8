"""Certificates are checked, unless the user's own HTTP client does not."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trustme

import cekura_facade as facade
from tests.support import Either, reply, scripted


def test_an_untrusted_certificate_is_refused(client: Callable[..., Either], kind: str) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    http: Any = httpx.Client if kind == "sync" else httpx.AsyncClient
    with scripted(reply(200, []), tls=context) as server:
        with pytest.raises(facade.APIConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            client("key", base_url=server.url, max_retries=0).metrics.list(agent_id=1)
        assert server.received == []
        assert client("key", base_url=server.url, http_client=http(verify=trusting)).metrics.list(agent_id=1) == []
    assert len(server.received) == 1
