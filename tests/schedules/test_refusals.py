"""Whatever is not a schedule: ScheduleError and nothing else, with the cause, the field and the fix."""

from __future__ import annotations

import ast
import random
import re
import string
from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import CronSchedule, ScheduleError
from jobkit.codes import all_codes, explanation
from jobkit.schedules import Schedule, ScheduleKind, parse_schedule
from jobkit.schedules.fields import FIELDS
from tests.schedules import oracle

#: Code, text, a part of the message, a part of the help.
REFUSED = [
    ("JK301", "", "not blank", "six fields"),
    ("JK301", " \t ", "not blank", "six fields"),
    ("JK301", "0 0 3 * *\n*", r"`\n`", "separate the fields by blanks"),
    ("JK301", "0 0 3\xa0* * *", r"`\xa0`", "separate the fields by blanks"),
    ("JK301", "0 0 3 * * \u0663", r"`\u0663`", "type the text anew"),
    ("JK301", "\x1b[31m0 0 3 * * *", r"\x1b[31m", "type the text anew"),
    ("JK301", "0 " * 129, "at most 256", "list"),
    ("JK301", " " * 246 + "0 0 3 * * *", "has 257", "list"),
    ("JK302", "0 3 * * *", "has 5: `0 3 * * *`", "seconds come first: `0 0 3 * * *`"),
    ("JK302", "0 0 3 * * * 2027", "has 7", "no year"),
    ("JK302", "0 0 3 * * *, 0 0 4 * * *", "has 12", "list of texts"),
    ("JK302", "@daily", "has 1: `@daily`", "`schedule`"),
    ("JK302", "every 5m", "has 2", "`schedule`"),
    ("JK302", "0 0 3 ***", "has 4", "second, minute, hour"),
    ("JK303", "0 0 0 * * MONDAY", "weekday: `MONDAY`", "`MON`"),
    ("JK303", "0 0 0 * JAN-MRZ *", "month: `JAN-MRZ`", "`JAN`"),
    ("JK303", "MON 0 0 * * *", "second: `MON`", "sixth field"),
    ("JK303", "0 0 0 JAN * *", "day of month: `JAN`", "fifth field"),
    ("JK303", "0 0 0 1,,2 * *", "day of month", "both sides"),
    ("JK303", "0 0 0 1, * *", "day of month", "both sides"),
    ("JK303", "0 */x 0 * * *", "minute: `*/X`", "0 to 59"),
    ("JK303", "0 *-5 0 * * *", "minute: `*-5`", "`a-b`"),
    ("JK303", "0 -5 0 * * *", "minute: `-5`", "`a-b`"),
    ("JK303", "0 1.5 0 * * *", "minute: `1.5`", "`a-b`"),
    ("JK304", "60 0 0 * * *", "second: 60", "second 0"),
    ("JK304", "0 60 0 * * *", "minute: 60", "minute 0"),
    ("JK304", "0 0 24 * * *", "hour: 24 is out of range (0 to 23)", "midnight is hour 0"),
    ("JK304", "0 0 0 0 * *", "day of month: 0", "1 to 31"),
    ("JK304", "0 0 0 * 13 *", "month: 13", "JAN to DEC"),
    ("JK304", "0 0 0 * * 8", "weekday: 8", "SUN to SAT"),
    ("JK304", "0 0 0 32W * *", "day of month: 32", "1 to 31"),
    ("JK304", "0 0 0 * * 5#6", "outside 1 to 5", "`5L`"),
    ("JK304", "0 0 0 * * 5#0", "outside 1 to 5", "`5L`"),
    ("JK304", "00000 0 0 * * *", "second: 00000", "0 to 59"),
    ("JK304", "0 H(0-60) * * * *", "`H(0-60)`", "`H(0-59)`"),
    ("JK305", "0 0 0 * * FRI-SUN", "`FRI-SUN` runs backwards (5 to 0)", "`5-7`"),
    ("JK305", "0 0 0 * * FRI-TUE", "(5 to 2)", "`5-7,1-2`"),
    ("JK305", "0 0 0 * * 6-1", "(6 to 1)", "`6-7,1`"),
    ("JK305", "0 0 0 * * 7-3", "(7 to 3)", "`0,1-3`"),
    ("JK305", "0 0 22-6 * * *", "(22 to 6)", "`22-23,0-6`"),
    ("JK305", "0 0 0 * NOV-FEB *", "(11 to 2)", "`11-12,1-2`"),
    ("JK305", "0 50-10/5 * * * *", "(50 to 10)", "one by one"),
    ("JK305", "0 H(30-30) * * * *", "upwards", "`H(0-59)`"),
    ("JK306", "0 */0 * * * *", "the step of `*/0`", "1 to 59"),
    ("JK306", "0 0 */24 * * *", "the step of `*/24`", "1 to 23"),
    ("JK306", "0 0 0 */32 * *", "the step of `*/32`", "1 to 31"),
    ("JK306", "0 0 0 * */13 *", "the step of `*/13`", "1 to 12"),
    ("JK306", "0 0 0 * * */8", "the step of `*/8`", "1 to 7"),
    ("JK306", "0 */99999999999 * * * *", "the step of", "`every ...`"),
    ("JK306", "0 H/60 * * * *", "`H/60` needs a step from 1 to 59", "`H/5`"),
    ("JK307", "0 0 0 ? * *", "`?`", "write `*`"),
    ("JK307", "0 R 0 * * *", "`R`", "write `H`"),
    ("JK307", "0 R(0-9)/2 0 * * *", "draw anew", "write `H`"),
    ("JK307", "0 0 0 LW * *", "`LW`", "`L`"),
    ("JK307", "0 0 0 L-3 * *", "`L-3`", "`28-31`"),
    ("JK307", "0 0 0 15-L * *", "`15-L`", "`28-31`"),
    ("JK307", "0 0 0 W15 * *", "`W15`", "`15W`"),
    ("JK307", "0 0 0 * * L5", "`L5`", "`5L`"),
    ("JK307", "0 0 0 * * LFRI", "`LFRI`", "`FRIL`"),
    ("JK307", "0 0 0 * * L", "`L`", "`5L`"),
    ("JK307", "0 0 0 1,15W * *", "alone", "list"),
    ("JK307", "0 0 0 * * 1,5#2", "mixed", "list"),
    ("JK307", "0 H,30 * * * *", "alone", "`H/15`"),
    ("JK308", "0 0 0 30 2 *", "`30`, month `2`", "`L`"),
    ("JK308", "0 0 0 31 4,6,9,11 *", "`31`", "`L`"),
    ("JK308", "0 0 0 30W 2 *", "`30W`", "`L`"),
    ("JK308", "0 0 0 */31 * 5#2", "`5#2`", "`L`"),
    ("JK308", "0 0 0 15W * */6", "`15W`", "`L`"),
    ("JK316", "0 0 0 L,2-31 * *", "croniter reads another day of month", "simpler terms"),
]


