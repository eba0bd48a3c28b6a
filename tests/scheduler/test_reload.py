"""Reload: what has changed in the files of a project is taken up, and what is broken stays as it was."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from jobkit.project import Project
from jobkit.project_reload import ReloadReport
from jobkit.scheduler.reload import Reloader
from jobkit.scheduler.standing import standing

pytestmark = pytest.mark.anyio

JOB = """\
from jobkit import submit_job


@submit_job(schedule="{schedule}")
async def {name}(ctx):
    return {body}
"""


SQL = """\
from jobkit import hookimpl, submit_job

@hookimpl
def jobkit_collect_file(path, extension, config):
    if path.suffix != ".sql":
        return None
    text = path.read_text()

    async def query(ctx):
        return text

    submit_job(query, name=path.stem)
    return True
"""


def job(name: str, *, schedule: str = "0 0 3 * * *", body: str = "None") -> str:
    return JOB.format(name=name, schedule=schedule, body=body)


class Folder:
    """A project on disk, loaded; its files are written as people write them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("jobkit.toml", '[project]\nname = "shop"\n')
        self.project: Project

    def write(self, path: str, text: str) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def job(self, name: str, *, schedule: str = "0 0 3 * * *", body: str = "None") -> Path:
        return self.write(f"extensions/web/jobs/{name}.py", job(name, schedule=schedule, body=body))

    def load(self, env: str | None = None) -> Reloader:
        self.project = Project.load(self.root, env)
        return Reloader(self.project)

    async def run(self, name: str) -> object:
        """What the function of the job *name* gives."""
        return await self.project.jobs[name].target(None)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.project.close()
    for name, module in [*sys.modules.items()]:
        if (getattr(module, "__file__", None) or "").startswith(str(tmp_path)):
            del sys.modules[name]


def names(report: ReloadReport) -> tuple[tuple[str, ...], ...]:
    return report.added, report.changed, report.removed


async def test_new_changed_and_removed_files_are_taken_up(folder: Folder) -> None:
    """Each by its name; the job that stays is the same object as before."""
    folder.job("stays")
    folder.job("edited", body="1")
    gone = folder.job("gone")
    reloader = folder.load()
    stays = folder.project.jobs["stays"]
    assert not await reloader.look()
    folder.job("fresh")
    folder.job("edited", body="2")
    gone.unlink()
    assert await reloader.look()
    assert names(await reloader.reload()) == (("fresh",), ("edited",), ("gone",))
    assert [*folder.project.jobs] == ["edited", "fresh", "stays"]
    assert await folder.run("edited") == 2
    assert folder.project.jobs["stays"] is stays
    assert not await reloader.look()
    assert names(await reloader.reload()) == ((), (), ())


async def test_a_broken_edit_keeps_the_last_good_version_of_that_file(folder: Folder) -> None:
    """Its jobs go on as they were, the report says so, and the next good edit is taken up."""
    folder.job("good", body="1")
    folder.job("other", body="1")
    reloader = folder.load()
    folder.write("extensions/web/jobs/good.py", "def broken(:\n")
    folder.job("other", body="2")
    report = await reloader.reload()
    assert report.kept == ("extensions/web/jobs/good.py",)
    [error] = report.errors
    assert error.location(folder.root) == "extensions/web/jobs/good.py:1"
    assert names(report) == ((), ("other",), ())
    assert (await folder.run("good"), await folder.run("other")) == (1, 2)
    assert folder.project.jobs["good"].error is None
    assert sys.modules["jobkit_ext.web.jobs.good"].good is folder.project.jobs["good"].target
    assert folder.project.errors == [error]
    again = await reloader.reload()
    assert again.kept == report.kept
    assert names(again) == ((), (), ())
    folder.job("good", body="3")
    mended = await reloader.reload()
    assert (names(mended), mended.kept, mended.errors) == (((), ("good",), ()), (), ())
    assert await folder.run("good") == 3


async def test_a_broken_helper_keeps_those_who_import_it(folder: Folder) -> None:
    """The helper's last good version too; mended, all of them are new."""
    helper = folder.write("extensions/web/lib.py", "NUMBER = 1\n")
    folder.write("extensions/web/jobs/uses.py", "from ..lib import NUMBER\n" + job("uses", body="NUMBER"))
    folder.job("alone", body="1")
    reloader = folder.load()
    alone = folder.project.jobs["alone"]
    helper.write_text("NUMBER = 1 / 0\n")
    report = await reloader.reload()
    assert report.kept == ("extensions/web/jobs/uses.py", "extensions/web/lib.py")
    assert await folder.run("uses") == 1
    assert sys.modules["jobkit_ext.web.lib"].NUMBER == 1
    helper.write_text("NUMBER = 20\n")
    report = await reloader.reload()
    assert (names(report), report.kept, report.errors) == (((), ("uses",), ()), (), ())
    assert await folder.run("uses") == 20
    assert folder.project.jobs["alone"] is alone


