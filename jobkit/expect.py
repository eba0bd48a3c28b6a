"""The guard against runs that are green but wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from jobkit.durations import format_duration, parse_duration

if TYPE_CHECKING:
    from jobkit.result import JobResult


@dataclass(frozen=True, slots=True)
class Expect:
    """What a successful result must look like; a run that breaks it is failed.

    *min_processed* is the least count of processed items, *max_error_ratio* (0 to 1) the largest
    share of errors among them, *max_duration* the longest an attempt may take and still be right.
    """

    min_processed: int | None = None
    max_error_ratio: float | None = None
    max_duration: timedelta | str | float | None = None

    def __post_init__(self) -> None:
        least = self.min_processed
        if least is not None and (isinstance(least, bool) or not isinstance(least, int)):
            raise TypeError(f"min_processed is a whole number, not {type(least).__name__}")
        if least is not None and least < 0:
            raise ValueError(f"min_processed cannot be negative, and it is {least}")
        ratio = self.max_error_ratio
        if ratio is not None and (isinstance(ratio, bool) or not isinstance(ratio, int | float)):
            raise TypeError(f"max_error_ratio is a number, not {type(ratio).__name__}")
        if ratio is not None and not 0 <= ratio <= 1:  # also for what is not a number
            raise ValueError(f"max_error_ratio lies between 0 and 1, and it is {ratio}")
        if self.max_duration is not None:
            object.__setattr__(self, "max_duration", parse_duration(self.max_duration))

    def broken_by(self, result: JobResult, took: timedelta) -> str | None:
        """Why *result* is not what was expected, in words; None if it is."""
        if self.min_processed is not None and (result.processed or 0) < self.min_processed:
            return f"expected at least {self.min_processed} processed, got {result.processed or 0}"
        if self.max_error_ratio is not None and result.errors:
            ratio = result.errors / max(result.processed or 0, result.errors)
            if ratio > self.max_error_ratio:
                return f"expected at most {_percent(self.max_error_ratio)} errors, got {_percent(ratio)}"
        longest = parse_duration(self.max_duration) if self.max_duration is not None else None
        if longest is not None and took > longest:
            return f"expected at most {format_duration(longest)}, took {format_duration(took)}"
        return None


def _percent(ratio: float) -> str:
    return f"{ratio * 100:.4g}%"
