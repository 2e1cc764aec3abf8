"""Asks questions at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ._output import Output


def ask(output: Output, question: str, choices: Mapping[str, str]) -> str:
    """Ask until the answer is one of the choices. Returns its first letter.

    Args:
        output: The streams to ask with.
        question: The question.
        choices: What each answer does, by its word, such as `yes`. The first letters must differ.

    Raises:
        KeyboardInterrupt: Ctrl-C or Ctrl-D, which is not an answer.
    """
    menu = " / ".join(f"[{word[0]}]{word[1:]}" for word in choices) + " / [?] help "
    prompt = f"{question} {menu}"
    if len(prompt) > output.err.width:
        output.alert(question)
        prompt = menu
    while True:
        output.err.print(prompt, end="", soft_wrap=True)
        output.err.flush()
        try:
            line = sys.stdin.readline()
        except UnicodeDecodeError:
            line = "?"
        except KeyboardInterrupt:
            output.alert()
            raise
        if not line:
            output.alert()
            raise KeyboardInterrupt
        answer = line.strip().lower()
        if found := next((word[0] for word in choices if answer in (word, word[0])), None):
            return found
        for word, effect in choices.items():
            output.alert(f"  {word[0]}  {effect}")
        output.alert("  ?  Show this help.")
