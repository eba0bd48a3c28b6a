"""``schedule lock`` and ``schedule diff``: when every job is due, in a file, and what has become of that."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cli.lock_difference import differences
from jobkit.cli.lock_file import Fire as LockFire
from jobkit.cli.lock_file import Lock, LockedJob, read, to_text
from jobkit.schedules.base import from_epoch
from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

JOBS = """\
from jobkit import submit_job


@submit_job(schedule="0 0 3 * * *")
def nightly(ctx):
    pass


@submit_job(schedule="0 */15 * * * *", timezone="UTC")
def quarterly(ctx):
    pass


@submit_job(schedule="0 0 14 * * *", enabled=False)
def off(ctx):
    pass


@submit_job
def by_hand(ctx):
    pass
"""
_FILE = "extensions/web/jobs/all.py"


@pytest.fixture
def project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Four jobs, on a machine with zone data of a known version."""
    monkeypatch.setattr("jobkit.schedules.zones.zone_data_version", lambda: "2026b (/usr/share/zoneinfo)")
    cli.file("jobkit.toml", '[project]\nname = "shop"\n\n[scheduler]\ntimezone = "Europe/Berlin"\n')
    cli.file(_FILE, JOBS)
    return cli


def text(cli: CommandLine, name: str = "schedule.lock") -> str:
    return (cli.root / name).read_text(encoding="utf-8")


def edit(cli: CommandLine, before: str, after: str, path: str = _FILE) -> None:
    found = text(cli, path)
    assert before in found
    cli.file(path, found.replace(before, after))


def changes(cli: CommandLine, *arguments: str) -> list[Any]:
    ended = cli("schedule", "diff", "--json", *arguments)
    found: list[Any] = checked(ended).data.differences
    assert ended.code == (1 if found else 0)
    return found


# -- the file -------------------------------------------------------------------------------------------


def test_the_file_says_when_each_job_is_due(project: CommandLine) -> None:
    """From the beginning of the day in UTC: schedule, zone, standing, and a line for each fire."""
    ended = project("schedule", "lock", "-n", "2")
    assert (ended.code, ended.err) == (0, "")
    assert (
        "written: 4 jobs, 2 of them scheduled\n2 fires of each after Sun 2026-11-22 01:00:00 +01:00\n"
        in ended.out
    )
    head, nightly, *_ = text(project).split("\n\n[jobs.nightly]\n")
    assert head.startswith("# When every job is due next. Written by `jobkit schedule lock`")
    assert 'from = 2026-11-22T00:00:00Z\nfires = 2\nzone_data = "2026b"\n' in head
    assert head.endswith('[jobs.by_hand]\nschedule = ""\ntimezone = "Europe/Berlin"\nscheduled = false\n'
                         'why = "no schedule"')  # fmt: skip
    assert nightly.split("\n\n")[0].splitlines() == [
        'schedule = "0 0 3 * * *"',
        'timezone = "Europe/Berlin"',
        "scheduled = true",
        "fires = [",
        '  { at = 2026-11-22T02:00:00Z, local = "2026-11-22T03:00:00+01:00" },',
        '  { at = 2026-11-23T02:00:00Z, local = "2026-11-23T03:00:00+01:00" },',
        "]",
    ]
    jobs = tomllib.loads(text(project))["jobs"]
    assert list(jobs) == ["by_hand", "nightly", "off", "quarterly"]
    assert (jobs["off"]["scheduled"], jobs["off"]["why"]) == (False, "disabled")


