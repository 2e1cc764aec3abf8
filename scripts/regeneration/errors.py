"""What a run of the pipeline ends with when it cannot go on."""

from __future__ import annotations


class RegenerationError(Exception):
    """The specification, or what we say about it, cannot be turned into a client. The message is for a person."""


class MissingOperationError(RegenerationError):
    """The specification lacks an operation that is covered."""
