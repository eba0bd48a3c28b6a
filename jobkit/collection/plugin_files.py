"""Executing the files of a project that are plugins: ``hooks/*.py``, and the ``hooks.py`` of extensions.

They get what job files get: the same names and rules for imports, the same refusal of files that everybody
may write to, a time limit, and a process that is afterwards as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from jobkit.collection.attachment import attach
from jobkit.collection.importing import Guard
from jobkit.exceptions import CollectionError, JobkitError

if TYPE_CHECKING:
    from jobkit.config import Config


def plugin_file_importer(
    config: Config, warn: Callable[[JobkitError], None] | None = None, *, remember: bool = True
) -> Callable[[Path, str], ModuleType]:
    """What imports the file at a path as the module of a name, for the project of *config*.

    Attaches the project if it is not attached. What is returned raises CollectionError, with the place in
    the file and the reason, for whatever the file does, and KeyboardInterrupt if the user stops it; *warn* is
    told of what works and should not be. With *remember* False nothing is written below the root. Belongs to
    one thread; there is a time limit in the main thread only.
    """
    return _Importer(config, warn or _nobody, remember)


def _nobody(warning: JobkitError) -> None:
    """Who wants to know of no warning."""


class _Importer:
    def __init__(self, config: Config, warn: Callable[[JobkitError], None], remember: bool) -> None:
        self._finder = attach(config)
        self._finder.look_again()
        self._secrets = config.secrets
        self._limit = config.project.import_timeout.total_seconds() or None
        self._warn = warn
        self._remember = remember

    def __call__(self, path: Path, module: str) -> ModuleType:
        from jobkit.collection.suspects import Suspects

        if module not in self._finder.executed.bodies:  # else another file has imported it
            with Suspects(self._finder, self._limit, remember=self._remember), Guard(self._limit) as guard:
                self._execute(guard, path, module)
        return sys.modules[module]

    def _execute(self, guard: Guard, path: Path, module: str) -> None:
        raised = guard.run(self._finder.load, module)
        if guard.interrupted:
            raise KeyboardInterrupt
        if raised is not None:
            raise self._describe(guard, str(path), raised) from raised
        if guard.changed:
            message = f"the file changed {', '.join(guard.changed)} while it was imported; it was put back"
            help = "do it in jobkit_configure, not in the module"
            self._warn(CollectionError(message, code="JK158", path=path, help=help))
        if str(path) in self._finder.permissions.group_writable:
            shown = self._finder.permissions.shown(str(path))
            message = f"the group can change what is executed: {shown}"
            self._warn(CollectionError(message, code="JK151", path=path, help=f"chmod g-w {shown}"))
        for warning in guard.warned:
            self._warn(warning)

    def _describe(self, guard: Guard, path: str, raised: BaseException) -> CollectionError:
        from jobkit.collection.report import Reporter
        from jobkit.redaction import Redactor

        reporter = Reporter(self._finder, Redactor(self._secrets), self._limit)
        described = guard.ask(lambda: reporter.describe(path, raised))
        if described is not None:
            return described
        return CollectionError(f"{type(raised).__name__} was raised, and it cannot be asked why", path=path)
