"""Whatever a job raised or returned becomes an outcome that can be stored."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from inspect import CORO_CREATED, getcoroutinestate
from itertools import islice
from traceback import StackSummary
from types import CoroutineType
from typing import Any, Self

from jobkit.context import RunCancelled
from jobkit.exceptions import JobkitError, ParameterError, RunError
from jobkit.job import NO_RETRY
from jobkit.records import RunFailure
from jobkit.redaction import Redactor
from jobkit.result import JobResult
from jobkit.retry import Retry
from jobkit.runner.frames import format_place, format_traceback
from jobkit.runner.result_data import plain_data
from jobkit.statuses import Reason, RunStatus
from jobkit.stores.base import Outcome

#: Longest message that is kept, in characters; what was longer says so at its end.
LONGEST_MESSAGE = 64 * 1024
_SUCCESS = JobResult()
_MOST_LEAVES = 10
_CANCELLED = {
    Reason.INTERRUPTED: "it was interrupted",
    Reason.SHUTDOWN: "the scheduler was stopped",
    Reason.PARENT: "the run that it is a child of stopped it",
    Reason.SUPERSEDED: "a newer run took its place",
}


class ExpectationBroken(RunError):
    """A result is not what ``Expect`` asks for: the run failed, and its services roll back."""

    default_code = "JK520"

    def __init__(self, message: str) -> None:
        super().__init__(message, help="`expect` of the job says what a right result looks like")


@dataclass(frozen=True, slots=True)
class Stop:
    """Why an attempt was told to stop: ``timed_out`` or ``cancelled``, with a reason and words."""

    status: RunStatus
    message: str
    reason: Reason | None = None

    @classmethod
    def because(cls, reason: Reason) -> Self:
        """Cancelled for one of the reasons that have a name."""
        return cls(RunStatus.CANCELLED, _CANCELLED.get(reason, f"cancelled: {reason}"), reason)

    def unbegun(self, at: datetime) -> Outcome:
        """The outcome of a run that was stopped at *at*, before its first attempt."""
        return Outcome(
            status=self.status, finished_at=at, duration_ms=0, message=self.message, reason=self.reason
        )


@dataclass(slots=True)
class Ended:
    """An attempt that is over, before anybody judged it.

    *returned* counts only if *error* is None. *service* says that *error* is about opening or closing
    a service; *cleanup* are errors after the one that counts. *stop* is set if the attempt was told
    to stop before it was over, *left* tells what became of it then, *where* it was at that moment.
    """

    at: datetime
    took: timedelta
    returned: object = None
    error: BaseException | None = None
    service: bool = False
    cleanup: tuple[BaseException, ...] = ()
    stop: Stop | None = None
    left: str | None = None
    where: StackSummary | None = None


@dataclass(slots=True)
class Verdict:
    """The outcome of an attempt, and whether another attempt would make sense."""

    outcome: Outcome
    retry: bool


def judge(ended: Ended, retry: Retry, redactor: Redactor) -> Verdict:
    """What is recorded of *ended*. Never raises, whatever the job left in it."""
    words = _Words(redactor)
    if isinstance(ended.returned, CoroutineType) and getcoroutinestate(ended.returned) == CORO_CREATED:
        ended.returned.close()  # or Python would warn, in the middle of our own code, that nobody awaited it
    try:
        if ended.stop is not None:
            return _stopped(ended, ended.stop, words)
        if ended.error is not None:
            return _raised(ended, ended.error, retry, words)
        return _returned(ended, words)
    except Exception as trouble:  # objects of the job's own classes can do anything when they are looked at
        message = f"the result could not be read: {words.text(trouble)}"
        return Verdict(_outcome(ended, RunStatus.FAILED, message=message), retry=False)


def not_executed(failure: JobkitError, at: datetime, secrets: frozenset[str]) -> Outcome:
    """The outcome of a run that cannot be executed, as was found at *at*."""
    outcome = judge(Ended(at, timedelta(0), error=failure), NO_RETRY, Redactor(secrets)).outcome
    return replace(outcome, reason=Reason.PARAMETERS if isinstance(failure, ParameterError) else None)


def checked_result(returned: object) -> JobResult:
    """What a job returned as a JobResult; TypeError in words for anything that is none."""
    if returned is None:
        return _SUCCESS
    if isinstance(returned, JobResult):
        return returned
    kind = type(returned).__name__
    article = "an" if kind[:1].lower() in "aeiou" else "a"
    raise TypeError(f"the job returned {article} {kind}; a job returns a JobResult or None")


class _Words:
    """Texts and failures: secrets masked, control characters visible, bounded."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    def text(self, value: object) -> str:
        return self.redactor.show(value, LONGEST_MESSAGE)

    def failure(self, error: BaseException) -> RunFailure:
        counted = _leaf(error)
        trace = format_traceback(error, self.redactor)
        if not isinstance(counted, JobkitError):
            return RunFailure(type_name(counted), self._plain(counted), trace)
        code, help = (self._optional(getattr(counted, name, None)) for name in ("code", "help"))
        return RunFailure(type_name(counted), self._plain(counted), trace, code, help)

    def message(self, error: BaseException) -> str:
        """``ValueError: what it says``, ``what it says (JK402)``; several errors of a group in a row."""
        counted = _leaf(error)
        name, text = type_name(counted), self._plain(counted)
        if isinstance(counted, JobkitError):
            return f"{text} ({counted.code})"
        return name if text in ("", type(counted).__name__) else f"{name}: {text}"

    def overrun(self, message: str, where: StackSummary | None) -> RunFailure:
        text = format_place(where or StackSummary(), f"TimeoutError: {message}", self.redactor)
        return RunFailure("TimeoutError", message, text)

    def _optional(self, text: object) -> str | None:
        return self.text(text) if isinstance(text, str) and text else None

    def _plain(self, error: BaseException) -> str:
        if isinstance(error, BaseExceptionGroup):
            shown = islice(_leaves(error), _MOST_LEAVES)
            listed = "; ".join(self.redactor.show(self.message(leaf), 1000) for leaf in shown)
            return self.text(f"{self.text(error)}: {listed}")
        return self.text(error)


