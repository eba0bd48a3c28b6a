"""The hooks that a plugin can implement.

Each docstring has the same parts. *Called*: when. *Returns*: what. *Verb*: how implementations are called,
in which time. *On failure*: what happens if one raises, returns nonsense or does not return in time; such a
failure is always logged as ``plugin.failed``, counted in ``jobkit plugins`` and told to
``jobkit_plugin_error``. *Extension*: whether the ``hooks.py`` of an extension may implement it, and what it
then sees. Single-file plugins of the project, ``hooks/*.py``, may implement every hook. Implementations may
leave out arguments that they do not need. The plugin that was registered last is asked first, as pluggy
does; ``tryfirst`` and ``trylast`` work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pluggy

if TYPE_CHECKING:
    import click

    from jobkit.config import Config
    from jobkit.context import JobContext
    from jobkit.engines.base import Engine
    from jobkit.job import JobSpec
    from jobkit.plugins.failures import PluginFailure
    from jobkit.plugins.parser import Parser
    from jobkit.plugins.terminal import Terminal
    from jobkit.plugins.values import CollectReport, Defer, LogProcessor, Panel, Run, RunRequest, Skip
    from jobkit.records import RunRecord
    from jobkit.schedules.base import ScheduleKind
    from jobkit.services import ServiceSpec
    from jobkit.sinks.base import Sink
    from jobkit.stores.base import Store

Verb = Literal["call", "gather", "first", "notify", "around"]

F = TypeVar("F", bound=Callable[..., Any])

_hookspec = pluggy.HookspecMarker("jobkit")
#: How long an asynchronous implementation may take, in seconds.
TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class HookRule:
    """How the implementations of one hook are called; *timeout*, in seconds, makes it asynchronous."""

    verb: Verb
    timeout: float | None = None
    extension: bool = False

    @property
    def asynchronous(self) -> bool:
        """Whether implementations may be coroutine functions."""
        return self.timeout is not None


#: Every hook and its rule, in the order of this file.
RULES: dict[str, HookRule] = {}


def _hook(verb: Verb, *, timeout: float | None = None, extension: bool = False) -> Callable[[F], F]:
    def declared(function: F) -> F:
        RULES[function.__name__] = HookRule(verb, timeout, extension)
        return _hookspec(function)

    return declared


# -- while a project is loaded ------------------------------------------------------------------------


@_hook("call")
def jobkit_addoption(parser: Parser) -> None:
    """Declare the plugin's configuration table, its per-job settings and its options of the command line.

    Called: first of all, in every process that loads the project.
    Returns: nothing; *parser* is the plugin's own.
    Verb: call.
    On failure: the plugin is unregistered, with a warning; an error if it is required, or with ``--strict``.
    Extension: no.
    Example: ``parser.table(Table)``, a msgspec struct, makes ``config.plugin("webhook")`` one of those.
    """


@_hook("call")
def jobkit_configure(config: Config) -> None:
    """Prepare the process for the project's code: the place for ``django.setup()``.

    Called: in every process that loads the project – command line, scheduler, worker, the child of a process
        job, the pytest plugin – after ``pythonpath`` is applied and before the first job file.
    Returns: nothing. ``config.add_cleanup(function)`` has something called when the project is closed.
    Verb: call.
    On failure: the plugin is unregistered, with a warning; an error if it is required, or with ``--strict``.
    Extension: no.
    Example: ``os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings"); django.setup()``
    """


@_hook("gather")
def jobkit_commands(config: Config) -> Iterable[click.Command]:
    """Add verbs to the command line.

    Called: when a verb is not one of jobkit's own, and when help and completion are written anew.
    Returns: click commands; a command named like a verb of jobkit is refused.
    Verb: gather.
    On failure: the plugin's verbs are missing.
    Extension: no.
    Example: ``return [hello]``, where ``hello`` is decorated with ``@click.command()``.
    """
    return ()


@_hook("gather")
def jobkit_log_processors(config: Config) -> Iterable[LogProcessor | Callable[[Any, str, Any], Any]]:
    """Enrich or redact every log line of jobkit's programs.

    Called: once, after ``jobkit_configure``.
    Returns: ``LogProcessor(function, stage="enrich" or "redact")``; a bare function enriches.
    Verb: gather. A processor that raises later leaves the line as it was.
    On failure: the plugin's processors are missing.
    Extension: no.
    Example: ``return [LogProcessor(add_region)]``
    """
    return ()


# -- while job files are collected --------------------------------------------------------------------


@_hook("first", extension=True)
def jobkit_ignore_collect(path: Path, config: Config) -> bool | None:
    """Skip a job file, or force one that its name would have skipped.

    Called: for each file of a ``jobs`` folder, before it is imported.
    Returns: True to skip it, False to collect it whatever it is called, None for no opinion.
    Verb: first.
    On failure: counts as no opinion.
    Extension: yes, for its own files.
    Example: ``return path.name.startswith("draft_") or None``
    """
    return None


@_hook("first", extension=True)
def jobkit_collect_file(path: Path, extension: str, config: Config) -> bool | None:
    """Collect another kind of job file: SQL, YAML, a notebook.

    Called: for each file of a ``jobs`` folder, before it would be imported as Python. What is registered with
        ``submit_job`` meanwhile belongs to the file.
    Returns: True if the file is this plugin's, None if it is not. To register jobs and not return True is a
        failure.
    Verb: first.
    On failure: counts as not the plugin's; what it had registered is taken back.
    Extension: yes, for its own files.
    Example: ``submit_job(SqlJob(path.read_text()), name=path.stem, description="SQL"); return True``
    """
    return None


@_hook("call", extension=True)
def jobkit_collection_modifyjobs(jobs: list[JobSpec], config: Config) -> None:
    """Change, drop or reorder jobs before configuration is laid over them.

    Called: once, after all files.
    Returns: nothing: *jobs* is changed in place (``jobs[0] = dataclasses.replace(jobs[0], tags=...)``).
    Verb: call.
    On failure: the list is as it was before, and the plugin is unregistered, with a warning; an error if it
        is required, or with ``--strict``.
    Extension: yes; it sees its own jobs only.
    Example: ``jobs[:] = [job for job in jobs if "legacy" not in job.tags]``
    """


@_hook("notify", extension=True)
def jobkit_collectreport(report: CollectReport) -> None:
    """See what became of each job file.

    Called: after each file.
    Returns: nothing.
    Verb: notify, synchronous.
    On failure: nothing else.
    Extension: yes, for its own files.
    Example: ``slowest.append((report.seconds, report.path))``
    """


@_hook("gather", extension=True)
def jobkit_services(config: Config) -> Iterable[ServiceSpec]:
    """Provide services that jobs, and other services, ask for by type or name.

    Called: once, when a project is loaded. Nothing is opened yet.
    Returns: service specs.
    Verb: gather.
    On failure: the plugin's services are missing; jobs that need them are listed with an error.
    Extension: yes; they shadow the project's by name and type, for its own jobs.
    Example: ``return [ServiceSpec(open_database, name="db", ping=check_database)]``
    """
    return ()


@_hook("gather")
def jobkit_schedule_kinds(config: Config) -> Iterable[ScheduleKind]:
    """Provide further ways to write a schedule.

    Called: once, before the first job file.
    Returns: schedule kinds, each with a prefix of its own.
    Verb: gather.
    On failure: the plugin's kinds are missing; jobs that use them are listed with an error.
    Extension: no.
    Example: ``return [ScheduleKind("sunset", parse_sunset, "sunset, with an offset: sunset -30m")]``
    """
    return ()


@_hook("first")
def jobkit_store(url: str, config: Config) -> Store | None:
    """Open run stores of another kind.

    Called: when the run store is wanted; its kinds ``sqlite`` and ``memory`` stay jobkit's own.
    Returns: a store for *url*, not opened yet, or None if its scheme is not the plugin's. Where
        ``config.read_only`` is true the store must not change anything.
    Verb: first.
    On failure: counts as not the plugin's. A ``StoreError`` is the user's to see, and ends the command.
    Extension: no.
    Example: ``return PostgresStore(url) if url.startswith("postgresql:") else None``
    """
    return None


@_hook("gather")
def jobkit_engines(config: Config) -> Iterable[Engine]:
    """Provide engines, which carry "run N is ready" to workers.

    Called: when a scheduler or a worker starts.
    Returns: engines, each with a name that ``[scheduler] engine`` can say.
    Verb: gather.
    On failure: the plugin's engines are missing.
    Extension: no.
    Example: ``return [ProcrastinateEngine(config.plugin("procrastinate"))]``
    """
    return ()


# -- while jobs run -----------------------------------------------------------------------------------


@_hook("first", timeout=TIMEOUT, extension=True)
async def jobkit_run_admit(request: RunRequest) -> Skip | Defer | None:
    """Decide whether a run may take place: maintenance windows, quotas, licences.

    Called: before anything is written down about the run.
    Returns: ``Skip(reason)``, ``Defer(until)``, or None for no opinion; the first Skip or Defer wins.
    Verb: first, asynchronous, 10 seconds.
    On failure: the run is skipped, reason ``admission``: what cannot be asked does not agree.
    Extension: yes, for its own jobs.
    Example: ``return Skip("month-end freeze") if frozen() and "billing" in request.spec.tags else None``
    """
    return None


@_hook("notify", timeout=TIMEOUT, extension=True)
async def jobkit_run_started(run: Run) -> None:
    """See a run that begins.

    Called: when the run has its lease, before its first attempt.
    Returns: nothing.
    Verb: notify, asynchronous, 10 seconds.
    On failure: nothing else.
    Extension: yes, for its own jobs.
    Example: ``RUNNING.labels(run.job).inc()``
    """


@_hook("around", timeout=TIMEOUT, extension=True)
def jobkit_run_context(
    run: Run, ctx: JobContext
) -> AbstractAsyncContextManager[Any] | AbstractContextManager[Any] | None:
    """Wrap each attempt of a run, its services included: a tracing span, a profiler, an advisory lock.

    Called: before the services of an attempt are opened; left after they are closed, with its exception.
    Returns: a context manager, asynchronous or plain, or None for none this time. Of thread jobs a plain one
        is entered in the job's own thread, around the call: the place to close database connections.
    Verb: around, asynchronous, 10 seconds for entering and as many for leaving.
    On failure: on entry, the attempt goes on without this wrapper; on leaving, the job's outcome stays. The
        job's exception cannot be swallowed.
    Extension: yes, for its own jobs.
    Example: ``return tracer.start_as_current_span(run.job)``
    """
    return None


@_hook("notify", timeout=TIMEOUT, extension=True)
async def jobkit_run_finished(run: Run) -> None:
    """See a run that has ended and is recorded; for results that must arrive, write a sink instead.

    Called: after the record is written, in the process that ran the job.
    Returns: nothing.
    Verb: notify, asynchronous, 10 seconds.
    On failure: nothing else.
    Extension: yes, for its own jobs.
    Example: ``RUNS.labels(run.job, run.status).inc()``
    """


@_hook("gather", extension=True)
def jobkit_result_sinks(config: Config) -> Iterable[Sink]:
    """Provide sinks, which get every finished run at least once.

    Called: once, when a project is loaded.
    Returns: sinks, each with a name of its own.
    Verb: gather.
    On failure: the plugin's sinks are missing; what the store keeps for them waits.
    Extension: yes, for the runs of its own jobs.
    Example: ``return [Webhook(config.plugin("webhook"))]``
    """
    return ()


@_hook("notify")
def jobkit_plugin_error(error: PluginFailure) -> None:
    """See the failures of plugins.

    Called: after each isolated failure of a hook, a sink or a log processor.
    Returns: nothing.
    Verb: notify, synchronous.
    On failure: it is logged and counted, and not told to this hook again.
    Extension: no.
    Example: ``ERRORS.labels(error.plugin, error.hook).inc()``
    """


# -- where people look --------------------------------------------------------------------------------


@_hook("call")
def jobkit_terminal_summary(terminal: Terminal, runs: Sequence[RunRecord], config: Config) -> None:
    """Say something at the end of ``jobkit run``.

    Called: after all runs have ended, in the order of their start.
    Returns: nothing; ``terminal.line(text)`` writes a line to stderr, control characters escaped.
    Verb: call.
    On failure: the plugin is unregistered, with a warning; the exit code stays that of the runs.
    Extension: no.
    Example: ``terminal.line(f"slowest: {max(runs, key=duration).job}")``
    """


@_hook("gather")
def jobkit_web_panels(config: Config) -> Iterable[Panel]:
    """Add boxes to the web page.

    Called: when the web page starts.
    Returns: panels; what they render is shown as text.
    Verb: gather.
    On failure: the plugin's panels are missing.
    Extension: no.
    Example: ``return [Panel("queue", "Waiting orders", count_orders)]``
    """
    return ()
