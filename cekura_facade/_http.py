"""Sends requests with retries, redirects, deadlines and credentials. Both clients share this code."""

from __future__ import annotations

import copy
import json
import math
import platform
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Self

import attrs
import httpx
from cekura_api import AuthenticatedClient
from cekura_api.transport import Endpoint, P, T

from ._clock import Clock
from ._config import Credential, Settings
from ._errors import ConfigurationError, InvalidRequestError
from ._failures import Subjects, error_for, json_of
from ._logging import BEGUN, log
from ._retry import MAX_PAUSE, READS, Outcome, RetryBudget, growing, is_unprocessed, pause_before_retry, retry_after
from ._version import __version__

JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_MAX_REDIRECTS = 5
USER_AGENT = f"cekura-facade/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"


@attrs.define
class State:
    """What a client remembers. Clients that share connections share it.

    Attributes:
        not_before: When the service accepts requests again, after a 429.
        unsettled: The time until which an interrupted request may still save a metric, by the key of the metric.
        created: Ids of the metrics that this client has created.
        unlisted: Keys of the metrics that this client has created and that no list has shown yet, by id.
        list_is_partial: Whether a new metric did not appear in a list within settle_timeout.
        is_closed: Whether the client is closed.
    """

    not_before: float = 0.0
    unsettled: dict[object, float] = attrs.field(factory=dict)
    created: set[int] = attrs.field(factory=set)
    unlisted: dict[int, object] = attrs.field(factory=dict)
    list_is_partial: bool = False
    is_closed: bool = False


