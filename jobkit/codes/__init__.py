"""The long text of every error code: one Markdown page ``JKnnn.md`` beside this file.

A page starts with ``# JKnnn: title`` and answers what it means, why it happens, and how to mend
it. ``jobkit explain CODE`` prints it and the reference in ``docs/`` includes it.
"""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def all_codes() -> list[str]:
    """Every code that has a page, in order."""
    return sorted(page.stem for page in _FOLDER.glob("JK[0-9][0-9][0-9].md"))


def explanation(code: str) -> str | None:
    """The Markdown page of *code* (any case), or None if there is no such code."""
    wanted = code.strip().upper()
    if wanted not in all_codes():
        return None
    return (_FOLDER / f"{wanted}.md").read_text(encoding="utf-8")
