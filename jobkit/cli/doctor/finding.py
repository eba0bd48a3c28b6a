"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from jobkit.exceptions import JobkitError


class State(StrEnum):
    """``warn`` works and is likely not meant; ``fail`` keeps something from working."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: which *check*, how it stands, and how to *mend* it if need be."""

    check: str
    state: State
    message: str
    mend: str | None = None
    error: JobkitError | None = None

    def to_json(self) -> dict[str, Any]:
        """An item of the answer."""
        return {
            "check": self.check,
            "status": str(self.state),
            "message": self.message,
            "help": self.mend,
            "code": self.error.code if self.error is not None else None,
        }


def ok(check: str, message: str) -> Finding:
    return Finding(check, State.OK, message)


def warn(check: str, message: str, mend: str) -> Finding:
    return Finding(check, State.WARN, message, mend)


def fail(check: str, message: str, mend: str) -> Finding:
    return Finding(check, State.FAIL, message, mend)


def from_error(check: str, error: JobkitError, root: Path | None, *, state: State = State.FAIL) -> Finding:
    """*error* as a finding, with its place before the message."""
    place = error.location(root)
    message = error.message.partition("\n")[0]
    return Finding(check, state, f"{place}: {message}" if place else message, error.help, error)
