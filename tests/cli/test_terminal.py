"""What a stream is believed to be able to show."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator

import pytest

from jobkit.cli.render.terminal import PIPE_WIDTH, Terminal, detect
from tests.cli.harness import Stream


@pytest.mark.parametrize(
    ("tty", "environ", "colour"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": "0"}, False),
        (True, {"FORCE_COLOR": "0"}, True),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        (True, {"TERM": "xterm-256color"}, True),
    ],
)
def test_colour_is_our_own_decision(tty: bool, environ: dict[str, str], colour: bool) -> None:
    """NO_COLOR forbids, FORCE_COLOR demands, else a terminal that is not dumb has it."""
    terminal = detect(Stream(tty=tty), environ)
    assert terminal.colour is colour
    assert terminal.style("x", "bad") == ("\x1b[31mx\x1b[0m" if colour else "x")


@pytest.mark.parametrize(
    ("encoding", "unicode"), [("utf-8", True), ("ascii", False), ("latin-1", False), ("cp1252", False)]
)
def test_signs_that_the_encoding_lacks_have_twins(encoding: str, unicode: bool) -> None:
    """Only a stream that can encode all of our signs is sent any; the others get ASCII."""
    terminal = detect(Stream(tty=True, encoding=encoding), {})
    assert terminal.unicode is unicode
    glyphs = terminal.glyphs
    assert all(sign.encode(encoding) for sign in (glyphs.cross, glyphs.spark, glyphs.rule, glyphs.bar_head))


@pytest.mark.parametrize(
    ("tty", "columns", "width"),
    [(False, None, None), (False, "100", 100), (False, "0", None), (False, "x", None), (False, "٣", None),
     (True, "120", 120), (True, None, PIPE_WIDTH), (False, "5", 20), (False, "9" * 5000, 999_999)],
)  # fmt: skip
def test_width(tty: bool, columns: str | None, width: int | None) -> None:
    """COLUMNS counts first; a pipe has no width, so nothing is shortened in it."""
    terminal = detect(Stream(tty=tty), {"COLUMNS": columns} if columns is not None else {})
    assert terminal.width == width


def test_lines_move_only_on_a_terminal_that_can() -> None:
    """Redrawing is for terminals, and not for dumb ones."""
    assert detect(Stream(tty=True), {}).live
    assert not detect(Stream(tty=True), {"TERM": "dumb"}).live
    assert not detect(Stream(), {"FORCE_COLOR": "1"}).live


def test_no_stream_and_a_closed_one_show_nothing() -> None:
    """A process without stdout, or with a closed one, has no terminal."""
    closed = Stream(tty=True)
    closed.close()
    assert not detect(None, {}).colour
    assert not detect(closed, {}).live


@pytest.fixture
def terminal_device() -> Iterator[int]:
    master, slave = pty.openpty()
    yield slave
    os.close(slave)
    os.close(master)


def test_a_real_terminal_says_how_wide_it_is(terminal_device: int) -> None:
    """Without COLUMNS the device is asked."""
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal_device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 133, 0, 0))
    with open(os.dup(terminal_device), "w", encoding="utf-8") as stream:
        assert detect(stream, {}).width == 133


def test_a_rule_is_as_wide_as_the_terminal() -> None:
    """With a title in its middle, or without."""
    assert Terminal(width=20).rule("x") == "━━━━━━━━ x ━━━━━━━━━"
    assert Terminal(width=20, unicode=False).rule() == "=" * 20
    assert len(Terminal().rule("title")) == PIPE_WIDTH
