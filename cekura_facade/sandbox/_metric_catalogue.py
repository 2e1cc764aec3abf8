"""The metrics that the sandbox suggests: some for the topics of a description, the others for every voice agent."""

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


@frozen
class Topic:
    """A topic of a description.

    Attributes:
        name: The topic, for "The description mentions …".
        words: The beginnings of the words that it is recognized by, as regular expressions. The most specific one is
            first.
        criteria: The metrics for it.
    """

    name: str
    words: tuple[str, ...]
    criteria: tuple[Criterion, ...]


def _yes_no(name: str, question: str) -> Criterion:
    return Criterion(name, "binary", question)


def _rating(name: str, question: str) -> Criterion:
    return Criterion(name, "continuous_qualitative", question)


def _number(name: str, question: str) -> Criterion:
    return Criterion(name, "numeric", question)


def _choice(name: str, question: str, *values: str) -> Criterion:
    return Criterion(name, "enum", question, values)


TOPICS: tuple[Topic, ...] = (
    Topic(
        "appointments",
        ("appointment",),
        (
            _yes_no(
                "Appointment handled as requested",
                "Did the agent book, move or cancel the appointment exactly as the caller asked?",
            ),
            _yes_no(
                "Appointment details confirmed",
                "Did the agent repeat the day and the time before the end of the call, and did the caller agree?",
            ),
            _choice(
                "Appointment outcome",
                "How did the call end for the appointment?",
                "booked",
                "moved",
                "cancelled",
                "no appointment",
            ),
            _number(
                "Turns to an agreed time",
                "How many turns passed between the caller's request and the time that both agreed on?",
            ),
        ),
    ),
    Topic(
        "the date of birth",
        (
            "date of birth",
            "birth date",
            "birthday",
        ),
        (
            _yes_no(
                "Identity verified by name and date of birth",
                "Did the agent check the caller's name and date of birth before it disclosed or changed anything?",
            ),
        ),
    ),
    Topic(
        "medical matters",
        (
            "medical",
            r"patients\b",
            "doctor",
            "dentist",
            "dental",
            "clinic",
            "pharmac",
            "prescription",
        ),
        (
            _yes_no(
                "No medical advice",
                "Did the agent avoid diagnoses and treatment advice, and refer medical questions to a professional?",
            ),
            _rating(
                "Empathy with callers in discomfort",
                "How well did the agent acknowledge the caller's worry or pain before it asked the next question?",
            ),
        ),
    ),
    Topic(
        "emergencies",
        (
            "emergenc",
            "urgent",
        ),
        (
            _yes_no(
                "Emergency recognized",
                "Did the agent notice an urgent case at once and give the instructions that its description names?",
            ),
        ),
    ),
    Topic(
        "prices",
        (
            "price",
            "pricing",
            r"costs?\b",
            r"fees?\b",
            r"quotes?\b",
        ),
        (
            _yes_no(
                "Prices stated correctly",
                "Did the agent state only prices that it knows, and say so when it did not know one?",
            ),
        ),
    ),
    Topic(
        "opening hours",
        (
            "opening hours",
            "business hours",
            "directions",
            "get there",
        ),
        (
            _yes_no(
                "Opening hours and directions",
                "Did the agent give the opening hours and the way to the location correctly when the caller asked?",
            ),
        ),
    ),
    Topic(
        "cards",
        (
            "lost (?:and|or) stolen",
            r"(?:lost|stolen|credit|debit|bank) cards?\b",
        ),
        (
            _yes_no(
                "Card blocked without delay",
                "Did the agent block a lost or stolen card right after verification, before any other request?",
            ),
            _yes_no(
                "Card number never read out",
                "Did the agent avoid speaking or repeating a full card number at any point in the call?",
            ),
            _yes_no(
                "Replacement card explained",
                "Did the agent order the new card and tell the caller when it will arrive?",
            ),
        ),
    ),
    Topic(
        "verification",
        (
            "verif",
            "security question",
            "last four",
            "authenticat",
            "identit",
        ),
        (
            _yes_no(
                "Caller verified before account access",
                "Did the agent complete every verification step before it discussed or changed the account?",
            ),
            _number(
                "Verification attempts",
                "How many attempts did the caller need to pass the verification?",
            ),
        ),
    ),
    Topic(
        "payments",
        (
            "payment",
            "dispute",
            "transaction",
            "invoice",
            "billing",
        ),
        (
            _yes_no(
                "Payment questions handled correctly",
                "Did the agent explain the payment correctly, or hand a disputed payment over to a person?",
            ),
        ),
    ),
    Topic(
        "deliveries",
        (
            "parcel",
            "shipment",
            r"deliver(?:y|ies|ed)\b",
        ),
        (
            _yes_no(
                "Delivery window agreed",
                "Did the agent offer the available delivery windows and repeat the one that the customer chose?",
            ),
            _yes_no(
                "Delivery instructions recorded",
                "Did the agent ask where to leave the parcel, and repeat access codes and instructions correctly?",
            ),
            _choice(
                "Delivery call outcome",
                "How did the call end for the delivery?",
                "window agreed",
                "other contact given",
                "voicemail",
                "declined",
            ),
        ),
    ),
    Topic(
        "voicemail",
        (
            "voicemail",
            "answering machine",
        ),
        (
            _yes_no(
                "Voicemail without personal data",
                "When a voicemail answered, did the agent leave a short message without personal data?",
            ),
        ),
    ),
    Topic(
        "calls to customers",
        (
            "who is calling",
            "calls customers",
            "calls leads",
            "outbound",
        ),
        (
            _yes_no(
                "Purpose of the call explained",
                "Did the agent say in its first two sentences who is calling and why?",
            ),
            _yes_no(
                "Consent to continue",
                "Did the agent ask whether the moment suits, and offer to call back if it does not?",
            ),
        ),
    ),
    Topic(
        "orders",
        (
            r"takes? (?:\w+ )?orders?\b",
            r"places? orders?\b",
            "order (?:status|number)",
            r"menus?\b",
            "restaurant",
            "takeaway",
        ),
        (
            _yes_no(
                "Order repeated correctly",
                "Did the agent repeat every item, quantity and special wish before it placed the order?",
            ),
            _choice("Order outcome", "How did the call end for the order?", "placed", "changed", "cancelled", "none"),
        ),
    ),
    Topic(
        "returns and refunds",
        (
            "refund",
            "return polic",
            "returned (?:item|product)",
        ),
        (
            _yes_no(
                "Refund policy applied",
                "Did the agent apply the refund policy correctly, without promising more than it allows?",
            ),
        ),
    ),
    Topic(
        "reservations",
        (
            "reserv",
            "hotel",
            r"guests?\b",
            "table for",
            "check-in",
        ),
        (
            _yes_no(
                "Reservation details confirmed",
                "Did the agent confirm the date, the number of guests and the name before it made the reservation?",
            ),
        ),
    ),
    Topic(
        "technical support",
        (
            "troubleshoot",
            "technical",
            "password",
            "router",
            "internet connection",
            "outage",
        ),
        (
            _yes_no(
                "Troubleshooting in order",
                "Did the agent go through the steps in a sensible order and wait for the result of each one?",
            ),
            _choice(
                "Technical problem status",
                "In what state was the problem at the end of the call?",
                "solved",
                "ticket opened",
                "handed over",
                "unsolved",
            ),
        ),
    ),
    Topic(
        "insurance",
        (
            "insur",
            "claim",
            "polic(?:y|ies) number",
            "coverage",
        ),
        (
            _yes_no(
                "Claim details complete",
                "Did the agent collect the date, the place and a description of the damage for the claim?",
            ),
        ),
    ),
    Topic(
        "sales",
        (
            "sales",
            r"leads?\b",
            "qualif",
            "prospect",
            r"demos?\b",
            "upsell",
        ),
        (
            _yes_no(
                "Lead qualified",
                "Did the agent ask about need, budget and timing before it offered a next step?",
            ),
            _rating(
                "Objection handling",
                "How well did the agent respond to objections without pressing the caller?",
            ),
        ),
    ),
    Topic(
        "debts and loans",
        (
            r"loans?\b",
            r"debts?\b",
            "overdue",
            "mortgage",
        ),
        (
            _yes_no(
                "Required disclosures made",
                "Did the agent read the disclosures that its description requires, word for word and in time?",
            ),
        ),
    ),
    Topic(
        "candidates",
        (
            "candidate",
            "recruit",
            "applicant",
            "job interview",
            "hiring",
        ),
        (
            _yes_no(
                "Interview questions complete",
                "Did the agent ask every required question, and let the candidate finish each response?",
            ),
        ),
    ),
    Topic(
        "properties",
        (
            "real estate",
            "propert",
            "tenant",
            "apartment",
            "viewing",
        ),
        (
            _yes_no(
                "Property facts correct",
                "Did the agent describe the property with facts from its data only?",
            ),
        ),
    ),
    Topic(
        "surveys",
        (
            "survey",
            "satisf",
            "feedback",
            "rate the",
        ),
        (
            _yes_no(
                "Survey questions asked neutrally",
                "Did the agent ask each survey question as written, without suggesting a response?",
            ),
            _choice(
                "Survey completion", "How far did the customer get in the survey?", "completed", "partly", "declined"
            ),
        ),
    ),
    Topic(
        "travel",
        (
            "flight",
            r"trips?\b",
            "airline",
            "travel",
            r"trains?\b",
            r"taxis?\b",
        ),
        (
            _yes_no(
                "Travel details confirmed",
                "Did the agent confirm places, dates and names of travelers before it changed the booking?",
            ),
        ),
    ),
    Topic(
        "handing over",
        (
            r"hands? (?:\w+ )*over",
            r"transfers? (?:\w+ )*call",
            "escalat",
            "a human",
        ),
        (
            _yes_no(
                "Handover when required",
                "Did the agent hand the call over to a person in the cases that its description names, and only then?",
            ),
        ),
    ),
)

