"""The pages are read in the repository as well.

What they link to there and is not on the site is shown as text, and notes for readers of the repository are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

NOTE = re.compile(r"^\*In the repository, [^*]+\*\n", re.MULTILINE)
OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)#]+)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, config: Any, **_: Any) -> str:
    """Called by MkDocs with the text of each page."""
    docs = Path(config.docs_dir).resolve()

    def shown(link: re.Match[str]) -> str:
        target = (Path(page.file.abs_src_path).parent / link[2]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            raise FileNotFoundError(f"{page.file.src_uri} links to {link[2]}, which is not there")
        return link[1]

    return OUTSIDE.sub(shown, NOTE.sub("", markdown))
