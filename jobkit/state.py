"""Small files of our own under ``.jobkit/``: hints that may be missing, old or damaged at any time."""

from __future__ import annotations

import os
import stat
from pathlib import Path

#: The folder, relative to the project's root, for what is written while a project is used.
FOLDER = ".jobkit"

#: Of these, what the system knows: Windows has no pipes with the names of files.
_CAREFULLY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def state_file(root: Path, name: str) -> Path:
    """Where the file *name* lies."""
    return root / FOLDER / name


def read_state(root: Path, name: str) -> bytes | None:
    """The content of the file *name*; None if it cannot be read."""
    try:
        with os.fdopen(open_state(root, name, os.O_RDONLY), "rb") as file:
            return file.read()
    except OSError:
        return None


def open_state(root: Path, name: str, flags: int) -> int:
    """A descriptor of the file *name*, for its owner only if made. OSError if it is not a regular file.

    Never waits, as it would for who writes into a pipe, and follows no link.
    """
    descriptor = os.open(state_file(root, name), flags | _CAREFULLY, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name} is not a regular file")
    return descriptor


def write_state(root: Path, name: str, content: bytes) -> None:
    """Replace the file *name* as a whole, readable for its owner only; nothing in a read-only project."""
    if not make_folder(root) or read_state(root, name) == content:
        return
    import tempfile

    target = state_file(root, name)
    try:
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{name}.")  # mode 0600
    except OSError:
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(target)
    except OSError:
        Path(temporary).unlink(missing_ok=True)


def make_folder(root: Path) -> bool:
    """Make sure that the folder exists, ignored by version control; False if it cannot be made."""
    folder = root / FOLDER
    try:
        folder.mkdir(mode=0o700)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")
    except FileExistsError:
        return True
    except OSError:
        return False
    return True
