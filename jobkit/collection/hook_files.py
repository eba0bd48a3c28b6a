"""Executing plugins that are files of the project: guarded like job files, and before any of those."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Self

from jobkit.collection.importing import Guard
from jobkit.collection.streams import KEPT
from jobkit.collection.suspects import Suspects
from jobkit.exceptions import CollectionError, JobkitError
from jobkit.redaction import Redactor

if TYPE_CHECKING:
    from jobkit.collection.finder import ExtensionFinder
    from jobkit.config import Config


class HookFiles:
    """Imports such files; enter it around the loading of plugins. Belongs to one thread.

    ``warnings`` is what was noticed meanwhile. What a file prints is written to stderr: standard output is
    for answers.
    """

    def __init__(self, config: Config, finder: ExtensionFinder, *, remember: bool = True) -> None:
        self.warnings: list[JobkitError] = []
        self._config = config
        self._finder = finder
        self._remember = remember
        self._limit = config.project.import_timeout.total_seconds() or None
        self._redactor = Redactor(config.secrets)
        self._stack = ExitStack()
        self._guard: Guard | None = None
        self._printed: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()
        if self._printed and sys.stderr is not None:
            sys.stderr.write("".join(self._printed))

    def load(self, path: Path, name: str) -> ModuleType:
        """Import the file *path* as the module *name*. Raises CollectionError with what is wrong with it."""
        guard = self._entered()
        raised = guard.run(import_module, name)
        if guard.interrupted:
            raise KeyboardInterrupt
        self._take_notes(guard, path)
        if raised is not None:
            raise self._described(guard, path, raised)
        module = sys.modules[name]
        own = getattr(module, "__file__", None)
        if own is None or Path(own) != path:
            raise CollectionError(
                f"a folder {path.stem}/ beside the file has the same name, and is imported instead",
                code="JK104",
                path=path,
                help="rename one of them",
            )
        return module

    def _entered(self) -> Guard:
        """The guard; most projects have no such file, and need none."""
        if self._guard is None:
            self._stack.enter_context(Suspects(self._finder, self._limit, remember=self._remember))
            self._guard = self._stack.enter_context(Guard(self._limit))
        return self._guard

    def _take_notes(self, guard: Guard, path: Path) -> None:
        self.warnings += guard.warned
        if guard.printed:
            text = self._redactor.show(guard.printed, 4 * KEPT)
            self._printed.append(text if text.endswith("\n") else f"{text}\n")
        if guard.changed:
            what = ", ".join(guard.changed)
            self.warnings.append(
                CollectionError(
                    f"the file changed {what} while it was imported; it was put back",
                    code="JK158",
                    path=path,
                    help="do it in jobkit_configure, not in the module",
                )
            )

    def _described(self, guard: Guard, path: Path, raised: BaseException) -> CollectionError:
        from jobkit.collection.report import Reporter

        reporter = Reporter(self._finder, self._redactor, self._limit)
        described = guard.ask(lambda: reporter.describe(str(path), raised))
        if described is not None:
            return described
        message = f"{type(raised).__name__} was raised, and it cannot be asked why"
        return CollectionError(message, code="JK101", path=path)
