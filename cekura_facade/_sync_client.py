# Derived by `python scripts/unasync.py` from _async_client.py. Do not edit.
"""Cekura, the blocking client."""

from __future__ import annotations

from functools import cached_property
from typing import Self

import attrs
import httpx
from cekura_api import API, AuthenticatedClient

from ._config import configure, hide
from ._errors import ConfigurationError
from ._sync_http import SyncHTTP
from ._sync_metrics import Metrics


class Cekura(API):
    """A client for the Cekura API. Threads can share it. Use it with `with`, or call `close()`.

    Creating one sends nothing.

    Args:
        api_key: API key. Default: CEKURA_API_KEY from the environment, then `api_key` or an unexpired
            `access_token` from ~/.cekura/config.toml.
        bearer_token: OAuth access token. Pass it in place of an API key.
        base_url: Base URL of the service, with its scheme. Default: CEKURA_API_URL, then `api_url` from
            ~/.cekura/config.toml, then https://api.cekura.ai.
        timeout: Maximum duration of each attempt of a request, from connecting to the last byte of the response, in
            seconds, 0.001 or more (default 30). With a proxy or an `http_client`, a blocking client may wait longer for
            the headers of a response.
        max_retries: Maximum number of retries per request, 0 or more (default 3). Reads and idempotent writes are
            always retried, other writes only if the service cannot have processed them. All calls of a client together
            share a budget of ten times this number, plus one retry for every ten successful responses.
        http_client: An httpx.Client to send with, for proxies, custom certificates and hooks. You close it. Its
            headers, cookies and parameters are copied. Its base URL and timeout are not used.
        max_response_bytes: Size limit for responses, in bytes, 1 or more (default 64 MiB). A larger response raises
            UnexpectedResponseError.
        settle_timeout: Maximum time for which create_in_bulk lists metrics, in seconds, 0 or more (default 5). After a
            lost response, it then sends the missing metrics again. After a success, it stops when the list shows the
            new ones.
        user_agent: Prefix of the User-Agent of every request, such as "acme-voice-sdk/1.0.0". Printable ASCII.

    Raises:
        ConfigurationError: There is no usable credential, or an argument, a variable or the file is not valid.

    Attributes:
        transport: Sends the requests of this client. Pass it to the `API` of a client that you generate.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        bearer_token: str | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        http_client: httpx.Client | None = None,
        max_response_bytes: int = 64 * 1024 * 1024,
        settle_timeout: float = 5.0,
        user_agent: str | None = None,
    ) -> None:
        key, token = hide(api_key), hide(bearer_token)
        del api_key, bearer_token  # Tracebacks keep local variables.
        settings = configure(
            key,
            token,
            base_url,
            timeout=timeout,
            max_retries=max_retries,
            max_response_bytes=max_response_bytes,
            settle_timeout=settle_timeout,
            user_agent=user_agent,
        )
        if not isinstance(http_client, httpx.Client | None):
            found = f"{type(http_client).__module__}.{type(http_client).__qualname__}"
            raise ConfigurationError(f"http_client is {found}: Cekura uses httpx and needs an httpx.Client.")
        self.transport: SyncHTTP = SyncHTTP(settings, http_client)
        super().__init__(self.transport)

    @cached_property
    def metrics(self) -> Metrics:
        """Metrics: generate, preview, create, list, update and delete them."""
        return Metrics(self.transport)

    @property
    def api(self) -> AuthenticatedClient:
        """The generated client, for every covered endpoint: `get_agent.sync(101, client=cekura.api)`.

        It uses the credentials, retries and errors of this client.
        """
        return self.transport.generated_client()

    def with_options(self, *, timeout: float | None = None, max_retries: int | None = None) -> Self:
        """Create a client with other options that uses the same connections. Closing one client closes both.

        Args:
            timeout: Maximum duration of each attempt of a request, in seconds, 0.001 or more. Default: as in this
                client.
            max_retries: Maximum number of retries per request, 0 or more. Default: as in this client.

        Returns:
            The new client.

        Raises:
            ConfigurationError: An option is out of range.
        """
        settings = self.transport.settings
        if timeout is not None:
            settings = attrs.evolve(settings, timeout=timeout)
        if max_retries is not None:
            settings = attrs.evolve(settings, max_retries=max_retries)
        other = type(self).__new__(type(self))
        other.transport = self.transport.with_settings(settings)
        API.__init__(other, other.transport)
        return other

    def close(self) -> None:
        """Close the connections. An `http_client` that you passed stays open."""
        self.transport.disconnect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        # A debugger may show a client whose construction failed.
        url = f"base_url={str(self.transport.settings.base_url)!r}" if hasattr(self, "transport") else ""
        return f"{type(self).__name__}({url})"
