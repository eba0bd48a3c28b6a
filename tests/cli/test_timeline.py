"""``timeline``: what ran and what is due, as bars."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from jobkit.statuses import RunStatus
from tests.cli.accounts import Account, request, utc
from tests.cli.harness import CommandLine, FixedClock
from tests.cli.shapes import checked

JOBS = """\
from jobkit import submit_job


@submit_job(schedule="0 0 * * * *")
def hourly(ctx):
    pass


@submit_job(schedule="* * * * * *", tags=["often"])
def tick(ctx):
    pass


@submit_job(schedule="0 0 3 1 1 *")
def yearly(ctx):
    pass
"""


@pytest.fixture
def project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Three jobs, and an hour of one of them; the store's clock stands still."""
    monkeypatch.setattr("jobkit.stores.sqlite.store.SystemClock", FixedClock)
    monkeypatch.setenv("COLUMNS", "80")
    cli.file("extensions/web/jobs/all.py", JOBS)

    async def fill() -> None:
        async with Account(cli.root) as account:
            await account.scheduled("hourly", "06:00:00")
            await account.ran("hourly", "10:00:00", took=1800)
            await account.ran("hourly", "11:00:00", took=60, status=RunStatus.FAILED)
            await account.skipped("hourly", "12:00:00", reason="overlap", cause="run 9")
            run = await account.claimed("hourly", "13:00:00")
            assert run is not None
            assert await account.store.start_attempt(run.id, request())

    anyio.run(fill)
    return cli


def bar(cli: CommandLine, job: str, *arguments: str, encoding: str = "ascii") -> str:
    """What stands behind the name of *job*."""
    ended = cli("timeline", *arguments, encoding=encoding)
    assert ended.code == 0, ended.err
    [line] = [line for line in ended.out.splitlines() if line.startswith(job + " ")]
    return line.removeprefix(job)[2:]


def test_bars_have_the_length_of_runs(project: CommandLine) -> None:
    """Half an hour is six times as long as five minutes; ends and signs tell how it went."""
    shown = bar(project, "hourly", "hourly", "--since", "10:00", "--until", "16:00")
    per_hour = 72 / 6
    assert shown[:7] == "#######"
    assert shown[7:12].strip() == ""
    assert shown[int(per_hour)] == "x"
    assert shown[int(2 * per_hour)] == "."
    assert shown[int(3 * per_hour)] == ">"
    assert shown[int(4 * per_hour)] == "_"
    assert shown.count("_") == 2


def test_now_is_a_line(project: CommandLine) -> None:
    """Where nothing else stands in that column."""
    shown = bar(project, "hourly", "--job", "hourly", "--since", "09:00", "--until", "21:30")
    ended = project("timeline", "hourly", "--since", "09:00", "--until", "21:30", encoding="ascii").out
    axis = next(line for line in ended.splitlines() if "now" in line)
    column = axis.index("now") + 1 - len("hourly  ")
    assert shown[column] in "|>"


def test_overlapping_runs_are_counted(project: CommandLine) -> None:
    """A digit where several went on at a time, and only there."""

    async def more() -> None:
        async with Account(project.root) as account:
            await account.scheduled("both", "06:00:00")
            for tick in ("08:00:00", "08:30:00"):
                run = await account.claimed("both", tick, overlap="allow")
                assert run is not None
                assert await account.store.start_attempt(run.id, request())

    anyio.run(more)
    shown = bar(project, "both", "--since", "08:00", "--until", "14:00").strip()
    assert shown.startswith(">>>>>>2222")
    assert set(shown) == {">", "2"}


def test_rows_as_data(project: CommandLine) -> None:
    """Runs, spans and ticks to come of each job that has any; the others are counted."""
    data: Any = checked(project("timeline", "--json", "--since", "10:30")).data
    assert (data.since, data.now, data.until) == (
        "2026-11-22T10:30:00Z", "2026-11-22T13:04:08Z", "2026-11-22T19:04:08Z"
    )  # fmt: skip
    assert ([row.job for row in data.rows], data.idle) == (["hourly", "tick"], 1)
    hourly, tick = data.rows
    # The first run began before the window, and ended as it begins.
    assert [run.status for run in hourly.runs] == ["succeeded", "failed", "running"]
    assert [(span.reason, span.count) for span in hourly.spans] == [("overlap", 1)]
    assert [fire.at[11:16] for fire in hourly.coming] == [
        "14:00",
        "15:00",
        "16:00",
        "17:00",
        "18:00",
        "19:00",
    ]
    assert (len(tick.coming), tick.coming_count) == (100, 6 * 3600 - 1)


def test_pauses_hold_what_is_to_come(project: CommandLine) -> None:
    """A tick in a pause is drawn as skipped."""

    async def pause() -> None:
        async with Account(project.root) as account:
            account.at("13:00:00")
            await account.store.pause("hourly", until=utc("14:30:00"), by="ops")

    anyio.run(pause)
    data = checked(project("timeline", "hourly", "--json")).data
    assert [fire.paused for fire in data.rows[0].coming][:2] == [True, False]
    shown = bar(project, "hourly", "hourly", "--since", "13:00", "--until", "16:00")
    assert (shown[24], shown[48]) == (".", "_")


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["--since", "1h", "--until", "2h ago"], 4, "--until lies before --since"),
        (["--since", "whenever"], 4, "is not a time"),
        (["nobody"], 4, "there is no job"),
        (["--tag", "never"], 5, "no job fits"),
    ],
)
def test_what_is_refused(project: CommandLine, arguments: list[str], code: int, hint: str) -> None:
    """Usage is 4, nothing selected 5."""
    ended = project("timeline", *arguments)
    assert (ended.code, hint in ended.err) == (code, True), ended.err


def test_nothing_in_the_window(project: CommandLine) -> None:
    """Said in words."""
    ended = project("timeline", "yearly")
    assert "Nothing ran in that time, and nothing is due." in ended.out
    assert "1 job has nothing in that time" in ended.out


def test_too_much_is_cut_and_said(project: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest are read, and from when on it is complete."""
    monkeypatch.setattr("jobkit.cli.timetable.MOST", 2)
    monkeypatch.setattr("jobkit.cli.paging._PAGE", 1)
    data = checked(project("timeline", "--json")).data
    assert data.complete_since == "2026-11-22T11:00:00.004000Z"
    assert "is left out" in project("timeline").out
