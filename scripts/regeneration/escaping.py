"""Escapes untrusted text for terminals, where it may contain control sequences, and for Markdown.

Documents, file names, URLs and the messages of libraries contain such text. `as_line` is for terminals, and `as_code`
for Markdown. GitHub also finds mentions, references to issues and closing keywords in the rendered text, even after a
backslash. It ignores them in code spans.
"""

from __future__ import annotations

import re
import unicodedata

_LONGEST_LINE = 2000
_LONGEST_CODE = 300
# Python counts these characters as printable, but they are invisible.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def as_line(text: str, longest: int = _LONGEST_LINE) -> str:
    r"""The text on one line, with an escape such as `\x1b` for each character that is not visible."""
    # The text is also cut first, because escaping many megabytes would be slow.
    shown = "".join(map(_visible, text[: longest + 1]))
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def as_code(text: str) -> str:
    """The text as a code span of Markdown, on one line."""
    shown = as_line(text, _LONGEST_CODE) or '""'
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    # Markdown removes one space at each end of a span if it has spaces at both ends.
    padding = " " if shown.strip(" ") and {shown[0], shown[-1]} & {" ", "`"} else ""
    return f"{fence}{padding}{shown}{padding}{fence}"


def is_hidden(character: str) -> bool:
    """Whether a character hides or reorders text, other than an ordinary line break or a tab."""
    if character.isascii() and character.isprintable():
        return False
    is_control = unicodedata.category(character).startswith(("C", "Zl", "Zp")) and character not in "\n\t"
    return is_control or _INVISIBLE.match(character) is not None


def as_escape(character: str) -> str:
    r"""An escape such as `\u202e` for a character, in Python, YAML and JavaScript."""
    return character.encode("unicode_escape").decode("ascii")


def _visible(character: str) -> str:
    return character if character.isprintable() and not _INVISIBLE.match(character) else as_escape(character)
