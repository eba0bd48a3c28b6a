"""Executing files of a project once more, in a process that goes on: what fails is as it was before.

The modules that were loaded until then are not changed: whoever holds a function of one, a run for example,
goes on with it. Only the place in ``sys.modules`` gets a new one, so that what a run imports later is new.
"""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from jobkit.collection.imported import imported_by, importers
from jobkit.collection.loader import ModuleLoader
from jobkit.module_names import EXTENSIONS, HOOKS, SUFFIX

if TYPE_CHECKING:
    from jobkit.collection.finder import ExtensionFinder
    from jobkit.registration import Collecting

Signature = tuple[int, int, int, int]


def signature_of(status: os.stat_result) -> Signature:
    """What changes when a file does."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def signature_at(path: str) -> Signature | None:
    """That of the file *path* as it is now; None if there is none."""
    try:
        return signature_of(os.stat(path))
    except (OSError, ValueError):
        return None


def loaded_modules() -> dict[str, ModuleType]:
    """The modules of the attached project by name, those of its plugins included."""
    packages = (f"{EXTENSIONS}.", f"{HOOKS}.")
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.startswith(packages) and isinstance(module, ModuleType)
    }


@dataclass(frozen=True, slots=True)
class Stale:
    """Files that have changed since they were executed, or whose text says that others are to be read again.

    *names* are the modules that have to be executed again, *fixed* the paths of those that cannot be, because
    a plugin lives in them or needs them.
    """

    names: frozenset[str]
    fixed: frozenset[str]


def find_stale(
    finder: ExtensionFinder, *, again: Collection[str] = (), touched: Collection[str] = ()
) -> Stale:
    """What is to be executed again: files that have changed, the paths *again*, and whatever imports them.

    *touched* are paths below the extensions that have changed: who mentions one by its name may have read it.
    """
    modules = loaded_modules()
    unwritten = [name for name in finder.executed.bodies if name not in modules]  # of no Python: by plugins
    changed = {name for name, module in modules.items() if _has_changed(module)}
    changed |= {name for name, module in modules.items() if getattr(module, "__file__", None) in again}
    listed = {*again, *touched}
    changed |= {name for name in unwritten if str(finder.executed.bodies[name].path) in listed}
    changed |= _mentioning({os.path.basename(path) for path in touched}, modules)
    own = {name for name in modules if is_of_plugin(name)}
    needed = own.union(*(imported_by(name, modules) for name in own))
    fixed = changed & needed
    names = importers(changed - needed, modules) - needed
    return Stale(frozenset(names), frozenset(str(modules[name].__file__) for name in fixed))


def is_of_plugin(name: str) -> bool:
    """Whether the module *name* is a plugin: ``hooks/*.py``, or the ``hooks.py`` of an extension."""
    return name.startswith(f"{HOOKS}.") or (
        name.startswith(f"{EXTENSIONS}.") and name.count(".") == 2 and name.endswith(".hooks")
    )


def _has_changed(module: ModuleType) -> bool:
    loader = getattr(module.__spec__, "loader", None)
    if not isinstance(loader, ModuleLoader):
        return False  # a folder without __init__.py, or compiled C
    return signature_at(loader.path) != signature_of(loader.status)


def _mentioning(files: Iterable[str], modules: dict[str, ModuleType]) -> set[str]:
    wanted = [name.encode("utf-8", "surrogateescape") for name in files if not name.endswith(SUFFIX)]
    found = set()
    for name, module in modules.items() if wanted else ():
        try:
            with open(getattr(module, "__file__", None) or "", "rb") as file:
                text = file.read()
        except (OSError, ValueError):
            continue
        if any(one in text for one in wanted):
            found.add(name)
    return found


class Exchange:
    """Takes the modules *names* out, so that they are executed again when they are imported next."""

    def __init__(self, finder: ExtensionFinder, names: Iterable[str]) -> None:
        self._finder = finder
        bodies = finder.executed.bodies
        self._before: dict[str, tuple[ModuleType | None, Collecting | None]] = {
            name: (sys.modules.get(name), bodies.get(name)) for name in names
        }
        finder.from_source = (
            True  # for whatever is executed from now on: no bytecode is older than its source
        )
        finder.look_again()
        finder.executed.forget([*self._before])

    def restore(self, broken: Collection[str]) -> list[str]:
        """Put back what could not be executed again, the paths *broken* included; the paths of all that.

        What nobody has imported meanwhile is left out: whoever does it later gets the file as it is then.
        """
        kept = []
        executed = self._finder.executed
        for name, (module, body) in self._before.items():
            path = getattr(module, "__file__", None) or str(getattr(body, "path", ""))
            if name in sys.modules or name in executed.bodies or not os.path.lexists(path):
                continue
            if name not in executed.failed and path not in broken:
                continue
            if body is not None:
                executed.bodies[name] = body
            if module is not None:
                sys.modules[name] = module
                parent, _, part = name.rpartition(".")
                if parent in sys.modules:
                    setattr(sys.modules[parent], part, module)
            kept.append(path)
        linecache.checkcache()
        return kept
