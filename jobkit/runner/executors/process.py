"""A job in a process of its own, which can be killed."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import Process, TaskGroup
from anyio.streams.buffered import BufferedByteReceiveStream

from jobkit.exceptions import RunError
from jobkit.logs.entry import Entry
from jobkit.logs.processors import record
from jobkit.records import LogLine, Progress
from jobkit.runner.executors import wire
from jobkit.runner.executors.around_call import allowance
from jobkit.runner.outcome import Ended, Stop, Verdict, judge
from jobkit.statuses import RunStatus

if TYPE_CHECKING:
    from jobkit.logs.capture import RunCapture
    from jobkit.protocols import RunsChildren
    from jobkit.runner.executors.thread import ThreadCall
    from jobkit.runner.orders import Order
    from jobkit.runner.site import Site

#: How long after its limit a process may stay without having told how it ended, in seconds.
_LATENESS = 0.5
#: How long a process that is told to stop may take to answer, before it is killed: it is stuck.
_ANSWER = 1.0
#: How long a process may take to end after it has told how the job ended.
_FAREWELL = 2.0

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)
_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from jobkit.runner.process_child import main; main()"


class ProcessAttempt:
    """Executes an order in a process made for it; the promise is that of ``jobkit.runner.attempt.Attempt``.

    What the job writes there goes into *capture* here. The process ends with this one, however this one
    ends.
    """

    def __init__(
        self,
        site: Site,
        order: Order,
        children: RunsChildren,
        progressed: Callable[[Progress], None],
        capture: RunCapture,
    ) -> None:
        self.order = order
        self.interrupted: BaseException | None = None
        #: A process leaves no thread behind.
        self.thread: ThreadCall | None = None
        self._site = site
        self._children = children
        self._progressed = progressed
        self._capture = capture
        self._process: Process
        self._ear = anyio.CancelScope(shield=True)
        self._mouth = anyio.Lock()
        self._closed = anyio.Event()
        self._answered = anyio.Event()
        self._waiting: anyio.CancelScope | None = None
        self._calls: set[anyio.CancelScope] = set()
        self._stop: Stop | None = None
        self._verdict: Verdict | None = None
        self._failed: str | None = None
        self._killed = False
        #: What plugins put around it is in the process.
        self.plugins_until: float | None = None

    async def verdict(self) -> Verdict:
        """Execute the order and say how it ended; raises nothing, not even cancellation."""
        clock = self._site.clock
        error: BaseException | None = None
        try:
            with anyio.CancelScope(shield=True):
                self._process = await _spawn()
        except OSError as trouble:
            error = trouble
        else:
            try:
                await self._converse()
            finally:
                with anyio.CancelScope(shield=True):
                    await self._end()
        if self._verdict is not None:
            return self._verdict
        ended = Ended(
            clock.now(),
            timedelta(seconds=clock.monotonic() - self.order.began),
            error=error or (self._death() if self._stop is None else None),
            stop=self._stop,
            left="its process was killed" if self._killed else None,
        )
        return judge(ended, self.order.spec.retries, self.order.redactor)

    def stop(self, stop: Stop) -> None:
        """Tell the process to stop, and kill it if it does not; the first reason counts."""
        if self._stop is None and not self._closed.is_set():
            self._stop = stop
            if self._waiting is not None:
                self._waiting.cancel()

    # -- talking ------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._listen, tasks)
                tasks.start_soon(self._send, self._order_message())
                try:
                    await self._watch()
                finally:
                    self._ear.cancel()
                    tasks.cancel_scope.cancel()
        except anyio.get_cancelled_exc_class() as cancellation:
            self.interrupted = cancellation

    async def _watch(self) -> None:
        """Until the process has nothing more to say, or has to stop."""
        limited = self.order.limit is not None
        try:
            with anyio.move_on_after(self._left() + _LATENESS if limited else None) as self._waiting:
                if self._stop is None:
                    await self._closed.wait()
        except anyio.get_cancelled_exc_class():
            self._stop = self._stop or (self._overdue() if self._left() <= 0 else self.order.interruption())
            await self._wind_up()
            raise
        if not self._closed.is_set():
            self._stop = self._stop or self._overdue()
            await self._wind_up()

    async def _wind_up(self) -> None:
        assert self._stop is not None
        for call in self._calls:
            call.cancel()
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(_ANSWER):
                await self._send(wire.stop_message(self._stop))
                await self._answered.wait()
            if self._answered.is_set():
                patience = self._site.cleanup + self._site.thread_grace
                with anyio.move_on_after(patience.total_seconds()):
                    await self._closed.wait()

    async def _listen(self, tasks: TaskGroup) -> None:
        assert self._process.stdout is not None
        stream = BufferedByteReceiveStream(self._process.stdout)
        try:
            with self._ear:
                while True:
                    line = await stream.receive_until(b"\n", wire.LONGEST_LINE)
                    self._hear(wire.decode(line), tasks)
        except (anyio.EndOfStream, anyio.IncompleteRead, *_GONE):
            pass  # it has ended, whatever it said before
        except (ValueError, KeyError, TypeError, anyio.DelimiterNotFound) as error:
            self._failed = f"its process said what cannot be read ({type(error).__name__}: {error})"
        if not self._ear.cancel_called:
            self._closed.set()

    def _hear(self, message: Mapping[str, Any], tasks: TaskGroup) -> None:
        if "lines" in message:
            _relay([wire.read(line, LogLine) for line in message["lines"]], self._capture)
        elif "progress" in message:
            self._progressed(wire.read(message["progress"], Progress))
        elif "hooks" in message:
            self._held_up(message["hooks"])
        elif "plugin" in message:
            if self._site.hooks is not None:
                self._site.hooks.note(wire.failure_of(message))
        elif "call" in message:
            tasks.start_soon(self._run_child, message)
        elif "stopping" in message:
            self._answered.set()
        elif "failed" in message:
            self._failed = str(message["failed"])
        elif "verdict" in message:
            self._verdict = wire.verdict_of(message)

    def _held_up(self, seconds: float | None) -> None:
        """What plugins do there around the job is not the job's time; *seconds* is what it took them."""
        if seconds is not None:
            self.order.postpone(seconds)
        if self._waiting is not None and self.order.limit is not None:
            more = allowance() if seconds is None else 0.0
            self._waiting.deadline = anyio.current_time() + self._left() + _LATENESS + more

    async def _run_child(self, message: Mapping[str, Any]) -> None:
        answer: Any
        with anyio.CancelScope() as scope:
            self._calls.add(scope)
            try:
                answer = await self._children.run_child(wire.job_of(message), message["parameters"])
            except Exception as error:  # it is for the job that asked
                answer = error
            finally:
                self._calls.discard(scope)
            await self._send(wire.reply_message(message["call"], answer))

    async def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        with suppress(*_GONE):
            # A process that has died does not hear; that it died is noticed elsewhere.
            async with self._mouth:
                await self._process.stdin.send(wire.encode(message))

    def _order_message(self) -> dict[str, Any]:
        config = self._site.config
        cleanup = self._site.cleanup.total_seconds()
        return wire.order_message(self.order, config, cleanup, self._site.hooks, self._site.clock)

    # -- ending -------------------------------------------------------------------------------------

    async def _end(self) -> None:
        """See the process to its end, whatever it takes; what was told to stop leaves nothing behind."""
        if self._verdict is not None or self._closed.is_set():
            with anyio.move_on_after(_FAREWELL):
                await self._process.wait()
        if self._process.returncode is None:
            self._killed = self._verdict is None
            _kill(self._process)
            await self._process.wait()
        elif self._stop is not None:
            _kill(self._process)
        await self._process.aclose()

    def _death(self) -> BaseException | None:
        if self._failed is not None:
            return RunError(self._failed, code="JK530")
        if self._killed:
            return ChildProcessError("the process of the job did not talk any more, and was killed")
        code = self._process.returncode or 0
        if code < 0:
            return ChildProcessError(f"the process of the job was ended by signal {_signal_name(-code)}")
        return ChildProcessError(f"the process of the job ended itself, with exit code {code}")

    def _left(self) -> float:
        """Seconds until the limit."""
        limit = self.order.limit
        return math.inf if limit is None else limit.monotonic - self._site.clock.monotonic()

    def _overdue(self) -> Stop:
        assert self.order.limit is not None
        return Stop(RunStatus.TIMED_OUT, self.order.limit.words)


def _relay(lines: Sequence[LogLine], capture: RunCapture) -> None:
    """What the job wrote there, as if it had been written here."""
    for line in lines:
        fields = dict(line.fields)
        exception = fields.pop("exception", None)
        entry = Entry(line.at, line.level, line.event, fields, capture.run, line.source, exception)
        record(entry, capture)


async def _spawn() -> Process:
    # What can be imported here can be imported there, and in the same order. A session of its own keeps
    # the terminal's Ctrl-C away from it, and makes it and all that it starts one group to be killed.
    path = [entry or str(Path.cwd()) for entry in sys.path]
    return await anyio.open_process(
        [sys.executable, "-P", "-c", _PROGRAM, *path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None,
        start_new_session=True,
    )


def _kill(process: Process) -> None:
    """Kill the process and all that it has started, also once it has ended itself."""
    with suppress(ProcessLookupError):  # there is nobody left
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)
