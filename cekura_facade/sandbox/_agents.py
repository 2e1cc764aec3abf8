"""The agents that a sandbox starts with."""

from __future__ import annotations

from typing import Any

_CLINIC = (
    "Answers calls for a dental clinic with two dentists. Books, moves and cancels appointments after it "
    "has checked the caller's name and date of birth. Explains opening hours, prices of common treatments "
    "and how to get there. Never gives medical advice: a caller in pain is offered the next free "
    "emergency slot, and a caller with trouble breathing is told to call the emergency number at once. "
    "Confirms every appointment by repeating day, time and dentist before the call ends."
)
_BANK = (
    "Helps customers of a bank with lost and stolen cards. Verifies the caller with the last four digits "
    "of the card and a security question, blocks the card, orders a new one, and says when it will "
    "arrive. Hands the call over to a person when the caller disputes a payment, and never reads out a "
    "full card number."
)
_DELIVERY = (
    "Calls customers before a parcel is delivered. Says who is calling and why, offers three delivery "
    "windows, notes gate codes and where to leave the parcel, and asks for another phone number when "
    "nobody will be at home. Leaves a short message on voicemail, without the customer's address."
)
_SURVEY = "Asks customers how satisfied they are."


def default_agents() -> dict[int, dict[str, Any]]:
    """Return four invented agents in two projects, by id. The description of the last one is too short."""
    rows = (
        (101, "Dental clinic receptionist", _CLINIC, 11, True, "en"),
        (102, "Card services", _BANK, 12, True, "en"),
        (103, "Parcel delivery scheduling", _DELIVERY, 12, False, "de"),
        (104, "Satisfaction survey", _SURVEY, 12, False, "en"),
    )
    return {
        number: {
            "id": number,
            "agent_name": name,
            "description": description,
            "project": project,
            "assistant_id": f"asst_sandbox_{number}",
            "inbound": inbound,
            "language": language,
            "contact_number": f"+15550100{number}",
            "assistant_provider": "self_hosted",
            "llm_model": "gpt-4o",
        }
        for number, name, description, project, inbound, language in rows
    }
