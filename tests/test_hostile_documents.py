"""Hostile names and texts in a published document: the client is sound, or the document is refused in one line.

HOSTILE_EXAMPLES=200 tries that many documents for each selection.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from regeneration.select import ALL

from tests.hostile import Hostile, documents, refusal

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "3"))


@pytest.mark.parametrize("selection", ["operations.yaml", ALL])
@given(hostile=documents())
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],  # To make a large document smaller takes minutes.
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
def test_every_document_gives_a_sound_client_or_a_refusal(selection: str, hostile: Hostile) -> None:
    event(f"{selection}: {refusal(hostile.document, selection) or 'a client'}"[:120])
