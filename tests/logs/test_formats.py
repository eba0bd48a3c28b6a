"""One event is one line in every format, whatever is in it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.logs import RunCapture, configure, get_logger
from jobkit.logs.formats.console import wants_colour
from jobkit.logs.setup import reset, state

if TYPE_CHECKING:
    from tests.logs.conftest import Log

FORMATS = ["console", "json", "logfmt", "ecs"]
INJECTIONS = [
    "\n",
    "\r",
    "\r\n",
    "\x1b[2J",
    "\x00",
    "\u2028",
    "\u202e",
    "\x85",
    "\x9b",
    "\ud800",
    "\n{}\n",
    '"\n"',
]
NOON = datetime(2026, 11, 22, 12, 0, 0, 250000, tzinfo=UTC)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", INJECTIONS, ids=ascii)
def test_nothing_breaks_out_of_its_line(log: Log, format: str, text: str) -> None:
    """Line ends, escape sequences, NUL and bidirectional marks in event, key and value: one clean line."""
    log.configure(format, colour=False)
    get_logger().info(f"a{text}b", **{f"k{text}k": f"v{text}v", "deep": {f"x{text}x": [f"y{text}y"]}})
    (line,) = log.lines
    assert line.isprintable()
    if format in ("json", "ecs"):
        assert json.loads(line)


@given(
    st.sampled_from(FORMATS),
    st.text(st.characters(codec=None, exclude_categories=()), max_size=30),
    st.dictionaries(
        st.text(st.characters(codec=None, exclude_categories=()), max_size=10), st.text(max_size=20)
    ),
)
def test_every_event_is_one_printable_line(format: str, event: str, fields: dict[str, str]) -> None:
    """For any text at all."""
    raw = io.BytesIO()
    configure(format, "debug", io.TextIOWrapper(raw), colour=False)
    for special in ("event", "exc_info", "stack_info", "self"):  # the last is a parameter of bind()
        fields.pop(special, None)
    get_logger().bind(**fields).info(event)
    text = raw.getvalue().decode()
    reset()
    assert text.count("\n") == 1
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", text)


def test_json(log: Log, capture: Callable[..., RunCapture]) -> None:
    """Time, level, event, whose line it is, then the fields; a field of the same name gets an underscore."""
    log.configure(now=lambda: NOON)
    get_logger("jobkit.x").warning("store.unavailable", wait=1.5)
    with capture(now=lambda: NOON) as run:
        run.logger.info("scanning", rows=3, job="other", level="x", exception="y")
    assert log.events == [
        {
            "timestamp": "2026-11-22T12:00:00.250000Z",
            "level": "warning",
            "event": "store.unavailable",
            "logger": "jobkit.x",
            "wait": 1.5,
        },
        {
            "timestamp": "2026-11-22T12:00:00.250000Z",
            "level": "info",
            "event": "scanning",
            "run": 1423,
            "run_id": "0190-run",
            "job": "cleanup",
            "extension": "web",
            "attempt": 1,
            "rows": 3,
            "job_": "other",
            "level_": "x",
            "exception_": "y",
        },
    ]


def test_logfmt(log: Log, capture: Callable[..., RunCapture]) -> None:
    """Quotes where they are needed, and what stands in them escaped."""
    log.configure("logfmt")
    with capture(now=lambda: NOON) as run:
        run.logger.info(
            "two words", a="x", b='say "hi"', c="", d=True, e=None, f=[1, "z"], g="a\\b", job="other"
        )
    assert log.text == (
        'timestamp=2026-11-22T12:00:00.250000Z level=info event="two words" run=1423 run_id=0190-run '
        "job=cleanup extension=web attempt=1 "
        'a=x b="say \\"hi\\"" c="" d=true e="" f="[1,\\"z\\"]" g="a\\\\b" job_=other\n'
    )


def test_ecs(log: Log, capture: Callable[..., RunCapture]) -> None:
    """Base fields of the schema; labels are text; jobkit's own events about a run have the same place."""
    log.configure("ecs")
    with capture(now=lambda: NOON) as run:
        run.logger.error("failed", rows=3, **{"a.b": "x"})
    get_logger("jobkit").info("run.finished", run=7, job="j", status="succeeded")
    first, second = log.events
    assert first == {
        "@timestamp": "2026-11-22T12:00:00.250000Z",
        "log.level": "error",
        "message": "failed",
        "ecs.version": "8.11.0",
        "jobkit": {"run": 1423, "run_id": "0190-run", "job": "cleanup", "extension": "web", "attempt": 1},
        "labels": {"rows": "3", "a_b": "x"},
    }
    assert (second["jobkit"], second["labels"]) == ({"run": 7, "job": "j"}, {"status": "succeeded"})
    assert second["log.logger"] == "jobkit"