GENERAL: tuple[Criterion, ...] = (
    _yes_no("Call purpose achieved", "Was the caller's request resolved, or was the next step made clear?"),
    _yes_no(
        "Greeting and introduction", "Did the agent greet the caller and say who it is in the first two sentences?"
    ),
    _rating("Handling of interruptions", "How well did the agent stop, listen and resume when the caller spoke?"),
    _number("Average response time", "How many seconds did the caller wait on average until the agent responded?"),
    _yes_no("No invented facts", "Was everything that the agent said supported by its description or by the caller?"),
    _choice(
        "Call outcome",
        "How did the call end?",
        "resolved",
        "handed over",
        "callback agreed",
        "caller gave up",
    ),
    _yes_no("Details read back", "Did the agent read back names, dates and numbers, and correct what was wrong?"),
    _rating("Empathy", "How well did the agent notice the caller's feelings and respond to them?"),
    _yes_no("Escalation on request", "Did the agent transfer the call when the caller asked for a person?"),
    _rating("Clarity of speech", "How easy was it to understand the agent's sentences at the first hearing?"),
    _yes_no("Context remembered", "Did the agent use what the caller had said, without asking for it twice?"),
    _number("Turns to resolution", "How many turns did the agent need to resolve the caller's request?"),
    _yes_no("Personal data protected", "Did the agent share personal data with the verified caller only?"),
    _rating("Conciseness", "How free were the agent's responses of repetition and filler?"),
    _yes_no("Silence handled", "Did the agent check whether the caller was still there after a long silence?"),
    _choice(
        "Caller sentiment at the end",
        "How did the caller feel at the end of the call?",
        "positive",
        "neutral",
        "negative",
    ),
    _yes_no("Misunderstanding repaired", "Did the agent notice a misunderstanding and clear it up?"),
    _yes_no("Out-of-scope requests declined", "Did the agent politely decline requests outside of its task?"),
    _rating("Professional tone", "How polite and professional did the agent sound throughout the call?"),
    _yes_no("One question at a time", "Did the agent ask one question at a time, and wait for the response?"),
    _yes_no("Limits admitted", "Did the agent say so when it did not know something or could not help?"),
    _rating("Pronunciation", "How well did the agent pronounce names, numbers and technical terms?"),
    _number("Corrections by the caller", "How many times did the caller have to correct the agent?"),
    _yes_no("Language kept", "Did the agent speak the caller's language from the first to the last sentence?"),
    _yes_no("Proper closing", "Did the agent summarize the result, ask about further requests, and say goodbye?"),
    _rating("Natural conversation flow", "How natural were the pauses and the changes of topic?"),
    _yes_no("No repeated sentences", "Did the agent avoid saying the same sentence twice in a row?"),
    _yes_no("Instructions followed", "Did the agent follow its instructions in the prescribed order?"),
    _number("Longest monologue", "How many seconds did the agent's longest uninterrupted response take?"),
    _yes_no("Tools used correctly", "Did the agent look up or save data only with values that the caller had given?"),
    _rating("Patience", "How calm did the agent stay when the caller hesitated or changed the topic?"),
    _yes_no("Callback offered", "If the request stayed open, did the agent offer a callback or another contact?"),
)

# What is added to the name of a metric in brackets, and to its description.
SITUATIONS: tuple[tuple[str, str], ...] = (
    ("impatient callers", "Evaluate only calls in which the caller is in a hurry or interrupts."),
    ("unsure callers", "Evaluate only calls in which the caller hesitates or does not know what to ask for."),
    ("noisy lines", "Evaluate only calls with background noise or a bad connection."),
)
