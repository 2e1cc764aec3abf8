"""The clock that a test advances."""

from __future__ import annotations

import math


class ManualClock:
    """A clock that moves only when it is advanced. It starts at 0, and calling it returns its time in seconds.

    With `Sandbox(clock=ManualClock())`, a job moves to its next state only when the test says so.
    """

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Move the time forward.

        Args:
            seconds: Number of seconds, 0 or more.

        Raises:
            ValueError: `seconds` is negative, infinite or not a number.
        """
        if not 0 <= seconds < math.inf:
            raise ValueError(f"seconds must be a finite number of 0 or more, not {seconds!r}.")
        self._seconds += seconds
