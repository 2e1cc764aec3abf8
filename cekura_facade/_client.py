"""The clients that users make: Cekura and AsyncCekura."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self, cast

import httpx

from generated_client import AuthenticatedClient

from ._config import DEFAULT_BASE_URL, Settings, resolve
from ._errors import ConfigurationError
from ._http import AsyncHTTP, SyncHTTP
from ._metrics import AsyncMetrics, Metrics

__all__ = ["DEFAULT_BASE_URL", "AsyncCekura", "Cekura"]


class Cekura:
    """A client for the Cekura API. Use it as a context manager, or call `close()` when you are done.

    It may be shared by threads.

    Args:
        api_key: The API key. Without it, and without bearer_token: CEKURA_API_KEY from the environment, then `api_key`
            or an unexpired `access_token` from ~/.cekura/config.toml.
        bearer_token: An OAuth access token, in place of an API key.
        base_url: The address of the service, with its scheme. Without it: CEKURA_API_URL, then `api_url` from
            ~/.cekura/config.toml, then https://api.cekura.ai.
        timeout: How long each phase of a request may take (connect, send, each piece of the answer), in seconds.
        max_retries: How often a request is sent again, 0 or more. Reads are sent again whatever went wrong on the way;
            writes only if they cannot have been carried out (never connected, 429, 503 with Retry-After).
        http_client: An httpx.Client to send with: for proxies, own certificates, hooks. It stays yours to close.
            Redirects are never followed to another origin, whatever it is set to.
        max_response_bytes: The largest answer that is read, in bytes; a larger one raises UnexpectedResponseError.

    Raises:
        ConfigurationError: No usable credential, or an argument, variable or file that cannot work.
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
    ) -> None:
        try:
            settings = resolve(api_key, bearer_token, base_url, timeout, max_retries, max_response_bytes)
        finally:
            # Tracebacks keep the variables of every function they went through.
            del api_key, bearer_token
        if not isinstance(http_client, httpx.Client | None):
            raise ConfigurationError(f"http_client is a {type(http_client).__name__}: Cekura takes an httpx.Client.")
        self._http = SyncHTTP(settings, http_client)
        self._api = _generated(settings).set_httpx_client(self._http)
        self._metrics = Metrics(self._http)

    @property
    def metrics(self) -> Metrics:
        """Suggesting, saving and listing metrics."""
        return self._metrics

    @property
    def api(self) -> AuthenticatedClient:
        """The generated client, for every endpoint: `get_agent.sync(123, client=cekura.api)`.

        Credentials, retries and errors are those of this client: a status that is no success raises an APIStatusError.
        """
        return self._api

    def close(self) -> None:
        """Close the connections. An http_client that was given stays open."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Cekura({_address(self)})"


class AsyncCekura:
    """As Cekura, awaited: for asyncio. Use it with `async with`, or await `aclose()` when you are done.

    Args:
        api_key: As for Cekura.
        bearer_token: As for Cekura.
        base_url: As for Cekura.
        timeout: As for Cekura, in seconds.
        max_retries: As for Cekura.
        http_client: An httpx.AsyncClient to send with. It stays yours to close.
        max_response_bytes: As for Cekura.

    Raises:
        ConfigurationError: No usable credential, or an argument, variable or file that cannot work.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        bearer_token: str | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        http_client: httpx.AsyncClient | None = None,
        max_response_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        try:
            settings = resolve(api_key, bearer_token, base_url, timeout, max_retries, max_response_bytes)
        finally:
            del api_key, bearer_token
        if not isinstance(http_client, httpx.AsyncClient | None):
            raise ConfigurationError(
                f"http_client is a {type(http_client).__name__}: AsyncCekura takes an httpx.AsyncClient."
            )
        self._http = AsyncHTTP(settings, http_client)
        self._api = _generated(settings).set_async_httpx_client(self._http)
        self._metrics = AsyncMetrics(self._http)

    @property
    def metrics(self) -> AsyncMetrics:
        """Suggesting, saving and listing metrics."""
        return self._metrics

    @property
    def api(self) -> AuthenticatedClient:
        """The generated client, for every endpoint: `await get_agent.asyncio(123, client=cekura.api)`."""
        return self._api

    async def aclose(self) -> None:
        """Close the connections. An http_client that was given stays open."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"AsyncCekura({_address(self)})"


def _address(client: Cekura | AsyncCekura) -> str:
    # A debugger may look at a client whose construction failed.
    http = getattr(client, "_http", None)
    return f"base_url={str(http.settings.base_url)!r}" if http is not None else ""


class _Generated(AuthenticatedClient):
    """The generated client, kept to the transport of the facade: without it, it has no credential."""

    def with_headers(self, headers: dict[str, str]) -> Self:
        return self._carried(super().with_headers(headers))

    def with_cookies(self, cookies: dict[str, str]) -> Self:
        return self._carried(super().with_cookies(cookies))

    def with_timeout(self, timeout: httpx.Timeout) -> Self:
        raise ConfigurationError("Give the time-out to Cekura(timeout=...) or AsyncCekura(timeout=...).")

    def get_httpx_client(self) -> httpx.Client:
        if self._client is None:
            raise ConfigurationError("This is the client of an AsyncCekura: await the endpoint's asyncio functions.")
        return self._client

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        if self._async_client is None:
            raise ConfigurationError("This is the client of a Cekura: call the endpoint's sync functions.")
        return self._async_client

    def _carried(self, other: Any) -> Self:
        other._client, other._async_client = self._client, self._async_client
        return cast(Self, other)


def _generated(settings: Settings) -> AuthenticatedClient:
    # Without the token: the transport adds it to each request, and the generated client would show it.
    return _Generated(base_url=str(settings.base_url), token="")
