"""Makes strings from the service, from files and from the user safe to print."""

from __future__ import annotations

import json
import re

# Control characters (C0, DEL, C1), characters that change the text direction, other line ends, and surrogates.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_UNFIT_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_BREAK = re.compile("[ \t]*[\r\n\u0085\u2028\u2029]\\s*")


def visible(text: object, *, lines: bool = False) -> str:
    r"""A string with its control characters as escapes, such as `\x1b`. With `lines`, line breaks and tabs stay."""

    def escaped(found: re.Match[str]) -> str:
        character = found[0]
        return character if lines and character in "\n\t" else character.encode("unicode_escape").decode("ascii")

    return _UNFIT.sub(escaped, str(text).replace("\r\n", "\n"))


def one_line(text: object) -> str:
    """A string on one line, with a space for each line break, so that no part of it looks like one of our messages."""
    return visible(_BREAK.sub(" ", str(text)).strip())


def json_text(value: object, *, ascii: bool = False) -> str:
    """A value as readable JSON, in which control characters are escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=ascii)
    return _UNFIT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plural(number: int, noun: str) -> str:
    """`1 metric`, `2 metrics`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
