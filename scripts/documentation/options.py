"""Keeps each command-line option on one line. A browser would break it after its hyphens."""

from __future__ import annotations

import re
from typing import Any

CODE = re.compile(r"<code>[^<]+</code>")
OPTION = re.compile(r"(?<![\w-])--?[a-z][\w-]*")


def on_page_content(html: str, **_: Any) -> str:
    """Called by MkDocs with the HTML of each page. Blocks of code, which have their own markup, do not wrap."""
    return CODE.sub(lambda code: OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html)