def test_the_same_project_gives_the_same_file(project: CommandLine) -> None:
    """At any time of the day, and in another order of the jobs; it is not written again then."""
    assert checked(project("schedule", "lock", "--json")).data.written
    first = text(project)
    moved = JOBS.replace("nightly", "swap").replace("def off", "def nightly").replace("swap", "off")
    project.file(_FILE, moved.replace('"0 0 3 * * *"', '"SWAP", enabled=False').replace(
        '"0 0 14 * * *", enabled=False', '"0 0 3 * * *"').replace("SWAP", "0 0 14 * * *"))  # fmt: skip
    answer = checked(project("schedule", "lock", "--json", "--from", "2026-11-22T00:00:00Z")).data
    assert (answer.written, answer.path) == (False, "schedule.lock")
    assert text(project) == first


def test_start_and_number_are_chosen(project: CommandLine) -> None:
    """``--from`` and ``-n``; the night in which the clock is put forward is noted."""
    project.file("services/scheduler/config.toml", '[jobs.nightly]\nschedule = "0 30 2 * * *"\n')
    answer = checked(project("schedule", "lock", "--json", "--from", "2027-03-28", "-n", "1")).data
    [nightly] = [job for job in answer.jobs if job.name == "nightly"]
    [fire] = nightly.fires
    assert (answer.from_, fire.local) == ("2027-03-27T23:00:00Z", "2027-03-28T03:00:00+02:00")
    assert fire.note == "made up: 02:30, as the clock went from 02:00 to 03:00"
    assert fire.note in text(project)
    assert changes(project) == []


def test_another_file(project: CommandLine) -> None:
    """``-o`` writes it, the argument of ``diff`` names it, and the hint tells how to accept the change."""
    assert project("schedule", "lock", "-o", "other.lock").code == 0
    assert not (project.root / "schedule.lock").exists()
    assert changes(project, "other.lock") == []
    edit(project, "0 0 3", "0 0 4")
    assert (
        "1 job differs; `jobkit schedule lock -o other.lock` accepts that"
        in project("schedule", "diff", "other.lock").out
    )


def test_texts_of_others_are_harmless(project: CommandLine) -> None:
    """Quotes, backslashes and control characters in a schedule make no broken file."""
    project.file(
        "services/scheduler/config.toml", '[jobs.nightly]\nschedule = "\\"a\\\\ \\u009b\\u001b[31m\\u007f"\n'
    )
    project("schedule", "lock")
    nightly = tomllib.loads(text(project))["jobs"]["nightly"]
    assert nightly["schedule"] == '"a\\ \\x9b\\x1b[31m\\x7f'
    assert re.fullmatch(r"error JK3\d\d|error JK2\d\d", nightly["why"])
    assert changes(project) == []


# -- what has changed -----------------------------------------------------------------------------------


def test_nothing_has_changed(project: CommandLine) -> None:
    """Exit code 0, whatever day it is: the fires are computed from the instant in the file."""
    project("schedule", "lock", "--from", "2025-01-01")
    assert project("schedule", "diff").code == 0
    assert "no job fires otherwise than is locked" in project("schedule", "diff").out


def test_a_schedule_that_was_changed(project: CommandLine) -> None:
    """The job, its two schedules, and each fire that moved."""
    project("schedule", "lock", "-n", "2")
    edit(project, "0 0 3", "0 0 4")
    [job] = changes(project)
    assert (job.job, job.change) == ("nightly", "changed")
    assert [(each.field, each.locked, each.now) for each in job.fields] == [
        ("schedule", "0 0 3 * * *", "0 0 4 * * *")
    ]
    assert [(each.change, each.locked.at, each.now.at) for each in job.fires] == [
        ("moved", "2026-11-22T02:00:00Z", "2026-11-22T03:00:00Z"),
        ("moved", "2026-11-23T02:00:00Z", "2026-11-23T03:00:00Z"),
    ]


def test_jobs_that_come_and_go(project: CommandLine) -> None:
    """One that is new, one that is gone."""
    project("schedule", "lock")
    edit(project, "def nightly", "def daily")
    assert [(job.job, job.change, job.fires[0].change) for job in changes(project)] == [
        ("daily", "added", "added"),
        ("nightly", "removed", "removed"),
    ]