class HTTP(ABC, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Everything that a workflow can do: send requests, pause, call a user's function, and read the clock.

    It is also the transport of the generated client.

    Attributes:
        settings: The configuration.
        state: What the client remembers.
        budget: How many retries are left.
        clock: The clock.
        builder: Builds the requests of workflows.
    """

    def __init__(self, settings: Settings, given: httpx.Client | httpx.AsyncClient | None) -> None:
        self.settings = settings
        self.state: State = State()
        self.budget: RetryBudget = RetryBudget(settings.max_retries)
        self.clock: Clock = Clock()
        self._given: httpx.Client | httpx.AsyncClient | None = given
        self.builder: httpx.Client = self.generated_client().get_httpx_client()

    @abstractmethod
    async def attempt(self, request: httpx.Request, deadline: float) -> Outcome:
        """Send a request once. Returns the response, read to its end, or the error that prevented one."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Pause the workflow."""

    @abstractmethod
    async def call(self, function: Callable[P, Awaitable[T] | T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a user's function."""

    def with_settings(self, settings: Settings) -> Self:
        """An object with other settings that uses the same connections and state."""
        other = copy.copy(self)
        other.settings = settings
        if settings.max_retries != self.settings.max_retries:
            other.budget = RetryBudget(settings.max_retries)
        other.builder = other.generated_client().get_httpx_client()
        return other

    def generated_client(self) -> AuthenticatedClient:
        """A generated client that sends through this object. It never has the credential."""
        defaults = self._given  # Its headers, cookies and parameters are sent as well.
        headers = dict(defaults.headers) if defaults else {}
        headers.pop("accept-encoding", None)
        agent = headers.pop("user-agent", "python-httpx")
        agents = [self.settings.user_agent, None if agent.startswith("python-httpx") else agent, USER_AGENT]
        return AuthenticatedClient(
            base_url=str(self.settings.base_url),
            token="",
            prefix="",
            auth_header_name=self.settings.credential.header,
            headers={**headers, "User-Agent": " ".join(filter(None, agents)), "Accept-Encoding": "gzip"},
            # These are not a dictionary, which would lose their domains.
            cookies=defaults.cookies if defaults else {},  # type: ignore[arg-type]
            httpx_args={"transport": self, "params": defaults.params if defaults else None},
        )

    async def send(
        self,
        request: httpx.Request | dict[str, Any],
        *,
        deadline: float = math.inf,
        max_retries: int | None = None,
        subjects: Subjects = (),
    ) -> httpx.Response:
        """Send a request, or the result of an endpoint's `build_request`, and retry it as needed.

        Returns a successful response, and raises an APIError otherwise.
        """
        if isinstance(request, dict):
            request = self._built(request)
        if any(request.extensions["timeout"].values()):
            raise ConfigurationError("Pass the timeout to Cekura or AsyncCekura, or use their with_options.")
        retries = self.settings.max_retries if max_retries is None else max_retries
        delays = growing(0.5, 8.0, jitter=True)
        redirects = 0
        number = 0
        may_be_processed = False
        while True:
            while (left := self.state.not_before - self.clock.now()) > 0 and self.state.not_before < deadline:
                await self.sleep(left)
            number += 1
            outcome = await self._logged_attempt(request, deadline, number)
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                self.budget.refill()
                return outcome
            if may_be_processed and _is_deleted(outcome, self.settings.credential):
                return httpx.Response(204, request=request)
            target = self._redirected(outcome)
            if target is not None and redirects < _MAX_REDIRECTS:
                redirects += 1
                request = target
                number = 0
                continue
            self._note_rate_limit(outcome)
            pause = pause_before_retry(request, outcome, next(delays))
            is_over = not retries or pause > MAX_PAUSE or self.clock.now() + pause > deadline
            if is_over or not self.budget.take():
                raise error_for(request, outcome, self.settings.credential, subjects)
            retries -= 1
            may_be_processed = may_be_processed or not is_unprocessed(outcome)
            await self.sleep(pause)

    def authorize(self, request: httpx.Request) -> dict[str, Any]:
        """Add the credential to a request, and return how to send it."""
        credential = self.settings.credential
        self.forget(request)
        if origin(request.url) == origin(self.settings.base_url):
            request.headers[credential.header] = credential.header_value()
        # The `auth` of the user's client would replace our bearer token.
        without_auth: dict[str, Any] = {"auth": None} if credential.header == "Authorization" else {}
        return {"stream": True, "follow_redirects": False, **without_auth}

    def forget(self, request: httpx.Request | None) -> None:
        """Remove the credential from a request, because errors and responses keep their request."""
        if request is not None:
            request.headers.pop(self.settings.credential.header, None)

    def limits(self, request: httpx.Request, deadline: float) -> tuple[float, float]:
        """Limit an attempt that starts now. Returns how long it may take, in seconds, and when it must end."""
        if self.state.is_closed or (self._given is not None and self._given.is_closed):
            raise ConfigurationError("This client is closed. Create a new one.")
        now = self.clock.now()
        until = min(now + self.settings.timeout, deadline)
        left = max(until - now, 0.001)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), left)
        request.extensions = {**request.extensions, "timeout": timeout, BEGUN: now}
        return left, until

    def _built(self, request: dict[str, Any]) -> httpx.Request:
        try:
            if "json" in request:
                # The content is ASCII, because a JSON string may contain half of a surrogate pair, which UTF-8 cannot
                # encode.
                request["content"] = JSON.encode(request.pop("json")).encode()
            if not self.builder.params:  # httpx parses a base URL, a path and parameters one after the other.
                url = f"{str(self.settings.base_url).removesuffix('/')}/{request['url'].lstrip('/')}"
                request["url"] = f"{url}?{httpx.QueryParams(request.pop('params', None))}".removesuffix("?")
            return self.builder.build_request(**request)
        except (httpx.InvalidURL, TypeError, ValueError, RecursionError) as error:
            raise InvalidRequestError(f"The arguments cannot be sent: {error}.") from error

    async def _logged_attempt(self, request: httpx.Request, deadline: float, number: int) -> Outcome:
        request.extensions = {**request.extensions, BEGUN: None}  # Set when sending starts.
        try:
            outcome = await self.attempt(request, deadline)
        except BaseException as error:
            log(request, error, number, self.clock.now(), self.settings.credential)
            raise
        log(request, outcome, number, self.clock.now(), self.settings.credential)
        return outcome

    def _note_rate_limit(self, outcome: Outcome) -> None:
        """After a 429, let every request of this client wait."""
        if isinstance(outcome, httpx.Response) and outcome.status_code == 429:
            seconds = retry_after(outcome) or 0.0
            if seconds <= MAX_PAUSE:
                self.state.not_before = max(self.state.not_before, self.clock.now() + seconds)

    def _redirected(self, outcome: Outcome) -> httpx.Request | None:
        """The request that a redirect leads to, if it is the same read at the same origin.

        A write may have been processed before it was redirected. A URL that contains the credential is not followed,
        because httpx and servers log URLs.
        """
        if not isinstance(outcome, httpx.Response) or outcome.next_request is None:
            return None
        target, request = outcome.next_request, outcome.request
        if target.method != request.method or request.method not in READS or target.url.userinfo:
            return None
        if origin(target.url) != origin(request.url) or self.settings.credential.is_in(str(target.url)):
            return None
        target.extensions = request.extensions
        return target


async def ask(http: HTTP, endpoint: Endpoint[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call an endpoint of the generated client with its arguments, and return its result.

    Raises InvalidRequestError for arguments that are not valid, UnexpectedResponseError for a success that is not as
    specified, and the other APIErrors.
    """
    return endpoint.parse_response(await http.send(checked(endpoint.build_request, *args, **kwargs)))


def checked(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that checks its arguments. Raises InvalidRequestError if they are not valid."""
    try:
        return function(*args, **kwargs)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(str(error)) from None


def origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port of a URL. The credential is sent to one origin only."""
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _is_deleted(outcome: Outcome, credential: Credential) -> bool:
    """Whether the outcome is a 404 for a DELETE that comes from the service, not from a proxy in front of it."""
    if not isinstance(outcome, httpx.Response) or outcome.status_code != 404 or outcome.request.method != "DELETE":
        return False
    body = json_of(outcome, credential)
    return isinstance(body, dict) and "detail" in body
