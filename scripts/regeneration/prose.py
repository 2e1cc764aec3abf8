"""Text that is safe to print in generated code, such as docstrings and literals."""

from __future__ import annotations

import re
import textwrap

from openapi_python_client import strings

from .documents import Schema
from .escaping import is_hidden

_WIDTH = 110
_LINE_BREAKS = r"\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]"


def visible(text: str) -> str:
    """A text without characters that hide or reorder text, and with ordinary line breaks."""
    return "".join(each for each in re.sub(_LINE_BREAKS, "\n", text) if not is_hidden(each))


def prose(text: str) -> str:
    """Text for a docstring, each paragraph on one line."""
    paragraphs = re.split(r"\n\s*\n", str(strings.safe_for_docstring(visible(text))))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs).strip()


def wrapped(text: str, indent: int, hanging: int = 0) -> str:
    """Wrapped prose. All lines except the first are indented, and hanging lines of a paragraph more."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        # Long words are not split, because that could split an escape sequence.
        filled = textwrap.wrap(
            paragraph, _WIDTH - indent, subsequent_indent=" " * hanging, break_long_words=False, break_on_hyphens=False
        )
        lines += ["", *filled] if lines else filled
    return "\n".join(" " * indent + line if number and line else line for number, line in enumerate(lines))


def sentence(text: str) -> str:
    """A text with a full stop at its end."""
    return text if text.endswith((".", "!", "?", ":", ")", "`")) else f"{text}."


def summary(operation: Schema, name: str) -> str:
    """The summary of an operation, which is derived from its name if necessary, and its description."""
    first, description = (str(operation.get(key) or "").strip() for key in ("summary", "description"))
    first = sentence(first or words(name))
    return f"{first}\n\n{description}" if description else first


def words(name: str) -> str:
    """A name as the beginning of a sentence, such as "Agent id" for `agent_id`."""
    return str(strings.snake_case(name)).replace("_", " ").strip().capitalize()


def literal(text: str) -> str:
    """A Python literal. It is exact, which JSON is not for all characters, and it cannot contain other code."""
    return '"' + text + '"' if re.fullmatch(r"[\w. -]*", text, re.ASCII) else repr(text)


def in_f_string(text: str) -> str:
    """Literal text inside a double-quoted f-string. It is exact, and it cannot contain other code."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return escaped.replace("{", "{{").replace("}", "}}")
