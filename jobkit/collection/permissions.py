"""Who besides the owner could change the code that is about to be executed.

From the project's root downward, a file or folder that everybody may write to is refused – a folder with
the sticky bit excepted, for there nobody can replace what belongs to others. What the group may write to
is only reported: many systems create files like that.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from jobkit.exceptions import CollectionError, relative_to

_CHECKED = os.name == "posix"


class Permissions:
    """The rule for one project. *trust* (``[project] trust_permissions``) switches it off.

    Folders are asked for once and remembered; make a new one when the answer may have changed.
    """

    def __init__(self, root: str, *, trust: bool = False) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        #: What the group may write to, in the order it was met.
        self.group_writable: dict[str, None] = {}
        self._trusting = trust or not _CHECKED
        self._folders: dict[str, CollectionError | None] = {}

    def forget(self) -> None:
        """Look at every folder again."""
        self._folders.clear()
        self.group_writable.clear()

    def folder(self, path: str) -> CollectionError | None:
        """Why nothing in the folder *path* (absolute) may be executed; None if all is well.

        Every folder from the root down to it is looked at; one outside of the root is its own root.
        """
        if self._trusting:
            return None
        if path not in self._folders:
            above = os.path.dirname(path)
            inside = path not in (self.root, self.real_root) and self.contains(path)
            self._folders[path] = (self.folder(above) if inside else None) or self._look(path)
        return self._folders[path]

    def file(self, path: str, mode: int) -> CollectionError | None:
        """Why the file *path*, whose status says *mode*, may not be executed; None if all is well."""
        if self._trusting or not mode & 0o022:
            return None
        return self._judge(path, mode, "file")

    def trusts(self, mode: int, folder: str) -> bool:
        """Whether a file of *mode* in *folder* can only come from those who may change the code itself."""
        return self._trusting or (not mode & stat.S_IWOTH and self.folder(folder) is None)

    def contains(self, path: str) -> bool:
        """Whether *path* (absolute, without ``..``) lies in the root, by either of its names."""
        return any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in self._roots())

    def _roots(self) -> tuple[str, str]:
        return self.root, self.real_root

    def _look(self, path: str) -> CollectionError | None:
        try:
            mode = os.stat(path).st_mode
        except OSError:
            return None  # whoever opens it will say so better
        return self._judge(path, mode, "folder") if mode & 0o022 else None

    def _judge(self, path: str, mode: int, kind: str) -> CollectionError | None:
        if mode & stat.S_IWOTH and not (kind == "folder" and mode & stat.S_ISVTX):
            return CollectionError(
                f"everybody on this machine can change the {kind}, so it is not executed",
                code="JK150",
                path=path,
                help=f"chmod o-w {self.shown(path)}",
            )
        if mode & stat.S_IWGRP:
            self.group_writable[path] = None
        return None

    def shown(self, path: str) -> str:
        """*path* as an argument for a shell in the root folder."""
        import shlex

        return shlex.quote(relative_to(Path(path), Path(self.root)))
