"""What a workflow and an exchange yield: the steps that a driver carries out for them."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeVar

import attrs
import httpx

from generated_client.types import Response

T = TypeVar("T")
DEADLINE = "cekura_facade.deadline"  # key of a request's extensions: a time.monotonic()


class Endpoint(Protocol):
    """A module of the generated client."""

    @property
    def sync_detailed(self) -> Callable[..., Response[Any]]: ...
    @property
    def asyncio_detailed(self) -> Callable[..., Any]: ...


@attrs.frozen
class Call:
    """Call an endpoint, and send back its Response. A result that is not a `wanted` raises UnexpectedResponseError."""

    endpoint: Endpoint
    arguments: dict[str, Any]
    accept: Callable[[Any], bool]
    promise: str
    deadline: float | None = None


@attrs.frozen
class Invoke:
    """Call a function of the user's, and send back what it returns; awaited, if it is a coroutine."""

    function: Callable[..., Any]
    argument: Any


@attrs.frozen
class Pause:
    """Wait this many seconds."""

    seconds: float


Steps = Generator[httpx.Request | Call | Invoke | Pause, Any, T]
