"""What a rule remembers of each job: whether it is broken, when somebody was told, what was held back.

Kept in a small file of the project, so that a restart forgets nothing. The file is written after a message
was sent: whoever is killed in between sends it again, as the outbox does.
"""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from jobkit import RunRecord

#: What is known of a job for longer than this, and says nothing any more, is forgotten.
KEPT = timedelta(days=30)
_LARGEST = 64 * 1024 * 1024

_log = logging.getLogger("jobkit_notify.alerts")


class JobState(msgspec.Struct, kw_only=True):
    """One job, as a rule sees it.

    *run* and *ended* are those of the newest run that was dealt with; *broken* says that it, or the newest
    before it that says either, was a problem, or that the job is late since. *late* is the last tick that
    made it late, None once it has succeeded. *told* and *event* are those of the last message; *held* counts
    what was held back since. *sent* are the receivers that have heard of the news *partly* already: the id
    of a run, or a tick that is late.
    """

    run: str = ""
    ended: datetime | None = None
    broken: bool = False
    late: datetime | None = None
    told: datetime | None = None
    event: str = ""
    held: dict[str, int] = msgspec.field(default_factory=dict)
    partly: str = ""
    sent: list[int] = msgspec.field(default_factory=list)


class _Content(msgspec.Struct):
    format: int
    jobs: dict[str, JobState]


class RuleState:
    """The memory of one rule. Belongs to the sink's task; reading and writing take a moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._jobs: dict[str, JobState] = {}
        self._file: tuple[int, ...] | None = None
        self._complained = False

    def job(self, name: str) -> JobState:
        """What is known of the job *name*; change it, then :meth:`save`.

        The file is read again if it is another one: the sink may have been with another process meanwhile.
        """
        found = self._stamp()
        if found != self._file:
            self._file, self._jobs = found, self._read()
        return self._jobs.setdefault(name, JobState())

    def save(self, now: datetime) -> None:
        """Write down everything. Where that is impossible it is said once, and a restart forgets."""
        self._jobs = {name: state for name, state in self._jobs.items() if not _idle(state, now)}
        try:
            self._write(msgspec.json.encode(_Content(format=1, jobs=self._jobs)))
            self._file = self._stamp()
        except OSError as error:
            if not self._complained:
                self._complained = True
                _log.warning(
                    "alerts cannot remember what was sent: %s cannot be written (%s); after a restart a "
                    "recovery may go untold and a throttled alert be repeated",
                    self._path,
                    error.strerror or type(error).__name__,
                )

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            status = self._path.lstat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _read(self) -> dict[str, JobState]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with open(descriptor, "rb") as file:
                content = file.read(_LARGEST)
            return msgspec.json.decode(content, type=_Content).jobs
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            _log.warning("alerts begin anew: %s cannot be read (%s)", self._path, type(error).__name__)
            return {}

    def _write(self, content: bytes) -> None:
        folder = self._path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{self._path.name}.")  # mode 0600
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(self._path)
        except BaseException:
            with suppress(OSError):  # the error that counts is on its way
                Path(temporary).unlink()
            raise


def is_newer(run: RunRecord, state: JobState) -> bool:
    """Whether *run* ended after what *state* knows of: what is delivered again later must not change it."""
    return state.ended is None or run.finished_at is None or run.finished_at >= state.ended


def _idle(state: JobState, now: datetime) -> bool:
    """Whether nothing would be lost with it."""
    last = max((instant for instant in (state.ended, state.told) if instant is not None), default=None)
    return not (state.broken or state.held or state.partly) and (last is None or now - last > KEPT)
