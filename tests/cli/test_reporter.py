"""What a person sees of runs while they run, from events at fixed times."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from jobkit.cli.output import Output
from jobkit.cli.reporter import Reporter
from jobkit.cli.streams import Streams
from jobkit.clock import Ticker
from jobkit.records import LogLine, Progress, RunFailure, RunRecord
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import Outcome
from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import NOW, FixedClock, Stream

JOB: Any = None  # the reporter asks nothing of the job itself


class SteppedClock(FixedClock):
    """Time passes when it is told to; what is periodic never comes by itself."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.periodic: list[Callable[[], None]] = []

    def monotonic(self) -> float:
        return self.elapsed

    def every(self, interval: timedelta, call: Callable[[], None], *, name: str) -> Ticker:
        self.periodic.append(call)
        return self

    def stop(self) -> None:
        self.periodic.clear()


class Scene:
    """A reporter, its clock, and one stream that shows what a terminal would show."""

    def __init__(
        self, *, tty: bool = False, json: bool = False, quiet: bool = False, encoding: str = "utf-8"
    ) -> None:
        self.screen = Stream(tty=tty, encoding=encoding)
        self.answer = Stream() if json else self.screen
        self.clock = SteppedClock()
        output = Output("run", Streams(self.answer, self.screen), json=json)
        self.reporter = Reporter(output, self.clock, ZoneInfo("Europe/Berlin"), env="dev", quiet=quiet)


def a_run(number: int, job: str, *, parent: str | None = None, **facts: Any) -> RunRecord:
    trigger = Trigger.CHILD if parent else Trigger.MANUAL
    return RunRecord(
        id=f"id-{number}", number=number, job=job, extension="web", status=RunStatus.RUNNING, trigger=trigger,
        attempt=1, parent=parent, **facts,
    )  # fmt: skip


def a_line(sequence: int, level: str, event: str, source: str = "log", **fields: Any) -> LogLine:
    return LogLine(sequence, NOW + timedelta(seconds=sequence), level, event, 1, source, fields)


def ended(
    run: RunRecord, status: RunStatus = RunStatus.SUCCEEDED, took: int = 11_200, **facts: Any
) -> RunRecord:
    return replace(run, status=status, duration_ms=took, **facts)


TRACEBACK = """\
Traceback (most recent call last):
  File "/srv/shop/extensions/web/jobs/ingest.py", line 41, in ingest_content
    page = parse_front_matter(text)
           ^^^^^^^^^^^^^^^^^^^^^^^^
  File "/srv/shop/extensions/web/markdown.py", line 17, in parse_front_matter
    published = date.fromisoformat(meta["published_at"])
KeyError: 'published_at'
"""


def play(scene: Scene) -> None:
    """One run that goes well, a pipeline with a child that fails, a run that is tried again."""
    reporter, clock = scene.reporter, scene.clock
    cleanup = a_run(1424, "cleanup_old_records", parameters={"older_than_days": 30}, enforce=True)
    reporter.run_started(cleanup, JOB)
    reporter.logged(cleanup, [a_line(1, "info", "scanning", table="logs", cutoff="2026-10-23")])
    reporter.progressed(cleanup, Progress(0, 640, "deleting batches"))
    clock.elapsed = 7.1
    reporter.progressed(cleanup, Progress(412, 640, "deleting batches"))
    reporter.logged(
        cleanup, [a_line(2, "warning", "slow \x1b[31mdisk", "print"), a_line(3, "info", "run.progress")]
    )
    reporter.run_finished(ended(cleanup, message="Deleted 63987 old records", processed=63987, errors=0))
    publish = a_run(1425, "publish_site")
    reporter.run_started(publish, JOB)
    ingest = a_run(1426, "ingest_content", parent="id-1425", attempts=2)
    reporter.run_started(ingest, JOB)
    clock.elapsed = 9.0
    reporter.progressed(publish, Progress(1, 6, "ingest_content"))
    failure = RunFailure("builtins.KeyError", "'published_at'", TRACEBACK)
    outcome = Outcome(status=RunStatus.FAILED, finished_at=NOW, duration_ms=400, error=failure)
    reporter.attempt_finished(ingest, 1, outcome, NOW + timedelta(seconds=30))
    reporter.attempt_finished(ingest, 2, outcome, None)
    reporter.run_finished(
        ended(ingest, RunStatus.FAILED, 400, processed=12, errors=1, error=failure, attempt=2)
    )
    reporter.run_finished(ended(publish, RunStatus.FAILED, 1900, message="ingest_content: it failed"))


