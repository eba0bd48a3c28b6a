"""The report of an error that jobkit did not foresee."""

from __future__ import annotations

import traceback
from pathlib import Path

import jobkit
from jobkit.exceptions import JobkitError
from jobkit.sanitising import safe_text, shorten

_PACKAGE = Path(jobkit.__file__).parent
_LONGEST = 500


def internal_error(error: BaseException) -> JobkitError:
    """*error* as a JobkitError that says where in jobkit it happened and what to do about it."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    # Where it broke is the deepest of our own frames; below it is a library that was called wrongly.
    place = next(iter(reversed(ours or frames)), None)
    report = JobkitError(
        f"internal error: {type(error).__name__}: {shorten(safe_text(error), _LONGEST)}",
        code="JK901",
        path=place.filename if place else None,
        line=place.lineno if place else None,
        help="this is a fault of jobkit, not of your project; `-vv` shows every frame for the report",
    )
    report.__cause__ = error
    return report
