"""Which files are job files: ``extensions/<extension>/jobs/<file>.py``, and nothing deeper.

Plugins have a say: they skip files, force some, and know of other kinds of files.

Entries are looked at before anything is opened: a FIFO would wait for a writer for ever. What stands there
in its own right comes before links to it, wherever they lie, so that a second path to a file is never taken
for the first. The order of the result is that of the names.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from jobkit.collection.permissions import Permissions
from jobkit.exceptions import CollectionError
from jobkit.module_names import (
    EXTENSIONS,
    JOBS,
    SUFFIX,
    as_part,
    is_job_file,
    is_other_file,
    name_in_jobs,
)

#: More job files than this are not collected.
MOST_FILES = 100_000

_NO_EXTENSIONS = frozenset(("__pycache__", "node_modules"))
_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class Choice(Protocol):
    """What plugins say about files. *others*: whether files that are no Python are of interest to any."""

    @property
    def others(self) -> bool: ...

    def ignore(self, path: str, extension: str) -> bool | None:
        """True to skip the file, False to collect it whatever it is called, None for no opinion."""


@dataclass(slots=True)
class JobFile:
    """One job file, and what its status said when it was found."""

    extension: str
    module: str
    path: str
    size: int
    modified: int
    inode: int


@dataclass(slots=True)
class Found:
    """The result of a walk: *errors* keep files from being collected that were meant to be."""

    files: list[JobFile] = field(default_factory=list)
    errors: list[CollectionError] = field(default_factory=list)
    warnings: list[CollectionError] = field(default_factory=list)
    #: The folder of each extension by its name, those without jobs too.
    extensions: dict[str, str] = field(default_factory=dict)
    #: Paths of files whose names would have kept them from being job files.
    forced: set[str] = field(default_factory=set)


def walk(extensions: str, permissions: Permissions, choice: Choice | None = None) -> Found:
    """Find the job files below the folder *extensions* (absolute); nothing is opened or imported."""
    return _Walk(extensions, permissions, choice).found


class _Walk:
    def __init__(self, extensions: str, permissions: Permissions, choice: Choice | None) -> None:
        self.found = Found()
        self._choice = choice
        self._permissions = permissions
        self._seen: dict[tuple[int, int], str] = {}
        self._linked_folders: list[tuple[str, str]] = []
        self._links: list[tuple[str, os.DirEntry[str]]] = []
        self._base = extensions
        if self._may_enter(extensions):
            for extension, folder in self._extensions(extensions):
                self._extension(extension, folder)
            for extension, jobs in self._linked_folders:
                if self._leads_inside(jobs) and self._is_first(jobs):
                    self._jobs(extension, jobs)
            for extension, entry in self._links:
                self._link(extension, entry)
        self.found.files.sort(key=lambda file: file.path)

    # -- folders --------------------------------------------------------------------------------------

    def _extensions(self, base: str) -> Iterator[tuple[str, str]]:
        entries = [
            entry
            for entry in self._entries(base)
            if not entry.name.startswith(".") and entry.name not in _NO_EXTENSIONS
        ]
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and self._is_first(entry.path):
                yield entry.name, entry.path
        for entry in entries:
            linked = entry.is_symlink() and not os.path.isfile(entry.path)
            if linked and self._leads_inside(entry.path) and self._is_first(entry.path):
                yield entry.name, entry.path

    def _extension(self, extension: str, folder: str) -> None:
        if os.path.lexists(os.path.join(folder, "pyvenv.cfg")) or not self._may_enter(folder):
            return
        if not self._encodable(folder):
            return
        self.found.extensions[extension] = folder
        jobs = os.path.join(folder, JOBS)
        try:
            mode = os.lstat(jobs).st_mode
        except FileNotFoundError:
            if os.path.isfile(jobs + SUFFIX):
                advice = f"mkdir {self._permissions.shown(jobs)}, and move the file into it"
                message = "job files lie in a folder `jobs`: this file is not collected"
                self._warn(jobs + SUFFIX, "JK155", message, advice)
        except OSError as error:
            self._unreadable(folder, error)
        else:
            if stat.S_ISLNK(mode):
                self._linked_folders.append((extension, jobs))
            elif not stat.S_ISDIR(mode):
                message = "a folder is expected here, so no job of the extension is found"
                self._warn(jobs, "JK155", message, "rename it, and make a folder of that name")
            elif self._is_first(jobs):
                self._jobs(extension, jobs)

    def _jobs(self, extension: str, jobs: str) -> None:
        if self._may_enter(jobs):
            for entry in self._entries(jobs):
                by_name = is_job_file(entry.name)
                if by_name if self._choice is None else self._is_wanted(extension, entry, by_name):
                    self._entry(extension, entry)

    def _is_wanted(self, extension: str, entry: os.DirEntry[str], by_name: bool) -> bool:
        """Whether *entry* is a job file after plugins were asked; about what is no file they are not."""
        choice = self._choice
        python = entry.name.endswith(SUFFIX)
        if choice is None or not (python or choice.others) or not _is_file(entry):
            return by_name
        said = choice.ignore(entry.path, extension)
        if said is None:
            return by_name or (choice.others and is_other_file(entry.name))
        if not said and python and not by_name:
            self.found.forced.add(entry.path)
        return not said

    def _may_enter(self, folder: str) -> bool:
        error = self._permissions.folder(folder)
        if error is not None and error not in self.found.errors:
            self.found.errors.append(error)
        return error is None

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            if folder == self._base:
                name = self._permissions.shown(folder)
                advice = f"mkdir -p {name}/<extension>/jobs, or name another in `[project] extensions`"
                self._warn(folder, "JK164", "the folder of the extensions does not exist: no jobs", advice)
        except NotADirectoryError:
            message = "the extensions are expected in a folder, and this is none"
            advice = "rename it and make the folder, or name another in `[project] extensions`"
            self._warn(folder, "JK164", message, advice)
        except OSError as error:
            self._unreadable(folder, error)
        return []

    def _unreadable(self, folder: str, error: OSError) -> None:
        advice = f"chmod u+rx {self._permissions.shown(folder)}"
        self._error(folder, "JK152", f"the folder cannot be read: {error.strerror}", advice)

    # -- files ----------------------------------------------------------------------------------------

    def _entry(self, extension: str, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            self._links.append((extension, entry))
            return
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):  # deleted since: then it is no job file any more
                self._error(entry.path, "JK152", f"the file cannot be looked at: {error.strerror}")
            return
        self._file(extension, entry, status)

    def _link(self, extension: str, entry: os.DirEntry[str]) -> None:
        if self._leads_inside(entry.path):
            target = os.path.realpath(entry.path)
            error = self._permissions.folder(os.path.dirname(target))
            if error is None:
                self._file(extension, entry, os.stat(entry.path))
            else:
                self.found.errors.append(error)

    def _file(self, extension: str, entry: os.DirEntry[str], status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            kind = _KINDS.get(stat.S_IFMT(status.st_mode), "no file")
            message = f"this is {kind}, not a file with jobs: it is skipped"
            advice = "let its name not end in .py, or start with `_`, or move it out of `jobs`"
            self._warn(entry.path, "JK155", message, advice)
            return
        if not self._encodable(entry.path) or not self._is_first(entry.path, status):
            return
        error = self._permissions.file(entry.path, status.st_mode)
        if error is not None:
            self.found.errors.append(error)
        elif len(self.found.files) < MOST_FILES:
            module = f"{EXTENSIONS}.{as_part(extension)}.{JOBS}.{name_in_jobs(entry.name)}"
            self.found.files.append(
                JobFile(extension, module, entry.path, status.st_size, status.st_mtime_ns, status.st_ino)
            )
        elif not any(error.code == "JK165" for error in self.found.errors):
            message = f"there are more than {MOST_FILES:,} job files; the rest is not collected"
            advice = "delete what does not belong there, or name another folder in `[project] extensions`"
            self._error(self._base, "JK165", message, advice)

    def _is_first(self, path: str, status: os.stat_result | None = None) -> bool:
        """Whether *path* is the first way to this file or folder."""
        status = status or os.stat(path)
        key = (status.st_dev, status.st_ino)
        first = self._seen.setdefault(key, path)
        if first == path or not status.st_ino:
            return True
        first = self._permissions.shown(first)
        message = f"this is another way to {first}, which is collected already: skipped"
        self._warn(path, "JK157", message, f"delete it: rm {self._permissions.shown(path)}")
        return False

    def _leads_inside(self, link: str) -> bool:
        advice = f"mend the link, or delete it: rm {self._permissions.shown(link)}"
        try:
            target = os.path.realpath(link, strict=True)
        except FileNotFoundError:
            self._error(link, "JK156", "the link leads nowhere", advice)
        except OSError:
            self._error(link, "JK156", "the link leads to itself", advice)
        else:
            if self._permissions.contains(target):
                return True
            advice = "copy the file into the project; code of others is imported, as a package, not linked"
            self._error(link, "JK156", "the link leads out of the project", advice)
        return False

    def _encodable(self, path: str) -> bool:
        try:
            path.encode()
        except UnicodeEncodeError:
            self._error(path, "JK154", "the name is not valid UTF-8", "rename it")
            return False
        return True

    # -- what is said ---------------------------------------------------------------------------------

    def _error(self, path: str, code: str, message: str, help: str | None = None) -> None:
        self.found.errors.append(CollectionError(message, code=code, path=path, help=help))

    def _warn(self, path: str, code: str, message: str, help: str | None = None) -> None:
        self.found.warnings.append(CollectionError(message, code=code, path=path, help=help))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False
