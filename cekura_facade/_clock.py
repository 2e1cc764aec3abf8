"""Time, as the client reads it and lets it pass. Tests replace this clock with one that they advance."""

from __future__ import annotations

import time


class Clock:
    """The monotonic clock of this machine, and its pauses."""

    def now(self) -> float:
        """Seconds since some moment in the past."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Suspend this task."""
        import asyncio  # Only an AsyncCekura needs it, and importing it takes long.

        await asyncio.sleep(seconds)
