"""The built-in sinks pass the conformance suite, and sinks that are wrong do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobkit.sinks.console import ConsoleSink
from jobkit.sinks.jsonl import JsonlSink
from jobkit.testing.conformance.sink import MakeSink, SinkConformance
from tests.sinks.conftest import Server


class TestConsole(SinkConformance):
    """Standard error."""

    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return ConsoleSink


class TestJsonl(SinkConformance):
    """A file."""

    @pytest.fixture
    def make_sink(self, tmp_path: Path) -> MakeSink:
        return lambda: JsonlSink(tmp_path / "runs.jsonl")


class TestAsynchronous(SinkConformance):
    """One with coroutines, entered and left."""

    @pytest.fixture
    def make_sink(self) -> MakeSink:
        return Server


_SUITE = """
import anyio, itertools, json, pytest
from jobkit import Sink
from jobkit.testing.conformance.sink import SinkConformance

count = itertools.count()

class Right(Sink):
    name = "right"
    timeout = 0.5
    async def emit(self, run):
        pass

{wrong}

class TestWrong(SinkConformance):
    @pytest.fixture
    def anyio_backend(self):
        return "asyncio"

    @pytest.fixture
    def make_sink(self):
        return {made}
"""

# What is wrong → how → the cases that have to see it.
_CONTROLS = {
    "another name each time": (
        """
class Wrong(Right):
    def __init__(self):
        self.name = f"name-{next(count)}"
""",
        {"test_its_name_is_always_the_same"},
    ),
    "no time": ("class Wrong(Right):\n    timeout = 0\n", {"test_its_members_are_right"}),
    "cannot be opened again": (
        """
class Wrong(Right):
    opened = False
    async def __aenter__(self):
        assert not self.opened
        self.opened = True
""",
        {"test_it_is_opened_and_closed"},
    ),
    "knows three statuses": (
        """
class Wrong(Right):
    async def emit(self, run):
        {"succeeded": 1, "failed": 2, "lost": 3}[run.status]
""",
        {
            "test_it_takes_runs_of_every_status[cancelled]",
            "test_it_takes_runs_of_every_status[skipped]",
            "test_it_takes_runs_of_every_status[timed_out]",
        },
    ),
    "wants a duration": (
        """
class Wrong(Right):
    async def emit(self, run):
        run.duration_ms / 1000
""",
        {"test_it_takes_unusual_runs[nothing optional]"},
    ),
    "knows ASCII only": (
        """
class Wrong(Right):
    async def emit(self, run):
        json.dumps(run.to_json(), ensure_ascii=False).encode("ascii")
""",
        {"test_it_takes_unusual_runs[foreign letters]", "test_it_takes_unusual_runs[replaced characters]"},
    ),
    "takes a run once": (
        """
seen = set()
class Wrong(Right):
    async def emit(self, run):
        assert run.id not in seen
        seen.add(run.id)
""",
        {"test_it_takes_a_run_twice"},
    ),
    "gives up after twenty": (
        """
class Wrong(Right):
    calls = 0
    async def emit(self, run):
        self.calls += 1
        assert self.calls < 20
""",
        {"test_it_takes_many"},
    ),
    "changes the run": (
        """
class Wrong(Right):
    async def emit(self, run):
        run.data.clear()
""",
        {"test_it_leaves_the_run_as_it_is"},
    ),
    "is broken by being stopped": (
        """
class Wrong(Right):
    broken = False
    async def emit(self, run):
        assert not self.broken
        try:
            await anyio.sleep(0)
        except BaseException:
            self.broken = True
            raise
""",
        {"test_it_can_be_told_to_stop"},
    ),
}


@pytest.mark.parametrize("what", _CONTROLS)
def test_a_wrong_sink_is_found(pytester: pytest.Pytester, what: str) -> None:
    """At the cases that are about what is wrong with it."""
    wrong, cases = _CONTROLS[what]
    outcome = _run(pytester, _SUITE.replace("{wrong}", wrong).replace("{made}", "Wrong"))
    assert cases <= outcome


def test_the_sink_that_these_are_made_of_is_right(pytester: pytest.Pytester) -> None:
    """The cases fail because of what was changed."""
    assert _run(pytester, _SUITE.replace("{wrong}", "").replace("{made}", "Right")) == set()


def _run(pytester: pytest.Pytester, suite: str) -> set[str]:
    """The names of the cases that failed."""
    pytester.makepyfile(test_wrong=suite)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-o", "anyio_mode=auto")
    reports = [report for report in result.reprec.getreports("pytest_runtest_logreport") if report.failed]  # type: ignore[attr-defined]
    return {report.nodeid.rpartition("::")[2] for report in reports}
