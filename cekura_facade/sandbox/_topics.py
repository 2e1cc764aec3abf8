"""The topics that the sandbox recognizes in an agent's description, with the criteria for each."""

from __future__ import annotations

from attrs import frozen

from cekura_facade.sandbox._criteria import Criterion, choice, number, rating, yes_no


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


TOPICS: tuple[Topic, ...] = (
    Topic(
        "appointments",
        ("appointment",),
        (
            yes_no(
                "Appointment handled as requested",
                "Did the agent book, move or cancel the appointment exactly as the caller asked?",
            ),
            yes_no(
                "Appointment details confirmed",
                "Did the agent repeat the day and the time before the end of the call, and did the caller agree?",
            ),
            choice(
                "Appointment outcome",
                "How did the call end for the appointment?",
                "booked",
                "moved",
                "cancelled",
                "no appointment",
            ),
            number(
                "Turns to an agreed time",
                "How many turns passed between the caller's request and the time that both agreed on?",
            ),
        ),
    ),
    Topic(
        "the date of birth",
        ("date of birth", "birth date", "birthday"),
        (
            yes_no(
                "Identity verified by name and date of birth",
                "Did the agent check the caller's name and date of birth before it disclosed or changed anything?",
            ),
        ),
    ),
    Topic(
        "medical matters",
        ("medical", r"patients\b", "doctor", "dentist", "dental", "clinic", "pharmac", "prescription"),
        (
            yes_no(
                "No medical advice",
                "Did the agent avoid diagnoses and treatment advice, and refer medical questions to a professional?",
            ),
            rating(
                "Empathy with callers in discomfort",
                "How well did the agent acknowledge the caller's worry or pain before it asked the next question?",
            ),
        ),
    ),
    Topic(
        "emergencies",
        ("emergenc", "urgent"),
        (
            yes_no(
                "Emergency recognized",
                "Did the agent notice an urgent case at once and give the instructions that its description names?",
            ),
        ),
    ),
    Topic(
        "prices",
        ("price", "pricing", r"costs?\b", r"fees?\b", r"quotes?\b"),
        (
            yes_no(
                "Prices stated correctly",
                "Did the agent state only prices that it knows, and say so when it did not know one?",
            ),
        ),
    ),
    Topic(
        "opening hours",
        ("opening hours", "business hours", "directions", "get there"),
        (
            yes_no(
                "Opening hours and directions",
                "Did the agent give the opening hours and the way to the location correctly when the caller asked?",
            ),
        ),
    ),
    Topic(
        "cards",
        ("lost (?:and|or) stolen", r"(?:lost|stolen|credit|debit|bank) cards?\b"),
        (
            yes_no(
                "Card blocked without delay",
                "Did the agent block a lost or stolen card right after verification, before any other request?",
            ),
            yes_no(
                "Card number never read out",
                "Did the agent avoid speaking or repeating a full card number at any point in the call?",
            ),
            yes_no(
                "Replacement card explained",
                "Did the agent order the new card and tell the caller when it will arrive?",
            ),
        ),
    ),
    Topic(
        "verification",
        ("verif", "security question", "last four", "authenticat", "identit"),
        (
            yes_no(
                "Caller verified before account access",
                "Did the agent complete every verification step before it discussed or changed the account?",
            ),
            number("Verification attempts", "How many attempts did the caller need to pass the verification?"),
        ),
    ),
    Topic(
        "payments",
        ("payment", "dispute", "transaction", "invoice", "billing"),
        (
            yes_no(
                "Payment questions handled correctly",
                "Did the agent explain the payment correctly, or hand a disputed payment over to a person?",
            ),
        ),
    ),
    Topic(
        "deliveries",
        ("parcel", "shipment", r"deliver(?:y|ies|ed)\b"),
        (
            yes_no(
                "Delivery window agreed",
                "Did the agent offer the available delivery windows and repeat the one that the customer chose?",
            ),
            yes_no(
                "Delivery instructions recorded",
                "Did the agent ask where to leave the parcel, and repeat access codes and instructions correctly?",
            ),
            choice(
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
        ("voicemail", "answering machine"),
        (
            yes_no(
                "Voicemail without personal data",
                "When a voicemail answered, did the agent leave a short message without personal data?",
            ),
        ),
    ),
    Topic(
        "calls to customers",
        ("who is calling", "calls customers", "calls leads", "outbound"),
        (
            yes_no(
                "Purpose of the call explained", "Did the agent say in its first two sentences who is calling and why?"
            ),
            yes_no(
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
            yes_no(
                "Order repeated correctly",
                "Did the agent repeat every item, quantity and special wish before it placed the order?",
            ),
            choice("Order outcome", "How did the call end for the order?", "placed", "changed", "cancelled", "none"),
        ),
    ),
    Topic(
        "returns and refunds",
        ("refund", "return polic", "returned (?:item|product)"),
        (
            yes_no(
                "Refund policy applied",
                "Did the agent apply the refund policy correctly, without promising more than it allows?",
            ),
        ),
    ),
    Topic(
        "reservations",
        ("reserv", "hotel", r"guests?\b", "table for", "check-in"),
        (
            yes_no(
                "Reservation details confirmed",
                "Did the agent confirm the date, the number of guests and the name before it made the reservation?",
            ),
        ),
    ),
    Topic(
        "technical support",
        ("troubleshoot", "technical", "password", "router", "internet connection", "outage"),
        (
            yes_no(
                "Troubleshooting in order",
                "Did the agent go through the steps in a sensible order and wait for the result of each one?",
            ),
            choice(
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
        ("insur", "claim", "polic(?:y|ies) number", "coverage"),
        (
            yes_no(
                "Claim details complete",
                "Did the agent collect the date, the place and a description of the damage for the claim?",
            ),
        ),
    ),
    Topic(
        "sales",
        ("sales", r"leads?\b", "qualif", "prospect", r"demos?\b", "upsell"),
        (
            yes_no("Lead qualified", "Did the agent ask about need, budget and timing before it offered a next step?"),
            rating("Objection handling", "How well did the agent respond to objections without pressing the caller?"),
        ),
    ),
    Topic(
        "debts and loans",
        (r"loans?\b", r"debts?\b", "overdue", "mortgage"),
        (
            yes_no(
                "Required disclosures made",
                "Did the agent read the disclosures that its description requires, word for word and in time?",
            ),
        ),
    ),
    Topic(
        "candidates",
        ("candidate", "recruit", "applicant", "job interview", "hiring"),
        (
            yes_no(
                "Interview questions complete",
                "Did the agent ask every required question, and let the candidate finish each response?",
            ),
        ),
    ),
    Topic(
        "properties",
        ("real estate", "propert", "tenant", "apartment", "viewing"),
        (yes_no("Property facts correct", "Did the agent describe the property with facts from its data only?"),),
    ),
    Topic(
        "surveys",
        ("survey", "satisf", "feedback", "rate the"),
        (
            yes_no(
                "Survey questions asked neutrally",
                "Did the agent ask each survey question as written, without suggesting a response?",
            ),
            choice(
                "Survey completion", "How far did the customer get in the survey?", "completed", "partly", "declined"
            ),
        ),
    ),
    Topic(
        "travel",
        ("flight", r"trips?\b", "airline", "travel", r"trains?\b", r"taxis?\b"),
        (
            yes_no(
                "Travel details confirmed",
                "Did the agent confirm places, dates and names of travelers before it changed the booking?",
            ),
        ),
    ),
    Topic(
        "handing over",
        (r"hands? (?:\w+ )*over", r"transfers? (?:\w+ )*call", "escalat", "a human"),
        (
            yes_no(
                "Handover when required",
                "Did the agent hand the call over to a person in the cases that its description names, and only then?",
            ),
        ),
    ),
)
