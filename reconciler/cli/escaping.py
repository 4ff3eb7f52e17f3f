"""Escaping: foreign text in a comment shows as it is, and means nothing to who renders it.

What a plan shows comes from a pull request, so from anyone. Each piece stands in a `<code>`
element, in which GitHub and GitLab look for no mention, issue, link or emoji, and every character
that means something to Markdown or HTML is written as a character reference, which no parser
takes for syntax: neither in a table's cell nor in a block of HTML.
"""

from __future__ import annotations

import re
import unicodedata

#: Whatever may mean something to a renderer; what is left of ASCII means nothing to any.
_ODD = re.compile(r"[^A-Za-z0-9 ,.;()%/+=?-]")
#: The one way in which the characters above become a link.
_WWW = re.compile(r"(?i)www(?=\.)")


def code(text: str, most: int = 200) -> str:
    """Return foreign text as an element that shows it and nothing else, on one line.

    Args:
        text: Anything, by anyone.
        most: Characters that are shown; a longer text ends in an ellipsis.
    """
    return f"<code>{inert(shortened(text, most))}</code>"


def inert(text: str) -> str:
    """Return text that shows as it is and means nothing, on one line."""
    shown = _ODD.sub(_reference, " ".join(text.split()))
    return _WWW.sub(lambda www: f"{www[0][:-1]}&#{ord(www[0][-1])};", shown)


def shortened(text: str, most: int) -> str:
    """Return at most `most` characters of a text; one that was longer ends in an ellipsis."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _reference(odd: re.Match[str]) -> str:
    char = odd[0]
    if char.isascii():
        return f"&#{ord(char)};" if char.isprintable() else "�"
    # what is invisible, turns the direction of writing, or is no character at all
    return "�" if unicodedata.category(char)[0] in "CZ" else char
