"""Files that everybody may write to are nobody's configuration, and nobody's code."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from jobkit.exceptions import ConfigError, relative_to


def written_by_everybody(path: Path) -> bool:
    """Whether every user of the machine may change *path* (a folder with the sticky bit counts as safe).

    False for what does not exist and on systems without such permissions.
    """
    if os.name != "posix":
        return False
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX)


def refused_paths(root: Path, files: Iterable[Path]) -> Iterator[Path]:
    """Of *files* and the folders from *root* (included) down to them, those that everybody may write to."""
    seen: set[Path] = set()
    for file in files:
        inside = [parent for parent in file.parents if parent == root or root in parent.parents]
        for path in (*reversed(inside), file):
            if path not in seen:
                seen.add(path)
                if written_by_everybody(path):
                    yield path


def permission_error(path: Path, root: Path) -> ConfigError:
    """The error for a *path* that everybody may write to, with the command that mends it."""
    kind = "folder" if path.is_dir() else "file"
    shown = relative_to(path, root) if path != root else path.as_posix()
    return ConfigError(
        f"the {kind} {shown} can be changed by every user of this machine",
        code="JK209",
        path=path,
        help=f"chmod o-w {path.as_posix()}   (or `trust_permissions = true` in [project], if you must)",
    )
