"""From the files of a project to its jobs: every file in its own guard, every failure one error."""

from __future__ import annotations

import functools
import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobkit.collection.attachment import attach
from jobkit.collection.claims import Claim, remembered, settle
from jobkit.collection.collected import Collected, CollectedFile
from jobkit.collection.importing import Guard
from jobkit.collection.memory import Memory
from jobkit.collection.plugged import Plugged
from jobkit.collection.streams import KEPT
from jobkit.collection.suspects import Suspects
from jobkit.collection.walk import JobFile, walk
from jobkit.exceptions import CollectionError, JobkitError
from jobkit.module_names import SUFFIX

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.registry import PluginRegistry
    from jobkit.redaction import Redactor
    from jobkit.registration import Collecting
    from jobkit.schedules.base import ScheduleKind

#: More jobs than this in one file are taken for a mistake.
MOST_JOBS = 10_000
#: So many files that need not be executed are dealt with in one step.
_AT_ONCE = 50

E = TypeVar("E", bound=JobkitError)


def collect(
    config: Config,
    *,
    kinds: Sequence[ScheduleKind] | None = None,
    plugins: str = "",
    registry: PluginRegistry | None = None,
    remember: bool = True,
) -> Collected:
    """Import every job file of the project and take down what it registers.

    Attaches the project if it is not attached. *kinds* are the kinds of schedules that are known (None:
    the built-in ones), *registry* holds the plugins. *plugins* is a text that differs whenever other plugins
    take part; with *remember* False nothing is written below the root. Raises KeyboardInterrupt if the user
    stops it, PluginError for a plugin that fails and must not, and nothing for what is wrong with a file.
    One call at a time in a process.
    """
    plugged = Plugged(registry, config) if registry is not None else None
    collection = _Collection(config, kinds, plugged, remember)
    memory = Memory(config, _key(plugins, plugged)) if remember else None
    return collection.everything(memory)


def collect_in_steps(
    config: Config,
    *,
    kinds: Sequence[ScheduleKind] | None = None,
    plugins: str = "",
    registry: PluginRegistry | None = None,
    remember: bool = True,
) -> Generator[None, None, Collected]:
    """Do what :func:`collect` does, at most one file executed in each step.

    For a process that has other things to do: between two steps nothing of it is changed. Files that were
    executed before, and not forgotten since, are not executed again.
    """
    plugged = Plugged(registry, config) if registry is not None else None
    collection = _Collection(config, kinds, plugged, remember)
    memory = Memory(config, _key(plugins, plugged)) if remember else None
    for files in collection.portions():
        yield
        collection.take(files)
    yield
    return collection.settled(memory)


def collect_job(
    config: Config,
    name: str,
    *,
    kinds: Sequence[ScheduleKind] | None = None,
    plugins: str = "",
    registry: PluginRegistry | None = None,
    remember: bool = True,
) -> Collected | None:
    """Import only the file that registers the job *name*, and what it imports; otherwise as :func:`collect`.

    None if the index does not know for certain which file that is, or a plugin wants to see other jobs before
    it says what becomes of this one: then collect everything.
    """
    plugged = Plugged(registry, config) if registry is not None else None
    memory = Memory(config, _key(plugins, plugged))
    known = memory.file_of(name)
    if known is None or (plugged is not None and plugged.modifies(known.extension)):
        return None
    return _Collection(config, kinds, plugged, remember).one(name, memory)


def _key(plugins: str, plugged: Plugged | None) -> str:
    return "\0".join((plugins, *(plugged.settings() if plugged is not None else ())))


