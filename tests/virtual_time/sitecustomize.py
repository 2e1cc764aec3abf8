"""Python runs this module at its start. It makes the client's pauses take no time."""

from __future__ import annotations

import asyncio

from cekura_facade import _clock

_seconds = 0.0


def _pause(seconds: float) -> None:
    global _seconds  # noqa: PLW0603 - The functions below replace methods of every clock.
    _seconds += seconds


async def _apause(seconds: float) -> None:
    _pause(seconds)
    await asyncio.sleep(0)


_clock.Clock.now = lambda self: _seconds  # type: ignore[method-assign]
_clock.Clock.sleep = lambda self, seconds: _pause(seconds)  # type: ignore[method-assign]
_clock.Clock.asleep = lambda self, seconds: _apause(seconds)  # type: ignore[method-assign]
