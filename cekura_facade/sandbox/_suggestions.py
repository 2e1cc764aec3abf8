"""Suggested metrics: first those for the topics of an agent's description, then those for every voice agent."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from cekura_facade.sandbox._criteria import GENERAL, SITUATIONS, Criterion
from cekura_facade.sandbox._topics import TOPICS

_LONGEST_QUOTE = 180  # Characters. A longer sentence is not quoted, because it would have to be cut.
_WIDE_ENDS = "\u3002\uff01\uff1f"  # The full stop, exclamation mark and question mark of Chinese and Japanese.
_ITEM = re.compile(r"\s*(?:[-*•#>]+|\d+[.)])\s+")  # The beginning of a list item or heading.
_ABBREVIATION = re.compile(r"(?:\b(?:[A-Z]|Dr|Mr|Mrs|Ms|St|No|vs|etc|approx)|\b[a-z]\.[a-z])\.$")

_Suggested = tuple[Criterion, str, str]
"""What is suggested, why, and what the description says about it."""


def suggest(agent_id: int, description: str, count: int) -> list[dict[str, Any]]:
    """Return up to 100 suggestions with distinct names. The result depends only on the description."""
    digest = hashlib.sha256(description.encode("utf-8", "replace")).digest()
    sentences = _sentences(description)
    first = digest[0] % len(GENERAL)
    about = f'The agent is described as follows: "{sentences[0]}"' if sentences else ""
    general = [(each, "This matters for every voice agent.", about) for each in GENERAL[first:] + GENERAL[:first]]
    criteria = _mixed(_by_topic(description, sentences), general)
    suggestions: list[dict[str, Any]] = []
    for number in range(count):
        lap, place = divmod(number, len(criteria))
        criterion, rationale, context = criteria[place]
        name, parts = criterion.name, [criterion.question, context]
        if lap > 0:
            callers, condition = SITUATIONS[lap - 1]
            name, parts = f"{name} ({callers})", [criterion.question, condition, context]
        suggestion: dict[str, Any] = {
            "name": name,
            "description": " ".join(filter(None, parts)),
            "agent": agent_id,
            "eval_type": criterion.eval_type,
            "scenarios": sorted({5000 + digest[number % 32] + step * 300 for step in range(1 + number % 3)}),
            "rationale": rationale,
        }
        if criterion.enum_values:
            suggestion["enum_values"] = list(criterion.enum_values)
        suggestions.append(suggestion)
    return suggestions


def _mixed(topical: list[_Suggested], general: list[_Suggested]) -> list[_Suggested]:
    """Return all of them, with a general one after every two that are about a topic."""
    mixed: list[_Suggested] = []
    for start in range(0, len(topical), 2):
        mixed += topical[start : start + 2] + general[start // 2 : start // 2 + 1]
    return mixed + general[(len(topical) + 1) // 2 :]


def _by_topic(description: str, sentences: list[str]) -> list[_Suggested]:
    """Return the metrics for the topics of a description: one for each topic, then the next one for each, and so on."""
    found: list[tuple[int, Criterion, str, str]] = []
    for topic in TOPICS:
        patterns = [re.compile(rf"\b{words}", re.IGNORECASE) for words in topic.words]
        if not any(pattern.search(description) for pattern in patterns):
            continue
        quotes = (each for pattern in patterns for each in sentences if pattern.search(each))
        quote = next(quotes, None)
        context = f'The agent\'s description says: "{quote}"' if quote else ""
        rationale = f"The description mentions {topic.name}."
        found += [(nth, criterion, rationale, context) for nth, criterion in enumerate(topic.criteria)]
    return [(criterion, rationale, context) for _, criterion, rationale, context in sorted(found, key=lambda x: x[0])]


def _sentences(description: str) -> list[str]:
    """Return the whole sentences of a description that can be quoted."""
    printable = "".join(each if each.isprintable() or each == "\n" else " " for each in description)
    blocks: list[str] = [""]
    for line in printable.split("\n"):
        if not line.strip() or _ITEM.match(line):
            blocks.append("")
        blocks[-1] += " " + _ITEM.sub("", line, count=1).strip()
    quotes: list[str] = []
    for block in blocks:
        sentence = ""
        for part in re.split(rf"(?<=[.!?])\s+|(?<=[{_WIDE_ENDS}])", " ".join(block.split())):
            sentence = f"{sentence} {part}".strip()
            if _ABBREVIATION.search(sentence):
                continue
            is_whole = sentence[-1:] in f".!?{_WIDE_ENDS}" and not sentence[:1].islower()
            if is_whole and len(sentence) <= _LONGEST_QUOTE and '"' not in sentence and re.search(r"\w", sentence):
                quotes.append(sentence)
            sentence = ""
    return list(dict.fromkeys(quotes))
