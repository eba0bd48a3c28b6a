"""``[project] pythonpath``: where the project's own packages are found.

The entries go to the end of ``sys.path``, behind everything else: they can shadow nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from jobkit.collection.permissions import Permissions
from jobkit.exceptions import CollectionError


class PythonPath:
    """The entries of one project, relative to *root*; *problems* says which could not be used."""

    def __init__(self, root: str, entries: Sequence[str], permissions: Permissions) -> None:
        self.entries = [os.path.normpath(os.path.join(root, entry)) for entry in entries]
        self.problems: list[CollectionError] = []
        self._permissions = permissions
        self._appended: list[str] = []

    def apply(self) -> None:
        """Append what is not there yet. Idempotent."""
        present = {os.path.realpath(entry) for entry in sys.path if isinstance(entry, str)}
        for entry in self.entries:
            if os.path.realpath(entry) in present or entry in self._appended:
                continue
            problem = self._problem(entry)
            if problem is None:
                sys.path.append(entry)
                self._appended.append(entry)
            else:
                self.problems.append(problem)

    def undo(self) -> None:
        """Take out what :meth:`apply` appended; what was imported from there stays imported."""
        for entry in self._appended:
            if entry in sys.path:
                sys.path.reverse()  # ours is the last of its name
                sys.path.remove(entry)
                sys.path.reverse()
        self._appended.clear()

    def _problem(self, entry: str) -> CollectionError | None:
        if not os.path.exists(entry):
            return CollectionError(
                "`[project] pythonpath` names a folder that does not exist",
                code="JK166",
                path=entry,
                help="make the folder, or take the entry out",
            )
        return self._permissions.folder(entry)
