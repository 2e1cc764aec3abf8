"""The results of the checks."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

Level = Literal["required", "optional", "informational"]
"""`"required"`: the client relies on it. `"optional"`: the client works either way. `"informational"`: not used."""
Value = bool | float | str | list[str] | None
"""An observed value, for programs. It can be written as JSON."""


@frozen(kw_only=True)
class Result:
    """The result of one check. It contains no text of the service and no ids.

    Attributes:
        id: Name of the check, such as `"placement"`. It does not change between versions.
        assumption: The assumption about the service, in one sentence.
        level: Whether the client relies on the assumption. `"required"`: if the check fails, the client does not work
            as documented. `"optional"`: the client works whether the check passes or fails. `"informational"`: the
            client does not use it.
        observed: What the service did, in one sentence.
        value: What the service did, as a value for programs. `None` if nothing was observed.
        passed: Whether the assumption is true. `None` if nothing was observed.
    """

    id: str
    assumption: str
    level: Level
    observed: str
    value: Value
    passed: bool | None


@frozen(kw_only=True)
class Remaining:
    """A metric that the run created and could not delete, or may have created.

    Attributes:
        id: Id of the metric. `None` if the response to its creation was lost and no list shows the metric.
        name: Name of the metric, as it was sent.
    """

    id: int | None
    name: str
