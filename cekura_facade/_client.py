"""The clients that users make: Cekura and AsyncCekura."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar, cast

import httpx
from cekura_api import AuthenticatedClient

from ._agents import Agents, AsyncAgents
from ._config import hide, resolve
from ._errors import ConfigurationError
from ._http import HTTP, AsyncHTTP, SyncHTTP
from ._metrics import AsyncMetrics, Metrics

HTTPClient = TypeVar("HTTPClient", httpx.Client, httpx.AsyncClient)


class _Client(Generic[HTTPClient]):
    _kind: ClassVar[tuple[type[HTTP], type[Any]]]

    def __init__(
        self,
        api_key: str | None = None,
        *,
        bearer_token: str | None = None,
        base_url: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        http_client: HTTPClient | None = None,
        max_response_bytes: int = 64 * 1024 * 1024,
        settle_timeout: float = 5.0,
        user_agent: str | None = None,
    ) -> None:
        """Make a client. Nothing is sent.

        Args:
            api_key: The API key. Without it, and without bearer_token: CEKURA_API_KEY from the environment, then
                `api_key` or an unexpired `access_token` from ~/.cekura/config.toml.
            bearer_token: An OAuth access token, in place of an API key.
            base_url: The address of the service, with its scheme. Without it: CEKURA_API_URL, then `api_url` from
                ~/.cekura/config.toml, then https://api.cekura.ai.
            timeout: How long a request may take each time it is sent, from connecting to the last byte of its answer,
                in seconds.
            max_retries: How often a request is sent again, 0 or more (in all ten times that, and one more for every ten
                answers): a read whatever went wrong, a write only if it cannot have been carried out, or may be done
                twice (metrics.update, metrics.delete).
            http_client: An HTTP client of httpx, of the same kind, to send with: for proxies, own certificates, hooks.
                It stays yours to close. Redirects are never followed to another origin, whatever it is set to.
            max_response_bytes: The largest answer that is read, in bytes; a larger one raises UnexpectedResponseError.
            settle_timeout: How long create_in_bulk lists metrics after a lost response before it sends the missing ones
                again, and after a success until the list shows the new ones, in seconds, 0 or more (default 5).
            user_agent: What stands before this package in the User-Agent of every request, like "acme-voice-sdk/1.0.0":
                printable ASCII.

        Raises:
            ConfigurationError: No usable credential, or an argument, variable or file that cannot work.
        """
        key, token = hide(api_key), hide(bearer_token)
        del api_key, bearer_token  # Tracebacks keep the variables of every function they went through.
        settings = resolve(key, token, base_url, user_agent, timeout, max_retries, max_response_bytes, settle_timeout)
        http, given = self._kind
        if not isinstance(http_client, given | None):
            raise ConfigurationError(f"http_client is a {type(http_client).__name__}: give an httpx.{given.__name__}.")
        self._http: Any = http(settings, http_client)
        # Without the token: the transport adds it to each request, and the generated client would show it.
        self._api = _Generated(base_url=str(settings.base_url), token="")._with(self._http)

    @property
    def api(self) -> AuthenticatedClient:
        """The generated client, for every endpoint: `get_agent.sync(123, client=cekura.api)`, or `.asyncio`.

        Credentials, retries and errors are those of this client: a status that is no success raises an APIStatusError.
        """
        return self._api

    def __repr__(self) -> str:
        # A debugger may look at a client whose construction failed.
        address = f"base_url={str(self._http.settings.base_url)!r}" if hasattr(self, "_http") else ""
        return f"{type(self).__name__}({address})"


class Cekura(_Client[httpx.Client]):
    """A client for the Cekura API. Use it as a context manager, or call `close()`. Threads may share it."""

    _kind = (SyncHTTP, httpx.Client)

    @cached_property
    def metrics(self) -> Metrics:
        """Metrics: suggesting, trying, saving, listing and changing them."""
        return Metrics(self._http)

    @cached_property
    def agents(self) -> Agents:
        """Looking at agents."""
        return Agents(self._http)

    def close(self) -> None:
        """Close the connections. An http_client that was given stays open."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncCekura(_Client[httpx.AsyncClient]):
    """As Cekura, awaited: for asyncio. Use it with `async with`, or await `aclose()`."""

    _kind = (AsyncHTTP, httpx.AsyncClient)

    @cached_property
    def metrics(self) -> AsyncMetrics:
        """Metrics: suggesting, trying, saving, listing and changing them."""
        return AsyncMetrics(self._http)

    @cached_property
    def agents(self) -> AsyncAgents:
        """Looking at agents."""
        return AsyncAgents(self._http)

    async def aclose(self) -> None:
        """Close the connections. An http_client that was given stays open."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class _Generated(AuthenticatedClient):
    """The generated client, kept to the transport of the facade: without it, it has no credential."""

    def with_headers(self, headers: dict[str, str]) -> Self:
        return cast(Self, super().with_headers(headers)._with(self._client or self._async_client))  # type: ignore[attr-defined]

    def with_cookies(self, cookies: dict[str, str]) -> Self:
        return cast(Self, super().with_cookies(cookies)._with(self._client or self._async_client))  # type: ignore[attr-defined]

    def with_timeout(self, timeout: httpx.Timeout) -> NoReturn:
        raise ConfigurationError("Give the time-out to Cekura(timeout=...) or AsyncCekura(timeout=...).")

    def get_httpx_client(self) -> httpx.Client:
        if self._client is None:
            raise ConfigurationError("This is the client of an AsyncCekura: await the endpoint's asyncio functions.")
        return self._client

    def get_async_httpx_client(self) -> httpx.AsyncClient:
        if self._async_client is None:
            raise ConfigurationError("This is the client of a Cekura: call the endpoint's sync functions.")
        return self._async_client

    def _with(self, http: Any) -> Self:
        self._client = http if isinstance(http, httpx.Client) else None
        self._async_client = http if isinstance(http, httpx.AsyncClient) else None
        return self
