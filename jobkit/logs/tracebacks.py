"""Exceptions as text: the user's frames, no local variables, bounded, and never an exception of its own."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import FrameType

import structlog

from jobkit.logs.frames import chained, is_ours, users
from jobkit.redaction import Redactor
from jobkit.sanitising import text_of

#: The longest traceback in characters, and the most frames of one exception.
LONGEST = 16_384
MOST_FRAMES = 40

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


def format_stack(redactor: Redactor, frame: FrameType | None = None) -> str:
    """Where a thread is that stands at *frame*: in the user's frames that we have called, or else in all.

    Without *frame* where the caller is, without the frames of the loggers that led here.
    """
    stack = traceback.extract_stack(frame)
    if frame is not None:
        # What led to us is our program's or somebody's who embeds us: it says nothing of a job.
        last = max((at for at, one in enumerate(stack) if is_ours(one.filename)), default=-1)
        shown = users(stack[last + 1 :]) or users(stack) or list(stack)
    else:
        shown = [one for one in stack if not (is_ours(one.filename) or one.filename.startswith(_STRUCTLOG))]
    lines = traceback.format_list(shown[-MOST_FRAMES:])
    return _from_both_ends("Stack (most recent call last):\n" + "".join(lines).rstrip("\n"), redactor)


def _hide_own_frames(report: traceback.TracebackException) -> None:
    for one in chained(report):
        others = [frame for frame in one.stack if not is_ours(frame.filename)]
        if others:
            one.stack = traceback.StackSummary.from_list(others)


def _from_both_ends(text: str, redactor: Redactor) -> str:
    """Bounded without losing the end: the last lines say what happened."""
    if len(text) <= LONGEST:
        return redactor.show(text, LONGEST)
    half = LONGEST // 2 - 64
    # The end may begin inside a secret: what precedes its first line feed is not shown.
    end = redactor.text(text[-LONGEST:]).partition("\n")[2][-half:]
    return redactor.show(f"{redactor.text(text, half)}\n…\n{end}", LONGEST)
