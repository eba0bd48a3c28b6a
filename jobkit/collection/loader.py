"""Executing the modules of a project: as Python does it, plus a note of who is registering.

A registration belongs to the module whose body is executing. So the loader, and nothing else, says when a
body begins and ends; a module that fails takes back what it has left behind.
"""

from __future__ import annotations

import functools
import marshal
import os
import sys
import threading
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING

from jobkit.exceptions import CollectionError
from jobkit.registration import Collecting, bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.readers import FileReader

    from jobkit.collection.permissions import Permissions
    from jobkit.schedules.base import ScheduleKind

else:
    Loader = object  # the module that holds it imports more than all of collection needs

#: The largest source file that is read, in bytes.
LARGEST = 8 * 1024 * 1024
#: In a compiled file: it was made from a source of this time and size, not of this content.
_BY_TIME = bytes(4)


class Executed:
    """The modules of one project that were executed, and what each has registered.

    Thread-safe in the way that imports are: each thread notes what it executes itself.
    """

    def __init__(self) -> None:
        #: Module name → what its body registered; only modules that were executed to their end.
        self.bodies: dict[str, Collecting] = {}
        #: Modules whose body has raised when it was last executed.
        self.failed: set[str] = set()
        #: Told the path of each file whose body begins, and of the one that goes on when it has ended.
        self.watch: Callable[[str], None] | None = None
        #: The kinds of schedules that the project knows, None for the built-in ones.
        self.kinds: Sequence[ScheduleKind] | None = None
        self._thread = _Nesting()

    def run(
        self, name: str, path: str, accepts: bool, execute: Callable[[ModuleType], None], module: ModuleType
    ) -> None:
        """*execute* the body of *module*; when it raises, nothing of it remains."""
        outer = self._thread.inner
        inner = self._thread.inner = []
        outside, self._thread.path = self._thread.path, path
        if self.watch is not None:
            self.watch(path)
        collected = Collecting(name, _path(path), accepts, kinds=self.kinds)
        stack = bodies()
        depth = len(stack)
        try:
            stack.append(collected)
            execute(module)
            # No function is called here: a file may have set a trace function, and that may raise.
            del stack[depth:]
            if sys.modules.get(name) is None:
                raise CollectionError(
                    "the file took itself out of sys.modules, so nothing can import it",
                    code="JK162",
                    path=path,
                    help="leave sys.modules[__name__] alone, or put another module there",
                )
            _check_complete(collected)
            self.bodies[name] = collected
            self.failed.discard(name)
            if outside is not None:
                outer += (name, *inner)
        except BaseException:
            self.failed.add(name)
            # Modules that were imported meanwhile may hold on to this one, half executed as it is.
            self.forget(inner)
            raise
        finally:
            del stack[depth:]
            self._thread.inner, self._thread.path = outer, outside
            if self.watch is not None and outside is not None:
                self.watch(outside)

    def collect(self, name: str, path: str, take: Callable[[Collecting], bool]) -> bool:
        """Let *take* register what stands in the file *path*, which is not imported; whether it has.

        *name* takes the place of the module's. When it has not, or raises, nothing is registered.
        """
        collected = Collecting(name, _path(path), kinds=self.kinds, line=1)
        outside, self._thread.path = self._thread.path, path
        if self.watch is not None:
            self.watch(path)
        stack = bodies()
        depth = len(stack)
        try:
            stack.append(collected)
            taken = take(collected)
            del stack[depth:]
            if taken:
                _check_complete(collected)
                self.bodies[name] = collected
            return taken
        finally:
            del stack[depth:]
            self._thread.path = outside

    def forget(self, names: list[str]) -> None:
        """Remove modules as if they had never been imported."""
        for name in names:
            self.bodies.pop(name, None)
            module = sys.modules.pop(name, None)
            parent, _, part = name.rpartition(".")
            package = sys.modules.get(parent)
            if package is not None and package.__dict__.get(part) is module:
                delattr(package, part)


class _Nesting(threading.local):
    """What this thread executes now: *inner* are the modules executed within the current body."""

    def __init__(self) -> None:
        self.inner: list[str] = []
        self.path: str | None = None


def _check_complete(collected: Collecting) -> None:
    if collected.pending:
        forgotten = next(iter(collected.pending.values()))
        raise CollectionError(
            "submit_job(...) was called like a decorator and applied to nothing",
            code="JK109",
            path=forgotten.path,
            line=forgotten.line,
            help="write `@submit_job(...)` above a function or class, or give the job as the first argument",
        )


