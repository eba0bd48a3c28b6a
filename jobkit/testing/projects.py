"""Which project a test belongs to, and its job files as importable modules.

One project at a time owns the ``jobkit_ext`` names in a process. Tests of several projects take turns, and
tests that load a project themselves are not stood in the way of: what they displaced is loaded again
when the next test needs it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.collection.finder import ExtensionFinder
    from jobkit.project import Project


class Projects:
    """The project that was used last. Not thread-safe: pytest runs one test at a time."""

    def __init__(self) -> None:
        self._roots: dict[Path, Path | None] = {}
        self._project: Project | None = None
        self._finder: ExtensionFinder | None = None

    def root_of(self, folder: Path) -> Path | None:
        """The root of the project that *folder* lies in, remembered per folder."""
        if folder not in self._roots:
            from jobkit.config import find_root

            self._roots[folder] = find_root(folder)
        return self._roots[folder]

    def importable_from(self, folder: Path) -> None:
        """Let modules in *folder* import ``jobkit_ext...`` of their project, if they have one."""
        root = self.root_of(folder)
        if root is None:
            return
        from jobkit import collection
        from jobkit.config import load_config

        finder = collection.attached()
        if finder is None or finder.root != str(root):
            collection.detach()
            collection.attach(load_config(root))

    def project_of(self, folder: Path) -> Project | None:
        """The loaded project that *folder* lies in; None outside of projects."""
        root = self.root_of(folder)
        if root is None:
            return None
        from jobkit import collection
        from jobkit.project import Project, loaded_project

        own = loaded_project()
        if own is not None and own.root == root:
            return own
        if self._project is None or self._project.root != root or collection.attached() is not self._finder:
            self._project = Project.load(root)
            self._project.release()
            self._finder = collection.attached()
        return self._project

    def close(self) -> None:
        """Take back whatever was made importable. Idempotent."""
        if self._finder is not None:
            from jobkit import collection

            if collection.attached() is self._finder:
                collection.detach()
        self._project = self._finder = None


#: The projects of this test session.
projects = Projects()
