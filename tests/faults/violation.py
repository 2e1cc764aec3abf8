"""The kinds of things that must not be."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

Kind = Literal["lost", "saved twice", "not shown", "not named", "foreign", "leak", "deadline", "not met"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@attrs.frozen
class Violation:
    """One thing that must not be. `count` is how many metrics it is about, or 1."""

    kind: Kind
    what: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"