def test_console(log: Log, capture: Callable[..., RunCapture]) -> None:
    """Time and level, whose line it is, the event, the fields; the attempt shows from the second on."""
    log.configure("console", colour=False)
    clock = f"{NOON.astimezone():%H:%M:%S}"
    with capture(2, now=lambda: NOON) as run:
        run.logger.info("scanning", table="logs", note="a b", empty="")
        run.logger.warning("done", kept=["a b", "c"], text='["c"]')
    assert log.lines == [
        f'{clock} info     web/cleanup#1423.2 scanning                  table=logs  note="a b"  empty=""',
        f'{clock} warning  web/cleanup#1423.2 done                      kept=["a b","c"]  text="[\\"c\\"]"',
    ]


def test_colour_is_for_those_who_want_it(log: Log) -> None:
    """NO_COLOR wins, FORCE_COLOR forces, a dumb terminal or a file gets none."""
    log.configure("console", colour=True)
    get_logger().error("x", a=1)
    assert "\x1b[31merror" in log.text

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    assert wants_colour(terminal, {})
    assert not wants_colour(terminal, {"NO_COLOR": "1", "FORCE_COLOR": "1"})
    assert not wants_colour(terminal, {"TERM": "dumb"})
    assert not wants_colour(file, {})
    assert wants_colour(file, {"FORCE_COLOR": "1"})