@each_form
def test_the_screen_of_runs(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginnings, lines, progress, children, another attempt, results, failures."""
    for name, value in environ_of(form):
        monkeypatch.setenv(name, value)
    scene = Scene(encoding="utf-8" if FORMS[form].unicode else "ascii")
    play(scene)
    check_screen("run", form, scene.screen.text)


def test_results_go_to_stdout_and_the_rest_to_stderr() -> None:
    """Who reads only stdout reads how runs ended; with --json even that is on stderr."""
    scene = Scene()
    scene.answer = Stream()
    scene.reporter = Reporter(
        Output("run", Streams(scene.answer, scene.screen), json=False), scene.clock, ZoneInfo("UTC")
    )
    play(scene)
    assert "ok  #1424 cleanup_old_records" in scene.answer.text
    assert "E   KeyError: 'published_at'" in scene.answer.text
    assert "scanning" not in scene.answer.text
    assert "scanning" in scene.screen.text
    assert "ok  #1424" not in scene.screen.text
    with_json = Scene(json=True)
    play(with_json)
    assert with_json.answer.text == ""
    assert "ok  #1424" in with_json.screen.text


def test_quiet_leaves_results_only() -> None:
    """-q: no beginnings, no lines, no progress."""
    scene = Scene(quiet=True)
    play(scene)
    first, second, *_ = scene.screen.text.splitlines()
    assert first == "ok  #1424 cleanup_old_records  11.2s  processed=63987 errors=0"
    assert second == "    Deleted 63987 old records"
    assert "deleting batches" not in scene.screen.text


def test_a_pipe_is_told_every_ten_seconds() -> None:
    """Where lines cannot be redrawn, progress is a line at most every ten seconds."""
    scene = Scene()
    run = a_run(1, "slow")
    scene.reporter.run_started(run, JOB)
    for second in range(60):
        scene.clock.elapsed = float(second)
        scene.reporter.progressed(run, Progress(second, 60))
    told = [line for line in scene.screen.text.splitlines() if line.startswith("slow")]
    assert len(told) == 6
    assert told[1] == "slow  10/60  17%  1/s  eta 50s"


class Emulator:
    """As much of a terminal as our moving lines need: rows, a cursor, two escape sequences."""

    def __init__(self) -> None:
        self.rows = [""]
        self.column = 0

    def feed(self, text: str) -> list[str]:
        rest = text
        while rest:
            if rest.startswith("\x1b[K"):
                self.rows[-1] = self.rows[-1][: self.column]
                rest = rest[3:]
            elif rest.startswith("\x1b[1A"):
                assert len(self.rows) > 1, "moved above the first line"
                del self.rows[-1]
                rest = rest[4:]
                self.column = min(self.column, len(self.rows[-1]))
            elif rest[0] == "\n":
                self.rows.append("")
                self.column, rest = 0, rest[1:]
            elif rest[0] == "\r":
                self.column, rest = 0, rest[1:]
            else:
                assert rest[0] != "\x1b", f"unexpected {rest[:10]!r}"
                self.rows[-1] = self.rows[-1][: self.column] + rest[0]
                self.column, rest = self.column + 1, rest[1:]
        return self.rows


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")
    scene = Scene(tty=True)
    scene.reporter.start()
    yield scene
    scene.reporter.stop()


def test_moving_lines_stay_at_the_bottom(live: Scene) -> None:
    """Each running job has one line below all that was said; it is redrawn, not repeated."""
    first, second = a_run(1, "first"), a_run(2, "second")
    live.reporter.run_started(first, JOB)
    live.reporter.run_started(second, JOB)
    live.reporter.progressed(first, Progress(1, 2, "half"))
    live.reporter.logged(second, [a_line(1, "info", "hello")])
    assert Emulator().feed(live.screen.text) == [
        "run #1 first  trigger=manual env=dev",
        "run #2 second  trigger=manual env=dev",
        "14:04:09 info     hello",
        "first: half  ━━━━━━━━━━━━╸───────────  1/2  50%",
        "second  0s",
    ]


def test_moving_lines_leave_nothing_behind(live: Scene) -> None:
    """In the end only what was said remains."""
    run = a_run(1, "first")
    live.reporter.run_started(run, JOB)
    live.clock.elapsed = 3.0
    [tick] = live.clock.periodic
    tick()
    assert Emulator().feed(live.screen.text)[-1] == "first  3s"
    live.reporter.run_finished(ended(run))
    live.reporter.stop()
    assert Emulator().feed(live.screen.text) == [
        "run #1 first  trigger=manual env=dev",
        "ok  #1 first  11.2s",
        "",
    ]
    assert live.clock.periodic == []


def test_many_running_jobs_are_counted(live: Scene) -> None:
    """More lines than a screen should spend are one line."""
    for number in range(1, 13):
        live.reporter.run_started(a_run(number, f"job{number}"), JOB)
    rows = Emulator().feed(live.screen.text)
    assert rows[-2:] == ["job7  0s", "… 5 more running"]


def test_a_dumb_terminal_gets_no_moving_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """TERM=dumb is like a pipe."""
    monkeypatch.setenv("TERM", "dumb")
    scene = Scene(tty=True)
    play(scene)
    assert "\x1b" not in scene.screen.text
    assert "\r" not in scene.screen.text
