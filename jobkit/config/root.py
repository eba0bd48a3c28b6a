"""Where a project begins: the folder with ``jobkit.toml``, or ``[tool.jobkit]`` in ``pyproject.toml``."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from pathlib import Path

from jobkit.config.files import LARGEST, exists
from jobkit.exceptions import ConfigError

OWN_FILE = "jobkit.toml"
SHARED_FILE = "pyproject.toml"

_HEADER = re.compile(r"""^[ \t]*\[{1,2}[ \t]*tool[ \t]*\.[ \t]*["']?jobkit["']?[ \t]*[.\]]""", re.MULTILINE)


def find_root(start: Path) -> Path | None:
    """The closest folder at or above *start* that is a project's root; None if there is none.

    A folder above *start* that is shared by all users, such as ``/tmp``, is passed by: what lies there may be
    anybody's.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        if folder != here and _shared(folder):
            continue
        if exists(folder / OWN_FILE) or has_own_table(folder / SHARED_FILE):
            return folder
    return None


def require_root(start: Path) -> Path:
    """The same, for a command that is about a project: ConfigError where there is none."""
    root = find_root(start)
    if root is None:
        raise ConfigError(
            f"there is no jobkit project in {start.absolute()} or above it",
            code="JK202",
            help="`jobkit init` makes one here, an empty file jobkit.toml too; -C DIR names a folder",
        )
    return root


def has_own_table(path: Path) -> bool:
    """Whether the ``pyproject.toml`` at *path* has a ``[tool.jobkit]``.

    A file that cannot be read as TOML has one if it has the header: reading it will say what is wrong.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            text = file.read(LARGEST + 1).decode("utf-8", "replace")
    except OSError:
        return False
    if "jobkit" not in text:
        return False
    if _HEADER.search(text):
        return True
    try:
        tool = tomllib.loads(text).get("tool")
    except (ValueError, RecursionError):
        return False
    return isinstance(tool, dict) and "jobkit" in tool


def _shared(folder: Path) -> bool:
    """Whether every user may put files here that the others cannot remove."""
    if os.name != "posix":
        return False
    shared = stat.S_IWOTH | stat.S_ISVTX
    try:
        return folder.stat().st_mode & shared == shared
    except OSError:
        return True