def test_auto_is_console_on_a_terminal_and_json_otherwise() -> None:
    """A person reads the one, a program the other."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, starts in ((Terminal(), "{"), (io.StringIO(), "{")):
        configure("auto", "info", stream)
        get_logger().info("x")
        assert stream.getvalue().startswith(starts) is not stream.isatty()
    reset()


def test_a_terminal_that_cannot_show_a_character_gets_an_escape() -> None:
    """No line is lost to an encoding."""
    raw = io.BytesIO()
    configure("console", "info", io.TextIOWrapper(raw, encoding="ascii"), colour=False)
    get_logger().info("Grüße")
    assert b"Gr\\xfc\\xdfe" in raw.getvalue()
    reset()


class Colour(Enum):
    RED = "red"


class Hostile:
    def __str__(self) -> str:
        raise SystemExit

    def __repr__(self) -> str:
        raise KeyboardInterrupt


class Lying(dict[str, Any]):
    def items(self) -> Any:
        raise OSError


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (2**70, str(2**70)),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (Path("a/b"), "a/b"),
        (Decimal("1.10"), "1.10"),
        (Colour.RED, "Colour.RED"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (timedelta(seconds=90), "0:01:30"),
        (date(2026, 1, 2), "2026-01-02"),
        (b"\xff\n", "b'\\xff\\n'"),
        (ValueError("no\nway"), "ValueError: no\\nway"),
        ({1: {2, }}, {"1": [2]}),
        ((1, "a"), [1, "a"]),
        (NOON, "2026-11-22T12:00:00.250000Z"),
        (NOON.astimezone(timezone(timedelta(hours=1))), "2026-11-22T13:00:00.250000+01:00"),
        (NOON.date(), "2026-11-22"),
        (list(range(200)), [*range(100), "… 100 more"]),
        ("x" * 5000, "x" * 2023 + "… (2,977 more characters)"),
        (Hostile(), "<Hostile whose str() raised SystemExit>"),
        (Lying(), "<unreadable Lying: OSError>"),
        (int, "<class 'int'>"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_values_of_any_kind(log: Log, value: Any, written: Any) -> None:
    """Plain values stay, others become their text; everything is bounded and nothing raises."""
    get_logger().info("x", value=value)
    assert log.events[0]["value"] == written


def test_an_event_need_not_be_text(log: Log) -> None:
    """Whatever is logged, a line is written; very long ones are cut and say so."""
    logger: Any = get_logger()
    for event in (ValueError("broken"), 42, None, Hostile(), {"a": 1}, "x" * 100_000):
        logger.info(event)
    events = [event["event"] for event in log.events]
    assert events[:5] == [
        "broken",
        "42",
        "None",
        "<Hostile whose repr() raised KeyboardInterrupt>",
        "{'a': 1}",
    ]
    assert 8000 < len(events[5]) <= 8192
    assert events[5].endswith(" more characters)")


def test_many_fields_are_few_on_the_line(log: Log) -> None:
    """A hundred fields, and how many more there were."""
    get_logger().info("x", **{f"k{number}": number for number in range(150)})
    (event,) = log.events
    assert event["k99"] == 99
    assert event["…"] == "50 more fields"


def test_tracebacks_have_no_local_variables(log: Log) -> None:
    """In every format: the user's frames and the message, and never a variable's value."""
    for format in FORMATS:
        log.configure(format, colour=False)
        try:
            _fail("can" + "ary-local")
        except ValueError:
            get_logger().exception("failed")
    assert "canary-local" not in log.text
    assert log.text.count("in _fail") == 4
    assert log.text.count("ValueError: no\\nway") >= 3


def _fail(secret: str) -> None:
    assert secret
    raise ValueError("no\nway")


def test_a_traceback_on_the_console_cannot_be_taken_for_lines(log: Log) -> None:
    """Each of its lines has a mark in front, so a message cannot forge an event."""
    log.configure("console", colour=False)
    try:
        raise ValueError("x\n12:00:00 info     forged\x1b[2J")
    except ValueError as error:
        get_logger().error("failed", exc_info=error)
    first, *rest = log.lines
    assert "failed" in first
    assert all(line.startswith("    | ") for line in rest)
    assert "    | 12:00:00 info     forged\\x1b[2J" in rest


def test_exceptions_of_every_shape(log: Log) -> None:
    """Groups, causes, a raising text, a huge message: always a bounded traceback that shows its end."""

    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    causes = ValueError("cause")
    causes.__cause__ = causes
    for error in (
        ExceptionGroup("many", [ValueError("a"), KeyError("b")]),
        Silent(),
        causes,
        ValueError("y" * 10**6),
    ):
        get_logger().error("x", exc_info=error)
    group, silent, circle, huge = (event["exception"] for event in log.events)
    assert "ValueError: a" in group
    assert "KeyError: 'b'" in group
    assert "Silent" in silent
    assert "cause" in circle
    assert len(huge) <= 16_384
    get_logger().error("x", exc_info=(1, 2), stack_info=True)
    assert "test_exceptions_of_every_shape" in log.events[-1]["exception"]


def test_levels(log: Log) -> None:
    """What lies below the level costs nothing and is not written."""
    log.configure(level="warning")
    logger = get_logger()
    logger.debug("a")
    logger.info("b")
    logger.warning("c %d", 3)
    logger.critical("d")
    assert [(event["level"], event["event"]) for event in log.events] == [
        ("warning", "c 3"),
        ("critical", "d"),
    ]


@pytest.mark.parametrize(("format", "level"), [("xml", "info"), ("json", "INFO")])
def test_unknown_formats_and_levels_are_refused(format: str, level: str) -> None:
    """With the list of those that exist."""
    with pytest.raises(ValueError, match="there are"):
        configure(format, level)


def test_a_broken_stream_harms_nobody() -> None:
    """A closed pipe or a full disk loses lines, and counts them."""
    stream = io.StringIO()
    configure("json", "info", stream)
    logger = get_logger()
    stream.close()
    logger.info("x")
    assert state().lost == 1
    reset()


def test_without_configuration_events_go_to_logging(caplog: pytest.LogCaptureFixture) -> None:
    """As from any library: the embedding program decides what becomes of them."""
    reset()
    with caplog.at_level("INFO", logger="jobkit"):
        get_logger().info("run.finished", run=7, note="a b")
        get_logger().debug("not this")
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("jobkit", 'run.finished run=7 note="a b"')
    ]
