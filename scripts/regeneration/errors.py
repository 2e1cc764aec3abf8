"""The errors of the pipeline. Their messages are for the person who runs it."""

from __future__ import annotations


class RegenerationError(Exception):
    """The specification, or a file in `spec/`, cannot be turned into a client."""


class MissingOperationError(RegenerationError):
    """The specification lacks an operation that is covered."""
