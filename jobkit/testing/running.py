"""One run in a store in memory, for the fixture ``jobkit_run``."""

from __future__ import annotations

import difflib
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from jobkit.exceptions import JobkitError, UsageError
from jobkit.testing.projects import projects

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.records import RunRecord

T = TypeVar("T")


class TestRunner:
    """Runs jobs for the tests of one folder. See ``jobkit_run`` for what a call does."""

    __test__ = False  # its name is no reason for pytest to collect it

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        job: str | Callable[..., Any] | type,
        /,
        parameters: Mapping[str, Any] | None = None,
        *,
        services: Mapping[str | type, object] | None = None,
        enforce: bool = False,
        timeout: timedelta | str | float | None = None,
    ) -> RunRecord:
        project = projects.project_of(self._folder)
        with explained():
            spec = find(project, job)
        jobs: Mapping[str, JobSpec] = {spec.name: spec}
        if project is not None:
            with explained():
                _check_names(project, services or {})
            jobs = project.jobs_with(services) if services else project.jobs
            spec = jobs.get(spec.name, spec)
        config = project.config if project is not None else _plain_config(self._folder)
        hooks = project.hooks if project is not None else None
        providers = project.services if project is not None else None

        async def run() -> RunRecord:
            from jobkit.runner import Runner
            from jobkit.stores.memory import MemoryStore

            async with (
                MemoryStore(project=config.project.name) as store,
                Runner(
                    jobs, store, config=config, services=services, hooks=hooks, providers=providers
                ) as runner,
            ):
                return await runner.run(spec, parameters, enforce=enforce, timeout=timeout)

        with explained():
            return from_here(run)


@contextmanager
def explained() -> Iterator[None]:
    """Code and help of an error of jobkit as a note: a test's report shows those, and no attributes."""
    try:
        yield
    except JobkitError as error:
        error.add_note(f"[{error.code}]" + (f" help: {error.help}" if error.help else ""))
        raise


def find(project: Project | None, job: str | Callable[..., Any] | type) -> JobSpec:
    """The job of that name or target in *project*; a function that is no job of it becomes one."""
    if isinstance(job, str):
        if project is None:
            raise UsageError(
                f"jobkit_run({job!r}): the test file lies in no jobkit project",
                code="JK809",
                help="give jobkit_run the function itself, or put the test below a folder with jobkit.toml",
            )
        spec = project.jobs.get(job)
        if spec is None:
            near = difflib.get_close_matches(job, project.jobs, n=1)
            raise UsageError(
                f"jobkit_run({job!r}): there is no such job in {project.root}",
                code="JK809",
                help=f"did you mean {near[0]!r}?" if near else "`jobkit list` shows the jobs there are",
            )
        return spec
    for known in project.jobs.values() if project is not None else ():
        if known.target is job or _same(known.target, job):
            return known
    return _spec_of(job)


def _check_names(project: Project, services: Mapping[str | type, object]) -> None:
    """UsageError for a name that no job and no factory of *project* asks for: nobody would get it."""
    given = [name for name in services if isinstance(name, str)]
    if not given:
        return
    known = {item.name for item in project.services if not item.private}
    requests = [request for spec in project.jobs.values() for request in spec.signature.services]
    requests += [request for item in project.services for request in item.spec.requests]
    known |= {request.parameter if request.marker is None else request.marker.name for request in requests}
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"services={{{name!r}: …}}: no service has that name, and nothing asks for it",
                code="JK809",
                help=f"did you mean {near[0]!r}?" if near else "`jobkit services` shows what there is",
            )


def _same(known: object, job: object) -> bool:
    """Whether both are the same definition, from two imports of its file."""
    names = [
        (getattr(item, "__module__", None), getattr(item, "__qualname__", None)) for item in (known, job)
    ]
    return names[0] == names[1] and None not in names[0] and str(names[0][0]).startswith("jobkit_ext.")


def _spec_of(target: Callable[..., Any] | type) -> JobSpec:
    """A job made of *target* alone, as if a job file had submitted it."""
    from jobkit.registration import collecting
    from jobkit.submit import submit_job, to_spec

    path = Path(inspect.getsourcefile(target) or __file__)
    with collecting(__name__, path) as body:
        submit_job(target)
    return to_spec(body.registrations[0], "tests", target.__module__)


def _plain_config(folder: Path) -> Config:
    """What a project without any configuration has."""
    from jobkit.config import Config, LogsSettings, ProjectSettings, SchedulerSettings

    return Config(
        root=folder,
        env=None,
        files=(),
        project=ProjectSettings(name="tests"),
        scheduler=SchedulerSettings(),
        logs=LogsSettings(),
    )


def from_here(call: Callable[[], Awaitable[T]]) -> T:
    """What *call* gives, in an event loop of its own: in this thread, or beside one that runs in it."""
    if not _loop_runs_here():
        return anyio.run(call)
    outcome: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            outcome.append(anyio.run(call))
        except BaseException as error:  # carried over to the thread that waits
            failure.append(error)

    thread = threading.Thread(target=work, name="jobkit_run")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _loop_runs_here() -> bool:
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True
