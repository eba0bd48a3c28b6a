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
        """Let modules in *folder* import ``jobkit_ext...`` of their project, if they have one.

        The project's plugins have prepared the process before: a module that is imported may need that.
        """
        root = self.root_of(folder)
        if root is None:
            return
        from jobkit import collection
        from jobkit.config import load_config
        from jobkit.project import loaded_project

        finder = collection.attached()
        if finder is not None and finder.root == str(root):
            return
        if loaded_project() is None:
            self._prepare(root)
        else:  # somebody's test has loaded another project: it is not ours to close
            collection.detach()
            collection.attach(load_config(root))

    def project_of(self, folder: Path) -> Project | None:
        """The loaded project that *folder* lies in; None outside of projects."""
        root = self.root_of(folder)
        if root is None:
            return None
        from jobkit import collection
        from jobkit.project import loaded_project

        own = loaded_project()
        if own is not None and own.root == root:
            return own
        project = self._project
        if project is None or project.root != root or collection.attached() is not self._finder:
            project = self._prepare(root)
        project.collect_all()
        return project

    def _prepare(self, root: Path) -> Project:
        """Load the project in *root* as far as its first job file."""
        from jobkit import collection
        from jobkit.project import Project

        self.close()
        project = self._project = Project.prepare(root)
        project.release()
        self._finder = collection.attached()
        return project

    def close(self) -> None:
        """Take back whatever was made importable. Idempotent."""
        project, self._project, self._finder = self._project, None, None
        if project is not None:
            project.close()


#: The projects of this test session.
projects = Projects()
