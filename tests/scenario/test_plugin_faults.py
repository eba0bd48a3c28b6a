"""Every hook, and everything that a plugin can do wrong in it: jobs are collected and run all the same."""

from __future__ import annotations

import gc
import inspect
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jobkit import hookspecs
from jobkit.hookspecs import RULES, HookRule
from jobkit.project import Project
from tests.cli.harness import CommandLine, Ended


@pytest.fixture(autouse=True, scope="module")
def what_was_there_before() -> None:
    """Is looked through once, and not after each of these tests."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def what_faulty_plugins_leave_behind() -> Iterator[None]:
    """Coroutines that they made and nobody was to await end here, and in no other test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        gc.collect()


JOB = """\
from jobkit import submit_job


@submit_job
async def work(ctx):
    ctx.log.info("at work")
"""

#: Another plugin: its failure gives ``jobkit_plugin_error`` something to be told, and it hears of others'.
WITNESS = """\
from pathlib import Path

from jobkit import hookimpl


@hookimpl
def jobkit_plugin_error(error):
    with (Path(__file__).parent.parent / "heard.txt").open("a") as file:
        print(error.plugin, error.hook, file=file)


@hookimpl
def jobkit_collectreport(report):
    raise ValueError("so that somebody is told")
"""

#: Hooks that a run of a job calls and `jobkit plugins` does not.
OF_RUNS = {
    "jobkit_run_admit",
    "jobkit_run_started",
    "jobkit_run_context",
    "jobkit_run_finished",
    "jobkit_result_sinks",
    "jobkit_terminal_summary",
}
#: Hooks that neither of them calls; stores of jobkit's own kinds are jobkit's.
OF_OTHERS: dict[str, Callable[[Project], object]] = {
    "jobkit_store": lambda project: project.hooks.store("other://place", project.config),
    "jobkit_engines": lambda project: project.hooks.engines(project.config),
    "jobkit_web_panels": lambda project: project.hooks.web_panels(project.config),
}

HEAD = """\
import anyio

from jobkit import hookimpl


class Manager:
    def __init__(self, entering=None, leaving=None):
        self.entering, self.leaving = entering, leaving

    def __enter__(self):
        if self.entering:
            raise self.entering

    def __exit__(self, *facts):
        if self.leaving:
            raise self.leaving

    async def __aenter__(self):
        self.__enter__()

    async def __aexit__(self, *facts):
        self.__exit__()


class HangsEntering(Manager):
    async def __aenter__(self):
        await anyio.sleep_forever()


class HangsLeaving(Manager):
    async def __aexit__(self, *facts):
        await anyio.sleep_forever()


async def later():
    return None


GROUP = BaseExceptionGroup("several", [ValueError("no luck"), SystemExit(3)])


@hookimpl
"""
RAISING = {
    "exception": "raise ValueError('no luck')",
    "exit": "raise SystemExit(3)",
    "group": "raise GROUP",
    "nonsense": "return object()",
}
#: What keeps a plugin from being registered at all.
REFUSED = ("signature", "coroutine", "generator")


def _faults(rule: HookRule) -> Iterator[tuple[str, str]]:
    """The name of each fault, and the function's last lines: how it begins, and what it does."""
    begin = "async def {hook}({arguments}):" if rule.asynchronous else "def {hook}({arguments}):"
    for name, body in RAISING.items():
        yield name, f"{begin}\n    {body}\n"
    yield "signature", f"{begin}\n    return None\n".replace("{arguments}", "surely_no_argument")
    yield "returned coroutine", f"{begin}\n    return later()\n"
    if rule.asynchronous:
        for name, body in RAISING.items():
            yield f"plain {name}", f"def {{hook}}({{arguments}}):\n    {body}\n"
        yield "hang", f"{begin}\n    await anyio.sleep_forever()\n"
        clinging = "try:\n        await anyio.sleep_forever()\n    except BaseException:\n        return None"
        yield "hang that clings", f"{begin}\n    {clinging}\n"
    else:
        yield "coroutine", f"async {begin}\n    return None\n"
    if rule.verb == "gather":
        yield "half a generator", f"{begin}\n    yield object()\n"
        yield "failing generator", f"{begin}\n    yield from ()\n    raise GROUP\n"
        yield "returned coroutines", f"{begin}\n    return [later()]\n"
    else:
        yield "generator", f"{begin}\n    yield None\n"
        yield "returned generator", f"{begin}\n    return (item for item in ())\n"
    if rule.verb == "around":
        for manager in ("HangsEntering", "HangsLeaving"):
            yield manager, f"def {{hook}}({{arguments}}):\n    return {manager}()\n"
        for moment in ("entering", "leaving"):
            for error in ("ValueError('no luck')", "SystemExit(3)", "GROUP"):
                body = f"return Manager({moment}={error})"
                yield f"{moment} {error[:5]}", f"def {{hook}}({{arguments}}):\n    {body}\n"


def _source(hook: str, text: str) -> str:
    arguments = ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters)
    return HEAD + text.format(hook=hook, arguments=arguments)