class _Collection:
    def __init__(
        self,
        config: Config,
        kinds: Sequence[ScheduleKind] | None,
        plugged: Plugged | None,
        remember: bool,
    ) -> None:
        self._finder = attach(config)
        self._plugged = plugged
        self._kinds = kinds
        self._finder.executed.kinds = kinds
        self._finder.look_again()
        self._config = config
        self._root = config.root
        self._remember = remember
        self._limit = config.project.import_timeout.total_seconds() or None
        choice = plugged if plugged is not None and plugged.chooses else None
        self._found = walk(self._finder.extensions, self._finder.permissions, choice)
        self._finder.forced |= self._found.forced
        self._files: list[CollectedFile] = []
        self._claims: list[Claim] = []
        self._errors: list[CollectionError] = []
        self._warnings: list[JobkitError] = []
        #: Files that a plugin has failed at, and nobody took.
        self._failed: list[CollectionError] = []

    def everything(self, memory: Memory | None) -> Collected:
        """Collect all files."""
        self.take(self._found.files)
        return self.settled(memory)

    def portions(self) -> Iterable[Sequence[JobFile]]:
        """The files in their order: each that is to be executed alone, of the others many at once."""
        others: list[JobFile] = []
        for file in self._found.files:
            fresh = file.module not in self._finder.executed.bodies
            if others and (fresh or len(others) >= _AT_ONCE):
                yield others
                others = []
            if fresh:
                yield [file]
            else:
                others.append(file)
        if others:
            yield others

    def settled(self, memory: Memory | None) -> Collected:
        """What was found in the files that were taken."""
        jobs, twice = settle(self._claims, self._root)
        self._errors += [*self._found.errors, *twice]
        self._warnings += self._found.warnings
        jobs, gone = self._modified(jobs)
        self._report_settings()
        self._report_left_out(memory)
        errors, warnings = _in_order(self._errors), _in_order(self._warnings)
        if memory is not None:
            for known, error in memory.jobs_of_broken(errors):
                error.jobs = tuple(dict.fromkeys((*error.jobs, known.name)))
                jobs.setdefault(known.name, remembered(known, self._root, error))
            memory.keep(self._found, self._claims, errors)
        return Collected(dict(sorted(jobs.items())), errors, warnings, self._files, gone=gone)

    def one(self, name: str, memory: Memory) -> Collected | None:
        """Collect the file that the index names for the job *name*."""
        file = memory.believe(name, self._found)
        if file is None:
            return None
        self.take([file])
        jobs, twice = settle(self._claims, self._root)
        if name not in jobs or twice or self._errors or self._failed:
            return None
        if self._remember:
            memory.settle(self._found)
        warnings = _in_order([*self._warnings, *self._found.warnings])
        return Collected(jobs, memory.errors(), warnings, self._files, complete=False)

    # -- one file after another -------------------------------------------------------------------------

    def take(self, files: Sequence[JobFile]) -> None:
        """Execute *files*, and take down what they register."""
        with (
            Suspects(self._finder, self._limit, remember=self._remember),
            Guard(self._limit) as guard,
        ):
            for file in files:
                self._import_one(guard, file)
        if self._plugged is not None and self._plugged.reports:
            for done in self._files:
                self._plugged.report(done)

    def _import_one(self, guard: Guard, file: JobFile) -> None:
        bodies = self._finder.executed.bodies
        asks = self._plugged is not None and self._plugged.others
        # Another file may have imported it. What a plugin has collected has a line.
        if file.module in bodies and (not asks or bodies[file.module].line is not None):
            self._file_done(guard, file, bodies[file.module], None, 0.0)
            return
        started = time.perf_counter()
        raised = guard.run(self._take_or_load, file) if asks else guard.run(self._finder.load, file.module)
        seconds = time.perf_counter() - started
        if guard.interrupted:
            raise KeyboardInterrupt
        self._warnings += guard.warned
        if guard.changed:
            what = ", ".join(guard.changed)
            message = f"the file changed {what} while it was imported; it was put back"
            help = "do it in the job, not in the module; `jobkit explain JK158` shows how"
            self._warn(file.path, "JK158", message, help)
        self._file_done(guard, file, bodies.get(file.module), raised, seconds)

    def _take_or_load(self, file: JobFile) -> None:
        plugged = self._plugged
        if plugged is not None:
            before = plugged.failures()
            if plugged.take(self._finder, file):
                return
            trouble = plugged.trouble(file.path, before)
            if trouble is not None:
                self._failed.append(trouble)
        if file.path.endswith(SUFFIX):
            self._finder.load(file.module)

    def _file_done(
        self,
        guard: Guard,
        file: JobFile,
        body: Collecting | None,
        raised: BaseException | None,
        seconds: float,
    ) -> None:
        if body is None and raised is None:
            return  # no Python, and nobody's
        printed = self._redactor.show(guard.printed, 4 * KEPT) if seconds and guard.printed else ""
        specs: list[JobSpec] = []
        if raised is None and body is not None:
            try:
                specs = self._specs(file, body)
            except Exception as refused:
                raised = refused
        error = self._describe(guard, file, raised) if raised is not None else None
        path = body.path if body is not None else Path(file.path)
        if error is not None:
            self._errors.append(error)
        elif not specs:
            help = "call submit_job in it; if it only helps other files, let its name start with `_`"
            if body is not None and body.line is not None:
                help = (
                    "the plugin that collects it finds no job in it; let its name start with `_`, or move it"
                )
            self._warn(path, "JK163", "the file registers no job", help)
        self._claims += [Claim(file.path, spec) for spec in specs]
        names = tuple(spec.name for spec in specs)
        self._files.append(CollectedFile(path, file.extension, file.module, names, error, printed, seconds))

    def _specs(self, file: JobFile, body: Collecting) -> list[JobSpec]:
        from jobkit.submit import to_spec

        if len(body.registrations) > MOST_JOBS:
            raise CollectionError(
                f"the file registers {len(body.registrations):,} jobs; at most {MOST_JOBS:,} are accepted",
                code="JK165",
                path=file.path,
                help="register one job that takes a parameter",
            )
        specs = [to_spec(item, file.extension, file.module) for item in body.registrations]
        for spec in specs:
            self._warnings += spec.warnings
        return specs

    @functools.cached_property
    def _redactor(self) -> Redactor:
        from jobkit.redaction import Redactor

        return Redactor(self._config.secrets)

    def _describe(self, guard: Guard, file: JobFile, raised: BaseException) -> CollectionError:
        from jobkit.collection.report import Reporter

        reporter = Reporter(self._finder, self._redactor, self._limit)
        described = guard.ask(lambda: reporter.describe(file.path, raised))
        if described is not None:
            return described
        return CollectionError(
            f"{type(raised).__name__} was raised, and it cannot be asked why", code="JK101", path=file.path
        )

    # -- what plugins make of it ------------------------------------------------------------------------

    def _modified(self, jobs: dict[str, JobSpec]) -> tuple[dict[str, JobSpec], dict[str, str]]:
        """The jobs after plugins have changed them, and names that are gone. Broken ones are not shown."""
        if self._plugged is None or not self._plugged.modifies():
            return jobs, {}
        broken = {name: spec for name, spec in jobs.items() if spec.error is not None}
        whole = [spec for spec in jobs.values() if spec.error is None]
        changes = self._plugged.modify(whole, broken, self._kinds)
        paths = {file.module: file.path for file in self._found.files}
        self._claims = [claim for claim in self._claims if claim.spec.name in broken]
        self._claims += [Claim(paths[spec.module], spec) for spec in changes.jobs]
        return broken | {spec.name: spec for spec in changes.jobs}, changes.gone

    def _report_left_out(self, memory: Memory | None) -> None:
        """Files that are nobody's because of plugins: errors if they had jobs, which then are listed so."""
        whole = {claim.path for claim in self._claims}
        for error in self._failed:
            path = str(error.path)
            if path not in whole:
                known = memory is not None and memory.knows(path)
                (self._errors if known else self._warnings).append(error)
        if memory is not None and self._plugged is not None:
            self._errors += memory.left_behind(self._found, self._plugged.absent)

    # -- what is said -----------------------------------------------------------------------------------

    def _report_settings(self) -> None:
        """Permissions and entries of ``pythonpath`` that somebody should look at."""
        finder = self._finder
        for problem in finder.pythonpath.problems:
            (self._errors if problem.code == "JK150" else self._warnings).append(problem)
        paths = list(finder.permissions.group_writable)
        if paths:
            shown = finder.permissions.shown(paths[0])
            more = f", and {len(paths) - 1} more files and folders" if len(paths) > 1 else ""
            whole = f"-R g-w {finder.permissions.shown(finder.extensions)}" if more else f"g-w {shown}"
            message = f"the group can change what is executed: {shown}{more}"
            self._warnings.append(
                CollectionError(message, code="JK151", path=paths[0], help=f"chmod {whole}")
            )

    def _warn(self, path: str | Path, code: str, message: str, help: str | None = None) -> None:
        self._warnings.append(CollectionError(message, code=code, path=path, help=help))


def _in_order(errors: Iterable[E]) -> list[E]:
    """By place, each once: what is wrong with a folder is met by everyone who looks into it."""
    distinct = {(str(error.path), error.line or 0, error.code, error.message): error for error in errors}
    return [distinct[key] for key in sorted(distinct)]
