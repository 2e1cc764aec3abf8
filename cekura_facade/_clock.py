"""The clock of the client. Tests replace it with one that they advance."""

from __future__ import annotations

import time


class Clock:
    """The monotonic clock of this machine."""

    def now(self) -> float:
        """Seconds since an arbitrary moment in the past."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread."""
        time.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Suspend this task."""
        import asyncio  # Only AsyncCekura needs it, and the import is slow.

        await asyncio.sleep(seconds)
