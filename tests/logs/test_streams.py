"""print, sys.stdout and sys.stderr while jobs run."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from jobkit.logs import RunCapture, install_streams

if TYPE_CHECKING:
    from tests.logs.conftest import Log

Make = Callable[..., RunCapture]


def events(run: RunCapture) -> list[str]:
    return [line.event for line in run.drain()]


def test_text_becomes_lines(program: Log, capture: Make) -> None:
    """Pieces are put together until the line ends; what has no end is a line when the run is over."""
    with capture() as run:
        print("one", "two", end="")
        print(" three")
        print("four\nfive\n\nsix", end="", flush=True)
        sys.stdout.writelines(["\n", "seven", "\n"])
        sys.stderr.write("to stderr\nunfinished")
    lines = run.drain()
    assert [(line.source, line.event) for line in lines] == [
        ("stdout", "one two three"),
        ("stdout", "four"),
        ("stdout", "five"),
        ("stdout", ""),
        ("stdout", "six"),
        ("stdout", "seven"),
        ("stderr", "to stderr"),
        ("stderr", "unfinished"),
    ]


def test_progress_bars_leave_their_last_state(program: Log, capture: Make) -> None:
    """A carriage return begins the line anew; colours go, other sequences become visible."""
    with capture() as run:
        for percent in range(0, 101, 10):
            sys.stderr.write(f"\r{percent}%")
        sys.stderr.write("\n")
        print("windows\r\nline")
        print("\x1b[31mred\x1b[0m \x1b[2J")
    assert events(run) == ["100%", "windows", "line", "red \\x1b[2J"]


def test_bytes_are_text_too(program: Log, capture: Make) -> None:
    """sys.stdout.buffer takes bytes, in pieces that may cut a character; what is no UTF-8 is escaped."""
    with capture() as run:
        sys.stdout.buffer.write("Grü".encode()[:3])
        sys.stdout.buffer.write("ü\n".encode()[1:])
        assert sys.stdout.buffer.write(b"\xff\n") == 2
        sys.stdout.buffer.write(memoryview(b"view\n"))
        sys.stdout.buffer.flush()
    assert events(run) == ["Grü", "\\xff", "view"]


def test_a_job_may_do_to_the_streams_what_it_likes(program: Log, capture: Make) -> None:
    """Closed, replaced, deleted, redirected: the next run prints as if nothing had been."""
    mischief: list[Callable[[], object]] = [
        lambda: sys.stdout.close(),
        lambda: sys.stdout.buffer.close(),
        lambda: setattr(sys, "stdout", None),
        lambda: setattr(sys, "stdout", io.StringIO()),
        lambda: delattr(sys, "stdout"),
        lambda: contextlib.redirect_stdout(io.StringIO()).__enter__(),
        lambda: sys.stdout.reconfigure(encoding="ascii"),  # type: ignore[union-attr]
    ]
    for mess in mischief:
        with capture():
            mess()
        with capture() as run:
            print("fine ü")
        assert events(run) == ["fine ü"]
    assert sys.stdout.closed is False


def test_a_replaced_stream_is_the_jobs_own_affair(program: Log, capture: Make) -> None:
    """While it is redirected, print goes where the job wants it."""
    with capture() as run:
        own = io.StringIO()
        with contextlib.redirect_stdout(own):
            print("into my own")
        print("back")
    assert own.getvalue() == "into my own\n"
    assert events(run) == ["back"]


def test_the_stream_is_a_stream(program: Log, capture: Make) -> None:
    """What libraries ask of one: encoding, fileno, isatty, writable, errors of type."""
    with capture():
        stream = sys.stdout
        assert stream.encoding == "utf-8"
        assert stream.writable()
        assert not stream.readable()
        assert not stream.isatty()
        assert not stream.closed
        with pytest.raises(TypeError, match="must be str"):
            stream.write(b"bytes")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            stream.buffer.write("text")  # type: ignore[call-overload]


def test_fileno_is_the_originals(capfd: pytest.CaptureFixture[str], capture: Make) -> None:
    """A child process gets the real descriptor."""
    with capfd.disabled():
        real = sys.stdout.fileno()
        undo = install_streams()
        try:
            with capture():
                assert sys.stdout.fileno() == sys.stdout.buffer.fileno() == real
        finally:
            undo()


def test_outside_of_runs_everything_passes(capture: Make) -> None:
    """Text, bytes and flushes reach the original, as do those of threads that a job started itself."""
    raw = io.BytesIO()
    original = io.TextIOWrapper(raw, encoding="utf-8")
    with contextlib.redirect_stdout(original):
        undo = install_streams()
        try:
            print("text")
            sys.stdout.flush()
            sys.stdout.buffer.write(b"bytes\n")
            sys.stdout.buffer.flush()
            with capture() as run:
                thread = threading.Thread(target=print, args=("from a thread",))
                thread.start()
                thread.join()
                print("kept")
            sys.stdout.flush()
        finally:
            undo()
        assert sys.stdout is original
    assert raw.getvalue() == b"text\nbytes\nfrom a thread\n"
    assert events(run) == ["kept"]


def test_streams_without_bytes_below_work(capture: Make) -> None:
    """Tests and notebooks put text streams there."""
    own = io.StringIO()
    with contextlib.redirect_stdout(own):
        undo = install_streams()
        try:
            sys.stdout.buffer.write(b"bytes\n")
            print("text")
        finally:
            undo()
    assert own.getvalue() == "bytes\ntext\n"


def test_installing_twice_is_refused(program: Log) -> None:
    """Two layers would write each line twice."""
    with pytest.raises(RuntimeError, match="installed already"):
        install_streams()


def test_a_process_without_streams_works() -> None:
    """A daemon may have closed them: printing is then no error, inside of runs and outside."""
    code = """
import sys
sys.stdout = sys.stderr = None
from jobkit.logs import RunCapture, configure, install
configure("json", "info")
undo = install()
print("nobody hears this")
sys.stdout.flush()
with RunCapture("id", 1, "job", "web", 1) as run:
    print("kept")
    run.logger.info("kept too")
undo()
lines = [line.event for line in run.drain()]
assert lines == ["kept", "kept too"], lines
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_line_without_end_is_broken_into_pieces(program: Log, capture: Make) -> None:
    """It cannot fill the memory."""
    with capture() as run:
        for _ in range(30):
            sys.stdout.write("x" * 10_000)
    lines = run.drain()
    assert len(lines) == 5
    assert all(len(line.event) <= 8192 for line in lines)


def test_printing_while_printing(program: Log, capture: Make) -> None:
    """An object whose text prints, a handler that prints in the middle: no deadlock, nothing lost."""

    class Chatty:
        def __str__(self) -> str:
            print("from inside")
            return "chatty"

    with capture() as run:
        print(Chatty())
        value: Any = Chatty()
        run.logger.info("logged", value=value)
    assert sorted(events(run)) == ["chatty", "from inside", "from inside", "logged"]
