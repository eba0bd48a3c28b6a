"""Exceptions as text: the user's frames, no local variables, bounded, and never an exception of its own."""

from __future__ import annotations

import traceback
from pathlib import Path

import structlog

from jobkit.redaction import Redactor
from jobkit.sanitising import text_of

#: The longest traceback in characters, and the most frames of one exception.
LONGEST = 16_384
MOST_FRAMES = 40

_OWN = str(Path(__file__).parents[1])
_STRUCTLOG = str(Path(structlog.__file__).parent)


def format_exception(error: BaseException, redactor: Redactor) -> str:
    """The traceback of *error* with its causes; secrets masked, line feeds kept.

    jobkit's own frames are left out where there are others.
    """
    try:
        # Local variables are never captured: they are where the secrets are.
        report = traceback.TracebackException.from_exception(
            error,
            limit=-MOST_FRAMES,
            capture_locals=False,
            compact=True,
            max_group_width=5,
            max_group_depth=3,
        )
        _hide_own_frames(report)
        text = "".join(report.format(chain=True))
    except BaseException as trouble:  # an exception may be as hostile as any object
        text = f"{type(error).__name__}: {text_of(error)} (no traceback: {type(trouble).__name__})"
    return _from_both_ends(text.rstrip("\n"), redactor)


def format_stack(redactor: Redactor) -> str:
    """Where the caller stands, without the frames of the loggers that led here."""
    stack = [
        frame for frame in traceback.extract_stack() if not frame.filename.startswith((_OWN, _STRUCTLOG))
    ]
    lines = traceback.format_list(stack[-MOST_FRAMES:])
    return _from_both_ends("Stack (most recent call last):\n" + "".join(lines).rstrip("\n"), redactor)


def _hide_own_frames(report: traceback.TracebackException) -> None:
    waiting: list[traceback.TracebackException] = [report]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        others = [frame for frame in one.stack if not frame.filename.startswith(_OWN)]
        if others:
            one.stack = traceback.StackSummary.from_list(others)
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause is not None]
        waiting += getattr(one, "exceptions", None) or []


def _from_both_ends(text: str, redactor: Redactor) -> str:
    """Bounded without losing the end: the last lines say what happened."""
    if len(text) <= LONGEST:
        return redactor.show(text, LONGEST)
    half = LONGEST // 2 - 64
    # The end may begin inside a secret: what precedes its first line feed is not shown.
    end = redactor.text(text[-LONGEST:]).partition("\n")[2][-half:]
    return redactor.show(f"{redactor.text(text, half)}\n…\n{end}", LONGEST)