CASES = [
    pytest.param(hook, fault, _source(hook, text), id=f"{hook}: {fault}")
    for hook, rule in RULES.items()
    for fault, text in _faults(rule)
]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A project with a job, a plugin that is to be at fault, and another; hooks have little time."""
    for name, rule in RULES.items():
        if rule.timeout is not None:
            monkeypatch.setitem(RULES, name, HookRule(rule.verb, 0.05, rule.extension))
    line = CommandLine(tmp_path, monkeypatch)
    line.file("jobkit.toml", '[project]\nname = "shop"\n')
    line.file("extensions/web/jobs/work.py", JOB)
    line.file("hooks/witness.py", WITNESS)
    return line


def _plugin(cli: CommandLine) -> dict[str, Any]:
    """What `jobkit plugins` says of the one at fault."""
    [found] = [plugin for plugin in cli("plugins", "--json").data if plugin["name"] == "faulty"]
    return dict(found)


def _heard(cli: CommandLine) -> set[str]:
    path = cli.root / "heard.txt"
    return set(path.read_text().splitlines()) if path.exists() else set()


@pytest.mark.parametrize(("hook", "fault", "source"), CASES)
def test_whatever_a_plugin_does_jobs_are_collected_and_run(
    hook: str, fault: str, source: str, cli: CommandLine, caplog: pytest.LogCaptureFixture
) -> None:
    """Admission excepted, which is refused in the plugin's name. The fault is named, counted and shown."""
    cli.file("hooks/faulty.py", source)
    ended = cli("run", "work", "--json")
    if hook == "jobkit_run_admit" and fault not in REFUSED:
        assert ended.code == 7
        assert "plugin faulty could not be asked" in ended.err
    else:
        assert (ended.code, [run["status"] for run in ended.data]) == (0, ["succeeded"])
    if fault in REFUSED:
        _is_refused(cli, ended, hook)
    elif hook in OF_OTHERS:
        _is_isolated_elsewhere(cli, hook, caplog)
    else:
        _is_isolated(cli, ended, hook)


def _is_refused(cli: CommandLine, ended: Ended, hook: str) -> None:
    assert "warning[JK70" in ended.err
    assert f"plugin faulty is left out: {hook} " in ended.err
    plugin = _plugin(cli)
    assert (plugin["status"], plugin["error"]["path"]) == ("broken", "hooks/faulty.py")


def _is_isolated(cli: CommandLine, ended: Ended, hook: str) -> None:
    events = [line for line in ended.err.splitlines() if "plugin.failed" in line and hook in line]
    assert any("faulty" in event for event in events), ended.err
    if hook != "jobkit_plugin_error":  # its own failure is not told to it
        assert f"faulty {hook}" in _heard(cli)
    if hook not in OF_RUNS:
        plugin = _plugin(cli)
        assert plugin["failures"] >= 1
        assert hook in plugin["error"]["message"]
        assert plugin["error"]["path"] == "hooks/faulty.py"


def _is_isolated_elsewhere(cli: CommandLine, hook: str, caplog: pytest.LogCaptureFixture) -> None:
    with Project.load(cli.root) as project, caplog.at_level(logging.ERROR):
        OF_OTHERS[hook](project)
        info = project.plugins.info("faulty")
    assert info is not None
    assert (info.status, info.failures) == ("active", 1)
    assert info.error is not None
    assert hook in info.error.message
    assert f"plugin.failed plugin=faulty hook={hook}" in caplog.text
    assert f"faulty {hook}" in _heard(cli)


# -- in the hooks.py of an extension, and around other jobs -----------------------------------------------

OF_EXTENSIONS = [
    pytest.param(hook, fault, _source(hook, text), id=f"{hook}: {fault}")
    for hook, rule in RULES.items()
    if rule.extension
    for fault, text in _faults(rule)
    if fault in ("exception", "exit", "group", "nonsense")
]


@pytest.mark.parametrize(("hook", "fault", "source"), OF_EXTENSIONS)
def test_a_faulty_extension_harms_no_other(hook: str, fault: str, source: str, cli: CommandLine) -> None:
    """What it does wrong concerns its own jobs at most: those of others are not even held up by admission."""
    cli.file("extensions/shop/hooks.py", source)
    cli.file("extensions/shop/jobs/sell.py", JOB.replace("work", "sell"))
    ended = cli("run", "work", "--json")
    assert (ended.code, [run["status"] for run in ended.data]) == (0, ["succeeded"])
    ended = cli("run", "sell", "--json")
    assert ended.code == (7 if hook == "jobkit_run_admit" else 0)
    assert "shop.hooks" in ended.err
    assert f"shop.hooks {hook}" in _heard(cli)


@pytest.mark.parametrize("executor", ["thread", "process"])
@pytest.mark.parametrize("body", [*RAISING.values(), "return Manager(leaving=GROUP)"])
@pytest.mark.parametrize("hook", [hook for hook in sorted(OF_RUNS) if hook.startswith("jobkit_run_")])
def test_jobs_in_threads_and_processes_are_not_harmed_either(
    hook: str, body: str, executor: str, cli: CommandLine
) -> None:
    """There a fault is told to the process that counts it."""
    if hook != "jobkit_run_context" and "Manager" in body:
        body = "return Manager()"  # nonsense everywhere else
    cli.file("hooks/faulty.py", _source(hook, f"def {{hook}}({{arguments}}):\n    {body}\n"))
    job = JOB.replace("async def", "def").replace("@submit_job", f'@submit_job(executor="{executor}")')
    cli.file("extensions/web/jobs/work.py", job)
    ended = cli("run", "work", "--json")
    assert ended.code == (7 if hook == "jobkit_run_admit" else 0)
    assert f"faulty {hook}" in _heard(cli)
    assert any("plugin.failed" in line and hook in line for line in ended.err.splitlines())
