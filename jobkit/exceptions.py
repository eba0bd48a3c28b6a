"""Every error that jobkit raises on purpose.

::

    JobkitError                                 what, where, why, how to fix, and a code
    ├── CollectionError                         a job file, or one registration in it
    ├── ConfigError                             a configuration file, variable or option
    ├── ScheduleError(ValueError)               schedule text
    ├── ServiceError                            a service could not be opened or closed
    │   ├── ServiceNotFound(LookupError)        nothing provides it
    │   └── DatabaseError                       the database service ``db``
    ├── RunError                                a run could not be started
    │   ├── ParameterError(ValueError)          a job parameter
    │   ├── RunRefused                          overlap, admission, protected environment
    │   │   └── RunInTheWay                     overlap: it names the run
    │   └── ChildRunFailed                      ``ctx.run_job`` of a job that did not succeed
    ├── StoreError                              the run store
    │   ├── StoreUnavailable                    not reachable now; trying again may help
    │   └── RunNotFound(LookupError)            no run of that number or id
    ├── PluginError                             a plugin that cannot be used, or one of its hooks
    │   └── PluginVerbFailed                    a verb that a plugin has added
    └── UsageError                              the command line: unknown option, job, value
        └── NothingSelected                     what was selected is empty

A code is ``JK`` and three digits; the first says the family: 1 collection, 2 configuration,
3 schedules, 4 services, 5 runs, 6 store, 7 plugins, 8 command line, 9 jobkit itself. The long
text of each is a page in ``jobkit/codes/``, shown by ``jobkit explain CODE``.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from jobkit.records import RunRecord


class JobkitError(Exception):
    """The base of all errors of jobkit: catch it to catch every one.

    *message* says what is wrong in one sentence; *path* and *line* say where; *help* says how to
    fix it; *code* is a key for ``jobkit explain``. Instances are plain data and safe to share.
    """

    default_code: ClassVar[str] = "JK901"
    #: Where this is about the settings of a plugin: the keys whose values may be quoted from the file.
    shown_keys: frozenset[str] | None = None
    #: Set by plugins where message and help say all: a record then keeps no frames, which would be theirs.
    without_frames: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str | Path | None = None,
        line: int | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.path = Path(path) if path is not None else None
        self.line = line
        self.help = help

    def __str__(self) -> str:
        return self.message

    def location(self, root: Path | None = None) -> str | None:
        """``path:line``, relative to *root* where it lies inside; None if no place is known."""
        if self.path is None:
            return None
        shown = relative_to(self.path, root)
        return f"{shown}:{self.line}" if self.line is not None else shown

    def to_json(self, root: Path | None = None) -> dict[str, Any]:
        """The shape that every ``--json`` answer lists under ``errors``."""
        return {
            "code": self.code,
            "message": self.message,
            "path": relative_to(self.path, root) if self.path is not None else None,
            "line": self.line,
            "help": self.help,
        }


def relative_to(path: Path, root: Path | None) -> str:
    """*path* as people read it: relative to *root* where it lies inside, with forward slashes."""
    if root is not None:
        try:
            return path.relative_to(root).as_posix()
        except ValueError:
            pass  # it lies outside: only in full does it say where
    return path.as_posix()


class CollectionError(JobkitError):
    """A job file could not be loaded, or one registration in it is wrong.

    *traceback* holds the user's frames only, already formatted, or None.
    """

    default_code = "JK101"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str | Path | None = None,
        line: int | None = None,
        help: str | None = None,
        traceback: str | None = None,
        jobs: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, code=code, path=path, line=line, help=help)
        self.traceback = traceback
        self.jobs = jobs


class ConfigError(JobkitError):
    """A configuration file, variable or option is wrong.

    One file can be wrong in several places: *errors* lists them all, this one included.
    """

    default_code = "JK201"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str | Path | None = None,
        line: int | None = None,
        help: str | None = None,
        errors: tuple[ConfigError, ...] = (),
    ) -> None:
        super().__init__(message, code=code, path=path, line=line, help=help)
        self.errors = errors or (self,)


class ScheduleError(JobkitError, ValueError):
    """Schedule text is not accepted: which field, why, and what to write instead.

    As text it is reason and fix, for programs that print what they caught.
    """

    default_code = "JK301"

    def __str__(self) -> str:
        return f"{self.message}; {self.help}" if self.help else self.message


class ServiceError(JobkitError):
    """A service could not be resolved, opened or closed."""

    default_code = "JK401"


class ServiceNotFound(ServiceError, LookupError):
    """Nothing provides the service that was asked for."""

    default_code = "JK402"


class DatabaseError(ServiceError):
    """The database of the service ``db`` cannot be used, or not in this way."""

    default_code = "JK418"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        path: str | Path | None = None,
        line: int | None = None,
        help: str | None = None,
    ) -> None:
        super().__init__(message, code=code, path=path, line=line, help=help)
        if help is not None:
            # Raised in the middle of a job it is seen as the end of a traceback, which shows notes only.
            self.add_note(f"help: {help} ({self.code})")


class RunError(JobkitError):
    """A run could not be started."""

    default_code = "JK501"


class ParameterError(RunError, ValueError):
    """A job parameter is missing, unknown, or has a value of the wrong type."""

    default_code = "JK502"


class RunRefused(RunError):
    """A run that was asked for is not allowed now (overlap, admission, protected environment)."""

    default_code = "JK503"


class RunInTheWay(RunRefused):
    """The job's overlap rule allows no run beside *run*, which is open."""

    default_code = "JK533"

    def __init__(self, run: RunRecord) -> None:
        status = str(run.status).replace("_", " ")
        stands = f"its thread still runs after it {status}" if run.status.finished else f"it is {status}"
        since = run.started_at or run.queued_at
        if since is not None:
            stands += (
                f", {'begun' if run.started_at else 'asked for'} {since.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
            )
        if run.actor:
            stands += f" by {run.actor}"
        super().__init__(
            f"run {run.number} of {run.job} is in the way: {stands}",
            help=f"wait for it (jobkit logs {run.number} -f), or end it with `jobkit cancel {run.number}`",
        )
        self.run = run


class ChildRunFailed(RunError):
    """A child run did not succeed; *record* says how it ended."""

    default_code = "JK504"

    def __init__(self, record: RunRecord) -> None:
        super().__init__(
            f"child run {record.number} of {record.job} ended {record.status}"
            + (f": {record.message}" if record.message else ""),
            help=f"jobkit logs {record.number}",
        )
        self.record = record


class StoreError(JobkitError):
    """The run store cannot be used."""

    default_code = "JK601"


class StoreUnavailable(StoreError):
    """The run store is not reachable now; the same call may succeed later."""

    default_code = "JK602"


class RunNotFound(StoreError, LookupError):
    """The store holds no run of that number or id."""

    default_code = "JK603"


class PluginError(JobkitError):
    """A plugin could not be loaded, or something that it provides cannot be used."""

    default_code = "JK700"


class PluginVerbFailed(PluginError):
    """A verb that a plugin has added to the command line raised."""

    default_code = "JK751"


class JobkitWarning(UserWarning):
    """Something that works and is likely not meant; its text ends with the code, as ``[JK132]``."""


class UsageError(JobkitError):
    """The command line, or a call of the API, names something that does not exist."""

    default_code = "JK801"


class NothingSelected(UsageError):
    """A selection of jobs that is well-formed, and empty."""

    default_code = "JK803"
