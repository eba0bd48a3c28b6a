"""``history``, ``logs``, ``db``: what happened, in every form it can be had."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import anyio
import pytest

from jobkit.cli.csv_text import COLUMNS, csv_lines
from jobkit.processes import ProcessIdentity
from jobkit.records import LogLine, RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun
from jobkit.stores.sqlite.store import SqliteStore
from tests.cli.harness import NOW, CommandLine
from tests.cli.shapes import checked


@pytest.fixture
def shop(sound_shop: CommandLine) -> CommandLine:
    """The project with a past."""
    return sound_shop


def numbers(cli: CommandLine, *filters: str) -> list[int]:
    return [run.number for run in checked(cli("history", "--json", *filters)).data]


def test_newest_first_and_twenty(shop: CommandLine) -> None:
    """Twenty runs by default, the newest at the top."""
    runs = checked(shop("history", "--json")).data
    assert len(runs) == 20
    assert [run.queued_at for run in runs] == sorted((run.queued_at for run in runs), reverse=True)
    assert runs[0].error.type == "builtins.KeyError"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--limit", "2"], [30, 29]),
        (["-n", "1"], [30]),
        (["--job", "send_invoices"], [18]),
        (["--job", "send_invoices", "--job", "prerender_site", "--limit", "3"], [17, 16, 15]),
        (["--status", "failed"], [30]),
        (["--status", "failed,lost"], [30]),
        (["--status", "lost"], []),
        (["--trigger", "manual"], [17, 16, 15, 14, 13]),
        (["--since", "20m"], [30, 29]),
        (["--since", "13:45"], [30, 29]),
        (["--since", "2026-11-22T12:45:00Z", "--until", "2026-11-22T13:00:00Z"], [29]),
        (["--since", "yesterday 02:00", "--until", "yesterday 04:00"], [11]),
        (["--until", "2026-11-11T03:00:01"], [1]),
        (["--job", "nobody"], []),
    ],
)
def test_filters(shop: CommandLine, filters: list[str], expected: list[int]) -> None:
    """Each filter narrows down; times are local, [since, until)."""
    assert numbers(shop, *filters) == expected


@pytest.mark.parametrize(
    ("filters", "code", "hint"),
    [
        (["--status", "faild"], "JK801", "did you mean 'failed'?"),
        (["--trigger", "cron"], "JK801", "schedule"),
        (["--since", "last week"], "JK806", "yesterday 03:00"),
        (["--limit", "0"], "JK801", ""),
        (["--limit", "10001"], "JK801", ""),
        (["--format", "yaml"], "JK801", ""),
        (["--json", "--format", "csv"], "JK801", "one of them"),
    ],
)
def test_what_is_not_understood_is_usage(shop: CommandLine, filters: list[str], code: str, hint: str) -> None:
    """Exit code 4, and what to write instead; JK806 for times, mended as its page says."""
    ended = shop("history", *filters)
    assert ended.code == 4
    assert f"error[{code}]" in ended.err
    assert hint in ended.err
    assert shop("history", "--since", "7d").code == 0


def test_formats_say_the_same(shop: CommandLine) -> None:
    """JSON, JSON lines and CSV hold the same runs."""
    whole = shop("history", "--json").data
    assert shop("history", "--format", "json").data == whole
    lines = shop("history", "--format", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == whole
    rows = list(csv.DictReader(io.StringIO(shop("history", "--format", "csv").out)))
    assert [int(row["number"]) for row in rows] == [run["number"] for run in whole]
    assert rows[0]["error_type"] == "builtins.KeyError"
    assert json.loads(rows[-2]["parameters"]) == {"retention_days": 60, "table": "logs"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " =1", "\t=1", "\n=1"])
def test_no_cell_of_csv_is_a_formula(text: str) -> None:
    """What a spreadsheet would calculate is text; numbers stay numbers."""
    run = RunRecord(
        id="x", number=1, job="j", extension="e", status=RunStatus.SUCCEEDED, trigger=Trigger.MANUAL,
        message=text, actor=text, duration_ms=12,
    )  # fmt: skip
    [titles, row] = csv.reader(io.StringIO("".join(csv_lines([run]))))
    cells = dict(zip(titles, row, strict=True))
    assert tuple(titles) == COLUMNS
    assert cells["message"].startswith("'")
    assert cells["actor"].startswith("'")
    assert cells["duration_ms"] == "12"


def test_reading_makes_no_store(cli: CommandLine) -> None:
    """A project that never ran anything: empty answers, no file, and what to do next."""
    assert checked(cli("history", "--json")).data == []
    assert "jobkit list" in cli("history").out
    assert cli("logs", "last").code == 4
    assert not (cli.root / ".jobkit").exists()


@pytest.mark.parametrize("reference", ["30", "#30", "last", "LAST", "019aaaaa-0000-7000-8000-000000001442"])
def test_a_run_has_several_names(shop: CommandLine, reference: str) -> None:
    """Number, number with its sign, the newest, the full id."""
    logs = checked(shop("logs", reference, "--json")).data
    assert logs.run.number == 30
    assert [line.event for line in logs.lines] == ["reading", "first line\nsecond \x1b[31mline"]
    assert "\x1b" not in shop("logs", reference).out


@pytest.mark.parametrize(
    "reference", ["31", "0", "9" * 40, "x", "019aaaaa-0000-7000-8000-00000000ffff", "-", "\x1b[m"]
)
def test_an_unknown_run_is_usage(shop: CommandLine, reference: str) -> None:
    """JK603 and exit code 4, nothing on stdout."""
    ended = shop("logs", reference)
    assert ended.code == 4
    assert "error[JK603]" in ended.err
    assert "\x1b" not in ended.err
    assert ended.out == ""


def test_following_a_finished_run_is_one_object_per_line(shop: CommandLine) -> None:
    """``logs -f --json``: lines, each with its run's number, and an end."""
    ended = shop("logs", "30", "-f", "--json")
    assert [json.loads(line)["sequence"] for line in ended.out.splitlines()] == [1, 2]
    assert {json.loads(line)["run"] for line in ended.out.splitlines()} == {30}


