"""How schedule text is refused: one place that escapes and cuts what came from outside."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeGuard

from jobkit.exceptions import ScheduleError

#: Characters of a refused text that its error repeats.
SHOWN = 60


def refused(code: str, message: str, help: str | None = None) -> ScheduleError:
    """The error to raise: *message* says what is wrong and where, *help* what to write instead."""
    return ScheduleError(message, code=code, help=help)


def shown(text: str, limit: int = SHOWN) -> str:
    """*text* safe to print: ASCII only, control characters escaped, cut at *limit* characters."""
    # Cut before escaping: a megabyte is not escaped in order to throw it away.
    escaped = text[: limit + 1].encode("unicode_escape").decode("ascii")
    return escaped if len(escaped) <= limit else escaped[:limit] + "..."


def is_text(value: object) -> TypeGuard[str]:
    """Whether *value* is a str. Looks at its type alone: `isinstance` may run code of the object."""
    return issubclass(type(value), str)


def kind_of(value: object) -> str:
    """The type of *value* as an error names it; *value* itself is never asked for its text."""
    return shown(type(value).__name__, 40)


def closest(word: str, known: Iterable[str]) -> str | None:
    """The one of *known* that *word* was most likely meant to be, or None."""
    import difflib

    spelled = {name.casefold(): name for name in known}
    matches = difflib.get_close_matches(word[:64].casefold(), spelled, n=1)
    return spelled[matches[0]] if matches else None