def type_name(error: BaseException) -> str:
    """The qualified class name, as a traceback shows it: without a module for builtins."""
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _stopped(ended: Ended, stop: Stop, words: _Words) -> Verdict:
    timed_out = stop.status is RunStatus.TIMED_OUT
    message = stop.message if ended.left is None else f"{stop.message}; {ended.left}"
    partial = ended.returned if isinstance(ended.returned, JobResult) else JobResult()
    own = () if ended.error is None or is_cancellation(ended.error) else (ended.error,)
    outcome = _outcome(
        ended,
        stop.status,
        message=message,
        processed=partial.processed,
        errors=partial.errors,
        reason=stop.reason,
        error=words.overrun(message, ended.where) if timed_out else None,
        cleanup_errors=tuple(words.failure(error) for error in (*own, *ended.cleanup)),
    )
    return Verdict(outcome, retry=timed_out)


def _raised(ended: Ended, error: BaseException, retry: Retry, words: _Words) -> Verdict:
    message = words.message(error)
    failure: RunFailure | None = words.failure(error)
    reason = Reason.SERVICE if ended.service else None
    # What counts of a service that did not open or close is what its library raised.
    covered = _covers(retry, (error.__cause__ or error) if ended.service else error)
    if isinstance(error, ExpectationBroken):
        message, failure, reason, covered = words.text(error), None, Reason.EXPECTATION, True
    elif is_cancellation(error):
        message = f"the job cancelled itself ({type_name(error)}); nobody asked it to stop"
    outcome = _outcome(
        ended,
        RunStatus.FAILED,
        message=message,
        reason=reason,
        error=failure,
        cleanup_errors=tuple(words.failure(late) for late in ended.cleanup),
        result=ended.returned if isinstance(ended.returned, JobResult) else None,
        words=words,
    )
    return Verdict(outcome, retry=covered)


def _returned(ended: Ended, words: _Words) -> Verdict:
    try:
        result = checked_result(ended.returned)
        outcome = _outcome(ended, result.status, message=result.message, result=result, words=words)
    except (TypeError, ValueError) as wrong:
        # Trying again would do the work again, and return the same.
        return Verdict(_outcome(ended, RunStatus.FAILED, message=words.text(wrong)), retry=False)
    return Verdict(outcome, retry=result.status is RunStatus.FAILED)


def _outcome(
    ended: Ended,
    status: RunStatus,
    *,
    message: str | None,
    result: JobResult | None = None,
    words: _Words | None = None,
    **more: Any,
) -> Outcome:
    took = ended.took / timedelta(milliseconds=1)
    if result is not None and words is not None:
        took = took if result.duration_ms is None else result.duration_ms
        more |= {"processed": result.processed, "errors": result.errors}
        if result.data:
            more["data"] = words.redactor.value(plain_data(result.data))
        message = words.text(message) if message else message
    return Outcome(status=status, finished_at=ended.at, duration_ms=round(took), message=message, **more)


def is_cancellation(error: BaseException) -> bool:
    """Whether *error* says no more than that somebody asked to stop."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_cancellation(leaf) for leaf in error.exceptions)
    return isinstance(error, (RunCancelled, *_cancellations()))


def _cancellations() -> Iterator[type[BaseException]]:
    """The cancellation classes of the event loops that are loaded; importing one to ask costs too much."""
    if "asyncio" in sys.modules:
        yield sys.modules["asyncio"].CancelledError
    if "trio" in sys.modules:
        yield sys.modules["trio"].Cancelled


def _covers(retry: Retry, error: BaseException) -> bool:
    return retry.covers(error) or all(retry.covers(leaf) for leaf in _leaves(error))


def _leaf(error: BaseException) -> BaseException:
    """The only error in a group, however deep; a group of several is its own error."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def left_open(error: BaseException) -> RunError:
    """The task of the job did not end as tasks do."""
    failure = RunError(
        "the job left a cancel scope or a task group open",
        code="JK525",
        help="enter them with `with` and `async with`",
    )
    failure.__cause__ = error
    return failure
