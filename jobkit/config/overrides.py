"""The file of overrides: what ``jobkit enable`` and ``jobkit disable`` write, and the only file they write.

One at a time: a lock on the folder is held from reading the file to replacing it, so that no change is
lost. The file is replaced as a whole, so that no reader ever sees half of it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jobkit.config.check import as_one, check
from jobkit.config.files import exists, read_document
from jobkit.config.loading import OPERATORS
from jobkit.config.schema import CHANGED
from jobkit.exceptions import ConfigError
from jobkit.origin import Origin
from jobkit.sanitising import bounded

#: The longest reason that is kept, in characters; what is longer is cut.
LONGEST_REASON = 500

_HEAD = "# Written by `jobkit enable` and `jobkit disable`. Not to be edited: comments are lost.\n\n"
#: How long another process is waited for, in seconds.
_PATIENCE = 10.0

_Table = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """Who changed an entry, when (aware), and why; what is not known is None."""

    by: str | None = None
    at: datetime | None = None
    reason: str | None = None

    @classmethod
    def of(cls, value: object) -> Change | None:
        """What an entry's ``changed`` says, None if it says nothing; never raises."""
        if not isinstance(value, Mapping):
            return None
        by, reason = value.get("by"), value.get("reason")
        return cls(
            bounded(by, 200) if isinstance(by, str) else None,
            _instant(value.get("at")),
            bounded(reason, LONGEST_REASON) if isinstance(reason, str) else None,
        )

    def to_table(self) -> dict[str, str]:
        """The form in which the file has it."""
        found = {
            "by": bounded(self.by, 200) if self.by else None,
            "at": _text(self.at) if self.at else None,
            "reason": bounded(" ".join(self.reason.split()), LONGEST_REASON) if self.reason else None,
        }
        return {key: text for key, text in found.items() if text}


def overrides_path(root: Path, env: str | None) -> Path:
    """The file of overrides for the environment *env*, or for none."""
    return root / OPERATORS / (f"overrides.{env}.toml" if env else "overrides.toml")


def override(path: Path, name: str, *, enabled: bool, change: Change) -> None:
    """Say in the file at *path* that the job *name* is *enabled*, and who says so.

    Other entries, and other options of this one, stay as they are. Raises ConfigError: for a file that cannot
    be used as it is, which is left alone, and JK216 if it cannot be written.
    """

    def say(jobs: _Table) -> None:
        entry = {key: value for key, value in jobs.get(name, {}).items() if key not in ("enabled", CHANGED)}
        jobs[name] = {"enabled": enabled, **entry, CHANGED: change.to_table()}

    _rewrite(path, say)


def remove_override(path: Path, name: str) -> bool:
    """Take the entry of *name* out of the file at *path*; whether there was one. Raises as ``override``."""
    removed = False

    def remove(jobs: _Table) -> None:
        nonlocal removed
        removed = jobs.pop(name, None) is not None

    if exists(path):
        _rewrite(path, remove)
    return removed


def _rewrite(path: Path, change: Callable[[_Table], None]) -> None:
    try:
        _make_folder(path.parent)
        with _alone(path):
            data = _read(path)
            before = repr(data)
            change(data.setdefault("jobs", {}))
            if repr(data) != before:
                _replace(path, data)
    except OSError as error:
        raise _unwritable(path, (error.strerror or type(error).__name__).lower()) from None


def _read(path: Path) -> _Table:
    """What the file says now. ConfigError if it is not sound: what cannot be understood is not rewritten."""
    if not exists(path):
        return {}
    document = read_document(path)

    def origin(at: tuple[str | int, ...]) -> Origin:
        return document.origin("overrides", at)

    wrong = check("overrides", document.data, origin)
    if wrong:
        raise as_one(wrong)
    return document.data


# -- the folder and its lock ------------------------------------------------------------------------------


def _make_folder(folder: Path) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o755, exist_ok=True)
        _give_to_owner(each, each.parent)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of the folder; the system lets go of it when the process dies."""
    try:
        import fcntl
    except ImportError:
        yield  # such a system replaces files as a whole all the same
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise _unwritable(path, "another process has been writing it for ten seconds") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(folder)


# -- writing ----------------------------------------------------------------------------------------------


def _replace(path: Path, data: _Table) -> None:
    """Put a whole new file in the place of *path* – behind the link, if it is one."""
    import tomli_w

    target = Path(os.path.realpath(path))
    content = (_HEAD + tomli_w.dumps(data)).encode()
    draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _keep_mode(draft, target)
        _give_to_owner(draft, target if target.exists() else target.parent)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(target.parent)


def _keep_mode(draft: Path, target: Path) -> None:
    """A file that its owner shares with a group stays shared; with everybody, never for writing."""
    if target.exists():
        draft.chmod(stat.S_IMODE(target.stat().st_mode) & 0o664 | stat.S_IRUSR | stat.S_IWUSR)


def _give_to_owner(path: Path, model: Path) -> None:
    """What root writes for others belongs to them: their scheduler has to read it."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        owner = model.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


def _sync(folder: Path) -> None:
    """The new name survives a power failure too, where the file system can promise that."""
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):  # the change is made, and readers see it
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _unwritable(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"{path.name} cannot be written: {reason}",
        code="JK216",
        path=path,
        help="nothing was changed; make its folder writable, or where the checkout is to stay read-only, set "
        "JOBKIT__JOBS__NAME__ENABLED where jobkit is started, or change the operators' file where it is kept",
    )


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _instant(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    return value if isinstance(value, datetime) and value.tzinfo is not None else None
