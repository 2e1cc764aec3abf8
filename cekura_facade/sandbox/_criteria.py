"""Criteria that apply to every voice agent."""

from __future__ import annotations

from attrs import frozen


@frozen
class Criterion:
    """A metric before it is suggested for an agent.

    Attributes:
        name: Name of the metric.
        eval_type: How it is scored.
        question: What is evaluated, in whole sentences.
        enum_values: The possible scores, if it is scored with an enum.
    """

    name: str
    eval_type: str
    question: str
    enum_values: tuple[str, ...] = ()


def yes_no(name: str, question: str) -> Criterion:
    """Return a criterion that is scored with yes or no."""
    return Criterion(name, "binary", question)


def rating(name: str, question: str) -> Criterion:
    """Return a criterion that is scored with a rating."""
    return Criterion(name, "continuous_qualitative", question)


def number(name: str, question: str) -> Criterion:
    """Return a criterion that is scored with a number."""
    return Criterion(name, "numeric", question)


def choice(name: str, question: str, *values: str) -> Criterion:
    """Return a criterion that is scored with one of these values."""
    return Criterion(name, "enum", question, values)


GENERAL: tuple[Criterion, ...] = (
    yes_no("Call purpose achieved", "Was the caller's request resolved, or was the next step made clear?"),
    yes_no("Greeting and introduction", "Did the agent greet the caller and say who it is in the first two sentences?"),
    rating("Handling of interruptions", "How well did the agent stop, listen and resume when the caller spoke?"),
    number("Average response time", "How many seconds did the caller wait on average until the agent responded?"),
    yes_no("No invented facts", "Was everything that the agent said supported by its description or by the caller?"),
    choice("Call outcome", "How did the call end?", "resolved", "handed over", "callback agreed", "caller gave up"),
    yes_no("Details read back", "Did the agent read back names, dates and numbers, and correct what was wrong?"),
    rating("Empathy", "How well did the agent notice the caller's feelings and respond to them?"),
    yes_no("Escalation on request", "Did the agent transfer the call when the caller asked for a person?"),
    rating("Clarity of speech", "How easy was it to understand the agent's sentences at the first hearing?"),
    yes_no("Context remembered", "Did the agent use what the caller had said, without asking for it twice?"),
    number("Turns to resolution", "How many turns did the agent need to resolve the caller's request?"),
    yes_no("Personal data protected", "Did the agent share personal data with the verified caller only?"),
    rating("Conciseness", "How free were the agent's responses of repetition and filler?"),
    yes_no("Silence handled", "Did the agent check whether the caller was still there after a long silence?"),
    choice(
        "Caller sentiment at the end",
        "How did the caller feel at the end of the call?",
        "positive",
        "neutral",
        "negative",
    ),
    yes_no("Misunderstanding repaired", "Did the agent notice a misunderstanding and clear it up?"),
    yes_no("Out-of-scope requests declined", "Did the agent politely decline requests outside of its task?"),
    rating("Professional tone", "How polite and professional did the agent sound throughout the call?"),
    yes_no("One question at a time", "Did the agent ask one question at a time, and wait for the response?"),
    yes_no("Limits admitted", "Did the agent say so when it did not know something or could not help?"),
    rating("Pronunciation", "How well did the agent pronounce names, numbers and technical terms?"),
    number("Corrections by the caller", "How many times did the caller have to correct the agent?"),
    yes_no("Language kept", "Did the agent speak the caller's language from the first to the last sentence?"),
    yes_no("Proper closing", "Did the agent summarize the result, ask about further requests, and say goodbye?"),
    rating("Natural conversation flow", "How natural were the pauses and the changes of topic?"),
    yes_no("No repeated sentences", "Did the agent avoid saying the same sentence twice in a row?"),
    yes_no("Instructions followed", "Did the agent follow its instructions in the prescribed order?"),
    number("Longest monologue", "How many seconds did the agent's longest uninterrupted response take?"),
    yes_no("Tools used correctly", "Did the agent look up or save data only with values that the caller had given?"),
    rating("Patience", "How calm did the agent stay when the caller hesitated or changed the topic?"),
    yes_no("Callback offered", "If the request stayed open, did the agent offer a callback or another contact?"),
)

# The first text is added to the name of a metric in brackets, the second one to its description.
SITUATIONS: tuple[tuple[str, str], ...] = (
    ("impatient callers", "Evaluate only calls in which the caller is in a hurry or interrupts."),
    ("unsure callers", "Evaluate only calls in which the caller hesitates or does not know what to ask for."),
    ("noisy lines", "Evaluate only calls with background noise or a bad connection."),
)
