"""What a failure looks like where it is kept and shown."""

from __future__ import annotations

from collections.abc import Collection

from jobkit.exceptions import JobkitError
from jobkit.sinks.base import Rejected

#: Characters of an error that are kept with an entry.
_LONGEST = 500


def innermost(error: BaseException) -> BaseException:
    """The only error in a group, however deep; a group of several is its own error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def is_rejection(error: BaseException) -> bool:
    """Whether the sink says that it will never take the run."""
    return isinstance(innermost(error), Rejected)


def described(error: BaseException, secrets: Collection[str]) -> str:
    """Class and text of *error* in one line: no secrets, no control characters, bounded. Never raises."""
    from jobkit.logs.setup import state

    inner = innermost(error)
    text = state().redactor_with(secrets).show(inner, _LONGEST, multiline=False)
    name = type(inner).__name__
    if isinstance(inner, JobkitError | Rejected) or text == name:
        return text
    return f"{name}: {text}"
