"""``next``: when a schedule fires, with what clock changes make of it."""

from __future__ import annotations

import re

import pytest

from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

BERLIN = ["--timezone", "Europe/Berlin"]

SCREENS = {
    "next-spring": ["0 30 2 * * *", *BERLIN, "--from", "2027-03-26T12:00:00Z", "-n", "3"],
    "next-autumn": ["0 */30 2 * * *", *BERLIN, "--from", "2027-10-30T12:00:00Z", "-n", "5"],
    "next-days": ["0 0 9 13 * FRI", "-n", "2"],
}


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, form: str, anywhere: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command shows in this form; no project is needed, and no line is too wide."""
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    ended = anywhere("next", "--schedule", *SCREENS[name], encoding=encoding)
    assert (ended.code, ended.err) == (0, "")
    check_screen(name, form, ended.out)
    width = FORMS[form].width or 1000
    assert all(len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= width for line in ended.out.splitlines())


def test_json_has_local_time_and_utc(anywhere: CommandLine) -> None:
    """One object per fire; a made-up one says so, an ordinary one has no note."""
    ended = anywhere("next", "--json", "--schedule", *SCREENS["next-spring"])
    assert ended.json["schema"] == "jobkit.next/1"
    fires = checked(ended).data
    assert [fire.at for fire in fires] == [
        "2027-03-27T01:30:00Z",
        "2027-03-28T01:00:00Z",
        "2027-03-29T00:30:00Z",
    ]
    assert [fire.local for fire in fires] == [
        "2027-03-27T02:30:00+01:00", "2027-03-28T03:00:00+02:00", "2027-03-29T02:30:00+02:00"
    ]  # fmt: skip
    made_up = "made up: 02:30, as the clock went from 02:00 to 03:00"
    assert [fire.note for fire in fires] == [None, made_up, None]
    assert {(fire.job, fire.timezone) for fire in fires} == {(None, "Europe/Berlin")}


def test_five_from_now_in_utc(anywhere: CommandLine) -> None:
    """Without options: the next five after now, in UTC."""
    fires = checked(anywhere("next", "--json", "--schedule", "0 */15 * * * *")).data
    assert [fire.at[11:16] for fire in fires] == ["13:15", "13:30", "13:45", "14:00", "14:15"]
    assert fires[0].local == "2026-11-22T13:15:00+00:00"


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("2026-11-23T12:00:00+01:00", "2026-11-24T02:00:00Z"),
        ("tomorrow", "2026-11-23T02:00:00Z"),
        ("03:00", "2026-11-23T02:00:00Z"),  # strictly later than three o'clock today
        ("02:59", "2026-11-22T02:00:00Z"),
        ("2d", "2026-11-21T02:00:00Z"),
    ],
)
def test_from_is_read_in_the_zone(anywhere: CommandLine, start: str, first: str) -> None:
    """Times without an offset are local ones of the schedule's zone."""
    ended = anywhere("next", "--json", "--schedule", "0 0 3 * * *", *BERLIN, "--from", start, "-n", "1")
    assert [fire.at for fire in checked(ended).data] == [first]


def test_every_kind_of_schedule_is_understood(anywhere: CommandLine) -> None:
    """Aliases, intervals and instants too; several options are a list."""
    ended = anywhere(
        "next", "--json", "-n", "4", "--schedule", "@daily", "--schedule", "every 12h",
        "--schedule", "at 2026-11-23T06:00:00Z",
    )  # fmt: skip
    at = [fire.at for fire in checked(ended).data]
    assert at == [
        "2026-11-23T00:00:00Z",
        "2026-11-23T06:00:00Z",
        "2026-11-23T12:00:00Z",
        "2026-11-24T00:00:00Z",
    ]


def test_a_schedule_that_is_over_says_so(anywhere: CommandLine) -> None:
    """An instant in the past: no fires, exit code 0."""
    ended = anywhere("next", "--schedule", "at 2020-01-01T00:00:00Z")
    assert ended.code == 0
    assert "does not fire after Sun 2026-11-22 13:04:08 UTC" in ended.out
    assert checked(anywhere("next", "--json", "--schedule", "at 2020-01-01T00:00:00Z")).data == []


