"""Codes of what a job file hands in (JK110 to JK136), of services (JK4xx) and of runs (JK5xx)."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from tests.cli.harness import CommandLine, Ended
from tests.cli.test_enforcement import JOB as OBSERVER
from tests.cli.test_enforcement import run_days_ago
from tests.scenario.codes.walk import Walk

HEAD = "from jobkit import Job, JobContext, JobResult, submit_job\n"


def job(cli: CommandLine, text: str) -> None:
    """Write the one job file of the project."""
    written = cli.file("extensions/web/jobs/job.py", HEAD + text)
    # Python takes a file of the same size and second for the one that it compiled; nobody types that fast.
    shutil.rmtree(written.parent / "__pycache__", ignore_errors=True)


def checked(text: str) -> Callable[[CommandLine], Ended]:
    """The job file says *text*; then ``jobkit check``, for which a warning is a failure, too."""

    def step(cli: CommandLine) -> Ended:
        job(cli, text)
        return cli("check", "--strict")

    return step


def executed(text: str, *arguments: str) -> Callable[[CommandLine], Ended]:
    """The job file says *text*; then ``jobkit run ARGUMENTS``."""

    def step(cli: CommandLine) -> Ended:
        job(cli, text)
        return cli("run", *arguments, fixed=False)

    return step


def ran(*arguments: str) -> Callable[[CommandLine], Ended]:
    """``jobkit run ARGUMENTS`` with the job file as it is."""
    return lambda cli: cli("run", *arguments, fixed=False)


def explained(step: Callable[[CommandLine], Ended], code: str) -> Callable[[CommandLine], Ended]:
    """*step*, which names a code and no more; then ``jobkit explain CODE``, whose advice is followed."""

    def both(cli: CommandLine) -> Ended:
        failed = step(cli)
        assert f"({code})" in failed.out + failed.err
        assert failed.code == 1
        page = cli("explain", code)
        return Ended(failed.code, failed.out + page.out, failed.err + page.err)

    return both


# -- what is handed to submit_job ---------------------------------------------------------------------

_CLEANUP = "async def cleanup(ctx): ...\n"
_DAYS = "async def cleanup(ctx, *, days: int = 30): ...\n"
_SYNC = """\
class Sync(Job):
    def __init__(self, city): self.city = city
    async def execute(self, ctx): ...
