"""Every hook as a method with types: a misspelt hook is an error of the type checker, not a silence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.exceptions import JobkitError
from jobkit.plugins import checks
from jobkit.plugins.dispatch import Dispatch

if TYPE_CHECKING:
    import click

    from jobkit.config import Config
    from jobkit.context import JobContext
    from jobkit.engines.base import Engine
    from jobkit.job import JobSpec
    from jobkit.plugins.around import RunContext
    from jobkit.plugins.failures import PluginFailure
    from jobkit.plugins.implementations import Implementation
    from jobkit.plugins.parser import Parser
    from jobkit.plugins.provided import Provided
    from jobkit.plugins.registry import PluginInfo, PluginRegistry
    from jobkit.plugins.sources import PluginChoice
    from jobkit.plugins.terminal import Terminal
    from jobkit.plugins.values import CollectReport, Defer, LogProcessor, Panel, Run, RunRequest, Skip
    from jobkit.records import RunRecord
    from jobkit.schedules.base import ScheduleKind
    from jobkit.services import ServiceSpec
    from jobkit.sinks.base import Sink
    from jobkit.stores.base import Store

#: See :meth:`Hooks.collection_modifyjobs`.
Judge = Callable[["Implementation", "list[JobSpec]", "list[JobSpec]", "list[JobSpec]"], object]

_ENGINE = checks.having("an engine", "submit")
_STORE = checks.having("a run store", "__aenter__", "add_run", "finish", "runs")


class Hooks:
    """The hooks of a project, as the rest of jobkit calls them.

    What :mod:`jobkit.hookspecs` says of each hook holds for its method. Synchronous ones belong to the thread
    that loads the project, asynchronous ones to the event loop; failures of plugins never come out, except
    where a hook says so, and PluginError where a plugin that is required – or any, when strict – does not
    provide what it should.
    """

    def __init__(self, registry: PluginRegistry) -> None:
        self._registry = registry
        self._dispatch = Dispatch(registry)

    def implemented(self, hook: str) -> bool:
        """Whether any plugin implements *hook* (``"run_started"``); cheap."""
        return bool(self._registry.implementations(f"jobkit_{hook}"))

    @property
    def choice(self) -> PluginChoice | None:
        """Which plugins the user has chosen, when they were loaded."""
        return self._registry.choice

    def failed(self, plugin: str, hook: str, error: BaseException, *, run: str | None = None) -> None:
        """Count, log and tell a failure of something that *plugin* has given: *hook* says of what."""
        info = self._registry.info(plugin)
        if info is not None:
            self._dispatch.failed(info, hook, error, run=run)

    def refused(self, plugin: str, hook: str, error: BaseException, *, function: object = None) -> None:
        """The same for what *plugin* has provided and cannot be used; *function* says where it is written.

        Raises PluginError if the plugin is required, or when strict.
        """
        info = self._registry.info(plugin)
        if info is not None:
            self._dispatch.refused(info, hook, error, function=function)

    def note(self, failure: PluginFailure) -> None:
        """The same for a failure that another process has seen, and given to its ``PluginRegistry.relay``."""
        info = self._registry.info(failure.plugin)
        if info is not None:
            self._dispatch.note(info, failure)

    # -- while a project is loaded ----------------------------------------------------------------------

    def addoption(self, parser_of: Callable[[PluginInfo], Parser]) -> None:
        """``jobkit_addoption``; each plugin gets a parser of its own."""
        self._dispatch.call("jobkit_addoption", lambda info: {"parser": parser_of(info)})

    def configure(self, config: Config) -> None:
        """``jobkit_configure``."""
        self._dispatch.call("jobkit_configure", lambda _: {"config": config})

    def commands(self, config: Config) -> list[Provided[click.Command]]:
        """``jobkit_commands``."""
        return self._dispatch.gather("jobkit_commands", {"config": config}, checks.command)

    def log_processors(self, config: Config) -> list[Provided[LogProcessor]]:
        """``jobkit_log_processors``."""
        return self._dispatch.gather("jobkit_log_processors", {"config": config}, checks.log_processor)

    # -- while job files are collected ------------------------------------------------------------------

    def ignore_collect(self, path: Path, config: Config, *, extension: str) -> bool | None:
        """``jobkit_ignore_collect``."""
        given = {"path": path, "config": config}
        answer = self._dispatch.first("jobkit_ignore_collect", given, checks.truth, extension=extension)
        return answer.value if answer is not None else None

    def collect_file(
        self,
        path: Path,
        extension: str,
        config: Config,
        *,
        begin: Callable[[], object] | None = None,
        judge: Callable[[bool | None], object] | None = None,
    ) -> bool:
        """``jobkit_collect_file``: whether a plugin has taken the file.

        *begin* is called before each plugin is asked: what the one before has registered is to be forgotten.
        *judge* is given each answer, and raises for one that does not fit what was registered.
        Raises whatever JobkitError a plugin raises: it is about the file.
        """
        given = {"path": path, "extension": extension, "config": config}
        answer = self._dispatch.first(
            "jobkit_collect_file",
            given,
            checks.truth,
            extension=extension,
            begin=begin,
            judge=judge,
            answers=(JobkitError,),
        )
        return answer is not None and answer.value

    def collection_modifyjobs(self, jobs: list[JobSpec], config: Config, judge: Judge | None = None) -> None:
        """``jobkit_collection_modifyjobs``; one that fails, or that *judge* finds wrong, changes nothing.

        *judge* gets the implementation, the jobs that it was shown, what it has made of them – which *judge*
        may put right, in place – and the jobs that it was not shown; it raises for what cannot be put right.
        """
        for item in self._registry.implementations("jobkit_collection_modifyjobs"):
            own = item.plugin.extension
            shown = [job for job in jobs if own is None or job.extension == own]
            if shown or own is None:
                rest = [job for job in jobs if own is not None and job.extension != own]
                changed = [*shown]
                given = {"jobs": changed, "config": config}
                asked = partial(judge, item, shown, changed, rest) if judge is not None else None
                if self._dispatch.call_one(item, given, asked):
                    jobs[:] = [*rest, *changed]

    def collectreport(self, report: CollectReport) -> None:
        """``jobkit_collectreport``."""
        self._dispatch.notify("jobkit_collectreport", {"report": report}, extension=report.extension)

    def services(self, config: Config) -> list[Provided[ServiceSpec]]:
        """``jobkit_services``."""
        return self._dispatch.gather("jobkit_services", {"config": config}, checks.service_spec)

    def schedule_kinds(self, config: Config) -> list[Provided[ScheduleKind]]:
        """``jobkit_schedule_kinds``."""
        return self._dispatch.gather("jobkit_schedule_kinds", {"config": config}, checks.schedule_kind)

    def store(self, url: str, config: Config) -> Provided[Store] | None:
        """``jobkit_store``. Raises StoreError if a plugin does."""
        given = {"url": url, "config": config}
        return self._dispatch.first("jobkit_store", given, _STORE, answers=(JobkitError,))

    def engines(self, config: Config) -> list[Provided[Engine]]:
        """``jobkit_engines``."""
        return self._dispatch.gather("jobkit_engines", {"config": config}, _ENGINE)

    # -- while jobs run ---------------------------------------------------------------------------------

    async def run_admit(self, request: RunRequest) -> Provided[Skip | Defer] | None:
        """``jobkit_run_admit``; what cannot be asked does not agree."""
        from jobkit.plugins.values import Skip

        return await self._dispatch.first_async(
            "jobkit_run_admit",
            {"request": request},
            checks.admission,
            extension=request.extension,
            instead=lambda item, error: Skip(
                f"plugin {item.plugin.name} could not be asked ({_kind(error)})"
            ),
        )

    async def run_started(self, run: Run) -> None:
        """``jobkit_run_started``."""
        await self._dispatch.notify_async(
            "jobkit_run_started", {"run": run}, extension=run.extension, run=run.id
        )

    async def run_finished(self, run: Run) -> None:
        """``jobkit_run_finished``."""
        await self._dispatch.notify_async(
            "jobkit_run_finished", {"run": run}, extension=run.extension, run=run.id
        )

    def run_context(self, run: Run, ctx: JobContext, *, threaded: bool = False) -> RunContext:
        """``jobkit_run_context``: the wrappers of one attempt, to be entered in its task.

        With *threaded* the plain ones are left for ``in_thread()``, entered in the job's thread.
        """
        from jobkit.plugins.around import RunContext

        given = {"run": run, "ctx": ctx}
        return RunContext(self._dispatch, given, extension=run.extension, run=run.id, threaded=threaded)

    def result_sinks(self, config: Config) -> list[Provided[Sink]]:
        """``jobkit_result_sinks``; whether each has what a sink needs is for the delivery to say."""
        return self._dispatch.gather("jobkit_result_sinks", {"config": config}, checks.anything)

    def plugin_error(self, error: PluginFailure) -> None:
        """``jobkit_plugin_error``."""
        self._dispatch.notify("jobkit_plugin_error", {"error": error})

    # -- where people look ------------------------------------------------------------------------------

    def terminal_summary(self, terminal: Terminal, runs: Sequence[RunRecord], config: Config) -> None:
        """``jobkit_terminal_summary``."""
        given = {"terminal": terminal, "runs": runs, "config": config}
        self._dispatch.call("jobkit_terminal_summary", lambda _: given)

    def web_panels(self, config: Config) -> list[Provided[Panel]]:
        """``jobkit_web_panels``; whoever looks at the page sees the others, whatever plugin fails."""
        return self._dispatch.gather("jobkit_web_panels", {"config": config}, checks.panel, isolated=True)


def _kind(error: BaseException) -> str:
    return type(error).__name__
