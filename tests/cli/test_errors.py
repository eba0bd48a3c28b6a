"""How an error looks: what, where, the line itself, how to mend it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobkit.cli.exit_codes import ExitCode, exit_code_of
from jobkit.cli.render.errors import error_block, error_line
from jobkit.cli.render.terminal import Terminal
from jobkit.exceptions import (
    CollectionError,
    ConfigError,
    JobkitError,
    NothingSelected,
    ParameterError,
    RunNotFound,
    RunRefused,
    ScheduleError,
    ServiceNotFound,
    StoreUnavailable,
    UsageError,
)

PLAIN = Terminal()


@pytest.fixture
def job_file(tmp_path: Path) -> Path:
    path = tmp_path / "extensions" / "export.py"
    path.parent.mkdir()
    path.write_text('import os\n\nsubmit_job(nightly, schedule="0 3 * * *")\n', encoding="utf-8")
    return path


def test_a_block_quotes_the_line_and_marks_what_is_meant(job_file: Path, tmp_path: Path) -> None:
    """Path relative to the root, the line, and a mark under what the message quotes of it."""
    error = ScheduleError(
        'nightly has schedule "0 3 * * *": 5 fields, jobkit reads 6',
        code="JK302",
        path=job_file,
        line=3,
        help="seconds come first: 0 0 3 * * *",
    )
    assert error_block(error, PLAIN, root=tmp_path) == [
        'error[JK302]: nightly has schedule "0 3 * * *": 5 fields, jobkit reads 6',
        "  --> extensions/export.py:3",
        '  3 | submit_job(nightly, schedule="0 3 * * *")',
        "    |                               ^^^^^^^^^",
        "  help: seconds come first: 0 0 3 * * *",
    ]


def test_without_a_quotation_the_whole_line_is_marked(job_file: Path, tmp_path: Path) -> None:
    """Indentation is not."""
    job_file.write_text("if True:\n\tboom()\n", encoding="utf-8")
    lines = error_block(CollectionError("it broke", path=job_file, line=2), PLAIN, root=tmp_path)
    assert lines[2:] == ["  2 |     boom()", "    |     ^^^^^^"]


def test_one_line_for_those_that_are_not_asked_about(job_file: Path, tmp_path: Path) -> None:
    """Code, place, message."""
    error = CollectionError("it broke\nbadly", path=job_file, line=3)
    assert error_line(error, PLAIN, root=tmp_path) == "error[JK101]: extensions/export.py:3: it broke"


@pytest.mark.parametrize("line", [0, 4, 10**9])
def test_a_line_that_is_not_there_is_not_quoted(job_file: Path, tmp_path: Path, line: int) -> None:
    """A file may have changed since; the place is still named."""
    lines = error_block(CollectionError("it broke", path=job_file, line=line), PLAIN, root=tmp_path)
    assert lines == ["error[JK101]: it broke", f"  --> extensions/export.py:{line}"]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A FIFO would hang, a folder cannot be read: neither is tried."""
    pipe = tmp_path / "pipe.py"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "gone.py"):
        assert len(error_block(CollectionError("it broke", path=path, line=1), PLAIN, root=tmp_path)) == 2


def test_control_characters_are_shown_not_obeyed(job_file: Path, tmp_path: Path) -> None:
    """Neither message nor source nor path nor help reaches the terminal raw."""
    job_file.write_text("x = '\x1b]0;owned\x07'\n", encoding="utf-8")
    error = CollectionError("bad\x1b[2J", path=job_file, line=1, help="\x9bhelp")
    shown = "\n".join(error_block(error, PLAIN, root=tmp_path))
    assert not any(sign in shown for sign in "\x1b\x07\x9b")
    assert "bad\\x1b[2J" in shown


def test_secrets_in_the_quoted_line_are_masked(tmp_path: Path) -> None:
    """A configuration line may hold what nobody should read in a CI log."""
    settings = tmp_path / "jobkit.toml"
    settings.write_text(
        'store = "postgresql://app:hunter22@db/shop"\napi_key = "k-123456789"\n', encoding="utf-8"
    )
    for line in (1, 2):
        shown = "\n".join(error_block(ConfigError("wrong", path=settings, line=line), PLAIN, root=tmp_path))
        assert "***" in shown
        assert "hunter22" not in shown
        assert "k-123456789" not in shown


def test_the_users_frames_are_shown_like_a_test_runners(tmp_path: Path) -> None:
    """Place first, the last line of code and the exception marked; no header."""
    trace = (
        "Traceback (most recent call last):\n"
        f'  File "{tmp_path}/jobs/a.py", line 3, in <module>\n    import web.urls\n'
        "ModuleNotFoundError: No module named 'web'\n"
    )
    error = CollectionError(
        "a.py could not be imported", path=tmp_path / "jobs/a.py", line=3, traceback=trace
    )
    assert error_block(error, PLAIN, root=tmp_path)[1:] == [
        "  --> jobs/a.py:3",
        "  jobs/a.py:3: in <module>",
        "  >   import web.urls",
        "  E   ModuleNotFoundError: No module named 'web'",
    ]


def test_a_wide_line_is_cut(tmp_path: Path) -> None:
    """The quotation fits the terminal."""
    path = tmp_path / "a.py"
    path.write_text("x = " + "1 + " * 500 + "1\n", encoding="utf-8")
    lines = error_block(CollectionError("it broke", path=path, line=1), Terminal(width=60), root=tmp_path)
    assert all(len(line) <= 60 for line in lines[1:])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), ExitCode.USAGE),
        (NothingSelected("x"), ExitCode.NOTHING_SELECTED),
        (ParameterError("x"), ExitCode.USAGE),
        (RunNotFound("x"), ExitCode.USAGE),
        (ScheduleError("x"), ExitCode.USAGE),
        (RunRefused("x"), ExitCode.REFUSED),
        (CollectionError("x"), ExitCode.STOPPED),
        (ConfigError("x"), ExitCode.UNUSABLE),
        (StoreUnavailable("x"), ExitCode.UNUSABLE),
        (ServiceNotFound("x"), ExitCode.UNUSABLE),
        (JobkitError("x"), ExitCode.INTERNAL),
        (KeyboardInterrupt(), ExitCode.STOPPED),
        (ZeroDivisionError(), ExitCode.INTERNAL),
    ],
)
def test_each_error_has_its_exit_code(error: BaseException, code: ExitCode) -> None:
    """What ended a command decides what a script learns."""
    assert exit_code_of(error) is code
