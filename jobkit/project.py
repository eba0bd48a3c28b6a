"""A loaded project: configuration, plugins, collected jobs, and what was wrong with any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from jobkit.exceptions import CollectionError, JobkitError
from jobkit.project_checks import (
    faults_of_services,
    settle_names,
    unknown_names,
    with_parameters_checked,
    with_services_checked,
)
from jobkit.project_jobs import JobsOf

if TYPE_CHECKING:
    from jobkit.collection import Collected
    from jobkit.collection.finder import ExtensionFinder
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks
    from jobkit.plugins.provided import Provided
    from jobkit.plugins.registry import PluginRegistry
    from jobkit.plugins.sources import PluginChoice
    from jobkit.project_plugins import Equipment
    from jobkit.project_reload import Fresh
    from jobkit.records import RunRecord
    from jobkit.schedules.base import Kinds
    from jobkit.services.graph import Provider, ServiceGraph
    from jobkit.sinks.base import Sink
    from jobkit.stores.base import Store

#: One project per process owns the ``jobkit_ext`` modules.
_loaded: Project | None = None

Given = Mapping[str | type, object]


def loaded_project() -> Project | None:
    """The project that owns the job modules of this process, if one is loaded."""
    return _loaded


class Project:
    """Configuration, plugins and jobs of one folder; made by :meth:`load`, let go of by :meth:`close`.

    ``jobs`` maps names to their specs, those with an ``error`` included; ``errors`` are the broken
    job files; ``warnings`` is what ``check --strict`` refuses. ``plugins`` is the registry, ``hooks`` calls
    their hooks; ``services`` is everything that jobs can ask for and ``graph`` finds it. Read-only after
    loading; reading is safe from any thread; loading, giving services and closing are not.
    """

    def __init__(
        self,
        equipment: Equipment,
        finder: ExtensionFinder,
        *,
        services: Given | None = None,
        remember: bool = True,
    ) -> None:
        from jobkit.project_plugins import kinds_of, providers_of

        config = self.config = equipment.config
        self.root: Path = config.root
        self.env: str | None = config.env
        self.plugins: PluginRegistry = equipment.registry
        self.hooks: Hooks = equipment.registry.hooks
        self.errors: list[CollectionError] = []
        self.warnings: list[JobkitError] = []
        #: False while only the files of single jobs were imported.
        self.complete = False
        #: What the code alone says, before configuration was laid over it.
        self.proposed: dict[str, JobSpec] = {}
        self._noticed = equipment.warnings
        self._finder: ExtensionFinder | None = finder
        #: Whether anything may be written below the root.
        self.remembers = remember
        self._given: Given = dict(services or {})
        #: The kinds of schedules, None for jobkit's own.
        self._kinds: Kinds | None = kinds_of(config, self.plugins)
        #: What was found when everything was last collected, and configuration of jobs that there are not.
        self.collected: Collected | None = None
        self.noticed_names: list[JobkitError] = []
        #: The values of the command line, by dotted key.
        self.options: Mapping[str, Any] = {}
        #: The jobs with their configuration, before it was looked whether they get their services.
        self.configured: dict[str, JobSpec] = {}
        self._jobs: dict[str, JobSpec] = {}
        self.services: tuple[Provider, ...] = providers_of(config, self.plugins)
        self.graph = self._graph_with(self._given)

    @property
    def jobs(self) -> Mapping[str, JobSpec]:
        """Every job by name, in the order of the names.

        After ``load(only=...)`` further jobs are imported when they are asked for.
        """
        return JobsOf(self)

    @cached_property
    def sinks(self) -> tuple[Provided[Sink], ...]:
        """The sinks of all plugins; they are asked when this is first read."""
        return tuple(self.hooks.result_sinks(self.config))

    @property
    def kinds(self) -> Kinds:
        """The kinds of schedules that there are, those of plugins included."""
        if self._kinds is None:
            from jobkit.schedules import BUILTIN_KINDS
            from jobkit.schedules.base import Kinds

            self._kinds = Kinds.of(BUILTIN_KINDS)
        return self._kinds

    @property
    def given(self) -> Given:
        """The open objects that :meth:`give` was given, by name or type."""
        return MappingProxyType(dict(self._given))

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        env: str | None = None,
        *,
        only: str | None = None,
        options: Mapping[str, Any] | None = None,
        remember: bool = True,
        plugins: PluginChoice | None = None,
        arguments: Mapping[str, Any] | None = None,
        services: Given | None = None,
    ) -> Self:
        """Read the configuration of the project around *path* (default: here), load plugins, collect jobs.

        With *only*, just the file that registers that job is imported, if the index knows it;
        ``complete`` says whether it did. *options* are values of the command line, by dotted key, *arguments*
        those of plugins' own options, by flag; *plugins* says which plugins take part besides those that are
        there. *services* are open objects as in :meth:`give`. Without *remember* nothing is written below the
        root, not even the index. Broken job files and plugins are listed, not raised. Raises ConfigError for
        configuration that cannot be used and required plugins that are not there or broken, UsageError for a
        plugin that is asked for and not there, PluginError where *plugins* is strict, and RuntimeError while
        another project is loaded. Call it from the main thread if job files are to have a time limit.
        """
        project = cls.prepare(
            path,
            env,
            options=options,
            remember=remember,
            plugins=plugins,
            arguments=arguments,
            services=services,
        )
        try:
            if only is None or project.find(only) is None:
                project.collect_all()
        except BaseException:
            project.close()
            raise
        return project

    @classmethod
    def prepare(
        cls,
        path: str | Path | None = None,
        env: str | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        remember: bool = True,
        plugins: PluginChoice | None = None,
        arguments: Mapping[str, Any] | None = None,
        services: Given | None = None,
    ) -> Self:
        """Do what :meth:`load` does, and import no job file before a job is asked for."""
        global _loaded
        if _loaded is not None:
            raise RuntimeError(f"the project in {_loaded.root} is loaded; call its close() first")
        from jobkit import collection
        from jobkit.config import load_config, require_root
        from jobkit.project_plugins import clean_up, equip

        root = require_root(Path(path) if path is not None else Path.cwd())
        config = load_config(root, env=env, options=options or {})
        importable = collection.attached()
        if importable is not None and importable.root != str(config.root):
            # No project is loaded: only the pytest plugin made the modules of another one importable.
            collection.detach()
        finder = collection.attach(config)
        try:
            found = equip(config, finder, choice=plugins, arguments=arguments, remember=remember)
            try:
                project = cls(found, finder, services=services, remember=remember)
                project.options = dict(options or {})
            except BaseException:
                clean_up(found.config, found.registry)
                raise
        except BaseException:
            collection.detach()
            raise
        _loaded = project
        return project

    def find(self, name: str) -> JobSpec | None:
        """The job called *name*, imported now if it has to be; None after a full collection without it."""
        if name not in self._jobs and not self.complete:
            from jobkit import collection

            single = collection.collect_job(
                self.config,
                name,
                kinds=self._kinds,
                plugins=self.plugins.fingerprint,
                registry=self.plugins,
                remember=self.remembers,
            )
            if single is None:
                self.collect_all()
            else:
                self._take(single)
        return self._jobs.get(name)

    def collect_all(self) -> None:
        """Import what was not imported yet. Raises ConfigError for configuration of unknown jobs."""
        if not self.complete:
            from jobkit import collection

            self._take(
                collection.collect(
                    self.config,
                    kinds=self._kinds,
                    plugins=self.plugins.fingerprint,
                    registry=self.plugins,
                    remember=self.remembers,
                )
            )

    def give(self, services: Given) -> None:
        """Let jobs have open objects by name or type, in place of services or where there are none.

        What a program that embeds jobkit brings itself is known to it alone: a job that asks for such an
        object had an error until now, and has none any more. Adds to what was given before.
        """
        self._given = {**self._given, **services}
        self.graph = self._graph_with(self._given)
        self._jobs |= self._checked(self.configured, self.graph)
        self._gather_warnings()

    def jobs_with(self, services: Given) -> Mapping[str, JobSpec]:
        """Every job by name, as it is for somebody who brings *services*; the project stays as it is."""
        self.collect_all()
        graph = self._graph_with({**self._given, **services})
        return MappingProxyType({**self._jobs, **self._checked(self.configured, graph)})

    def close(self) -> None:
        """Call what plugins wanted called, and forget the job modules: another project can be loaded.

        Idempotent.
        """
        global _loaded
        from jobkit.project_plugins import clean_up

        clean_up(self.config, self.plugins)
        finder, self._finder = self._finder, None
        if _loaded is self or (_loaded is None and finder is not None):
            from jobkit import collection

            if _loaded is self or collection.attached() is finder:
                collection.detach()
        if _loaded is self:
            _loaded = None

    def release(self) -> None:
        """Let another project be loaded while the modules of this one stay, as long as they can."""
        global _loaded
        if _loaded is self:
            _loaded = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open_store(self, *, read_only: bool = False) -> Store:
        """The run store that the configuration names; enter it to use it. Raises StoreError."""
        config = replace(self.config, read_only=read_only)
        provided = self.hooks.store(config.scheduler.store, config)
        if provided is not None:
            return provided.value
        from jobkit.stores.opening import store_of

        return store_of(config, read_only=read_only)

    def enqueue(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        actor: str | None = None,
        enforce: bool | None = None,
    ) -> RunRecord:
        """Queue a run of the job *name* for a scheduler or a worker; its record as it is queued, durable.

        From any thread, inside a running event loop too, which it holds up for some milliseconds.
        *parameters* lie over those of the configuration. Raises, and queues nothing: UsageError for a job
        that there is not, ParameterError for parameters that do not fit, and for a secret one, since none is
        stored; RunError for a job with an error; RunRefused if overlap or a plugin is against it, or the
        store is in memory; StoreError.
        """
        # The runner lies above the project: only who calls this needs it.
        enqueue: Callable[..., RunRecord] = import_module("jobkit.runner.enqueueing").enqueue
        return enqueue(self, name, parameters, actor=actor, enforce=enforce)

    # -- taking up what has changed (project_reload) ----------------------------------------------------

    @property
    def finder(self) -> ExtensionFinder:
        """What finds the modules of this project. RuntimeError once it is closed."""
        if self._finder is None:
            raise RuntimeError(f"the project in {self.root} is closed")
        return self._finder

    def laid_over(self, spec: JobSpec, config: Config) -> tuple[JobSpec, JobSpec]:
        """*spec* as :attr:`configured` has it with *config*, and as :attr:`jobs` does."""
        from jobkit.config.apply import apply

        merged = apply(spec, config, self._kinds)
        return merged, self._checked({spec.name: merged}, self.graph)[spec.name]

    def take_anew(self, fresh: Fresh, collected: Collected) -> None:
        """Be what *fresh* says from now on."""
        from jobkit.project_plugins import learn_secrets

        self.config = fresh.config
        learn_secrets(self.plugins, fresh.config)
        self.proposed, self.configured, self._jobs = fresh.proposed, fresh.configured, fresh.checked
        self.errors[:], self.collected = collected.errors, collected
        self.noticed_names = fresh.noticed
        self._gather_warnings()

    # -- putting the layers together --------------------------------------------------------------------

    def _graph_with(self, given: Given) -> ServiceGraph:
        from jobkit.services.graph import ServiceGraph

        return ServiceGraph(self.services, given=given, root=self.root)

    def _take(self, collected: Collected) -> None:
        """Lay the configuration over what was collected, and check what can be checked now."""
        from jobkit.config.apply import apply

        fresh = {name: apply(spec, self.config, self._kinds) for name, spec in collected.jobs.items()}
        self.proposed |= collected.jobs
        self.configured |= fresh
        self._jobs = dict(sorted({**self._jobs, **self._checked(fresh, self.graph)}.items()))
        self.complete = collected.complete
        self.errors[:] = collected.errors
        self.collected = collected
        if self.complete:
            from jobkit.project_plugins import absent_plugins

            unknown = unknown_names(self.config, self._jobs, collected.gone)
            absent = absent_plugins(self.plugins)
            self.noticed_names = [*settle_names(unknown, self.errors, absent, self.root)]
        self._gather_warnings()

    @staticmethod
    def _checked(jobs: Mapping[str, JobSpec], graph: ServiceGraph) -> dict[str, JobSpec]:
        return {
            name: with_parameters_checked(with_services_checked(spec, graph)) for name, spec in jobs.items()
        }

    def _gather_warnings(self) -> None:
        extensions = sorted({item.extension for item in self.services if item.extension is not None})
        said = {spec.error.message for spec in self._jobs.values() if spec.error is not None}
        faults = [fault for fault in faults_of_services(self.graph, extensions) if fault.message not in said]
        self.warnings[:] = [
            *self.config.warnings,
            *self.plugins.warnings,
            *self._noticed,
            *faults,
            *(self.collected.warnings if self.collected is not None else ()),
            *self.noticed_names,
        ]