def test_no_schedule_is_started_by_hand(anywhere: CommandLine) -> None:
    """The empty text is a valid schedule that never fires."""
    ended = anywhere("next", "--schedule", "")
    assert (ended.code, ended.out) == (0, "No schedule: such a job is only started by hand.\n")
    assert checked(anywhere("next", "--json", "--schedule", "")).data == []


BAD = [
    (["--schedule", "0 3 * * *"], "JK302", "seconds come first: `0 0 3 * * *`"),
    (["--schedule", "0 0 24 * * *"], "JK304", "midnight is hour 0"),
    (["--schedule", "0 0 0 30 2 *"], "JK308", "`L` is its last day"),
    (["--schedule", "\x1b[31m0 0 3 * * *"], "JK301", "separate the fields by blanks"),
    (["--schedule", "evry 5m"], "JK312", "did you mean `every`?"),
    (["--schedule", "@daily", "--schedule", ""], "JK313", "remove the entry"),
    (["--schedule", "0 0 3 * * *", "--timezone", "Berlin"], "JK309", "did you mean `Europe/Berlin`?"),
    (["--schedule", "", "--timezone", "../etc/passwd"], "JK309", "IANA name"),
    (["--schedule", "0 0 3 * * *", "--from", "soon"], "JK806", "2026-11-20T03:00:00Z"),
    (["--schedule", "0 0 3 * * *", "-n", "0"], "JK801", "jobkit next --help"),
    (["--schedule", "0 0 3 * * *", "-n", "many"], "JK801", "jobkit next --help"),
]


@pytest.mark.parametrize(("arguments", "code", "help"), BAD)
def test_bad_input_is_a_usage_error(
    anywhere: CommandLine, arguments: list[str], code: str, help: str
) -> None:
    """Exit code 4, the error with its fix on stderr, nothing on stdout."""
    ended = anywhere("next", *arguments)
    assert (ended.code, ended.out) == (4, "")
    assert f"error[{code}]" in ended.err
    assert help in " ".join(ended.err.split())
    assert "\x1b" not in ended.err


@pytest.mark.parametrize(("arguments", "code", "help"), BAD)
def test_bad_input_as_json(anywhere: CommandLine, arguments: list[str], code: str, help: str) -> None:
    """With --json the error stands in the object too, with text and help."""
    ended = anywhere("next", "--json", *arguments)
    assert ended.code == 4
    answer = checked(ended)
    assert answer.data == []
    assert [error.code for error in answer.errors] == [code]
    assert help in (answer.errors[0].help or "")


def test_as_a_program_of_its_own(anywhere: CommandLine) -> None:
    """The installed program answers alike, in a folder without a project."""
    spring = SCREENS["next-spring"]
    assert anywhere.process("next", "--json", "--schedule", *spring).json == (
        anywhere("next", "--json", "--schedule", *spring).json
    )
    ended = anywhere.process("next", "--schedule", "0 3 * * *")
    assert ended.code == 4
    assert "seconds come first" in ended.err


KIND = """\
from datetime import timedelta

from jobkit import hookimpl
from jobkit.schedules.base import ScheduleKind
from jobkit.schedules import parse_schedule


def parse(text, timezone, name):
    return parse_schedule("0 0 9 * * MON-FRI", timezone=timezone)


@hookimpl
def jobkit_schedule_kinds(config):
    return [ScheduleKind("office", parse, "when the office opens: office")]
"""


def test_kinds_of_plugins_are_known_in_a_project(cli: CommandLine, anywhere: CommandLine) -> None:
    """Elsewhere, and without the plugin, they are refused as any other text."""
    cli.file("hooks/office.py", KIND)
    ended = cli("next", "--schedule", "office", "-n", "2", "--json")
    assert [fire.at for fire in checked(ended).data] == ["2026-11-23T09:00:00Z", "2026-11-24T09:00:00Z"]
    assert cli("next", "--schedule", "office", "--plugin", "no:office").code != 0
    assert anywhere("next", "--schedule", "office").code != 0
    cli.file("jobkit.toml", "not [ toml")
    ended = cli("next", "--schedule", "office")
    assert "office" in ended.err
