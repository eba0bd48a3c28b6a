"""A project in a temporary folder, for testing plugins: the fixture ``jobkit_project``."""

from __future__ import annotations

import difflib
import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobkit.hookspecs import RULES
from jobkit.testing.outcomes import CommandResult, RunResult
from jobkit.testing.recorder import RECORDER, RecordedCall, Recorder
from jobkit.testing.running import explained, find, from_here

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.records import RunRecord
    from jobkit.sinks.report import DeliveryReport

_PATIENCE = 60.0


class JobkitProject:
    """Write files, register plugins, run jobs, look at what happened.

    Of what is installed only those plugins take part that :meth:`plugin` names; with ``installed = True``,
    all. Texts are dedented. One project at a time can be loaded in a process, so this belongs to one test at
    a time; pytest-xdist's workers are processes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        #: Whether plugins take part because they are installed.
        self.installed = False
        self._objects: dict[str, object] = {}
        self._named: list[str] = []
        self._recorder = Recorder()
        self.configure('[project]\nname = "trial"\n')

    # -- what is in it ----------------------------------------------------------------------------------

    def write(self, path: str | Path, text: str) -> Path:
        """Write a file below the root, in place of what was there."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), encoding="utf-8")
        return target

    def configure(self, text: str) -> Path:
        """Write ``jobkit.toml``."""
        return self.write("jobkit.toml", text)

    def jobs(self, text: str, *, file: str = "jobs.py", extension: str = "trial") -> Path:
        """Write a job file of *extension*."""
        return self.write(Path("extensions", extension, "jobs", file), text)

    def hooks(self, text: str, *, name: str = "trial", extension: str | None = None) -> Path:
        """Write the plugin ``hooks/<name>.py`` of the project, or the ``hooks.py`` of an *extension*."""
        if extension is not None:
            return self.write(Path("extensions", extension, "hooks.py"), text)
        return self.write(Path("hooks", f"{name}.py"), text)

    def plugin(self, plugin: object, name: str | None = None) -> None:
        """Let a plugin take part: an object, a class or a module, or the name of one that is installed.

        An object lives in this process only. Its *name* is by default that of the class, in lower case, or of
        the module.
        """
        if isinstance(plugin, str):
            self._named.append(plugin)
        else:
            self._objects[name or _name_of(plugin)] = plugin

    # -- what it does -----------------------------------------------------------------------------------

    @contextmanager
    def load(
        self,
        env: str | None = None,
        *,
        arguments: Mapping[str, Any] | None = None,
        services: Mapping[str | type, object] | None = None,
    ) -> Iterator[Project]:
        """The project, loaded in this process and closed at the end.

        *arguments* are values of plugins' options, by flag. Raises what ``Project.load`` raises.
        """
        from jobkit.plugins.sources import PluginChoice
        from jobkit.project import Project

        choice = PluginChoice(
            load=tuple(self._named),
            autoload=self.installed,
            objects=(*self._objects.items(), (RECORDER, self._recorder)),
        )
        with explained():
            project = Project.load(self.root, env, plugins=choice, arguments=arguments, services=services)
        with project:
            yield project

    def run(
        self,
        job: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        env: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        services: Mapping[str | type, object] | None = None,
        enforce: bool = False,
    ) -> RunResult:
        """Load the project and run *job* in this process: real hooks, services, store, sinks.

        Every sink gets what waits for it, in one attempt, as after ``jobkit run``. A failed run is a result.
        Raises RunRefused for a run that does not take place, and whatever keeps the project from being
        loaded. Works in ``def`` and ``async def`` tests.
        """
        told = len(self.calls("jobkit_plugin_error"))
        with self.load(env, arguments=arguments, services=services) as project, explained():
            warnings = (*project.errors, *project.warnings)
            execution = _Execution(project, find(project, job), parameters, enforce)
            from_here(execution.run)
        failures = tuple(call.error for call in self.calls("jobkit_plugin_error")[told:])
        return RunResult(tuple(execution.records), execution.delivered, failures, warnings)

    def cli(self, *words: str, **variables: str) -> CommandResult:
        """Run ``jobkit WORDS`` in this project as a process of its own, with *variables* in its environment.

        RuntimeError if plugin objects were registered: they live in this process.
        """
        if self._objects:
            names = ", ".join(self._objects)
            raise RuntimeError(
                f"jobkit_project.cli: {names} lives in this process, and the command is another one; "
                "write the plugin with hooks(), or install it and name it with plugin()"
            )
        began = datetime.now(UTC) - timedelta(milliseconds=1)
        done = self._process(words, variables)

        def history() -> list[dict[str, Any]]:
            since = ("history", "--json", "--limit", "10000", "--since", began.isoformat())
            runs: list[dict[str, Any]] = json.loads(self._process(since, variables).stdout)["data"]
            return runs

        return CommandResult(done.returncode, done.stdout, done.stderr, history)

    # -- what happened ----------------------------------------------------------------------------------

    def calls(self, hook: str) -> list[RecordedCall]:
        """The calls of *hook* in this process so far; ``call.run`` is the argument ``run``. See RULES."""
        if hook not in RULES:
            close = difflib.get_close_matches(hook, RULES, n=1)
            raise ValueError(f"there is no hook {hook}" + (f"; did you mean {close[0]}?" if close else ""))
        return [call for call in self._recorder.recorded if call.hook == hook]

    def _process(
        self, words: tuple[str, ...], variables: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
        if not self.installed:
            environ["JOBKIT_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        named = [word for name in self._named for word in ("--plugin", name)]
        return subprocess.run(
            [sys.executable, "-m", "jobkit", "-C", str(self.root), *named, *words],
            env={**environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )


class _Execution:
    """One run in the event loop that it is given."""

    def __init__(
        self, project: Project, spec: JobSpec, parameters: Mapping[str, Any] | None, enforce: bool
    ) -> None:
        self.records: list[RunRecord] = []
        self.delivered: DeliveryReport | None = None
        self._project = project
        self._spec = spec
        self._parameters = parameters
        self._enforce = enforce

    async def run(self) -> None:
        from jobkit.runner import Runner
        from jobkit.sinks.delivery import Delivery

        project = self._project
        async with project.open_store() as store, AsyncExitStack() as stack:
            delivery: Delivery | None = None
            if project.sinks:
                secrets = project.config.secrets
                delivery = Delivery(project.sinks, store, hooks=project.hooks, secrets=secrets)
                await stack.enter_async_context(delivery)

            def finished(record: RunRecord) -> None:
                self.records.append(record)
                if delivery is not None:
                    delivery.finished(record)

            runner = Runner(
                project.jobs,
                store,
                config=project.config,
                services=project.given,
                hooks=project.hooks,
                providers=project.services,
                finished=finished,
            )
            async with runner:
                await runner.run(self._spec, self._parameters, enforce=self._enforce)
            if delivery is not None:
                self.delivered = await delivery.once()


def _name_of(plugin: object) -> str:
    if inspect.ismodule(plugin):
        return plugin.__name__.rpartition(".")[2]
    return (plugin if isinstance(plugin, type) else type(plugin)).__name__.lower()