@pytest.mark.parametrize(("code", "text", "message", "help"), REFUSED)
def test_a_refusal_names_cause_field_and_fix(code: str, text: str, message: str, help: str) -> None:
    """The error says what is wrong where, and what to write instead."""
    with pytest.raises(ScheduleError) as caught:
        CronSchedule(text)
    assert caught.value.code == code
    assert message in caught.value.message
    assert help in (caught.value.help or "")


@pytest.mark.parametrize("text", [text for _, text, _, _ in REFUSED])
def test_the_fix_of_a_refusal_is_accepted(text: str) -> None:
    """A whole expression, or the text of a field, that a fix offers can be used as it is."""
    with pytest.raises(ScheduleError) as caught:
        CronSchedule(text)
    for offer in re.findall(r"write `([^`]+)`|first: `([^`]+)`", caught.value.help or ""):
        fix = "".join(offer)
        place = next(
            (i for i, field in enumerate(FIELDS) if caught.value.message.startswith(field.name)), None
        )
        fields = text.split()
        if len(fix.split()) != 6 and place is not None:
            fields[place] = fix
            fix = " ".join(fields)
        if len(fix.split()) == 6:
            assert CronSchedule(fix).next_after(datetime(2027, 1, 1, tzinfo=UTC))


class Evil:
    """Whatever is asked of it, it fails."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)

    def __repr__(self) -> str:
        raise RuntimeError

    __str__ = __repr__


class Disguise(str):
    """A str that answers wrongly whatever it is asked."""

    __slots__ = ()

    def __len__(self) -> int:
        return 0

    def split(self, *_: object) -> list[str]:
        raise RuntimeError


NOT_TEXT = [None, 5, 1.5, True, b"0 0 3 * * *", ["0 0 3 * * *"], {}, object(), datetime, len, ..., Evil]


@pytest.mark.parametrize("value", NOT_TEXT, ids=lambda value: type(value).__name__)
def test_what_is_no_text_is_a_schedule_error(value: object) -> None:
    """Any object in the place of expression, zone or name is refused, and never asked for its text."""
    value = Evil() if value is Evil else value  # made here: pytest cannot name a parameter like this
    with pytest.raises(ScheduleError, match="text"):
        CronSchedule(value)  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match="time zone"):
        CronSchedule("0 0 3 * * *", value)  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match="text"):
        CronSchedule("H 0 3 * * *", name=value)  # type: ignore[arg-type]
    if type(value) is not list:
        with pytest.raises(ScheduleError, match="text"):
            parse_schedule(value)  # type: ignore[arg-type]


def test_a_disguised_text_is_read_as_the_text_it_holds() -> None:
    """A subclass of str cannot make the reader fail."""
    assert CronSchedule(Disguise("0 0 3 * * *")) == CronSchedule("0 0 3 * * *")


@given(text=st.text() | st.text(alphabet="0123456789*/-,#LWHR?@ \t\n", max_size=300))
def test_any_text_is_a_schedule_or_a_schedule_error(text: str) -> None:
    """No text makes anything but a schedule or a ScheduleError, and the error is safe to print."""
    for zone in ("UTC", text):
        try:
            parse_schedule(text, timezone=zone)
        except ScheduleError as error:
            assert_clear(error)


def assert_clear(error: ScheduleError) -> None:
    """The error can go to any terminal: plain characters, not too many, with a fix and a page."""
    shown = f"{error.message} {error.help}"
    assert error.help
    assert shown.isascii()
    assert shown.isprintable()
    assert len(error.message) < 250
    assert error.code in all_codes()


def damaged(count: int) -> Iterator[str]:
    """Valid expressions with one to three characters lost, doubled, swapped or replaced."""
    whole = ["0 */15 * * * *", "0 30 2 1,15 * MON-FRI", "15,45 10-20/5 8-18/2 * 1-6/2 1-5", "0 0 0 L 2 *"]
    whole += ["0 0 9 15W JAN-MAR *", "*/10 59/15 0-23 1/5 * FRI#2", "0 0 3 * * 5L", "H H(0-29) H/6 * * *"]
    chance = random.Random(20)
    for _ in range(count):
        text = chance.choice(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            text = chance.choice(
                [
                    text[:at] + text[at + 1 :],
                    text[:at] + text[at] + text[at:],
                    text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :],
                    text[:at] + chance.choice(string.printable + "\x00\x1b\xa0é٣") + text[at + 1 :],
                ]
            )
        yield text


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_damaged_expressions_are_right_or_refused(count: int) -> None:
    """Each is accepted with the meaning that a second reading finds, or refused as it refuses it."""
    accepted = 0
    for text in damaged(count):
        try:
            schedule = CronSchedule(text)
        except ScheduleError as error:
            assert_clear(error)
            if error.code != "JK316" and "H" not in text.upper():
                with pytest.raises(oracle.RefusedError):
                    oracle.read(text)
            continue
        accepted += 1
        if not re.search(r"(?i)\bH", text):
            start = datetime(2027, 2, 27, 23, 59, tzinfo=UTC)
            assert schedule.upcoming(start, 2) == oracle.next_in_utc(text, start, 2), text
    assert count // 20 < accepted < count - count // 20


@pytest.mark.parametrize(
    ("zone", "help"),
    [
        ("", "Europe/Berlin"),
        ("europe/berlin", "`Europe/Berlin`"),
        ("Europe/Berln", "`Europe/Berlin`"),
        ("Berlin", "`Europe/Berlin`"),
        (" UTC", "`UTC`"),
        ("UTC+2", "`Etc/GMT-2`"),
        ("-05:00", "`Etc/GMT+5`"),
        ("CEST", "IANA name"),
        ("localtime", "IANA name"),
        ("posixrules", "IANA name"),
        ("right/UTC", "did you mean"),
        ("Europe", "did you mean"),
        ("../../etc/passwd", "IANA name"),
        ("/etc/localtime", "IANA name"),
        ("Europe/../Europe/Berlin", "did you mean"),
        ("Europe/Berlin\x00", "did you mean"),
        ("\udc80", "IANA name"),
        ("A" * 5000, "IANA name"),
    ],
)
def test_odd_zone_names_are_schedule_errors(zone: str, help: str) -> None:
    """A path, an abbreviation, an offset or a wrong spelling is refused with the nearest right name."""
    with pytest.raises(ScheduleError) as caught:
        CronSchedule("0 0 3 * * *", zone)
    assert caught.value.code == "JK309"
    assert help in (caught.value.help or "")
    assert_clear(caught.value)


@pytest.mark.parametrize(
    "instant", [datetime(2027, 1, 1), date(2027, 1, 1), None, 0, "2027-01-01T00:00:00Z"], ids=repr
)
def test_only_aware_datetimes_are_instants(instant: object) -> None:
    """A naive datetime, or what is none, is refused (JK314)."""
    schedule = CronSchedule("0 0 3 * * *")
    for ask in (schedule.next_after, schedule.note, lambda value: schedule.upcoming(value, 1)):
        with pytest.raises(ScheduleError, match="aware") as caught:
            ask(instant)  # type: ignore[arg-type]
        assert caught.value.code == "JK314"


@pytest.mark.parametrize("count", [-1, 1.5, None, True, "3"])
def test_only_whole_numbers_of_fires_are_listed(count: object) -> None:
    """`upcoming` takes a whole number, zero or more (JK314)."""
    with pytest.raises(ScheduleError, match="whole number") as caught:
        CronSchedule("0 0 3 * * *").upcoming(datetime(2027, 1, 1, tzinfo=UTC), count)  # type: ignore[arg-type]
    assert caught.value.code == "JK314"


def _raises(text: str, timezone: str, name: str) -> Schedule:
    raise KeyError("\x1b[31mno such place\x1b[0m")


def _returns_nothing(text: str, timezone: str, name: str) -> Schedule:
    return None  # type: ignore[return-value]


def _refuses(text: str, timezone: str, name: str) -> Schedule:
    raise ScheduleError("sunset needs a place", help="write `sunset Berlin`", code="JK303")


@pytest.mark.parametrize(
    ("parse", "code"), [(_raises, "JK315"), (_returns_nothing, "JK315"), (_refuses, "JK303")]
)
def test_a_broken_plugin_is_a_schedule_error(parse: object, code: str) -> None:
    """What a plugin's kind raises or returns stays one job's ScheduleError; its own passes as it is."""
    kind = ScheduleKind("sunset", parse, "a sunset: `sunset Berlin`")  # type: ignore[arg-type]
    with pytest.raises(ScheduleError) as caught:
        parse_schedule("sunset Berlin", kinds=[kind])
    assert caught.value.code == code
    assert_clear(caught.value)


EXAMPLE = re.compile(
    r"@submit_job\(schedule=(?P<text>.+?)(?:, timezone=\"(?P<zone>[^\"]+)\")?\)$", re.MULTILINE
)
# JK317 refuses nothing: it is what `jobkit check` remarks on, and tested there.
PAGES = [code for code in all_codes() if "JK301" <= code <= "JK319" and code != "JK317"]


@pytest.mark.parametrize("code", PAGES)
def test_pages_provoke_their_error_and_mend_it(code: str) -> None:
    """Each example under "what it means" is refused with the page's code; each fix is accepted."""
    meaning, _, mending = (explanation(code) or "").partition("## How to mend it")
    for example in EXAMPLE.finditer(meaning):
        with pytest.raises(ScheduleError) as caught:
            parse_schedule(ast.literal_eval(example["text"]), timezone=example["zone"] or "UTC")
        assert caught.value.code == code
    for example in EXAMPLE.finditer(mending):
        parse_schedule(ast.literal_eval(example["text"]), timezone=example["zone"] or "UTC")
    examples = len(EXAMPLE.findall(meaning)), len(EXAMPLE.findall(mending))
    assert min(examples) >= 1 or code in {"JK314", "JK315"}  # those two have tests of their own above


def test_printed_it_is_reason_and_fix() -> None:
    """A program that prints what it caught shows its user how to go on."""
    with pytest.raises(ScheduleError) as caught:
        parse_schedule("0 3 * * *")
    assert str(caught.value) == (
        "a cron expression has six fields, this has 5: `0 3 * * *`; seconds come first: `0 0 3 * * *`"
    )
