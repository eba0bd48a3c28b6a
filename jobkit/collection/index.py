"""Which job is in which file, remembered so that running one job imports one file.

The index is a hint. It is believed only if nothing has changed since it was written: the status of every
job file, and of every other file of the extension that the job lies in, the settings, the plugins, Python
and jobkit itself. It can be deleted at any time.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from jobkit.collection.claims import TWICE
from jobkit.collection.walk import JobFile
from jobkit.state import read_state, write_state

FORMAT = 1
_NAME = "index.json"
#: File systems and clocks are coarse: within this time a file may change without looking changed.
_YOUNG = 2_000_000_000
#: An extension with more files than this is not indexed: looking at them would cost more than it saves.
_MOST_FILES = 20_000
_NOT_WATCHED = frozenset(("__pycache__", "node_modules"))
_PACKAGE = Path(__file__).parent.parent


class IndexedFile(msgspec.Struct, frozen=True, array_like=True):
    """A file as it was: *path* is relative to the root, *digest* is there if it was young then."""

    path: str
    size: int
    modified: int
    inode: int
    digest: str | None = None


class IndexedJob(msgspec.Struct, frozen=True, array_like=True):
    """A job as completion and ``list`` show it without importing anything; *path* as above."""

    name: str
    extension: str
    path: str
    line: int
    module: str
    description: str = ""
    tags: tuple[str, ...] = ()
    schedule: tuple[str, ...] = ()


class IndexedError(msgspec.Struct, frozen=True, array_like=True):
    """A file that was broken, and the jobs that it had when it last was not."""

    path: str | None
    line: int | None
    code: str
    message: str
    help: str | None
    jobs: tuple[str, ...]


class Index(msgspec.Struct, frozen=True):
    """What ``.jobkit/index.json`` holds.

    *files* are all job files, *others* the rest of each extension; *jobs* those of broken files too.
    """

    key: list[str]
    files: list[IndexedFile]
    others: dict[str, list[IndexedFile]]
    jobs: list[IndexedJob]
    errors: list[IndexedError]

    def job(self, name: str) -> IndexedJob | None:
        """The job *name*; None if it is not known, or its file was broken."""
        broken = {error.path for error in self.errors if error.code != TWICE}
        found = [job for job in self.jobs if job.name == name and job.path not in broken]
        return found[0] if len(found) == 1 else None

    def holds(self, root: str, files: Sequence[JobFile], extension: str, folder: str) -> bool:
        """Whether nothing has changed: *files* is what a walk finds now, *folder* is that of *extension*."""
        others = self.others.get(extension)
        now = other_files(root, folder, files)
        if others is None or now is None or len(files) != len(self.files) or len(now) != len(others):
            return False
        return all(
            before.size == size
            and before.modified == modified
            and before.inode == inode
            and before.path == path
            and (before.digest is None or before.digest == digest_of(root, path))
            for before, (path, size, modified, inode) in zip(
                [*self.files, *others], [*statuses(root, files), *now], strict=True
            )
        )

    def has_young(self) -> bool:
        """Whether files had to be read to make sure: then the index should be written again."""
        return any(file.digest for files in (self.files, *self.others.values()) for file in files)


Status = tuple[str, int, int, int]


def load_index(root: Path, key: list[str] | None = None) -> Index | None:
    """The index of the project in *root*, if there is a readable one, and made under the same *key*."""
    content = read_state(root, _NAME)
    if content is None:
        return None
    try:
        index = msgspec.json.decode(content, type=Index)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # damaged, of another version, or somebody else's: it will be replaced
    return index if key is None or index.key == key else None


def save_index(root: Path, index: Index) -> None:
    """Replace the index; silently not, where that is not possible."""
    try:
        content = msgspec.json.encode(index)
    except (UnicodeEncodeError, msgspec.MsgspecError):
        return  # the name of a file is no text: such a project goes without
    write_state(root, _NAME, content)


def indexed_jobs(root: Path) -> list[IndexedJob]:
    """The jobs of the project as the last full collection found them; for completion.

    Nothing is imported and nothing is checked: the list may be old, and is empty without an index.
    """
    index = load_index(root)
    return index.jobs if index is not None and index.key[:1] == [str(FORMAT)] else []


def make_key(root: Path, settings: Iterable[str], plugins: str) -> list[str]:
    """What must be the same for an index to be believed at all."""
    return [str(FORMAT), str(root), sys.version, _fingerprint(), plugins, *settings]


def watched(root: str, entries: Iterable[Status]) -> list[IndexedFile]:
    """*entries* for the index; those that were written just now with a digest."""
    limit = time.time_ns() - _YOUNG
    return [
        IndexedFile(path, size, modified, inode, digest_of(root, path) if modified > limit else None)
        for path, size, modified, inode in entries
    ]


def statuses(root: str, files: Sequence[JobFile]) -> list[Status]:
    """What a walk found out about job files."""
    start = len(root.rstrip(os.sep)) + 1
    return [(file.path[start:], file.size, file.modified, file.inode) for file in files]


def other_files(root: str, folder: str, files: Sequence[JobFile]) -> list[Status] | None:
    """Every file below *folder* that is no job file, in a fixed order; None if there are too many.

    A job file may import or read any of them. Hidden ones and caches are left out.
    """
    start = len(root.rstrip(os.sep)) + 1
    known = {file.path for file in files}
    found: list[Status] = []
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
            for entry in entries:
                if entry.name.startswith(".") or entry.name in _NOT_WATCHED or entry.path in known:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not os.path.lexists(os.path.join(entry.path, "pyvenv.cfg")):
                        waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=not entry.is_symlink() or os.path.isfile(entry.path))
                found.append((entry.path[start:], status.st_size, status.st_mtime_ns, status.st_ino))
        except OSError:
            return None
        if len(found) > _MOST_FILES:
            return None
    return found


def digest_of(root: str, path: str) -> str:
    """A digest of the content of a regular file; an empty text for anything else."""
    import hashlib

    full = os.path.join(root, path)
    try:
        if not os.path.isfile(full):
            return ""
        with open(full, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def _fingerprint() -> str:
    """What changes when jobkit is installed anew. Asking for its version would cost more than all else."""
    parts = [str(_PACKAGE)]
    for name in ("__init__.py", "registration.py", "submit.py", "collection/index.py"):
        try:
            status = os.stat(_PACKAGE / name)
            parts.append(f"{status.st_size}.{status.st_mtime_ns}")
        except OSError:
            parts.append("-")  # imported from an archive
    return " ".join(parts)
