"""Suggested metrics: common criteria for voice agents, applied to the topics of an agent's description."""

from __future__ import annotations

import hashlib
import re
from typing import Any

_CRITERIA: tuple[tuple[str, str, str], ...] = (
    ("Goal completion", "binary", "Was what the caller wanted achieved, or was the next step made clear?"),
    ("Instruction adherence", "binary", "Did the agent do this the way its description says?"),
    ("Accuracy of information", "binary", "Was everything the agent said correct and free of inventions?"),
    (
        "Caller verification",
        "binary",
        "Was the caller verified before anything personal was said or changed?",
    ),
    ("Confirmation of details", "binary", "Were names, dates and numbers repeated and confirmed?"),
    ("Empathy", "continuous_qualitative", "How well did the agent notice and answer the caller's feelings?"),
    ("Clarity", "continuous_qualitative", "How easy were the agent's sentences to follow by ear?"),
    ("Turns to resolution", "numeric", "How many turns did the agent need?"),
    ("Outcome", "enum", "How did this end?"),
    ("Escalation to a person", "binary", "Was the call handed over when it should have been, and only then?"),
    ("Recovery from misunderstanding", "binary", "Did the agent notice a misunderstanding and repair it?"),
    (
        "Handling of interruptions",
        "continuous_qualitative",
        "How well did the agent stop, listen and resume?",
    ),
    ("Conciseness", "continuous_qualitative", "How free was the agent of repetition and filler?"),
    ("Response time", "numeric", "How many seconds did the caller wait, on average, for an answer?"),
    ("Privacy", "binary", "Did the agent keep personal data from everyone but the verified caller?"),
    (
        "Refusal of out-of-scope requests",
        "binary",
        "Was a request outside the agent's task declined politely?",
    ),
    ("Tone", "continuous_qualitative", "How professional and friendly did the agent sound?"),
    ("Caller sentiment", "enum", "How did the caller feel when this was over?"),
    ("Context retention", "binary", "Did the agent remember what the caller had said, and not ask twice?"),
    ("Handling of silence", "binary", "Did the agent check whether the caller was still there?"),
    ("Questions asked in order", "binary", "Were the needed questions asked, one at a time and in order?"),
    ("Transparency about limits", "binary", "Did the agent say so when it did not know or could not help?"),
    ("Pronunciation", "continuous_qualitative", "How well were names, numbers and terms pronounced?"),
    ("Corrections by the caller", "numeric", "How many times did the caller have to correct the agent?"),
    ("Language consistency", "binary", "Did the agent stay in the caller's language?"),
)
_ENUM_VALUES = {
    "Outcome": ["resolved", "handed over", "caller gave up"],
    "Caller sentiment": ["positive", "neutral", "negative"],
}
_MOMENTS = ("opening of the call", "an unsure caller", "an impatient caller", "end of the call")


def _topics(description: str) -> list[str]:
    """Return the topics of a description: its clauses, each cut to a few words."""
    printable = "".join(letter if letter.isprintable() else " " for letter in description)
    clauses = (clause.strip().removeprefix("and ") for clause in re.split(r"[.!?;:,]\s", f"{printable} "))
    labels = [" ".join(clause.split()[:14])[:80] for clause in clauses if len(clause) >= 12]
    return list(dict.fromkeys(labels)) or [printable.strip()[:80]]


def suggest(agent_id: int, description: str, count: int) -> list[dict[str, Any]]:
    """Return up to 100 suggestions with distinct names. The same description always gives the same ones."""
    digest = hashlib.sha256(description.encode("utf-8", "replace")).digest()
    topics = _topics(description)
    subjects = topics + [moment for moment in _MOMENTS if moment not in topics]
    first = digest[0] % len(_CRITERIA)
    criteria = _CRITERIA[first:] + _CRITERIA[:first]
    suggestions: list[dict[str, Any]] = []
    for number in range(count):
        lap, place = divmod(number, len(criteria))
        name, eval_type, question = criteria[place]
        # Each pass over the criteria pairs them with other subjects, so no name occurs twice.
        subject = subjects[(place + lap) % len(subjects)]
        suggestion: dict[str, Any] = {
            "name": f"{name}: {subject}",
            "description": f'{question} Judge the part of the call that is about "{subject}".',
            "agent": agent_id,
            "eval_type": eval_type,
            "scenarios": sorted({5000 + digest[number % 32] + step * 300 for step in range(1 + number % 3)}),
            "rationale": (f'The description says: "{subject}".' if subject in topics else "It is part of many calls."),
        }
        if eval_type == "enum":
            suggestion["enum_values"] = list(_ENUM_VALUES[name])
        suggestions.append(suggestion)
    return suggestions
