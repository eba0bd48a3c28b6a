"""A loaded project as its files are now: jobs and configuration are taken up, what is broken stays as it was.

Everything is put together beside the project, in steps between which other things may happen, and then takes
its place at once.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jobkit.collection import collect_in_steps
from jobkit.collection.exchange import Exchange, find_stale
from jobkit.config.loading import configuration_files, document_at, load_config, read_documents
from jobkit.exceptions import ConfigError, JobkitError, relative_to
from jobkit.project_checks import settle_names, unknown_names
from jobkit.project_fixed import as_far_as_running, what_needs_restart
from jobkit.project_plugins import absent_plugins

if TYPE_CHECKING:
    from jobkit.collection import Collected
    from jobkit.config import Config
    from jobkit.config.files import Document
    from jobkit.job import JobSpec
    from jobkit.project import Project

Steps = Generator[None, None, "ReloadReport"]

#: So many jobs get their configuration in one step.
_AT_ONCE: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadReport:
    """What a reload has changed: the names of jobs, and what could not be taken up.

    *errors* are everything that is wrong with files and configuration now. *kept* are the files, relative to
    the root, whose edit is broken and whose last good version stays in force, files of configuration
    included. *needs_restart* says what has changed and waits for a new process.
    """

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    errors: tuple[JobkitError, ...] = ()
    kept: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()

    @property
    def jobs(self) -> tuple[str, ...]:
        """Every job that is another now, or not there any more."""
        return (*self.added, *self.changed, *self.removed)


@dataclass(slots=True)
class Fresh:
    """The project as it will be: *proposed* is what the code says, *configured* has configuration over it."""

    config: Config
    proposed: dict[str, JobSpec]
    configured: dict[str, JobSpec] = field(default_factory=dict)
    checked: dict[str, JobSpec] = field(default_factory=dict)
    noticed: list[JobkitError] = field(default_factory=list)
    gone: Mapping[str, str] = field(default_factory=dict)


class Reload:
    """Takes up what has changed in the files of *project*, again and again. Raises nothing for what is wrong
    with them. Not thread-safe; one of its generators at a time."""

    def __init__(self, project: Project) -> None:
        project.collect_all()
        self._project = project
        #: Every name that a job has had: configuration may still speak of it.
        self._known = set(project.jobs)
        #: Files whose last edit is broken, and whose jobs are older.
        self._kept: set[str] = set()
        self._settings_broken: tuple[JobkitError, ...] = ()
        self._started_with = self._wanted = project.config
        self._documents = self._documents_now()

    # -- what can be asked for --------------------------------------------------------------------------

    def everything(self, *, touched: Iterable[str] = ()) -> Steps:
        """Job files and configuration; *touched* are paths below the extensions that have changed.

        The process is consistent between steps; runs go on with the modules that they have.
        """
        project = self._project
        documents = self._documents_now()
        config = self._read_configuration(documents)
        stale = find_stale(project.finder, again=self._kept, touched=[*touched])
        exchange = Exchange(project.finder, stale.names)
        collected = None
        try:
            collected = yield from collect_in_steps(
                project.config,
                kinds=project.kinds,
                plugins=project.plugins.fingerprint,
                registry=project.plugins,
                remember=project.remembers,
            )
        finally:
            kept = exchange.restore(_broken_files(collected))
        report = yield from self._take(config, collected, kept)
        if not self._settings_broken:
            self._documents = documents
        fixed = [relative_to(Path(path), project.root) for path in sorted(stale.fixed)]
        return replace(report, needs_restart=(*report.needs_restart, *fixed))

    def overrides(self) -> Steps:
        """Only what ``jobkit enable`` and ``disable`` have written; other files stay as they were read."""
        project = self._project
        path = configuration_files(project.root, project.env)[-1]
        config = project.config
        documents = None
        self._settings_broken = ()
        try:
            documents = {**(self._documents or {}), path: document_at(path)}
            config = self._load(documents)
        except ConfigError as error:
            self._settings_broken = error.errors
        assert project.collected is not None  # everything was collected when this object was made
        report = yield from self._take(config, project.collected, [*self._kept])
        if not self._settings_broken:
            self._documents = documents
        return report

    # -- configuration ----------------------------------------------------------------------------------

    def _documents_now(self) -> dict[Path, Document | None] | None:
        with suppress(ConfigError):  # whoever reads them next says so
            return read_documents(self._project.root, self._project.env)
        return None

    def _read_configuration(self, documents: Mapping[Path, Document | None] | None) -> Config:
        """The new one, or that in force if the new one is broken."""
        self._settings_broken = ()
        try:
            return self._load(documents)
        except ConfigError as error:
            self._settings_broken = error.errors
            return self._project.config

    def _load(self, documents: Mapping[Path, Document | None] | None) -> Config:
        project = self._project
        config = load_config(
            project.root, env=project.env or "", options=project.options, documents=documents
        )
        tables = project.config.accepted
        if tables is None:
            return config
        unknown = [
            tables.unknown_plugin(("plugins", name), config.origin(("plugins", name)))
            for name in config.plugins
            if name not in tables.known
        ]
        if unknown:
            raise ConfigError(
                unknown[0].message,
                code=unknown[0].code,
                path=unknown[0].path,
                line=unknown[0].line,
                help=unknown[0].help,
                errors=tuple(unknown),
            )
        return tables.again(config)

    # -- putting it together -----------------------------------------------------------------------------

    def _take(self, config: Config, collected: Collected, kept: list[str]) -> Steps:
        project = self._project
        proposed, broken = self._with_last_good(collected)
        wanted = config
        fresh = Fresh(as_far_as_running(config, project.config), proposed, gone=collected.gone)
        yield from self._configure(fresh)
        if config is not project.config:
            try:
                self._settings_broken = self._spoilt(fresh)
                fresh.noticed = self._names(fresh, collected)
            except ConfigError as error:
                self._settings_broken += error.errors
        if self._settings_broken:
            wanted = self._wanted
            fresh = Fresh(project.config, proposed, gone=collected.gone)
            yield from self._configure(fresh)
            self._hold_back_new(fresh)
            fresh.noticed = [*project.noticed_names]
        broken |= self._keep_spoilt_files(fresh)
        self._kept = {*map(str, broken), *kept}
        report = self._report(fresh, collected, {*broken, *map(Path, kept)})
        self._wanted = wanted
        project.take_anew(fresh, collected)
        self._known |= fresh.proposed.keys()
        return replace(report, needs_restart=tuple(what_needs_restart(wanted, self._started_with)))

    def _with_last_good(self, collected: Collected) -> tuple[dict[str, JobSpec], set[Path]]:
        """The jobs, those of broken edits as they last were; and the files of these edits."""
        before = self._project.proposed
        jobs = dict(collected.jobs)
        at_fault = set(map(Path, _broken_files(collected)))
        broken: set[Path] = set()
        for name, old in before.items():
            new = jobs.get(name)
            if old.error is not None or (new is not None and new.error is None):
                continue
            if new is None and not _lies_in(old.path, at_fault):
                continue  # the file, or the job in it, was removed
            if not os.path.lexists(old.path):
                jobs.pop(name, None)
                continue
            jobs[name] = old
            broken.add(old.path)
        return dict(sorted(jobs.items())), broken

    def _configure(self, fresh: Fresh) -> Generator[None, None, None]:
        """Lay the configuration over each job; nothing is parsed anew for those that stay as they are."""
        project, old = self._project, self._project.config
        same_ground = fresh.config.scheduler == old.scheduler and fresh.config.plugins == old.plugins
        for number, (name, spec) in enumerate(fresh.proposed.items()):
            if number % _AT_ONCE == 0:
                yield
            before, configured = project.proposed.get(name), project.configured.get(name)
            same = same_ground and _same(spec, before) and fresh.config.job(name) == old.job(name)
            if same and before is not None and configured is not None and project.jobs[name].error is None:
                fresh.proposed[name] = before
                fresh.configured[name] = configured
                fresh.checked[name] = project.jobs[name]
            else:
                fresh.configured[name], fresh.checked[name] = project.laid_over(spec, fresh.config)

    def _spoilt(self, fresh: Fresh) -> tuple[JobkitError, ...]:
        """Values of the configuration that are not accepted: they must not end a job that runs well."""
        return tuple(
            spec.error
            for name, spec in fresh.configured.items()
            if spec.error is not None
            and spec.error.path != spec.path
            and fresh.proposed[name].error is None
            and self._ran_well(name)
        )

    def _ran_well(self, name: str) -> bool:
        before = self._project.jobs.get(name)
        return before is not None and before.error is None

    def _names(self, fresh: Fresh, collected: Collected) -> list[JobkitError]:
        """Configuration of jobs that there are not: an error, unless there was one of the name."""
        project = self._project
        absent = absent_plugins(project.plugins)
        really = unknown_names(fresh.config, {*fresh.proposed, *self._known}, fresh.gone)
        harmless = settle_names(really, collected.errors, absent, project.root)
        said = {error.message for error in really}
        every = unknown_names(fresh.config, fresh.proposed, fresh.gone)
        return [*harmless, *(error for error in every if error.message not in said)]

    def _hold_back_new(self, fresh: Fresh) -> None:
        """What the broken configuration says of a new job nobody knows: it may be to leave it off."""
        for name, spec in fresh.checked.items():
            if name not in self._project.jobs and spec.error is None:
                fresh.checked[name] = spec.with_error(self._settings_broken[0])

    def _keep_spoilt_files(self, fresh: Fresh) -> set[Path]:
        """Files whose jobs now ask for services that they cannot have, or for times that nobody can read.

        All jobs of such a file stay as they were.
        """
        project = self._project
        broken = {
            spec.path
            for name, spec in fresh.checked.items()
            if spec.error is not None and self._ran_well(name) and project.jobs[name].path == spec.path
        }
        for name, spec in [*fresh.proposed.items()]:
            if spec.path not in broken:
                continue
            fresh.noticed += [error for error in [fresh.checked[name].error] if error is not None]
            old = project.proposed.get(name)
            if old is not None:
                fresh.proposed[name] = old
                fresh.configured[name], fresh.checked[name] = project.laid_over(old, fresh.config)
        return broken

    # -- what is said -------------------------------------------------------------------------------------

    def _report(self, fresh: Fresh, collected: Collected, broken: Iterable[Path]) -> ReloadReport:
        project = self._project
        before = dict(project.jobs)
        now = fresh.checked
        own = [spec.error for spec in now.values() if spec.error is not None]
        errors = [*collected.errors, *self._settings_broken, *own, *fresh.noticed]
        kept = [*broken, *(error.path for error in self._settings_broken if error.path is not None)]
        return ReloadReport(
            added=tuple(name for name in now if name not in before),
            changed=tuple(
                name for name, spec in now.items() if name in before and not _same(spec, before[name])
            ),
            removed=tuple(name for name in before if name not in now),
            errors=tuple(_distinct(errors)),
            kept=tuple(dict.fromkeys(relative_to(Path(path), project.root) for path in sorted(kept))),
        )


def _broken_files(collected: Collected | None) -> set[str]:
    """Job files that could not be loaded, and folders that could not be read; none if it ended early."""
    if collected is None:
        return set()
    files = {str(file.path) for file in collected.files if file.error is not None}
    return files | {str(error.path) for error in collected.errors if error.path is not None}


def _lies_in(path: Path, places: set[Path]) -> bool:
    return path in places or any(parent in places for parent in path.parents)


def _same(spec: JobSpec, other: JobSpec | None) -> bool:
    """Whether both are one job; of errors, which are new each time, the texts count."""
    if spec is other:
        return True
    if other is None or str(spec.error) != str(other.error):
        return False
    try:
        # Where a value stands may change without it.
        return _bare(spec) == _bare(other)
    except Exception:
        return False  # the values of a job can be of anybody's making


def _bare(spec: JobSpec) -> JobSpec:
    return replace(spec, error=None, warnings=(), origins={})


def _distinct(errors: Iterable[JobkitError]) -> Iterable[JobkitError]:
    return {(str(error.path), error.line, error.code, error.message): error for error in errors}.values()
