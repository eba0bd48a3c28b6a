"""Text measured in columns of a terminal, not in characters."""

from __future__ import annotations

import re

_STYLED = re.compile(r"\x1b\[[0-9;]*m")


def display_width(text: str) -> int:
    """How many columns *text* takes; our own colour codes take none, wide East Asian signs two."""
    if "\x1b" in text:
        text = _STYLED.sub("", text)
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def pad(text: str, width: int, *, right: bool = False) -> str:
    """*text* filled with blanks to *width* columns; *right* puts it at the right edge."""
    blanks = " " * max(width - display_width(text), 0)
    return blanks + text if right else text + blanks


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """*text* in at most *width* columns, its loss marked by *ellipsis*; for text without colour."""
    if display_width(text) <= width:
        return text
    room = width - display_width(ellipsis)
    if room < 0:
        return ellipsis[: max(width, 0)]
    kept = 0
    for index, sign in enumerate(text):
        kept += _columns(sign)
        if kept > room:
            return text[:index] + ellipsis
    return text


def first_line(text: str) -> str:
    """The first line of *text* that is not empty; what follows is told by `` …``."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return ""
    return lines[0].strip() + (" …" if len(lines) > 1 else "")


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """*text* in lines of at most *width* columns, each after *indent*; longer words stand alone."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and display_width(indent) + display_width(line) + 1 + display_width(word) > width:
            lines.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, indent + line] if line else lines


def _columns(sign: str) -> int:
    if sign < "\u0300":
        return 1
    from unicodedata import combining, east_asian_width

    if combining(sign) or sign in "\u200b\u200d\ufe0f":
        return 0
    return 2 if east_asian_width(sign) in "WF" else 1