"""
_CLOCK = "from jobkit.clock import Clock\n"
_CONFIG = "from jobkit.config import Config\n"
_MARKER = "from typing import Annotated\nfrom jobkit import Service\n"
_HELPER = "extensions/web/jobs/_helpers.py"
_CHECKERS = "from __future__ import annotations\nfrom typing import TYPE_CHECKING\n"


def _helper_that_registers(cli: CommandLine) -> Ended:
    cli.file(_HELPER, HEAD + _CLEANUP + "submit_job(cleanup)\n")
    job(cli, "from ._helpers import cleanup\n")
    return cli("check")


def _helper_that_does_not(cli: CommandLine) -> Ended:
    cli.file(_HELPER, _CLEANUP)
    job(cli, "from ._helpers import cleanup\nsubmit_job(cleanup)\n")
    return cli("run", "cleanup", fixed=False)


def _module_that_registers(cli: CommandLine) -> Ended:
    cli.file("reports.py", HEAD + "def weekly(ctx): ...\nsubmit_job(weekly)\n")
    job(cli, "import reports\n")
    return cli.process("check", "--strict")


def _module_that_does_not(cli: CommandLine) -> Ended:
    cli.file("reports.py", "def weekly(ctx): ...\n")
    job(cli, "from reports import weekly\nsubmit_job(weekly)\n")
    return cli.process("check", "--strict")


def _type_for_checkers(cli: CommandLine) -> Ended:
    cli.file(_HELPER, "import enum\nclass Colour(enum.Enum):\n    RED = 'red'\n")
    text = "if TYPE_CHECKING:\n    from ._helpers import Colour\n"
    cli.file("extensions/web/jobs/job.py", _CHECKERS + HEAD + text + _PAINT)
    return cli("check", "--strict")


def _type_for_everybody(cli: CommandLine) -> Ended:
    text = "from ._helpers import Colour\n"
    cli.file("extensions/web/jobs/job.py", _CHECKERS + HEAD + text + _PAINT)
    return cli("check", "--strict")


_PAINT = "@submit_job\nasync def paint(ctx, *, colour: Colour): ...\n"


def _enforce_in_configuration(cli: CommandLine) -> Ended:
    job(cli, _CLEANUP + "submit_job(cleanup)\n")
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[jobs.cleanup]\nenforce = true\n')
    return cli("check", "--strict")


_HANDED_IN = [
    Walk(
        "JK110",
        checked(_CLEANUP + "submit_job(cleanup(None))\n"),
        "submit the function itself, without calling it: submit_job(cleanup)",
        checked(_CLEANUP + "submit_job(cleanup)\n"),
    ),
    Walk(
        "JK111",
        checked("@submit_job\nasync def ingest(ctx):\n    yield 1\n"),
        "take `yield` out of it; ctx.progress says how far a job is",
        executed("@submit_job\nasync def ingest(ctx):\n    ctx.progress(1)\n", "ingest"),
    ),
    Walk(
        "JK112",
        checked("@submit_job\ndef cleanup(days: int): ...\n"),
        "write the context first, and `*` before parameters: `def job(ctx, *, days: int)`",
        executed("@submit_job\ndef cleanup(ctx, *, days: int): ...\n", "cleanup", "-p", "days=7"),
    ),
    Walk(
        "JK113",
        checked("@submit_job\nasync def cleanup(ctx, days: int = 30): ...\n"),
        "put `*` before it: `def job(ctx, *, days: int)`",
        executed("@submit_job\n" + _DAYS, "cleanup"),
    ),
    Walk(
        "JK114",
        checked(_SYNC + "submit_job(Sync)\n"),
        "submit_job(Sync(…))",
        executed(_SYNC + "submit_job(Sync('berlin'))\n", "sync"),
    ),
    Walk(
        "JK115",
        checked(_CLOCK + "@submit_job\nasync def report(ctx, *, clock: Clock): ...\n"),
        "if it is a service, put it before `*`: `def job(ctx, clock: Clock, *, …)`",
        executed(
            _CLOCK + "@submit_job\nasync def report(ctx, clock: Clock, *, days: int = 7): ...\n", "report"
        ),
    ),
    Walk(
        "JK116",
        checked(_MARKER + "@submit_job\nasync def report(ctx, wall: Annotated[object, Service]): ...\n"),
        'Service("replica")',
        executed(
            _MARKER + "@submit_job\nasync def report(ctx, wall: Annotated[object, Service('clock')]): ...\n",
            "report",
        ),
    ),
    Walk(
        "JK120",
        checked(_CLEANUP + "submit_job(cleanup, cron='0 0 3 * * *')\n"),
        "did you mean `schedule`?",
        checked(_CLEANUP + "submit_job(cleanup, schedule='0 0 3 * * *')\n"),
    ),
    Walk(
        "JK121",
        checked(_CLEANUP + "submit_job(cleanup, timeout='soon')\n"),
        "write it like '300ms', '90s', '5m', '1h30m' or '2d'",
        checked(_CLEANUP + "submit_job(cleanup, timeout='10m')\n"),
    ),
    Walk(
        "JK122",
        checked(_CLEANUP + "submit_job(cleanup, name='CleanUp')\n"),
        "'CleanUp' has upper-case letters; write 'cleanup'",
        executed(_CLEANUP + "submit_job(cleanup, name='cleanup')\n", "cleanup"),
    ),
    Walk(
        "JK123",
        checked("submit_job(lambda ctx: None)\n"),
        'give it one: submit_job(…, name="…")',
        executed("submit_job(lambda ctx: None, name='publish')\n", "publish"),
    ),
    Walk(
        "JK124",
        checked(_CLEANUP + "submit_job(cleanup, enforce=True)\n"),
        "write it in jobkit.toml, below [jobs.NAME]: enforce = …",
        _enforce_in_configuration,
    ),
    Walk("JK131", _helper_that_registers, "call submit_job in the job file", _helper_that_does_not),
    Walk(
        "JK132",
        _module_that_registers,
        "Call it in a file below extensions/<extension>/jobs/",
        _module_that_does_not,
    ),
    Walk("JK133", _type_for_checkers, "import the type outside `if TYPE_CHECKING:`", _type_for_everybody),
    Walk(
        "JK134",
        checked(
            "class Publish(Job):\n    shedule = '@daily'\n    async def execute(self, ctx): ...\n"
            "submit_job(Publish)\n"
        ),
        "did you mean `schedule`?",
        checked(
            "class Publish(Job):\n    schedule = '@daily'\n    async def execute(self, ctx): ...\n"
            "submit_job(Publish)\n"
        ),
    ),
    Walk(
        "JK135",
        checked("from pathlib import Path\n@submit_job\nasync def clean(ctx, target: Path): ...\n"),
        "if it is a job parameter, put `*` before `target`",
        checked("from pathlib import Path\n@submit_job\nasync def clean(ctx, *, target: Path): ...\n"),
    ),
    Walk(
        "JK136",
        checked(_CONFIG + "@submit_job\nasync def report(settings: Config): ...\n"),
        "write the context before it: `def job(ctx, settings: Config)`",
        executed(_CONFIG + "@submit_job\nasync def report(ctx, settings: Config): ...\n", "report"),
    ),
]

# -- services -----------------------------------------------------------------------------------------

_SPEC = "from jobkit import ServiceSpec\ndef open_database(): ...\n@submit_job\ndef report(ctx): ...\n"

_SERVICES = [
    Walk(
        "JK402",
        checked("@submit_job\nasync def report(ctx, clok): ...\n"),
        "did you mean `clock`?",
        executed("@submit_job\nasync def report(ctx, clock): ...\n", "report"),
    ),
    Walk(
        "JK406",
        checked(_SPEC + "ServiceSpec(open_database, name='my database')\n"),
        "letters, digits and `_.-`",
        checked(_SPEC + "ServiceSpec(open_database, name='database')\n"),
    ),
    Walk(
        "JK409",
        checked("class Cache: ...\n@submit_job\nasync def report(ctx, clock: Cache): ...\n"),
        "annotate it as Clock",
        executed(_CLOCK + "@submit_job\nasync def report(ctx, clock: Clock): ...\n", "report"),
    ),
]

# -- parameters ---------------------------------------------------------------------------------------

_REPORT = "@submit_job\nasync def report(ctx, *, days: int): ...\n"
_NIGHTLY = "@submit_job(schedule='0 0 3 * * *')\nasync def cleanup(ctx, *, days: int): ...\n"


def _days_in_configuration(cli: CommandLine) -> Ended:
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[jobs.cleanup]\nparameters = { days = 30 }\n')
    return cli("check", "--strict")


_PARAMETERS = [
    Walk(
        "JK502",
        executed(_REPORT, "report", "-p", "days=soon"),
        "it is declared as `days: int`",
        ran("report", "-p", "days=7"),
    ),
    Walk("JK510", executed(_REPORT, "report"), "give it with `-p days=…`", ran("report", "-p", "days=7")),
    Walk(
        "JK511",
        executed(_REPORT, "report", "-p", "dayz=7"),
        "did you mean `days`?",
        ran("report", "-p", "days=7"),
    ),
    Walk("JK512", checked(_NIGHTLY), "[jobs.cleanup] parameters = { days = … }", _days_in_configuration),
]

# -- runs ---------------------------------------------------------------------------------------------

_NIGHT = """\
@submit_job
async def report(ctx, {argument}): ...
@submit_job
async def night(ctx): await ctx.run_job("report")
"""
_PLAIN = "async def rebuild_all(ctx): ctx.progress(1)\n"
_CHILD = """\
@submit_job
async def child(ctx): return JobResult.failure("no rows")
@submit_job
async def parent(ctx): await ctx.run_job("child"{more})
"""
_HANG = """\
import threading, anyio
GO = threading.Event()

