"""Texts of jobs and receivers, fit to be shown in messages and errors."""

from __future__ import annotations

from collections.abc import Iterable

from jobkit import RunRecord
from jobkit.plugin import safe_text

MASK = "***"


def shown(text: str, limit: int, secrets: Iterable[str] = ()) -> str:
    """*text* without *secrets* and control characters, in at most *limit* characters; line feeds stay."""
    return safe_text(masked(text, secrets), limit)


def one_line(text: str, limit: int, secrets: Iterable[str] = ()) -> str:
    """The same on one line."""
    return shown(" ".join(text.split()), limit, secrets)


def masked(text: str, secrets: Iterable[str]) -> str:
    """*text* with stars in the place of each of *secrets*."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def what_happened(run: RunRecord, limit: int) -> list[str]:
    """What a run says of itself, each text in at most *limit* characters: message, error, counts."""
    lines = [shown(run.message, limit)] if run.message else []
    if run.error is not None:
        error = shown(f"{run.error.type}: {run.error.message}", limit)
        if error not in lines:  # a job that says nothing has its error for a message
            lines.append(error)
    if run.processed is not None:
        lines.append(f"processed {run.processed}, errors {run.errors or 0}")
    return lines
