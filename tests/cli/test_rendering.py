"""The parts of screens: text in columns, tables, bars, small pictures, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.cli.render.bar import progress_bar
from jobkit.cli.render.markdown import markdown
from jobkit.cli.render.sparkline import sparkline
from jobkit.cli.render.table import Cell, Column, Heading, Row, table
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import cut, display_width, first_line, pad, wrap
from jobkit.cli.render.times import distance, full_moment, moment, near, short_duration, zone_label
from jobkit.records import Progress, RunRecord
from jobkit.statuses import RunStatus, Trigger

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 13, 4, 8, tzinfo=UTC)
PLAIN = Terminal()
COLOURED = Terminal(colour=True)

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=40)


@given(texts, st.integers(0, 40))
def test_cutting_fits(text: str, width: int) -> None:
    """What was cut is never wider than it may be, and what fits is not touched."""
    shown = cut(text, width)
    assert display_width(shown) <= width
    assert shown == text or display_width(text) > width


@given(texts, st.integers(0, 40), st.booleans())
def test_padding_fills(text: str, width: int, right: bool) -> None:
    """Padded text is as wide as asked for, or as itself if that is wider."""
    assert display_width(pad(text, width, right=right)) == max(width, display_width(text))


def test_width_counts_columns_not_characters() -> None:
    """Wide signs count two, accents and colours nothing."""
    assert display_width("日本") == 4
    assert display_width("e\u0301") == 1
    assert display_width("\x1b[1;31mab\x1b[0m") == 2
    assert cut("日本語", 5) == "日本…"


@given(st.text("ab ", max_size=60), st.integers(5, 30))
def test_wrapping_loses_no_word(text: str, width: int) -> None:
    """All words stay, in order, and no line with more than one word is too wide."""
    lines = wrap(text, width, "  ")
    assert " ".join(lines).split() == text.split()
    assert all(display_width(line) <= width or len(line.split()) == 1 for line in lines)


def test_first_line_tells_of_more() -> None:
    """The first line that says something, and a sign for what follows."""
    assert first_line("\n  one  \n\ntwo") == "one …"
    assert first_line(" \n") == ""


COLUMNS = [Column("NAME", shrink_to=6), Column("N", right=True), Column("MORE", shrink_to=4, optional=1)]
ROWS: list[Row | Heading] = [
    ["alphabetical", "1", "something long"],
    Heading("below"),
    [Cell("b", "bad"), "22", ""],
]


def test_a_table_is_as_wide_as_its_contents() -> None:
    """Without a limit nothing is cut, and no line ends in blanks."""
    assert table(COLUMNS, ROWS, PLAIN) == [
        "NAME           N  MORE",
        "alphabetical   1  something long",
        "below",
        "b             22",
    ]


@pytest.mark.parametrize(
    ("width", "first"),
    [(31, "alphabetical   1  something lo…"), (22, "alphabetical   1  som…"), (21, "alphabetical   1"),
     (16, "alphabetical   1"), (15, "alphabetic…   1"), (10, "alpha…   1"), (5, "alpha…   1")],
)  # fmt: skip
def test_a_narrow_table_cuts_from_the_right(width: int, first: str) -> None:
    """An optional column is shortened, then left out; only then another one is cut."""
    lines = table(COLUMNS, ROWS, Terminal(width=width))
    assert lines[1] == first


def test_colour_changes_no_width() -> None:
    """A coloured table is the plain one with colours in it."""
    plain = table(COLUMNS, ROWS, Terminal(width=20))
    coloured = table(COLUMNS, ROWS, Terminal(width=20, colour=True))
    assert [display_width(line) for line in plain] == [display_width(line) for line in coloured]
    assert "\x1b[31mb\x1b[0m" in coloured[-1]


def run(status: RunStatus, took: int | None = None) -> RunRecord:
    return RunRecord(
        id="x", number=1, job="j", extension="e", status=status, trigger=Trigger.MANUAL, duration_ms=took
    )


def test_usual_runs_are_low_and_slow_ones_stand_up() -> None:
    """The median is low; twice and eight times as long are higher; half as long is lowest."""
    runs = [run(RunStatus.SUCCEEDED, took) for took in (100, 100, 100, 200, 800, 50, 100)]
    assert sparkline(runs, PLAIN) == "▂▂▂▄█▁▂"
    assert sparkline(runs, Terminal(unicode=False)) == "...-#_."


def test_failures_are_crosses() -> None:
    """Whatever went wrong is a cross, skipped a dot, unfinished nothing, and no run at all a dot."""
    runs = [run(RunStatus.FAILED, 5), run(RunStatus.LOST), run(RunStatus.SKIPPED), run(RunStatus.RUNNING)]
    assert sparkline(runs, PLAIN) == "✗✗·"
    assert sparkline([], PLAIN) == "·"
    assert sparkline(runs, Terminal(unicode=False)) == "xx-"


def test_a_bar_says_how_far_how_fast_how_long() -> None:
    """Bar, counts, share, rate and time left, within the terminal but its last column."""
    line = progress_bar("deleting", Progress(412, 640), 7.1, Terminal(width=95))
    assert line == "deleting  ━━━━━━━━━━━━━━━╸────────  412/640  64%  58/s  eta 4s"
    for width in range(20, 95):
        assert display_width(progress_bar("deleting", Progress(412, 640), 7.1, Terminal(width=width))) < width


@pytest.mark.parametrize(
    ("progress", "facts"),
    [
        (None, "job  12s"),
        (Progress(7), "job  7  12s"),
        (Progress(7, 0), "job  7  12s"),
        (Progress(float("inf"), 10), "100%"),
        (Progress(20, 10), "20/10  100%"),
        (Progress(0, 10), "0/10  0%"),
        (Progress(1, 60), "1/60  2%  5/min  eta 11m48s"),
    ],
)
def test_a_bar_shows_what_is_known(progress: Progress | None, facts: str) -> None:
    """Odd numbers make no odd bars."""
    assert facts in progress_bar("job", progress, 12.0, Terminal(width=100))


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, "-"), (0, "0ms"), (12, "12ms"), (99, "99ms"), (100, "0.1s"), (2_100, "2.1s"), (59_940, "59.9s"),
     (59_960, "1m00s"), (300_000, "5m00s"), (3_720_000, "1h02m"), (183_600_000, "2d03h")],
)  # fmt: skip
def test_durations(milliseconds: int | None, text: str) -> None:
    """One or two units, whatever the size."""
    assert short_duration(milliseconds) == text


@pytest.mark.parametrize(
    ("ahead", "text", "far"),
    [
        (timedelta(seconds=45), "14:04", "45s"),
        (timedelta(minutes=11), "14:15", "11m"),
        (timedelta(hours=13, minutes=56), "04:00", "13h"),
        (timedelta(hours=30), "Mon 20:04", "30h"),
        (timedelta(days=3), "Wed 14:04", "3d"),
        (timedelta(days=9), "1 Dec", "9d"),
        (timedelta(days=365), "2027-11-22", "365d"),
    ],
)
def test_near_times_are_short(ahead: timedelta, text: str, far: str) -> None:
    """The nearer, the shorter: and never ambiguous."""
    assert near(NOW + ahead, NOW, BERLIN) == text
    assert distance(ahead) == far


def test_moments_are_local() -> None:
    """Days are those of the zone, not of UTC."""
    late = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)
    assert moment(late, NOW, BERLIN) == "today 00:30"
    assert moment(late - timedelta(hours=1), NOW, BERLIN) == "yesterday 23:30"
    assert moment(late - timedelta(days=2), NOW, BERLIN) == "20 Nov 00:30"
    assert moment(late - timedelta(days=365), NOW, BERLIN) == "2025-11-22 00:30"
    assert full_moment(NOW, BERLIN) == "Sun 2026-11-22 14:04:08 +01:00"


def test_zone_labels() -> None:
    """A zone is shown with the offset that it has now."""
    assert zone_label("Europe/Berlin", NOW, BERLIN) == "Europe/Berlin (+01:00)"
    assert zone_label("UTC", NOW, ZoneInfo("UTC")) == "UTC"


PAGE = """# Title

Words with `code` that are
one paragraph.

- an item
- another

```console
$ jobkit list
```

| a | what |
|---|---|
| 10 | long `text` |
"""


def test_markdown_becomes_text() -> None:
    """Paragraphs are joined, code is set in, tables are aligned, marks are gone."""
    assert markdown(PAGE, PLAIN) == [
        "Title",
        "",
        "Words with code that are one paragraph.",
        "",
        "- an item",
        "- another",
        "",
        "    $ jobkit list",
        "",
        "  a   what",
        "  10  long text",
    ]
    assert "\x1b[36mcode\x1b[0m" in "\n".join(markdown(PAGE, COLOURED))
