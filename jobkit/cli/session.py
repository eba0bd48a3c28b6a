"""One invocation of the command line: its options, its voice, its clock, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobkit.cli.exit_codes import ExitCode, exit_code_of
from jobkit.cli.globals import GlobalOptions
from jobkit.cli.output import Output
from jobkit.exceptions import JobkitError

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.project import Project


@dataclass(slots=True)
class Session:
    """What a verb is given."""

    options: GlobalOptions
    output: Output
    given_clock: Clock | None = field(default=None)
    #: Projects whose plugins were loaded for their store; closed when the command ends, or loads one itself.
    prepared: list[Project] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        """Where the time comes from; the machine unless a test holds it."""
        if self.given_clock is None:
            from jobkit.clock import SystemClock

            self.given_clock = SystemClock()
        return self.given_clock

    def let_go(self) -> None:
        """Close what was prepared."""
        while self.prepared:
            self.prepared.pop().close()


def conduct(session: Session, verb: Callable[[], int | None], *, empty: object = None) -> int:
    """Call *verb*, say what went wrong with it, write the object of ``--json``; the exit code.

    *empty* is the object's data if there is no answer.
    """
    output = session.output
    try:
        code = int(verb() or ExitCode.OK)
    except (KeyboardInterrupt, Exception, BaseExceptionGroup) as error:
        code = fail(output, error)
    finally:
        session.let_go()
    output.finish(empty)
    return code


def fail(output: Output, error: BaseException) -> int:
    """Report *error*, which ended the command; the exit code."""
    cause = _only_cause(error)
    if isinstance(cause, KeyboardInterrupt):
        output.aside("interrupted")
    elif isinstance(cause, JobkitError):
        # One file of configuration can be wrong in several places.
        for each in getattr(cause, "errors", (cause,)):
            output.report(each)
    else:
        from jobkit.cli.internal import internal_error

        output.report(internal_error(cause))
    return exit_code_of(cause)


def _only_cause(error: BaseException) -> BaseException:
    """The one error inside nested groups that task groups have put around it; an interruption before all."""
    if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is not None:
        return KeyboardInterrupt()
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