def test_a_job_that_is_switched_on(project: CommandLine) -> None:
    """It had no fires, and has some; the reason for the one is told."""
    project("schedule", "lock", "-n", "1")
    project.file("services/scheduler/config.toml", "[jobs.off]\nenabled = true\n")
    [job] = changes(project)
    assert [each.field for each in job.fields] == ["scheduled", "why"]
    assert [(each.change, each.now.at) for each in job.fires] == [("added", "2026-11-22T13:00:00Z")]
    assert "scheduled: not scheduled (disabled) → scheduled" in project("schedule", "diff").out


def test_another_zone(project: CommandLine) -> None:
    """The zone, and the fires that it moves."""
    project("schedule", "lock", "-n", "1")
    edit(project, 'schedule="0 0 3 * * *"', 'schedule="0 0 3 * * *", timezone="Asia/Tokyo"')
    [job] = changes(project)
    assert [(each.field, each.now) for each in job.fields] == [("timezone", "Asia/Tokyo")]
    assert [(each.change, each.now.at) for each in job.fires] == [("moved", "2026-11-22T18:00:00Z")]


def test_other_zone_data_is_a_note(project: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone it is no difference, wherever the data lies; so is the environment."""
    project("schedule", "lock")
    monkeypatch.setattr("jobkit.schedules.zones.zone_data_version", lambda: "2026b (tzdata)")
    assert checked(project("schedule", "diff", "--json")).data.notes == []
    monkeypatch.setattr("jobkit.schedules.zones.zone_data_version", lambda: "2027a (tzdata)")
    ended = project("schedule", "diff")
    assert ended.code == 0
    assert "note: zone data: 2026b when it was locked, 2027a here" in ended.out
    project.file("services/scheduler/config.production.toml", "")
    [_, note] = checked(project("--env", "production", "schedule", "diff", "--json")).data.notes
    assert note == "it was locked with no environment, and is compared with --env production"


def test_many_changes_are_counted(project: CommandLine) -> None:
    """Ten are shown; all are in the data."""
    project("schedule", "lock", "-n", "12")
    edit(project, "0 0 3", "0 0 4")
    assert "      and 2 more fires\n" in project("schedule", "diff").out
    assert len(changes(project)[0].fires) == 12


# -- what is in the way ---------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["lock", "diff"])
def test_a_broken_file_stops_it(project: CommandLine, verb: str) -> None:
    """Exit code 2 and its error; no lock file without its jobs is written."""
    project("schedule", "lock")
    before = text(project)
    project.file("extensions/web/jobs/broken.py", "import nothing_of_that_name\n")
    ended = project("schedule", verb, "--json")
    assert (ended.code, ended.data) == (2, None)
    assert [error["path"] for error in ended.json["errors"]] == ["extensions/web/jobs/broken.py"]
    assert text(project) == before


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("fires = [", "Invalid"),
        ("", "it does not say its format"),
        ("format = 2\n", "it has format 2, and this version of jobkit reads 1"),
        ("format = 1\n", "missing required field"),
        ('format = 1\nfrom = 2026-11-22T00:00:00\nfires = 5\nzone_data = "x"\n', "lacks its offset"),
        ('format = 1\nfrom = 2026-11-22T00:00:00Z\nfires = 0\nzone_data = "x"\n', "from 1 to 10000"),
        ('format = 1\nfrom = 2026-11-22T00:00:00Z\nfires = 5\nzone_data = "x"\nmore = 1\n', "more"),
    ],
)
def test_a_file_that_is_none(project: CommandLine, content: str, reason: str) -> None:
    """JK817 with the reason, exit code 6."""
    project.file("schedule.lock", content)
    ended = project("schedule", "diff", "--json")
    assert (ended.code, ended.data) == (6, None)
    [error] = ended.json["errors"]
    assert (error["code"], error["path"]) == ("JK817", "schedule.lock")
    assert reason in error["message"]


def test_a_file_that_cannot_be_had(project: CommandLine) -> None:
    """JK816 for none; JK817 for bytes and folders; JK818 where it cannot be written."""
    assert project("schedule", "diff", "--json").json["errors"][0]["code"] == "JK816"
    (project.root / "schedule.lock").write_bytes(b"\xff")
    assert "it is not UTF-8" in project("schedule", "diff").err
    assert project("schedule", "lock").code == 0
    (project.root / "folder.lock").mkdir()
    assert "JK817" in project("schedule", "diff", "folder.lock").err
    ended = project("schedule", "lock", "-o", "folder.lock", "--json")
    assert (ended.code, ended.json["errors"][0]["code"]) == (6, "JK818")
    assert [path.name for path in project.root.glob(".*lock*")] == []


# -- the law --------------------------------------------------------------------------------------------


def _locked(seconds: set[int], limit: int, *, zone: str = "UTC") -> Lock:
    fires = tuple(
        LockFire(from_epoch(second), from_epoch(second).isoformat()) for second in sorted(seconds)[:limit]
    )
    job = LockedJob("each", zone, True, None, fires)
    return Lock(1, from_epoch(0), limit, "2026b", None, {"job": job})


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.integers(1, 8))
def test_each_fire_is_accounted_for(before: set[int], after: set[int], limit: int) -> None:
    """As far as both lists reach, what is removed and added leads from the one to the other, and no fire that
    stayed is mentioned; equal lists have no difference."""
    locked, now = _locked(before, limit), _locked(after, limit)
    changed = [fire for job in differences(locked, now) for fire in job.fires]
    old = [fire.at for fire in locked.jobs["job"].fires]
    new = [fire.at for fire in now.jobs["job"].fires]
    gone = {change.locked.at for change in changed if change.locked is not None}
    come = {change.now.at for change in changed if change.now is not None}
    assert gone <= set(old) - set(new)
    assert come <= set(new) - set(old)
    ends = [each[-1] for each in (old, new) if len(each) == limit]
    known = {at for at in {*old, *new} if all(at <= end for end in ends)}
    assert (set(old) - gone | come) & known == set(new) & known
    assert bool(changed) or old == new or not (set(old) ^ set(new)) & known


@given(st.sets(st.integers(1, 10**9), max_size=5), st.text(max_size=20))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, seconds: set[int], note: str
) -> None:
    """The text of a lock gives that lock."""
    from jobkit.sanitising import escape_controls

    lock = _locked(seconds, 5, zone=escape_controls(note))
    path = tmp_path_factory.mktemp("lock") / "schedule.lock"
    path.write_text(to_text(lock), encoding="utf-8", newline="\n")
    assert read(path) == lock


# -- screens --------------------------------------------------------------------------------------------


@pytest.fixture
def changed(project: CommandLine) -> Path:
    """A project with a difference of each kind."""
    project("schedule", "lock", "--from", "2027-03-27", "-n", "3")
    edit(project, 'zone_data = "2026b"', 'zone_data = "2025c"', "schedule.lock")
    edit(project, "0 0 3", "0 30 2")
    edit(project, "*/15", "*/20")
    edit(project, "def by_hand", "def now_and_then")
    project.file("services/scheduler/config.toml", "[jobs.off]\nenabled = true\n")
    return project.root


@each_form
@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [("schedule-diff", ["diff"], 1), ("schedule-lock", ["lock", "--from", "2027-03-27"], 0)],
)
def test_screen(
    name: str, arguments: list[str], code: int, form: str, changed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the command shows in this form; no line is wider than the terminal."""
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    ended = CommandLine(changed, monkeypatch)("schedule", *arguments, encoding=encoding)
    assert (ended.code, ended.err) == (code, "")
    check_screen(name, form, ended.out)
    width = FORMS[form].width or 1000
    assert all(len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= width for line in ended.out.splitlines())