def _begin(root: Path, owner: ProcessIdentity, store_lines: int = 0) -> None:
    async def begin() -> None:
        store = SqliteStore(Path(".jobkit/jobkit.db"), project="shop", root=root, now=lambda: NOW)
        async with store:
            new = NewRun(
                id="019bbbbb-0000-7000-8000-000000000001", job="j", extension="e", trigger=Trigger.MANUAL
            )
            run, _ = await store.add_and_start(new, LeaseRequest(owner, "host-a", pinned=True))
            lines = [
                LogLine(number, NOW, "info", f"line {number}", 1) for number in range(1, store_lines + 1)
            ]
            await store.add_log_lines(run.id, lines)

    anyio.run(begin)


def test_more_lines_than_a_page_are_all_shown(cli: CommandLine) -> None:
    """A long log is read page by page, without a gap."""
    cli.file("jobkit.toml", '[project]\nname = "shop"\n')
    _begin(cli.root, ProcessIdentity.current(), store_lines=2500)
    lines = checked(cli("logs", "last", "--json")).data.lines
    assert [line.sequence for line in lines] == list(range(1, 2501))


def test_a_run_whose_process_is_dead_is_lost(cli: CommandLine) -> None:
    """Any command that looks settles it; nothing stays running."""
    dead = ProcessIdentity.current()
    dead = ProcessIdentity(dead.host, dead.boot, dead.namespace, dead.pid, "long ago")
    _begin(cli.root, dead)
    [run] = checked(cli("history", "--json")).data
    assert run.status == "lost"
    [row] = checked(cli("history", "--status", "lost", "--json")).data
    assert row.number == 1


def test_a_living_run_is_left_alone(cli: CommandLine) -> None:
    """A run of a process that lives is running."""
    _begin(cli.root, ProcessIdentity.current())
    [run] = checked(cli("history", "--json")).data
    assert run.status == "running"


def test_status_of_the_store(shop: CommandLine) -> None:
    """Where it is, what was applied; upgrading again changes nothing."""
    before = checked(shop("db", "status", "--json")).data
    assert before.pending == []
    assert before.applied
    after = checked(shop("db", "upgrade", "--json")).data
    assert after.applied == before.applied
    assert "current" in shop("db", "status").out


def test_status_of_a_store_that_is_not_there(cli: CommandLine) -> None:
    """``db status`` makes nothing and says what waits; ``db upgrade`` makes it."""
    status = checked(cli("db", "status", "--json")).data
    assert status.applied == []
    assert status.pending
    assert not (cli.root / ".jobkit").exists()
    assert "waiting (jobkit db upgrade)" in cli("db", "status").out
    assert checked(cli("db", "upgrade", "--json")).data.pending == []
    assert checked(cli("db", "status", "--json")).data.pending == []


def test_a_store_of_another_project_is_refused(shop: CommandLine) -> None:
    """Exit code 6, with the name that it belongs to."""
    shop.file("jobkit.toml", '[project]\nname = "bakery"\n')
    ended = shop("history")
    assert ended.code == 6
    assert "shop" in ended.err


def test_the_clock_of_the_screens_is_what_it_says() -> None:
    """The filters above count from it."""
    assert datetime(2026, 11, 22, 13, 4, 8, tzinfo=UTC) == NOW