async def test_a_run_that_goes_on_keeps_its_module(folder: Folder) -> None:
    """Its function, its globals, and siblings that it imports only now."""
    folder.write("extensions/web/jobs/_late.py", "VALUE = 7\n")
    text = (
        "from jobkit import submit_job\n\nSTATE = 1\n\n@submit_job\nasync def long(ctx):\n"
        "    await ctx.wait()\n    from ._late import VALUE\n    return STATE, VALUE\n"
    )
    folder.write("extensions/web/jobs/long.py", text)
    reloader = folder.load()
    running = folder.project.jobs["long"].target
    results = []

    class Context:
        def __init__(self) -> None:
            self.event = anyio.Event()

        async def wait(self) -> None:
            await self.event.wait()

    context = Context()

    async def run() -> None:
        results.append(await running(context))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await anyio.lowlevel.checkpoint()
        folder.write("extensions/web/jobs/long.py", text.replace("STATE = 1", "STATE = 2"))
        assert (await reloader.reload()).changed == ("long",)
        context.event.set()
    assert results == [(1, 7)]
    assert folder.project.jobs["long"].target is not running


@pytest.mark.parametrize("by", ["reload", "new process"])
async def test_stale_bytecode_never_runs(folder: Folder, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    """Two edits of the same size within a second, while the bytecode of the first lies in the cache."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = folder.job("twice", body="1")
    second = time.time_ns() // 10**9 * 10**9
    os.utime(path, ns=(second, second))
    reloader = folder.load()
    [compiled] = path.parent.glob("__pycache__/twice.*.pyc")
    os.utime(compiled, ns=(second + 10, second + 10))
    folder.job("twice", body="2")
    os.utime(path, ns=(second + 20, second + 20))
    if by == "reload":
        assert (await reloader.reload()).changed == ("twice",)
    else:
        folder.project.close()
        folder.load()
    assert await folder.run("twice") == 2


async def test_configuration_is_taken_up(folder: Folder) -> None:
    """With the line that says so."""
    folder.job("nightly")
    reloader = folder.load()
    folder.write("services/scheduler/config.toml", "[jobs.nightly]\nenabled = false\n")
    assert await reloader.look()
    assert (await reloader.reload()).changed == ("nightly",)
    spec = folder.project.jobs["nightly"]
    assert not spec.enabled
    assert spec.origins["enabled"].describe(folder.root) == "services/scheduler/config.toml:2"
    assert folder.project.config.job("nightly")["enabled"].value is False


BROKEN_SETTINGS = {
    "syntax": ("[jobs.nightly\n", "JK201"),
    "key": ("[jobs.nightly]\nenabeld = true\n", "JK204"),
    "name": ("[jobs.nightli]\nenabled = false\n", "JK210"),
    "value": ('[jobs.nightly]\nschedule = "0 61 * * * *"\n', None),
    "plugin": ("[plugins.nobody]\nurl = 'x'\n", None),
}


@pytest.mark.parametrize("what", BROKEN_SETTINGS)
async def test_broken_configuration_keeps_the_last_good_one_as_a_whole(folder: Folder, what: str) -> None:
    """What is right in the same file waits too; job files are taken up, and new jobs wait, with the error."""
    text, code = BROKEN_SETTINGS[what]
    folder.job("nightly", body="1")
    folder.write("services/scheduler/config.toml", '[jobs.nightly]\ntags = ["first"]\n')
    reloader = folder.load()
    config = folder.project.config
    broken = f'[scheduler]\nretention = "2d"\n{text}'
    folder.write("services/scheduler/config.toml", broken)
    folder.job("nightly", body="2")
    folder.job("fresh")
    report = await reloader.reload()
    assert report.kept == ("services/scheduler/config.toml",)
    assert (code or "JK") in "".join(error.code for error in report.errors)
    assert folder.project.config is config
    assert folder.project.jobs["nightly"].tags == ("first",)
    assert folder.project.jobs["nightly"].error is None
    assert await folder.run("nightly") == 2
    assert folder.project.jobs["fresh"].error in report.errors
    folder.write("services/scheduler/config.toml", '[scheduler]\nretention = "2d"\n')
    report = await reloader.reload()
    assert (report.errors, report.kept) == ((), ())
    assert not folder.project.jobs["nightly"].tags
    assert folder.project.jobs["fresh"].error is None
    assert folder.project.config.scheduler.retention.days == 2


async def test_configuration_of_a_job_that_was_removed_is_said(folder: Folder) -> None:
    """The file is gone and so is the job; what configuration says of it refuses nothing."""
    path = folder.job("gone")
    folder.job("nightly")
    folder.write("services/scheduler/config.toml", "[jobs.gone]\nenabled = true\n")
    reloader = folder.load()
    path.unlink()
    folder.write(
        "services/scheduler/config.toml", '[jobs.gone]\nenabled = true\n[jobs.nightly]\ntags = ["new"]\n'
    )
    report = await reloader.reload()
    assert report.removed == ("gone",)
    assert [error.code for error in report.errors] == ["JK210"]
    assert folder.project.jobs["nightly"].tags == ("new",)
    again = await reloader.reload()
    assert again.kept == ()


async def test_only_the_overrides_are_taken_up_alone(folder: Folder) -> None:
    """A half-edited config.toml and job files wait for a reload."""
    folder.job("nightly", body="1")
    folder.write("services/scheduler/config.toml", '[jobs.nightly]\ntags = ["first"]\n')
    reloader = folder.load()
    assert await reloader.take_overrides() is None
    folder.job("nightly", body="2")
    folder.write("services/scheduler/config.toml", "[jobs.nightly\n")
    folder.write("services/scheduler/overrides.toml", "[jobs.nightly]\nenabled = false\n")
    report = await reloader.take_overrides()
    assert report is not None
    assert (names(report), report.errors) == (((), ("nightly",), ()), ())
    spec = folder.project.jobs["nightly"]
    assert (spec.enabled, spec.tags) == (False, ("first",))
    assert await folder.run("nightly") == 1
    assert await reloader.take_overrides() is None
    folder.write("services/scheduler/config.toml", '[jobs.nightly]\ntags = ["second"]\n')
    assert (await reloader.reload()).changed == ("nightly",)
    spec = folder.project.jobs["nightly"]
    assert (spec.enabled, spec.tags) == (False, ("second",))
    assert await folder.run("nightly") == 2


async def test_what_a_process_is_built_upon_needs_a_restart(folder: Folder) -> None:
    """It is named with its line, and stays as it was, until there is a new process."""
    folder.write("prices.py", "VAT = 19\n")
    folder.write("hooks/extra.py", "")
    folder.write("extensions/web/jobs/pay.py", "import prices\n" + job("pay", body="prices.VAT"))
    reloader = folder.load()
    before = folder.project.config.scheduler
    folder.write("prices.py", "VAT = 20\n")
    folder.write("services/scheduler/config.toml", '[scheduler]\nlease = "20s"\nshutdown_grace = "1s"\n')
    assert await reloader.look()
    report = await reloader.reload()
    assert report.needs_restart == ("scheduler.lease (services/scheduler/config.toml:2)", "prices.py")
    now = folder.project.config.scheduler
    assert (now.lease, now.shutdown_grace.seconds) == (before.lease, 1)
    assert await folder.run("pay") == 19
    assert not await reloader.look()
    assert (await reloader.reload()).needs_restart == report.needs_restart
    folder.write("prices.py", "VAT = 21\n")
    assert await reloader.look()


async def test_a_plugin_and_what_it_needs_are_not_executed_again(folder: Folder) -> None:
    """Its services are of classes that must stay the same."""
    folder.write("extensions/web/lib.py", "class Client:\n    pass\n")
    folder.write(
        "extensions/web/hooks.py",
        "from jobkit import ServiceSpec, hookimpl\nfrom .lib import Client\n"
        "@hookimpl\ndef jobkit_services(config):\n"
        "    return [ServiceSpec(open_client, name='client')]\n"
        "def open_client() -> Client:\n    return Client()\n",
    )
    text = (
        "from jobkit import submit_job\nfrom ..lib import Client\n"
        "@submit_job\nasync def uses(ctx, client: Client):\n    return 1\n"
    )
    folder.write("extensions/web/jobs/uses.py", text)
    reloader = folder.load()
    assert not folder.project.warnings
    folder.write("extensions/web/lib.py", "class Client:\n    more = 1\n")
    folder.write("extensions/web/jobs/uses.py", text.replace("return 1", "return 2"))
    report = await reloader.reload()
    assert report.needs_restart == ("extensions/web/lib.py",)
    assert (report.changed, report.errors) == (("uses",), ())


async def test_a_job_that_loses_its_services_stays_as_it_was(folder: Folder) -> None:
    """All jobs of the file do; which service is missing is said."""
    text = "from jobkit import submit_job\n@submit_job\nasync def one(ctx{}):\n    return {}\n"
    folder.write("extensions/web/jobs/one.py", text.format("", 1))
    reloader = folder.load()
    folder.write("extensions/web/jobs/one.py", text.format(", database", 2))
    report = await reloader.reload()
    assert report.kept == ("extensions/web/jobs/one.py",)
    assert [error.code for error in report.errors] == ["JK402"]
    assert await folder.run("one") == 1


async def test_a_name_that_is_claimed_twice_stays_with_whom_it_was(folder: Folder) -> None:
    """In a new process neither would run."""
    folder.job("nightly", body="1")
    reloader = folder.load()
    folder.write("extensions/web/jobs/copy.py", job("nightly", body="2"))
    report = await reloader.reload()
    assert {error.code for error in report.errors} == {"JK108"}
    assert await folder.run("nightly") == 1
    assert folder.project.jobs["nightly"].error is None


async def test_a_file_that_takes_too_long_is_a_broken_edit(folder: Folder) -> None:
    """The limit for importing a file holds in a reload."""
    folder.write("jobkit.toml", '[project]\nname = "shop"\nimport_timeout = "0.2s"\n')
    folder.job("good", body="1")
    reloader = folder.load()
    folder.write("extensions/web/jobs/good.py", "while True:\n    pass\n")
    report = await reloader.reload()
    assert report.kept == ("extensions/web/jobs/good.py",)
    assert await folder.run("good") == 1


async def test_others_have_their_turn_between_two_files(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload of many files does not hold the event loop until it is through."""
    turns: Any = ModuleType("turns")
    turns.count, turns.seen = 0, []
    monkeypatch.setitem(sys.modules, "turns", turns)
    reloader = folder.load()
    for number in range(20):
        folder.write(
            f"extensions/web/jobs/job{number}.py",
            "import turns\nturns.seen.append(turns.count)\n" + job(f"job{number}"),
        )
    over = False

    async def count() -> None:
        while not over:
            turns.count += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        report = await reloader.reload()
        over = True
    assert len(report.added) == 20
    assert len(set(turns.seen)) >= 10


async def test_what_was_broken_is_tried_again(folder: Folder) -> None:
    """The file has not changed since: what it lacked has come, outside of the extensions."""
    folder.job("uses", body="1")
    reloader = folder.load()
    folder.write("extensions/web/jobs/uses.py", "import stock\n" + job("uses", body="stock.LEFT"))
    assert (await reloader.reload()).kept == ("extensions/web/jobs/uses.py",)
    assert await folder.run("uses") == 1
    assert not await reloader.look()
    folder.write("stock.py", "LEFT = 5\n")
    assert await reloader.look()
    report = await reloader.reload()
    assert (report.changed, report.errors, report.needs_restart) == (("uses",), (), ())
    assert await folder.run("uses") == 5


async def test_what_begins_to_count_has_not_changed(folder: Folder) -> None:
    """One edit is one reload: files elsewhere are looked at only while something is broken."""
    folder.write("unused.py", "")
    good = folder.job("uses", body="1").read_text()
    reloader = folder.load()
    for text, broken in ((f"{good}boom(\n", True), (good, False), (f"{good}boom(\n", True)):
        folder.write("extensions/web/jobs/uses.py", text)
        assert await reloader.look()
        assert bool((await reloader.reload()).errors) is broken
        assert not await reloader.look()
    folder.write("unused.py", "pass\n")
    assert await reloader.look()
    await reloader.reload()
    assert not await reloader.look()
    (folder.root / "unused.py").unlink()
    assert await reloader.look()


async def test_switching_the_scheduler_off_needs_no_restart(folder: Folder) -> None:
    """It is what operators do in a hurry."""
    folder.job("nightly")
    reloader = folder.load()
    folder.write("services/scheduler/config.toml", "[scheduler]\nenabled = false\n")
    assert (await reloader.reload()).needs_restart == ()
    spec, config = folder.project.jobs["nightly"], folder.project.config
    assert not standing(spec, config).fires


async def test_a_file_that_only_a_plugin_reads_is_taken_up(folder: Folder) -> None:
    """SQL as jobs: changed, broken and mended."""
    folder.write("hooks/sql.py", SQL)
    query = folder.write("extensions/web/jobs/report.sql", "select 1")
    reloader = folder.load()
    assert await folder.run("report") == "select 1"
    query.write_text("select 2")
    assert (await reloader.reload()).changed == ("report",)
    assert await folder.run("report") == "select 2"
    query.unlink()
    assert (await reloader.reload()).removed == ("report",)
