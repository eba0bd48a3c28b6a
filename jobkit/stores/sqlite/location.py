"""Where the database lies, and what must be true of that place before it is used.

All checks look at names and modes only. The database itself is never opened with ``open()``: closing
any descriptor of a file drops the locks that SQLite holds on it in the same process.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from jobkit.exceptions import JobkitError, StoreError, StoreUnavailable
from jobkit.stores.sqlite.mounts import network_file_system

STATE_FOLDER: Final = ".jobkit"
COMPANIONS: Final = ("-wal", "-shm", "-journal")
_OTHERS_WRITE: Final = stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Location:
    """The place of one database.

    *path* is absolute. Inside *root* every folder on the way is judged, elsewhere only the last.
    Other databases than the run store have a class of their own, which says what they are called.
    """

    #: What lies here, the setting that names the place, and what whoever may write here could do.
    thing: ClassVar[str] = "the run store"
    setting: ClassVar[str] = "[scheduler] store"
    harm: ClassVar[str] = "could forge runs"
    example: ClassVar[str] = "sqlite:///.jobkit/jobkit.db"
    #: The mode of a folder that is made for it.
    folder_mode: ClassVar[int] = 0o700
    #: Whether an empty file has lost what it held: jobkit never leaves an empty run store.
    empty_is_lost: ClassVar[bool] = True

    path: Path
    root: Path
    allow_network: bool = False
    trust_permissions: bool = False

    @property
    def shown(self) -> str:
        """The path as people read it."""
        try:
            return self.path.relative_to(self.root).as_posix()
        except ValueError:
            return str(self.path)

    @property
    def folder(self) -> Path:
        return self.path.parent

    def companion(self, ending: str) -> Path:
        """The file that SQLite keeps beside the database under this ending."""
        return self.path.with_name(self.path.name + ending)

    def companions(self) -> list[Path]:
        """The files that SQLite keeps beside the database, whether they are there or not."""
        return [self.companion(ending) for ending in COMPANIONS]

    def exists(self) -> bool:
        """Whether anything has the database's name. StoreError if the system will not say."""
        return self._look(self.path) is not None

    def identity(self) -> tuple[int, int] | None:
        """Device and inode of what has the name now, so that a replaced file is noticed."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def writable(self) -> bool:
        """Whether this process may write to the database and to its folder."""
        return os.access(self.folder, os.W_OK | os.X_OK) and (
            not self.path.exists() or os.access(self.path, os.R_OK | os.W_OK)
        )

    def check(self, *, for_writing: bool) -> None:
        """Judge folder and file. StoreError says what is wrong; nothing is changed."""
        self._check_folder(for_writing=for_writing)
        self._check_file(for_writing=for_writing)

    def prepare_folder(self) -> None:
        """Make the folder if only it is missing; that of jobkit's own state is no part of version control."""
        if not self.folder.exists():
            self._make_folder()
        ignore = self.folder / ".gitignore"
        if self.folder.name == STATE_FOLDER and not ignore.exists():
            try:
                ignore.write_text("*\n", encoding="utf-8")
            except OSError:
                return  # a folder that cannot be written to is reported by the check that follows

    def _make_folder(self) -> None:
        if not self.folder.parent.is_dir():
            raise self.error(
                "JK611",
                f"the folder {self.folder.parent} for {self.thing} does not exist",
                f"create it (mkdir -p {self.folder.parent}) or change {self.setting}",
            )
        self._check_permissions(self.folder.parent)
        try:
            self.folder.mkdir(mode=self.folder_mode, exist_ok=True)
        except OSError as error:
            raise self.refused(error) from error

    def _check_folder(self, *, for_writing: bool) -> None:
        try:
            is_folder = stat.S_ISDIR(self.folder.stat().st_mode)
        except OSError as error:
            raise self.refused(error) from error
        if not is_folder:
            raise self.error(
                "JK611",
                f"{self.folder} is not a folder, so {self.thing} cannot lie in it",
                f"move that file aside or change {self.setting}",
            )
        kind = None if self.allow_network else network_file_system(self.folder.resolve())
        if kind is not None:
            raise self.error(
                "JK610",
                f"{self.thing} {self.shown} lies on a network file system ({kind}), where SQLite can"
                " lose data",
                "put it on a local disk, use PostgreSQL, or add ?allow-network-fs=1 to its address"
                " if only one host ever uses it",
            )
        self._check_permissions(self.folder)
        if for_writing and not os.access(self.folder, os.W_OK | os.X_OK):
            raise self._forbidden(f"its folder {self.folder} is read-only for this user")

    def _check_permissions(self, folder: Path) -> None:
        """Refuse folders that any user of the machine may change: they could swap the database."""
        if self.trust_permissions or os.name == "nt":
            return
        inside = folder == self.root or self.root in folder.parents
        above = [parent for parent in folder.parents if parent == self.root or self.root in parent.parents]
        for judged in [folder, *above] if inside else [folder]:
            mode = judged.stat().st_mode
            # In a folder with the sticky bit, such as /tmp, others cannot touch what they do not own.
            if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
                raise self._unsafe(f"the folder {judged} can be written to by every user", judged)

    def _check_file(self, *, for_writing: bool) -> None:
        found = self._look(self.path)
        for companion in self.companions():
            beside = self._look(companion)
            if beside is not None and stat.S_ISLNK(beside.st_mode):
                raise self._linked(companion)
        if found is None:
            self._check_leftovers()
            return
        if stat.S_ISLNK(found.st_mode):
            raise self._linked(self.path)
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise self.error(
                "JK611",
                f"{self.shown} is {what}, so {self.thing} cannot be kept in it",
                f"name a file in {self.setting}, such as {self.example}",
            )
        if found.st_mode & _OTHERS_WRITE and not self.trust_permissions and os.name != "nt":
            raise self._unsafe(f"{self.thing} {self.shown} can be written to by every user", self.path)
        if found.st_size == 0 and self.empty_is_lost:
            raise self.error(
                "JK606",
                f"{self.thing} {self.shown} is empty: what it held is gone",
                "put a backup in its place; if it never held anything, delete it",
            )
        wanted = os.R_OK | os.W_OK if for_writing else os.R_OK
        if not os.access(self.path, wanted):
            lacks = "written to" if os.access(self.path, os.R_OK) else "read"
            raise self._forbidden(f"the file cannot be {lacks} by this user")

    def _check_leftovers(self) -> None:
        """A journal without its database holds what was last written to a database that is elsewhere."""
        for ending in ("-wal", "-journal"):
            beside = self._look(self.companion(ending))
            # A second look: another process may have made the database, and then the journal, just now.
            if beside is not None and beside.st_size > 0 and not self.exists():
                journal = self.companion(ending)
                raise self.error(
                    "JK606",
                    f"{self.thing} {self.shown} is missing, but its journal {journal.name} is there",
                    f"put the database back, or delete {journal.name} to start with an empty one",
                )

    def _look(self, path: Path) -> os.stat_result | None:
        try:
            return path.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self.refused(error) from error

    def refused(self, error: OSError) -> JobkitError:
        """The error for what the system said about folder or file."""
        reason = error.strerror or type(error).__name__
        if isinstance(error, PermissionError):
            return self._forbidden(reason)
        if isinstance(error, FileNotFoundError | NotADirectoryError | FileExistsError):
            return self.error(
                "JK611",
                f"the folder of {self.thing} {self.shown} cannot be used: {reason}",
                f"create {self.folder} or change {self.setting}",
            )
        return self.error(
            "JK614",
            f"{self.thing} {self.shown} cannot be reached: {reason}",
            f"look at the disk that holds {self.folder}",
        )

    def error(self, code: str, message: str, help: str, path: Path | None = None) -> JobkitError:
        """What is raised about this place: a StoreError, for the run store."""
        kind = StoreUnavailable if code == "JK614" else StoreError
        return kind(message, code=code, path=path or self.path, help=help)

    def _forbidden(self, reason: str) -> JobkitError:
        return self.error(
            "JK612",
            f"no permission to use {self.thing} {self.shown}: {reason}",
            f"run as the user who owns it, or let this user write to {self.folder} and the files in it",
        )

    def _linked(self, path: Path) -> JobkitError:
        return self.error(
            "JK613",
            f"{path.name}, of {self.thing}, is a symbolic link, and those are not followed",
            f"name the file that it points to in {self.setting}",
            path,
        )

    def _unsafe(self, what: str, path: Path) -> JobkitError:
        return self.error("JK613", f"{what}, who {self.harm}", f"chmod o-w {path}", path)
