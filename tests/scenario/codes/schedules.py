"""JK3xx: what is written as a schedule or time zone and is none, and calls that ask a schedule wrongly."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

FILE = "extensions/web/jobs/report.py"
JOB = '''from jobkit import JobContext, submit_job


@submit_job({options})
def report(ctx: JobContext) -> None:
    """Sum up."""
'''
ASKING = '''from datetime import UTC, datetime

from jobkit import JobContext, submit_job
from jobkit.schedules import CronSchedule


@submit_job()
def report(ctx: JobContext) -> None:
    """Sum up, until the night."""
    ctx.log.info("summing up", until=str(CronSchedule("0 0 3 * * *").next_after({instant})))
'''
SUNSET = '''from jobkit import JobContext, submit_job
from jobkit.schedules import BUILTIN_KINDS, Schedule, ScheduleKind, parse_schedule


def sunset(text: str, timezone: str, name: str) -> Schedule:
    """A kind of schedule that is not finished."""
    raise KeyError(text)


@submit_job()
def report(ctx: JobContext) -> None:
    """Read a schedule as the plugin's users do."""
    kinds = [ScheduleKind("sunset", sunset, "a sunset: `sunset Berlin`"), *BUILTIN_KINDS]
    assert parse_schedule("{text}", kinds=kinds) is not None
'''


def _submitted(options: str) -> Callable[[CommandLine], Ended]:
    """With these options in a job's file, everything is checked."""

    def look(cli: CommandLine) -> Ended:
        cli.file(FILE, JOB.format(options=options))
        return cli("check")

    return look


def _run(text: str) -> Callable[[CommandLine], Ended]:
    """With that text as its file the job is run."""

    def run(cli: CommandLine) -> Ended:
        cli.file(FILE, text)
        return cli("run", "report", fixed=False)

    return run


def _rewrite(code: str, wrong: str, hint: str, right: str) -> Walk:
    """A walk that is mended by other options in the job's file."""
    return Walk(code, _submitted(wrong), hint, _submitted(right))


def _schedule(code: str, wrong: str, hint: str, right: str) -> Walk:
    """The same where the schedule is all that is written."""
    return _rewrite(code, f"schedule={wrong!r}", hint, f"schedule={right!r}")


WALKS: list[Walk] = [
    _schedule("JK301", "0 0 3\xa0* * *", "separate the fields by blanks", "0 0 3 * * *"),
    _schedule("JK302", "0 3 * * *", "seconds come first: `0 0 3 * * *`", "0 0 3 * * *"),
    _schedule("JK303", "0 0 9 * * MONDAY", "did you mean `MON`?", "0 0 9 * * MON"),
    _schedule("JK304", "0 0 24 * * *", "midnight is hour 0", "0 0 0 * * *"),
    _schedule("JK305", "0 0 22-6 * * *", "write `22-23,0-6`", "0 0 22-23,0-6 * * *"),
    _schedule("JK306", "0 */90 * * * *", "or `every ...` for a distance", "every 90m"),
    _schedule("JK307", "0 0 9 ? * MON", "write `*`", "0 0 9 * * MON"),
    _schedule("JK308", "0 0 9 30 2 *", "`L` is its last day", "0 0 9 L 2 *"),
    _rewrite(
        "JK309",
        'schedule="0 0 3 * * *", timezone="Berlin"',
        "did you mean `Europe/Berlin`?",
        'schedule="0 0 3 * * *", timezone="Europe/Berlin"',
    ),
    _schedule("JK310", "every 5", "write `every 30s`, `every 5m`", "every 5m"),
    _schedule("JK311", "at midnight", "write `at 2027-01-01T03:00:00Z`", "at 2027-01-01T03:00:00Z"),
    _schedule("JK312", "@dayly", "did you mean `@daily`?", "@daily"),
    Walk(
        "JK313",
        lambda cli: cli("next", "--schedule", "@daily", "--schedule", ""),
        "remove the entry",
        lambda cli: cli("next", "--schedule", "@daily"),
    ),
    Walk(
        "JK314",
        _run(ASKING.format(instant="datetime.now()")),
        "give it a zone: `datetime.now(UTC)`",
        _run(ASKING.format(instant="datetime.now(UTC)")),
    ),
    Walk(
        "JK315",
        _run(SUNSET.format(text="sunset Berlin")),
        "write a cron expression until it is mended",
        _run(SUNSET.format(text="0 0 20 * * *")),
    ),
    _schedule("JK316", "0 0 9 L,2-31 * *", "write it in simpler terms", "0 0 9 2-31 * *"),
    _schedule("JK317", "0 0 6 1 * 1", "if only one of them is meant, write `*` for the other", "0 0 6 * * 1"),
]

#: What no command can show: the test that provokes and mends it.
ELSEWHERE: dict[str, str] = {}
