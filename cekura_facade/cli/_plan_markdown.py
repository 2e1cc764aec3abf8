"""A plan as Markdown for a comment on a pull request.

Texts from the service and from files are formatted as code, so that they cannot be links, mentions or HTML.
"""

from __future__ import annotations

import re

from cekura_facade import Plan

from ._plan_text import Block, blocks, summary
from ._text import one_line, plural, visible

# GitHub accepts 65,536 characters. This limit is in bytes, and leaves room for text that a workflow adds.
_LIMIT = 60_000
_LIMIT_OF_A_METRIC = 20_000
_LIMIT_OF_A_LINE = 500  # characters of the last line that is shown
_TITLES = {"create": "Create", "update": "Update", "delete": "Delete", "keep": "Only in the service"}


def markdown(plan: Plan, *, prune: bool) -> str:
    """A plan as Markdown."""
    scope = f"agent {plan.agent_id}" if plan.agent_id is not None else f"project {plan.project_id}"
    text = f"### Metrics of {scope}\n\n{summary(plan, prune=prune)}\n"
    size, left = len(text), 0
    for block in blocks(plan, prune=prune):
        part = _block(block)
        size += len(part.encode())
        if size > _LIMIT:
            left += 1
        else:
            text += part
    if left:
        are = "is" if left == 1 else "are"
        text += (
            f"\n{plural(left, 'more metric')} {are} not shown, because a comment can only have 65,536 characters. "
            "`cekura-facade plan` without --markdown shows all of them.\n"
        )
    return text


def _block(block: Block) -> str:
    about = ", ".join(filter(None, (visible(block.about), block.reason)))
    about = f" ({about})" if about else ""
    text = f"\n**{_TITLES[block.verb]}** {_code(block.name)}{about}\n"
    if not block.lines:
        return text
    lines: list[str] = []
    size = 0
    for line in block.lines:
        pair = [("-", line.text), ("+", line.becomes)] if line.field else [(line.sign.replace("~", " "), line.text)]
        name = f"{visible(line.field)}: " if line.field else ""
        shown = [f"{sign} {name}{visible(text, lines=True)}".rstrip() for sign, text in pair]
        size += sum(len(each.encode()) for each in shown)
        if size > _LIMIT_OF_A_METRIC:
            lines += [f"{each[:_LIMIT_OF_A_LINE]}…" for each in shown]
            lines.append("  … The rest is not shown here. `cekura-facade plan` without --markdown shows it.")
            break
        lines += shown
    fence = _fence("\n".join(lines), 3)
    return "\n".join([text, f"{fence}diff", *lines, fence, ""])


def _code(text: str) -> str:
    """A string as code within a line."""
    text = one_line(text) or "(no name)"
    fence = _fence(text, 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text}{padding}{fence}"


def _fence(text: str, least: int) -> str:
    """A sequence of backticks that does not occur in a string."""
    return "`" * max(least, 1 + max(map(len, re.findall("`+", text)), default=0))
