"""Rules, which are functions that fix a fault wherever it occurs, and count the fixes."""

from __future__ import annotations

import copy
from collections.abc import Callable

import attrs

from .documents import Document


@attrs.frozen
class Rule:
    """A rule and the fault that it fixes."""

    name: str
    fault: str
    apply: Callable[[Document], int]


def run(rules: tuple[Rule, ...], document: Document) -> tuple[Document, dict[str, int]]:
    """Apply rules to a copy of the document."""
    result = copy.deepcopy(document)
    return result, {rule.name: rule.apply(result) for rule in rules}
