"""A loaded project: configuration, collected jobs, and what was wrong with either."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from jobkit.exceptions import CollectionError, ConfigError, JobkitError, ServiceError

if TYPE_CHECKING:
    from jobkit.collection import Collected
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.stores.base import Store

#: One project per process owns the ``jobkit_ext`` modules.
_loaded: Project | None = None


def loaded_project() -> Project | None:
    """The project that owns the job modules of this process, if one is loaded."""
    return _loaded


class Project:
    """Configuration and jobs of one folder; make one with :meth:`load`, let go of it with :meth:`close`.

    ``jobs`` maps names to their specs, those with an ``error`` included; ``errors`` are the broken
    job files; ``warnings`` is what ``check --strict`` refuses. Read-only after loading; reading is safe
    from any thread, loading and closing are not.
    """

    def __init__(self, config: Config, collected: Collected) -> None:
        self.root: Path = config.root
        self.env: str | None = config.env
        self.config = config
        self.errors: list[CollectionError] = []
        self.warnings: list[JobkitError] = []
        #: False while only the files of single jobs were imported.
        self.complete = False
        self._jobs: dict[str, JobSpec] = {}
        self._take(collected)

    @property
    def jobs(self) -> Mapping[str, JobSpec]:
        """Every job by name, in the order of the names.

        After ``load(only=...)`` further jobs are imported when they are asked for.
        """
        return _Jobs(self)

    @classmethod
    def load(
        cls,
        path: str | Path | None = None,
        env: str | None = None,
        *,
        only: str | None = None,
        options: Mapping[str, Any] | None = None,
        remember: bool = True,
    ) -> Self:
        """Read the configuration of the project around *path* (default: here) and collect its jobs.

        With *only*, just the file that registers that job is imported, if the index knows it;
        ``complete`` says whether it did. *options* are values of the command line, by dotted key.
        Without *remember* nothing is written below the root, not even the index.
        Broken job files are listed, not raised. Raises ConfigError for configuration that cannot be
        used, and RuntimeError while another project is loaded. Call it from the main thread if job
        files are to have a time limit.
        """
        global _loaded
        if _loaded is not None:
            raise RuntimeError(f"the project in {_loaded.root} is loaded; call its close() first")
        from jobkit import collection
        from jobkit.config import load_config, require_root

        root = require_root(Path(path) if path is not None else Path.cwd())
        config = load_config(root, env=env, options=options or {})
        importable = collection.attached()
        if importable is not None and importable.root != str(config.root):
            # No project is loaded: only the pytest plugin made the modules of another one importable.
            collection.detach()
        collection.attach(config)
        try:
            single = collection.collect_job(config, only, remember=remember) if only is not None else None
            project = cls(config, single or collection.collect(config, remember=remember))
        except BaseException:
            collection.detach()
            raise
        _loaded = project
        return project

    def find(self, name: str) -> JobSpec | None:
        """The job called *name*, imported now if it has to be; None after a full collection without it."""
        if name not in self._jobs and not self.complete:
            from jobkit import collection

            self._take(collection.collect_job(self.config, name) or collection.collect(self.config))
        return self._jobs.get(name)

    def collect_all(self) -> None:
        """Import what was not imported yet. Raises ConfigError for configuration of unknown jobs."""
        if not self.complete:
            from jobkit import collection

            self._take(collection.collect(self.config))

    def close(self) -> None:
        """Forget the job modules, so that another project can be loaded. Idempotent."""
        global _loaded
        if _loaded is self:
            from jobkit import collection

            collection.detach()
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
        from jobkit.stores.opening import store_of

        return store_of(self.config, read_only=read_only)

    # -- putting the two layers together ----------------------------------------------------------

    def _take(self, collected: Collected) -> None:
        """Lay the configuration over what was collected, and check what can be checked now."""
        from jobkit.config.apply import apply

        fresh = {name: apply(spec, self.config) for name, spec in collected.jobs.items()}
        _check_services(fresh)
        _check_required_parameters(fresh)
        self._jobs = dict(sorted({**self._jobs, **fresh}.items()))
        self.complete = collected.complete
        self.errors[:] = collected.errors
        self.warnings[:] = [*self.config.warnings, *collected.warnings]
        if self.complete:
            self._check_names(self._unknown_names())

    def _unknown_names(self) -> list[ConfigError]:
        """Configuration that speaks of jobs which do not exist."""
        unknown = [
            (name, self.config.job_origin(name), f"[jobs.{name}] matches no job")
            for name in self.config.jobs
            if name not in self._jobs
        ]
        startup = self.config.origin("scheduler.startup")
        unknown += [
            (name, startup, f"startup names {name!r}, which is no job")
            for name in self.config.scheduler.startup
            if name not in self._jobs
        ]
        return [
            ConfigError(
                message, code="JK210", path=origin.path, line=origin.line, help=self._did_you_mean(name)
            )
            for name, origin, message in unknown
        ]

    def _check_names(self, unknown: list[ConfigError]) -> None:
        """After a clean collection an unknown name is an error; while files are broken it may be theirs."""
        if not unknown:
            return
        stale = [
            error for error in unknown if error.path is not None and error.path.name.startswith("overrides")
        ]
        if self.errors:
            broken = ", ".join(sorted({error.location(self.root) or "?" for error in self.errors}))
            for error in unknown:
                error.help = (
                    f"{error.help or ''} (it may belong to a file that could not be loaded: {broken})".strip()
                )
            stale = unknown
        self.warnings += stale
        wrong = tuple(error for error in unknown if error not in stale)
        if wrong:
            raise _as_one(wrong)

    def _did_you_mean(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._jobs, n=1)
        if close:
            return f"did you mean {close[0]!r}?"
        return "`jobkit list` shows the jobs there are"


class _Jobs(Mapping[str, "JobSpec"]):
    """The jobs of a project; one that was not imported yet is, when it is asked for."""

    __slots__ = ("_project",)

    def __init__(self, project: Project) -> None:
        self._project = project

    def __getitem__(self, name: str) -> JobSpec:
        spec = self._project.find(name)
        if spec is None:
            raise KeyError(name)
        return spec

    def __iter__(self) -> Iterator[str]:
        self._project.collect_all()
        return iter(self._project._jobs)

    def __len__(self) -> int:
        self._project.collect_all()
        return len(self._project._jobs)


def _check_services(jobs: dict[str, JobSpec]) -> None:
    """Find out now, not at three in the morning, that a job asks for a service nobody provides."""
    from jobkit.services import builtin_specs
    from jobkit.services.graph import resolve

    available = builtin_specs()
    for name, spec in jobs.items():
        if spec.error is None:
            try:
                resolve(spec, available)
            except ServiceError as error:
                jobs[name] = replace(spec, error=error)


def _check_required_parameters(jobs: dict[str, JobSpec]) -> None:
    """Warn of scheduled jobs whose runs would all be refused: nobody gives a value that they require."""
    for name, spec in jobs.items():
        if spec.times is None or not spec.enabled or spec.error is not None:
            continue
        missing = [item.name for item in spec.signature.parameters.parameters if item.required]
        missing = [item for item in missing if item not in spec.parameters]
        if missing:
            warning = CollectionError(
                f"job {name} has a schedule, and nothing gives its required parameter {missing[0]!r}",
                code="JK512",
                path=spec.path,
                line=spec.line,
                help=f"give it a default, or a value: [jobs.{name}] parameters = {{ {missing[0]} = … }}",
            )
            jobs[name] = replace(spec, warnings=(*spec.warnings, warning))


def _as_one(errors: Iterable[ConfigError]) -> ConfigError:
    """The first of *errors*, carrying all."""
    every = tuple(errors)
    first = every[0]
    return ConfigError(
        first.message, code=first.code, path=first.path, line=first.line, help=first.help, errors=every
    )
