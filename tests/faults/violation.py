"""What a client must not do."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

Kind = Literal["lost", "saved twice", "not shown", "not named", "foreign", "leak", "deadline", "not met"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@attrs.frozen
class Violation:
    """Something that a client did wrong. `count` is the number of affected metrics, or 1."""

    kind: Kind
    what: str
    count: int = 1

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"
