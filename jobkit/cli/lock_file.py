"""The lock file of schedules: when every job is due next, as text that a version control shows well."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from jobkit.exceptions import ConfigError
from jobkit.records import format_instant
from jobkit.sanitising import escape_controls, safe_text
from jobkit.scheduler.standing import standing

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.project import Project

#: Its name, at the root of the project.
NAME: Final = "schedule.lock"
#: What this file looks like; another number is another version of jobkit's.
FORMAT: Final = 1
#: So many fires of each job, at most.
MOST: Final = 10_000

_HEAD: Final = """\
# When every job is due next. Written by `jobkit schedule lock`, compared by `jobkit schedule diff`.
"""


class Fire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fire: the instant, what a clock in the job's zone shows then, and what is unusual about it."""

    at: datetime
    local: str
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The fire as ``--json`` has it."""
        return {"at": format_instant(self.at), "local": self.local, "note": self.note}


class LockedJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One job: *why* says in a few words why it is not scheduled, if it is not."""

    schedule: str
    timezone: str
    scheduled: bool
    why: str | None = None
    fires: tuple[Fire, ...] = ()

    def to_json(self, name: str) -> dict[str, Any]:
        """The job as ``--json`` has it."""
        return {
            "name": name,
            "schedule": self.schedule,
            "timezone": self.timezone,
            "scheduled": self.scheduled,
            "why": self.why,
            "fires": [fire.to_json() for fire in self.fires],
        }


class Lock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"start": "from"}):
    """All jobs, with up to *fires* fires of each after *start*, by the zone data of that version."""

    format: int
    start: datetime
    fires: int
    zone_data: str
    env: str | None = None
    jobs: dict[str, LockedJob] = {}


def lock_of(project: Project, start: datetime, fires: int) -> Lock:
    """What the *project* says now about the first *fires* fires after *start*."""
    from jobkit.schedules.zones import zone_data_version

    return Lock(
        FORMAT,
        start.astimezone(UTC).replace(microsecond=0),
        fires,
        # Where the machine has it is no matter of the project.
        zone_data_version().partition(" ")[0],
        project.config.env,
        {name: _locked(project.jobs[name], project, start, fires) for name in sorted(project.jobs)},
    )


def _locked(spec: JobSpec, project: Project, start: datetime, limit: int) -> LockedJob:
    found, times = standing(spec, project.config), spec.times
    schedule = spec.schedule_text
    timezone = spec.timezone or project.config.scheduler.timezone if times is None else times.timezone
    if times is None or not found.fires:
        error = spec.error.code if spec.error is not None else ""
        why = {"error": f"error {error}", "off": "the scheduler is off"}.get(found.cause, found.cause)
        return LockedJob(escape_controls(schedule), escape_controls(timezone), False, why)
    zone = ZoneInfo(timezone)
    fires = []
    for at in times.upcoming(start, limit):
        note = times.note(at)
        local = at.astimezone(zone).isoformat()
        fires.append(Fire(at.astimezone(UTC), local, None if note is None else safe_text(note, 200)))
    return LockedJob(escape_controls(schedule), timezone, True, None, tuple(fires))


# -- as text ------------------------------------------------------------------------------------------


def to_text(lock: Lock) -> str:
    """The file: TOML, with a line for each fire, the same for the same lock."""
    return "".join(f"{line}\n" for line in _lines(lock))


def _lines(lock: Lock) -> Iterator[str]:
    yield from _HEAD.splitlines()
    yield f"format = {lock.format}"
    yield f"from = {format_instant(lock.start)}"
    yield f"fires = {lock.fires}"
    yield f"zone_data = {_quoted(lock.zone_data)}"
    if lock.env is not None:
        yield f"env = {_quoted(lock.env)}"
    for name, job in lock.jobs.items():
        yield from ("", f"[jobs.{name}]")
        yield f"schedule = {_quoted(job.schedule)}"
        yield f"timezone = {_quoted(job.timezone)}"
        yield f"scheduled = {str(job.scheduled).lower()}"
        if job.why is not None:
            yield f"why = {_quoted(job.why)}"
        if job.scheduled:
            yield from ("fires = [", *(f"  {_inline(fire)}," for fire in job.fires), "]")


def _inline(fire: Fire) -> str:
    note = "" if fire.note is None else f", note = {_quoted(fire.note)}"
    return f"{{ at = {format_instant(fire.at)}, local = {_quoted(fire.local)}{note} }}"


def _quoted(text: str) -> str:
    # What JSON leaves as it is and TOML refuses was escaped before.
    return json.dumps(text, ensure_ascii=False)


# -- the file -----------------------------------------------------------------------------------------


def write(path: Path, text: str) -> bool:
    """Put *text* in the place of the file, as a whole; whether it was another. ConfigError (JK818)."""
    try:
        target = Path(os.path.realpath(path))
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            if target.read_text(encoding="utf-8") == text:
                return False
        draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        try:
            draft.write_text(text, encoding="utf-8", newline="\n")
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the lock file cannot be written: {_reason(error)}",
            code="JK818",
            path=path,
            help="name a file in a folder that you may write to: `jobkit schedule lock --output PATH`",
        ) from error
    return True


def read(path: Path) -> Lock:
    """What was locked. ConfigError: there is no such file (JK816), or it is not a lock file (JK817)."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "there is no lock file to compare with",
            code="JK816",
            path=path,
            help="`jobkit schedule lock` writes it (-o for another name); keep it in version control",
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, _reason(error)) from error
    return _decoded(path, table)


def _decoded(path: Path, table: Mapping[str, Any]) -> Lock:
    number = table.get("format")
    if number != FORMAT:
        said = "does not say its format" if number is None else f"has format {safe_text(number, 20)}"
        raise _unreadable(path, f"it {said}, and this version of jobkit reads {FORMAT}")
    try:
        lock = msgspec.convert(table, Lock)
    except msgspec.ValidationError as error:
        raise _unreadable(path, str(error)) from error
    instants = [lock.start, *(fire.at for job in lock.jobs.values() for fire in job.fires)]
    if any(instant.tzinfo is None for instant in instants):
        raise _unreadable(path, "a time in it lacks its offset (Z)")
    if not 1 <= lock.fires <= MOST:
        raise _unreadable(path, f"fires is a number from 1 to {MOST}")
    return lock


def _unreadable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"the lock file cannot be read: {safe_text(reason, 200)}",
        code="JK817",
        path=path,
        help="`jobkit schedule lock` writes it anew; look at what that changes before you keep it",
    )


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return getattr(error, "strerror", None) or str(error)
