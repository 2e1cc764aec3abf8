"""Rules for untrusted documents, against hidden text and against parameters that only the client may send."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .documents import Document, operations
from .errors import RegenerationError
from .prose import visible
from .rules import Rule

_TEXTS = ("description", "summary", "title")
_CREDENTIALS = {"authorization", "cookie", "x-cekura-api-key", "proxy-authorization"}
# Headers that httpx or the facade sends, and headers that define the end or the type of a message.
_OF_THE_CLIENT = {"accept", "accept-encoding", "host", "user-agent"} | {
    *("connection", "content-encoding", "content-length", "content-type", "expect", "keep-alive"),
    *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
}
_NAME = r"[\w!#$%&'*+.^`|~-]+"  # The names that HTTP allows for headers and cookies.


def check_strings(document: Document) -> None:
    """Raise RegenerationError if a string that is not a text has half of a surrogate pair."""
    for where, text in _strings(document, ()):
        if re.search(r"[\ud800-\udfff]", text):
            raise RegenerationError(
                f"Half of a surrogate pair in {text!r:.80}, at {'/'.join(where)!r:.200}: UTF-8 cannot encode it. "
                "Use another version."
            )


def _strings(node: object, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key and every string that is not a text, with its place."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield where, str(key)
            if not (key in _TEXTS and isinstance(value, str)):
                yield from _strings(value, (*where, str(key)))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _strings(value, (*where, str(number)))
    elif isinstance(node, str):
        yield where, node


def check_paths(document: Document) -> None:
    """Raise RegenerationError if a request for a path would be sent to another host or path."""
    for method, path, _ in operations(document):
        rest = re.sub(r"\{[^{}]+\}", "x", path)  # Names of parameters are not sent.
        is_plain = re.fullmatch(r"/(?!/)[^?#\\\s{}]*", rest) is not None and rest.isprintable()
        if not is_plain or {".", ".."} & set(rest.split("/")):
            raise RegenerationError(
                f"{method.upper()} {path!r:.200}: a request would not be sent to this path. "
                "A path must start with one slash. It must not contain a segment `.` or `..`, `?`, `#`, a backslash, a "
                "space, or braces that are not around a parameter. "
                "Remove the operation from the document, or use another version."
            )


def _hidden_characters(document: Document) -> int:
    """Remove characters that hide or reorder text, so that reviewers of the client see all of it."""
    fired = 0
    todo: list[Any] = [document]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            for key in [key for key in _TEXTS if isinstance(node.get(key), str)]:
                if (text := visible(node[key])) != node[key]:
                    node[key] = text
                    fired += 1
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return fired


def _headers_of_the_client(document: Document) -> int:
    """Remove parameters with which a caller would send a credential, or change how a message is read."""
    reserved = {("header", name) for name in _CREDENTIALS | _OF_THE_CLIENT} | set(_credentials(document))
    fired = 0
    seen: set[int] = set()
    for _, path, operation in operations(document):
        for holder in (operation, document["paths"][path]):
            if id(holder) not in seen and isinstance(holder.get("parameters"), list):
                seen.add(id(holder))
                kept = [each for each in holder["parameters"] if _is_sendable(each, reserved)]
                fired += len(holder["parameters"]) - len(kept)
                holder["parameters"] = kept
    return fired


def _credentials(document: Document) -> Iterator[tuple[str, str]]:
    """The places and names under which credentials are sent, in lower case."""
    schemes = document.get("components", {}).get("securitySchemes")
    for scheme in schemes.values() if isinstance(schemes, dict) else ():
        if isinstance(scheme, dict) and scheme.get("type") == "apiKey":
            yield str(scheme.get("in")), str(scheme.get("name")).lower()


def _is_sendable(parameter: dict[str, Any], reserved: set[tuple[str, str]]) -> bool:
    place, name = str(parameter.get("in")), str(parameter.get("name"))
    is_possible = place not in ("header", "cookie") or re.fullmatch(_NAME, name, re.ASCII) is not None
    return is_possible and (place, name.lower()) not in reserved


RULES = (
    Rule("hidden-characters", "a text has characters that hide or reorder it", _hidden_characters),
    Rule(
        "headers-of-the-client",
        "a parameter has a credential or changes how a message is read, so that only the client may send it",
        _headers_of_the_client,
    ),
)
