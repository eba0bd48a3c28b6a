"""The names ``jobkit_ext.<extension>…`` and ``jobkit_hooks.<file>``: from a module's name to its file.

The finder stands first on ``sys.meta_path`` and answers for these two packages only. It looks where the
table of packages says, never on ``sys.path``; ``__init__.py`` files are executed where there are some and
needed nowhere.
"""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import PurePath
from types import ModuleType

from jobkit.collection.loader import AliasLoader, Executed, FolderLoader, ModuleLoader, bytecode_path
from jobkit.collection.permissions import Permissions
from jobkit.collection.pythonpath import PythonPath
from jobkit.exceptions import CollectionError
from jobkit.module_names import (
    EXTENSIONS,
    HOOKS,
    JOBS,
    SUFFIX,
    as_part,
    from_part,
    is_job_file,
    spelt_alike,
)
from jobkit.plugins.watchdog import WATCHDOG

_PACKAGES = (EXTENSIONS, HOOKS)
_DISK_KNOWS_CASE = sys.platform == "linux"


class ExtensionFinder:
    """Finds the modules below *extensions* and ``hooks`` in *root*. Thread-safe as imports are.

    *executed* says what was executed and registered. A path in *refused* is not executed again: the
    error is raised instead.
    """

    def __init__(
        self,
        root: str,
        extensions: str = "extensions",
        pythonpath: Sequence[str] = (),
        *,
        trust: bool = False,
        from_source: bool = False,
    ) -> None:
        self.root = root
        self.extensions = os.path.normpath(os.path.join(root, extensions))
        self.permissions = Permissions(root, trust=trust)
        self.executed = Executed()
        self.refused: dict[str, CollectionError] = {}
        #: Paths of job files that their names would have kept from being some.
        self.forced: set[str] = set()
        self.pythonpath = PythonPath(root, pythonpath, self.permissions)
        #: What another process has to be told to make the same finder.
        self.settings = {
            "root": root,
            "extensions": extensions,
            "pythonpath": list(pythonpath),
            "trust": trust,
        }
        #: Whether the bytecode cache is left alone: two edits within a second are two different modules.
        self.from_source = from_source
        self._folders = {EXTENSIONS: self.extensions, HOOKS: os.path.join(root, "hooks")}
        self._path_name = ".".join(PurePath(extensions).parts)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Part of the import system. Raises CollectionError for a file that must not be executed."""
        if not fullname.startswith(_PACKAGES):
            if fullname == self._path_name:
                raise ImportError(
                    f"modules of {fullname.replace('.', '/')}/ are imported as {EXTENSIONS}.<extension>.…: "
                    f"write `{EXTENSIONS}` instead of `{fullname}`",
                    name=fullname,
                )
            return None
        parent, _, part = fullname.rpartition(".")
        if not parent:
            return self._folder(fullname, self._folders[fullname]) if fullname in self._folders else None
        above = self._folders.get(parent)
        if above is None:
            return self._below_alias(fullname, parent, part)
        name = from_part(part)
        if name in (".", "..") or os.sep in name or "\0" in name:
            return None
        file = f"{name}{SUFFIX}"
        accepts = _is_jobs(parent) and (is_job_file(file) or f"{above}{os.sep}{file}" in self.forced)
        found = (
            (self._file(fullname, above, file, accepts=True) if accepts else None)
            or self._package(fullname, os.path.join(above, name))
            or self._file(fullname, above, file, accepts=False)
            or self._compiled(fullname, above, part)
        )
        return found or self._alike(fullname, parent, above, name)

    def load(self, fullname: str) -> None:
        """Import the module of a job file.

        The import system does little for it that has not been done here already, apart from keeping
        threads from each other: without other threads the steps are taken directly, in half the time.
        """
        if threading.active_count() > 1 and any(map(_may_import, threading.enumerate())):
            import_module(fullname)
            return
        parent, _, part = fullname.rpartition(".")
        package = sys.modules.get(parent) or import_module(parent)
        if fullname in sys.modules:
            return
        spec = self.find_spec(fullname)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        module = _new_module(spec)
        sys.modules[fullname] = module
        spec._initializing = True  # type: ignore[attr-defined] # lets Python name circular imports as such
        try:
            spec.loader.exec_module(module)
        except BaseException:
            sys.modules.pop(fullname, None)
            raise
        finally:
            spec._initializing = False  # type: ignore[attr-defined]
        setattr(package, part, sys.modules[fullname])

    def look_again(self) -> None:
        """Forget what was found out about permissions and refused files."""
        self.permissions.forget()
        self.refused.clear()

    def module_of(self, path: str) -> str | None:
        """The name of the module that the file *path* is; None for a file outside of the two packages."""
        for package in _PACKAGES:
            folder = self._folders[package] + os.sep
            if path.startswith(folder) and path.endswith(SUFFIX):
                parts = path[len(folder) :].removesuffix(SUFFIX).split(os.sep)
                parts = parts[:-1] if parts[-1] == "__init__" else parts
                return ".".join([package, *map(as_part, parts)])
        return None

    def purge(self) -> None:
        """Take every module of the project out of ``sys.modules``."""
        for name in list(sys.modules):
            if name in _PACKAGES or name.startswith(tuple(f"{package}." for package in _PACKAGES)):
                del sys.modules[name]
        self.executed.bodies.clear()

    # -- what a name can be ---------------------------------------------------------------------------

    def _file(
        self, fullname: str, folder: str, name: str, *, accepts: bool, package: bool = False
    ) -> ModuleSpec | None:
        path = f"{folder}{os.sep}{name}"
        status = _status(path)
        if status is None:
            return None
        if stat.S_ISLNK(status.st_mode):
            status = self._follow(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        error = (
            self.refused.get(path)
            or self.permissions.folder(folder)
            or self.permissions.file(path, status.st_mode)
        )
        if error is not None:
            raise error
        compiled = bytecode_path(path)
        loader = ModuleLoader(
            fullname,
            path,
            status,
            compiled,
            executed=self.executed,
            permissions=self.permissions,
            accepts=accepts,
            from_source=self.from_source,
        )
        spec = ModuleSpec(fullname, loader, origin=path, is_package=package)
        spec.has_location = True
        spec.cached = compiled
        if package:
            spec.submodule_search_locations = [folder]
        return spec

    def _package(self, fullname: str, folder: str) -> ModuleSpec | None:
        """A folder: with its ``__init__.py`` if there is one; else only if there is no module of its name."""
        if not os.path.isdir(folder):
            return None
        if os.path.islink(folder):
            self._follow(folder)
        spec = self._file(fullname, folder, "__init__.py", accepts=False, package=True)
        if spec is not None:
            self._folders[fullname] = folder
            return spec
        return None if _status(folder + SUFFIX) is not None else self._folder(fullname, folder)

    def _folder(self, fullname: str, folder: str) -> ModuleSpec:
        self._folders[fullname] = folder
        spec = ModuleSpec(fullname, FolderLoader(folder), is_package=True)
        spec.submodule_search_locations = [folder]
        return spec

    def _compiled(self, fullname: str, folder: str, part: str) -> ModuleSpec | None:
        """An extension module in C, or a compiled file without its source: Python's own finder knows how."""
        spec = PathFinder.find_spec(f"{fullname.rpartition('.')[0]}.{part}", [folder])
        if spec is None or spec.origin is None or isinstance(spec.submodule_search_locations, list):
            return None
        status = self._follow(spec.origin) if os.path.islink(spec.origin) else os.stat(spec.origin)
        error = self.permissions.folder(folder) or self.permissions.file(spec.origin, status.st_mode)
        if error is not None:
            raise error
        return spec

    def _alike(self, fullname: str, parent: str, folder: str, name: str) -> ModuleSpec | None:
        """The same identifier in another normal form of Unicode, as some systems store file names."""
        for entry in _listing(folder):
            stem = entry.removesuffix(SUFFIX)
            if stem != name and not stem.isascii() and spelt_alike(stem, name):
                return ModuleSpec(fullname, AliasLoader(f"{parent}.{as_part(stem)}"))
        return None

    def _below_alias(self, fullname: str, parent: str, part: str) -> ModuleSpec | None:
        """A module in a package that was imported under its second name."""
        own = getattr(sys.modules.get(parent), "__name__", parent)
        if own == parent or own not in self._folders:
            return None
        return ModuleSpec(fullname, AliasLoader(f"{own}.{part}"))

    def _follow(self, path: str) -> os.stat_result:
        """The status of what the link *path* leads to. Raises CollectionError outside of the root."""
        target = os.path.realpath(path)
        if not self.permissions.contains(target):
            raise CollectionError(
                f"the link leads out of the project, to {target}",
                code="JK156",
                path=path,
                help="copy the file, or add its folder to `[project] pythonpath` and import it from there",
            )
        error = self.permissions.folder(os.path.dirname(target))
        if error is not None:
            raise error
        try:
            return os.stat(path)
        except OSError:
            return os.lstat(path)  # it leads nowhere, and is no file


def _may_import(thread: threading.Thread) -> bool:
    """Whether *thread*, besides this one, may import something; the one that watches over hooks does not."""
    return thread is not threading.current_thread() and thread.name != WATCHDOG


def _new_module(spec: ModuleSpec) -> ModuleType:
    """What ``importlib.util.module_from_spec`` makes of a spec for a plain file."""
    module = ModuleType(spec.name)
    module.__spec__ = spec
    module.__loader__ = spec.loader
    module.__package__ = spec.parent
    module.__file__ = spec.origin
    module.__cached__ = spec.cached  # type: ignore[attr-defined]
    return module


def _is_jobs(package: str) -> bool:
    """Whether *package* is ``jobkit_ext.<extension>.jobs``."""
    return package.endswith(f".{JOBS}") and package.count(".") == 2 and package.startswith(f"{EXTENSIONS}.")


def _status(path: str) -> os.stat_result | None:
    """The entry itself, without following a link; None if there is no entry of exactly that name."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError):
        return None
    if not _DISK_KNOWS_CASE and os.path.basename(path) not in _listing(os.path.dirname(path)):
        return None
    return status


def _listing(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
