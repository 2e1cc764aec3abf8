"""What a run of the pipeline ends with when it cannot go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .operations import Operation


class RegenerationError(Exception):
    """The specification, or what we say about it, cannot be turned into a client. The message is for a person."""


class OperationError(RegenerationError):
    """One operation is the reason: without it, the run could go on."""

    def __init__(self, operation: Operation, message: str) -> None:
        super().__init__(message)
        self.operation = operation


class MissingOperationError(OperationError):
    """The specification lacks an operation that is covered."""