@submit_job(timeout=0.4, overlap="allow")
def hang(ctx):
    {wait}

@submit_job
async def parent(ctx):
    async def one():
        await ctx.run_job("hang", check=False)
    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(one)
        await one()
    finally:
        GO.set()
"""
_RENDER = """\
async def render(ctx): ...
{submit}
@submit_job
async def publish(ctx): await ctx.run_job(render)
"""
_LATER = """\
import asyncio
STARTED, OVER = [], asyncio.Event()

async def later(ctx):
    {wait}
    await ctx.service("clock")

@submit_job
async def fetch(ctx):
    {start}

@submit_job
async def parent(ctx):
    await ctx.run_job("fetch")
    OVER.set()
    for task in STARTED:
        await task
"""
_TWICE = """\
from pathlib import Path
MARK = Path(__file__).parents[3] / "loaded"
if MARK.exists():
    raise RuntimeError("the lock is there")
MARK.touch()
"""
_REPORTS = '@submit_job(executor="process")\ndef report(ctx): ...\n'


def _agreed(cli: CommandLine) -> Ended:
    cli.file("services/scheduler/config.toml", "[jobs.cleanup]\nenforce = true\n")
    return cli("check", "--strict", fixed=False)


def _observes(cli: CommandLine) -> Ended:
    cli.file("extensions/web/jobs/cleanup.py", OBSERVER)
    run_days_ago(cli, 8)
    return cli("check", "--strict", fixed=False)


def _broken_where_it_was_said(cli: CommandLine) -> Ended:
    assert "the lock is there" in cli("check").out
    return executed(_REPORTS, "report")(cli)


def failing(code: str, text: str, name: str, hint: str, mend: Callable[[CommandLine], Ended]) -> Walk:
    """A run of *name* fails and names *code*, whose page says what to do."""
    return Walk(code, explained(executed(text, name), code), hint, mend)


def _objecting(answer: str) -> Callable[[CommandLine], Ended]:
    """A plugin of the project answers so when it is asked whether the job may run."""

    def step(cli: CommandLine) -> Ended:
        job(cli, _CLEANUP + "submit_job(cleanup)\n")
        lines = [
            "from datetime import UTC, datetime",
            "from jobkit import hookimpl",
            "from jobkit.plugin import Defer, Skip",
            "@hookimpl",
            f"def jobkit_run_admit(request): return {answer}",
        ]
        cli.file("hooks/freeze.py", "\n".join(lines) + "\n")
        ended = cli("run", "cleanup", fixed=False)
        assert ended.code == 7
        return ended

    return step


_RUNS = [
    failing(
        "JK501",
        _NIGHT.format(argument="clok"),
        "night",
        "The message repeats that error",
        executed(_NIGHT.format(argument="clock"), "night"),
    ),
    failing(
        "JK503",
        '@submit_job\nasync def rebuild(ctx): await ctx.run_job("rebuild")\n',
        "rebuild",
        "What both jobs need goes into a plain function",
        executed(_PLAIN + "@submit_job\nasync def rebuild(ctx): await rebuild_all(ctx)\n", "rebuild"),
    ),
    failing(
        "JK504",
        _CHILD.format(more=""),
        "parent",
        'await ctx.run_job("refresh_cache", check=False)',
        executed(_CHILD.format(more=", check=False"), "parent"),
    ),
    failing(
        "JK521",
        _HANG.format(wait="GO.wait(30)"),
        "parent",
        "let them notice that they are to stop: def export(ctx): for row in rows: ctx.check_cancelled()",
        executed(_HANG.format(wait="while not GO.wait(0.005): ctx.check_cancelled()"), "parent"),
    ),
    failing(
        "JK522",
        '@submit_job\nasync def publish(ctx): ctx.service_sync("clock")\n',
        "publish",
        "await the other form",
        executed('@submit_job\nasync def publish(ctx): await ctx.service("clock")\n', "publish"),
    ),
    failing(
        "JK523",
        _RENDER.format(submit=""),
        "publish",
        "A function has to be submitted to be run as a job",
        executed(_RENDER.format(submit="submit_job(render)"), "publish"),
    ),
    failing(
        "JK524",
        _LATER.format(wait="await OVER.wait()", start="STARTED.append(asyncio.ensure_future(later(ctx)))"),
        "parent",
        "Wait in the job for everything that it starts",
        executed(_LATER.format(wait="", start="await asyncio.ensure_future(later(ctx))"), "parent"),
    ),
    failing(
        "JK525",
        "import anyio\n@submit_job\nasync def work(ctx): anyio.CancelScope().__enter__()\n",
        "work",
        "never with __enter__ or __aenter__ by hand",
        executed(
            "import anyio\n@submit_job\nasync def work(ctx):\n    with anyio.CancelScope(): ...\n", "work"
        ),
    ),
    failing(
        "JK530",
        _TWICE + _REPORTS,
        "report",
        "jobkit check finds what is wrong with files and configuration",
        _broken_where_it_was_said,
    ),
    Walk(
        "JK531",
        _objecting("Skip('month-end freeze')"),
        "leave it out with --plugin no:freeze",
        lambda cli: cli("--plugin", "no:freeze", "run", "cleanup", fixed=False),
    ),
    Walk(
        "JK532",
        _objecting("Defer(datetime(2100, 1, 1, tzinfo=UTC), 'month-end freeze')"),
        "or without the plugin: --plugin no:freeze",
        lambda cli: cli("--plugin", "no:freeze", "run", "cleanup", fixed=False),
    ),
    Walk("JK550", _observes, "write `enforce = true` under [jobs.cleanup] in services/scheduler", _agreed),
]

WALKS: list[Walk] = [*_HANDED_IN, *_SERVICES, *_PARAMETERS, *_RUNS]

#: No command provides services of one's own: who embeds jobkit meets their codes. A broken expectation is
#: printed in words (`expected at least …`) and by its reason, never by its code.
ELSEWHERE: dict[str, str] = {
    "JK401": "tests/services/test_host.py::test_a_service_that_fails_to_open_is_tried_again",
    "JK403": "tests/services/test_graph.py::test_choosing_by_marker_mends_it",
    "JK404": "tests/services/test_graph.py::test_services_that_need_each_other_are_refused",
    "JK405": "tests/services/test_graph.py::test_a_lasting_service_cannot_use_one_of_a_run",
    "JK407": (
        "tests/services/test_graph.py::test_a_second_service_of_one_name_is_an_error_and_the_first_stays"
    ),
    "JK408": "tests/services/test_host.py::test_a_ping_that_fails_says_why",
    "JK410": "tests/services/test_host.py::test_a_service_that_ends_by_itself_is_reported_and_opened_anew",
    "JK534": "tests/runner/test_queued.py::test_jk534_a_secret_that_is_not_known_here_fails_the_run",
    "JK535": "tests/cli/test_queueing.py::test_jk535_a_secret_is_not_queued",
    "JK536": "tests/cli/test_retry.py::test_jk536_a_secret_that_was_not_kept",
    "JK537": "tests/cli/test_retry.py::test_jk537_a_run_that_goes_on_is_not_repeated",
    "JK538": "tests/cli/test_queueing.py::test_jk538_a_store_in_memory_keeps_no_queued_run",
    "JK539": "tests/cli/test_cancelling.py::test_jk539_a_run_that_does_not_end_in_time",
    "JK533": "tests/stores/test_refusals.py::test_a_run_that_is_in_the_way",
    "JK520": "tests/runner/test_codes.py::test_jk520_a_result_that_is_too_little_fails",
}
