"""Which project a test belongs to, and its job files as importable modules.

One project at a time owns the ``jobkit_ext`` names in a process; tests of several projects in one
session take turns.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.project import Project


class Projects:
    """The project that is attached now. Not thread-safe: pytest runs one test at a time."""

    def __init__(self) -> None:
        self._attached: Path | None = None
        self._project: Project | None = None
        self._roots: dict[Path, Path | None] = {}

    def root_of(self, folder: Path) -> Path | None:
        """The root of the project that *folder* lies in, remembered per folder."""
        if folder not in self._roots:
            from jobkit.config import find_root

            self._roots[folder] = find_root(folder)
        return self._roots[folder]

    def importable_from(self, folder: Path) -> None:
        """Let modules in *folder* import ``jobkit_ext...`` of their project, if they have one."""
        root = self.root_of(folder)
        if root is None or root == self._attached:
            return
        from jobkit import collection
        from jobkit.config import load_config

        self.close()
        collection.attach(load_config(root))
        self._attached = root

    def project_of(self, folder: Path) -> Project | None:
        """The loaded project that *folder* lies in; None outside of projects."""
        root = self.root_of(folder)
        if root is None:
            return None
        if self._project is None or self._project.root != root:
            from jobkit.project import Project

            self.importable_from(folder)
            self._project = Project.load(root)
        return self._project

    def close(self) -> None:
        """Detach whatever is attached. Idempotent."""
        if self._project is not None:
            self._project.close()
        elif self._attached is not None:
            from jobkit import collection

            collection.detach()
        self._project = self._attached = None


#: The projects of this test session.
projects = Projects()
