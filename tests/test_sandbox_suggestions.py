"""The sandbox's suggestions read like metrics that somebody wrote for the agent's description."""

from __future__ import annotations

import re

import pytest

from cekura_facade.sandbox._agents import default_agents
from cekura_facade.sandbox._suggestions import suggest

SENTENCE = re.compile(r"[A-Z0-9\"].*[.?!。」\"]", re.DOTALL)


@pytest.mark.parametrize(
    "description",
    [
        *(agent["description"] for agent in default_agents().values()),
        "Helps Dr. Smith's patients, e.g. with\nrefills. " + "It never stops talking about shoes and " * 20,
        "# Role\n- You are Ava, who takes orders\n- Be kind.\n"
        + 'She says "hello". She calls back at 5 p.m. on weekdays. ' * 3,
        "予約の電話に答えます。営業時間と料金を説明します。" * 5,
        "\x1b[31m" + "x" * 5000,
    ],
)
def test_suggestions_are_whole_sentences_that_are_never_cut(description: str) -> None:
    suggestions = suggest(101, description, 100)
    assert len({metric["name"] for metric in suggestions}) == 100
    flat = " ".join(description.split())
    for metric in suggestions:
        assert re.fullmatch(r"[A-Z][A-Za-z ,()-]{3,80}", metric["name"]), metric["name"]
        assert metric["name"][-1] != " "
        assert metric["name"].count("(") == metric["name"].count(")")
        assert SENTENCE.fullmatch(metric["description"]), metric["description"]
        assert metric["description"].isprintable()
        assert SENTENCE.fullmatch(metric["rationale"])
        assert len(metric["description"]) <= 400
        for quote in re.findall('"(.*)"', metric["description"]):
            assert quote[-1] in ".?!。"
            start = flat.index(quote)
            assert start == 0 or flat[start - 2] in ".?!。-" or flat[start - 1] == "。"
            assert not quote.endswith(("Dr.", "e.g."))


def test_suggestions_are_about_the_topics_of_the_description() -> None:
    padding = " It is always polite and speaks slowly, and it calls every caller by name when it knows it. " * 2
    for words, expected in {
        "Takes orders for a pizza restaurant.": "Order repeated correctly",
        "Books hotel rooms for guests.": "Reservation details confirmed",
        "Reminds borrowers of overdue loans.": "Required disclosures made",
        "Helps with router outages.": "Troubleshooting in order",
        "Interviews candidates by telephone.": "Interview questions complete",
    }.items():
        names = [metric["name"] for metric in suggest(101, words + padding, 10)]
        assert names[0] == expected
    for words in ("Orders its thoughts.", "Is a leader in training.", "Feels good and costumes itself.", "Is patient."):
        [metric] = suggest(101, words + padding, 1)
        assert metric["rationale"] == "This matters for every voice agent."