class ModuleLoader(SourceFileLoader):
    """Loads one Python file of an extension or of ``hooks/``.

    *status* is that of the file, just asked for; *compiled* is its place in the bytecode cache. *accepts*
    says whether the file may register jobs. With *from_source* the bytecode cache is neither read nor
    written: two edits within a second are two different modules.
    """

    def __init__(
        self,
        name: str,
        path: str,
        status: os.stat_result,
        compiled: str,
        *,
        executed: Executed,
        permissions: Permissions,
        accepts: bool,
        from_source: bool = False,
    ) -> None:
        super().__init__(name, path)
        #: The status of the file when it was executed.
        self.status = status
        self._compiled = compiled
        self._executed = executed
        self._permissions = permissions
        self._accepts = accepts
        self._from_source = from_source

    def exec_module(self, module: ModuleType) -> None:
        """Compile and execute the body; registrations made meanwhile are this module's."""
        self._executed.run(self.name, self.path, self._accepts, super().exec_module, module)

    def get_code(self, fullname: str) -> CodeType | None:
        size = self.status.st_size
        if size > LARGEST:
            raise CollectionError(
                f"the file has {size / 1024 / 1024:.1f} MB, and at most {LARGEST // 1024 // 1024} are read",
                code="JK153",
                path=self.path,
                help="keep data in a file of its own and read that when the job runs",
            )
        if self._from_source:
            return self.source_to_code(self.get_data(self.path), self.path)
        return self._from_cache() or super().get_code(fullname)

    def get_data(self, path: str) -> bytes:
        if not path.endswith(".pyc"):
            return super().get_data(path)
        status = os.stat(path)
        if not self._may_execute(status.st_mode, path):
            raise PermissionError(f"not trusted: {path}")  # importlib then compiles the source
        data = super().get_data(path)
        if self._is_older(status) and data[4:8] == _BY_TIME:
            raise OSError(f"older than its source: {path}")  # as above
        return data

    def _from_cache(self) -> CodeType | None:
        """The code in the bytecode cache, if it certainly is that of the file as it is now.

        In every other case the inherited method finds out what to do. This one saves it a third of the
        time that a small module costs.
        """
        try:
            descriptor = os.open(self._compiled, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            try:
                status = os.fstat(descriptor)
                data = os.read(descriptor, status.st_size)
            finally:
                os.close(descriptor)
            if data[:16] != self._header() or not self._may_execute(status.st_mode, self._compiled):
                return None
            if self._is_older(status):
                return None
            code = marshal.loads(data[16:])  # noqa: S302 - Python's own cache, and its owner is trusted
        except (OSError, ValueError, EOFError, TypeError):
            return None
        return code if isinstance(code, CodeType) and code.co_filename == self.path else None

    def _is_older(self, compiled: os.stat_result) -> bool:
        """Python compares whole seconds: within one, a version of the same size would not be told apart."""
        return compiled.st_mtime_ns < self.status.st_mtime_ns

    def _header(self) -> bytes:
        """What a compiled file starts with that was made from the source as it is now."""
        modified, size = int(self.status.st_mtime) & 0xFFFFFFFF, self.status.st_size
        return b"%b\0\0\0\0%b%b" % (MAGIC_NUMBER, modified.to_bytes(4, "little"), size.to_bytes(4, "little"))

    def _may_execute(self, mode: int, path: str) -> bool:
        return self._permissions.trusts(mode, path.rpartition(os.sep)[0])


def _path(path: str) -> Path:
    folder, _, name = path.rpartition(os.sep)
    return _folder_path(folder) / name


_folder_path = functools.lru_cache(maxsize=1024)(Path)


@functools.lru_cache(maxsize=1024)
def _bytecode_template(folder: str) -> tuple[str, str]:
    before, _, after = cache_from_source(os.path.join(folder, "?.py")).partition("?")
    return before, after


def bytecode_path(path: str) -> str:
    """``importlib.util.cache_from_source`` with most of the work done once per folder."""
    folder, _, name = path.rpartition(os.sep)
    before, after = _bytecode_template(folder)
    return f"{before}{name.removesuffix('.py')}{after}"


class FolderLoader(Loader):
    """Makes a folder without ``__init__.py`` a package."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "__init__.py")  # does not exist; its folder counts

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual module."""

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to execute."""

    def is_package(self, fullname: str) -> bool:
        return True

    def get_resource_reader(self, fullname: str) -> FileReader:
        """What ``importlib.resources.files`` asks for."""
        from importlib.readers import FileReader

        return FileReader(self)  # type: ignore[arg-type] # it asks for nothing but the path


class AliasLoader(Loader):
    """Gives a module a second name, under which it is not executed again."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        from importlib import import_module

        module = import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """It was executed under its own name; only the import system's note has to be put right."""
        module.__spec__ = self._spec
