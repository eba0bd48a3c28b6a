"""Which files matter to a process that serves a project, and which have changed: by their status alone."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobkit.collection.exchange import Signature, is_of_plugin, signature_at, signature_of
from jobkit.config.loading import configuration_files
from jobkit.module_names import EXTENSIONS, HOOKS, SUFFIX

if TYPE_CHECKING:
    from jobkit.project import Project

Signatures = Mapping[str, Signature | None]

#: More files than this are not looked at below one folder.
MOST_FILES: Final = 20_000
_LEFT_OUT: Final = frozenset(("__pycache__", "node_modules", "site-packages"))


class Watched:
    """The files of *project*. ``changes`` may be called in a thread of its own, one call at a time.

    Files of the extensions and of configuration count from the last :meth:`saw` on. The project's own modules
    outside of ``extensions/``, and its plugins, are as they were when they were first seen: only a new
    process executes them again.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._settings = [str(path) for path in configuration_files(project.root, project.env)]
        self._root = str(project.root)
        self._extensions = project.finder.extensions
        self._hooks = os.path.join(self._root, "hooks")  # noqa: PTH118 – texts, as everything here
        self._places = tuple(
            os.path.realpath(place) + os.sep for place in (self._root, *project.finder.pythonpath.entries)
        )
        self._fixed: dict[str, Signature | None] = {}
        #: Those of them whose change a reload has told.
        self._told: dict[str, Signature | None] = {}
        self._seen: Signatures = self._now()
        self.outside()

    @property
    def overrides(self) -> str:
        """The file that ``jobkit enable`` writes."""
        return self._settings[-1]

    def overrides_changed(self) -> bool:
        """Whether that has changed since it was last seen."""
        return signature_at(self.overrides) != self._seen.get(self.overrides)

    def saw_overrides(self, signature: Signature | None) -> None:
        """They were taken up as they were then."""
        self._seen = {**self._seen, self.overrides: signature}

    def changes(self) -> tuple[set[str], Signatures]:
        """The paths that have changed since they were seen, and how everything is now."""
        now = self._now()
        before = self._seen
        changed = {path for path in {*now, *before} if now.get(path) != before.get(path)}
        outside = self.outside()
        changed |= {path for path, signature in outside.items() if self._told.get(path, 0) != signature}
        return changed, now

    def saw(self, now: Signatures) -> None:
        """Everything was taken up as it was *now*; what needs another process was told."""
        self._told = self.outside()
        own = {path: one for path, one in now.items() if self._is_own(path)}
        # What lies elsewhere begins to count where something has broken, and no more once it is mended:
        # neither is a change.
        elsewhere: Signatures = {}
        if self._project.errors:
            elsewhere = self._elsewhere() if len(own) == len(now) else now
        self._seen = own | {
            path: one for path, one in elsewhere.items() if path not in self._fixed and not self._is_own(path)
        }

    def outside(self) -> dict[str, Signature | None]:
        """Modules that have changed and that only a new process executes again, as they are now."""
        changed: dict[str, Signature | None] = {}
        for path in self._fixed_paths():
            now = signature_at(path)
            if self._fixed.setdefault(path, now) != now:
                changed[path] = now
        return changed

    # -- what there is ------------------------------------------------------------------------------------

    def _now(self) -> dict[str, Signature | None]:
        found = {path: signature_at(path) for path in self._settings}
        found |= dict(_files_below(self._extensions))
        found |= {path: one for path, one in _files_below(self._hooks) if path.endswith(SUFFIX)}
        if self._project.errors:  # what they lack may be anywhere that the project imports from
            found |= self._elsewhere()
        return {path: one for path, one in found.items() if path not in self._fixed}

    def _elsewhere(self) -> dict[str, Signature | None]:
        """The modules in all places that the project imports from."""
        return {
            path: one for place in self._places for path, one in _files_below(place) if path.endswith(SUFFIX)
        }

    def _is_own(self, path: str) -> bool:
        """Whether *path* counts in any case: configuration, or a file of an extension or of a plugin."""
        return path in self._settings or path.startswith((self._extensions + os.sep, self._hooks + os.sep))

    def _fixed_paths(self) -> Iterator[str]:
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if not isinstance(path, str) or not path.endswith(SUFFIX) or _is_ours(name):
                continue
            if name.startswith((f"{EXTENSIONS}.", f"{HOOKS}.")):
                if is_of_plugin(name):
                    yield path
            elif path.startswith(self._places) and not _is_installed(path, self._places):
                yield path


def _is_ours(name: str) -> bool:
    return name == "jobkit" or name.startswith("jobkit.")


def _is_installed(path: str, places: Iterable[str]) -> bool:
    """Whether it lies in an environment of Python inside the project, as many have one."""
    below = min((path.removeprefix(place) for place in places if path.startswith(place)), key=len)
    return any(part.startswith(".") or part in _LEFT_OUT for part in Path(below).parts[:-1])


def _files_below(folder: str) -> Iterator[tuple[str, Signature | None]]:
    """Every file below *folder* but hidden ones, caches and environments of Python."""
    waiting, count = [folder], 0
    while waiting:
        try:
            with os.scandir(waiting.pop()) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if entry.name.startswith(".") or entry.name in _LEFT_OUT:
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                yield entry.path, signature_of(entry.stat())
            except OSError:
                yield entry.path, None  # a link to nothing
            count += 1
            if count >= MOST_FILES:
                return
