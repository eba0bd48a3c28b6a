"""Files that end the whole process when they are executed, or never let go of it.

Nothing can be caught when a file calls ``os._exit`` or crashes the interpreter. So the path of the file that
is being executed stands in ``.jobkit/executing``, a few bytes of shared memory that outlive the process. The
next process that finds a path there executes that file in a child first: if the child dies of it, the file is
named, and not executed again until it changes.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from jobkit.exceptions import CollectionError, relative_to
from jobkit.state import make_folder, open_state, read_state, state_file, write_state

if TYPE_CHECKING:
    from mmap import mmap

    from jobkit.collection.finder import ExtensionFinder

_EXECUTING = "executing"
_VERDICTS = "suspects.json"
_PAGE = 8192
_SURVIVED = "survived"
_CHILD = "import sys; sys.path[:] = sys.argv[2:]; from jobkit.collection.probe import main; main(sys.argv[1])"
#: A child needs some time besides that of the file.
_STARTING = 10.0


class Verdict(msgspec.Struct, frozen=True):
    """What became of a process that executed a file, and the status of the file then."""

    text: str
    signature: list[int] | None


class Suspects:
    """Watches one collection; enter it around everything that executes job files.

    One process at a time writes the path down; others that collect meanwhile go without.
    """

    def __init__(self, finder: ExtensionFinder, limit: float | None, *, remember: bool = True) -> None:
        self._finder = finder
        self._limit = limit
        self._remember = remember
        self._root = Path(finder.root)
        self._page: mmap | None = None

    def __enter__(self) -> Self:
        found = self._open() if self._remember else None
        verdicts = self._verdicts()
        if found and _is_text(found) and _signature(found) is not None:
            verdicts[found] = Verdict(self._judge(found, verdicts.get(found)), _signature(found))
        if self._page is not None:
            if verdicts or read_state(self._root, _VERDICTS):
                write_state(self._root, _VERDICTS, msgspec.json.encode(verdicts))
            self._finder.executed.watch = self._note
        for path, verdict in verdicts.items():
            if verdict.text != _SURVIVED:
                self._finder.refused[path] = self._error(path, verdict.text)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._finder.executed.watch = None
        if self._page is not None:
            self._note("")
            self._page.close()

    # -- what is being executed -------------------------------------------------------------------------

    def _open(self) -> str | None:
        """Become the one who writes; the path that a process which died has left, or an empty text."""
        if not make_folder(self._root):
            return None
        try:
            import fcntl
            from mmap import mmap

            descriptor = open_state(self._root, _EXECUTING, os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left = os.pread(descriptor, _PAGE, 0)
                os.pwrite(descriptor, left.ljust(_PAGE, b"\0"), 0)  # the disk has room: now, not later
                self._page = mmap(descriptor, _PAGE)  # keeps the lock; a path costs no system call
            finally:
                os.close(descriptor)
        except (ImportError, OSError, ValueError):
            return None  # Windows, a read-only project, another process that collects: nothing is noted
        return os.fsdecode(left.partition(b"\0")[0])

    def _note(self, path: str) -> None:
        if self._page is not None:
            content = os.fsencode(path)[: _PAGE - 1] + b"\0"
            self._page[: len(content)] = content

    # -- what is known ----------------------------------------------------------------------------------

    def _verdicts(self) -> dict[str, Verdict]:
        """The files that were judged and have not changed since."""
        try:
            known = msgspec.json.decode(read_state(self._root, _VERDICTS) or b"{}", type=dict[str, Verdict])
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return {}  # damaged, or somebody else's
        return {path: verdict for path, verdict in known.items() if verdict.signature == _signature(path)}

    def _judge(self, path: str, before: Verdict | None) -> str:
        """Execute the file in a child; how the child died, or that it survived."""
        if before is not None:
            # In a child it did no harm, and then it ended a process all the same.
            return "ended the process" if before.text == _SURVIVED else before.text
        import subprocess

        module = self._finder.module_of(path)
        if module is None or not sys.executable or _signature(path) is None:
            return _SURVIVED
        token = os.urandom(16).hex()
        order = msgspec.json.encode(
            {"finder": self._finder.settings, "module": module, "limit": self._limit, "token": token}
        ).decode()
        command = [sys.executable, "-c", _CHILD, order, *filter(None, sys.path)]
        try:
            child = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=(self._limit or 60.0) + _STARTING,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return "never lets go of the process"
        except OSError:
            return _SURVIVED  # no child could be started, which is not the file's fault
        return _SURVIVED if token.encode() in child.stdout else _how_it_ended(child.returncode)

    def _error(self, path: str, verdict: str) -> CollectionError:
        again = relative_to(state_file(self._root, _VERDICTS), self._root)
        return CollectionError(
            f"the file {verdict} when it was executed, so it is not executed again until it changes",
            code="JK159",
            path=path,
            help=f"look for os._exit, os.abort, os.exec… or a crash in C; delete {again} to try again",
        )


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False  # it cannot be written down
    return True


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended the process with exit status {status}"
    try:
        return f"ended the process by {signal.Signals(-status).name}"
    except ValueError:
        return f"ended the process by signal {-status}"


def _signature(path: str) -> list[int] | None:
    """What changes when the file does; None if there is no such file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]
