"""Calls into a sink, none of which can end, hold or cancel anything but itself."""

from __future__ import annotations

import contextvars
import inspect
import math
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.from_thread import BlockingPortal

from jobkit.exceptions import PluginError
from jobkit.plugins.guards import told_as_interruption
from jobkit.severable import Severable, Severed
from jobkit.sinks.timing import SinkTime

if TYPE_CHECKING:
    from jobkit.sinks.checking import CheckedSink


@dataclass(slots=True)
class Ended:
    """How a call ended: with a value, or an error. Cut off before either, both are None."""

    value: Any = None
    error: BaseException | None = None
    returned: bool = False
    #: It had not ended when its time was over, whatever it has made of that.
    late: bool = False
    #: Of a call in a thread: set there.
    done: bool = False
    over: anyio.Event = field(default_factory=anyio.Event)


class Calls:
    """The calls into one sink. Belongs to the event loop.

    *portal* carries the news that a thread is done; *grace* is how long a call that was told to stop may
    clean up, in seconds, before it is cut off and left behind; *clock* is what its time is told by.
    """

    def __init__(
        self, sink: CheckedSink, portal: BlockingPortal, grace: float, clock: SinkTime | None = None
    ) -> None:
        self._sink = sink
        self._portal = portal
        self._grace = grace
        self._clock = clock or SinkTime(sink)
        self._in_progress: Ended | None = None

    @property
    def busy(self) -> bool:
        """Whether a plain function goes on in its thread, though nobody may wait for it any more."""
        return self._in_progress is not None and not self._in_progress.done

    async def make(self, member: str, *arguments: Any, seconds: float) -> Ended:
        """Call that member and wait, *seconds* at most; a longer call ends with a PluginError.

        That is so whatever it returns or raises then: one that swallows its cancellation has not succeeded.
        Raises nothing but the cancellation of whoever waits, and KeyboardInterrupt.
        """
        function = getattr(self._sink, member)
        if _is_asynchronous(function):
            call = partial(function, *arguments)
        elif self.busy:
            return Ended(error=self._too_long(f"an earlier call of {member} has not returned yet"))
        else:
            call = partial(self._in_thread, function, arguments)
        ended = await limited(call, seconds, self._grace, self._clock, member)
        if ended.late or (not ended.returned and ended.error is None):
            error = self._too_long(f"{member} took longer than {seconds:.3g} s")
            error.__cause__ = ended.error
            return Ended(error=error, late=True)
        return ended

    def _too_long(self, what: str) -> PluginError:
        return PluginError(
            f"sink `{self._sink.name}`: {what}",
            code="JK733",
            help="look why it takes so long, or give the sink a longer timeout",
        )

    async def _in_thread(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        # A thread that hangs must not keep the interpreter from ending, which those of anyio's pool would.
        self._in_progress = ended = Ended()
        context = contextvars.copy_context()
        thread = threading.Thread(
            target=context.run,
            args=(_work, function, arguments, ended, self._portal),
            name=f"jobkit {self._sink.label}",
            daemon=True,
        )
        try:
            thread.start()
        except RuntimeError:  # there are too many threads
            ended.done = True
            raise
        await ended.over.wait()
        if ended.error is not None:
            raise ended.error
        return await ended.value if inspect.isawaitable(ended.value) else ended.value


def _work(
    function: Callable[..., Any], arguments: tuple[Any, ...], ended: Ended, portal: BlockingPortal
) -> None:
    try:
        ended.value = function(*arguments)
    except Exception as error:
        ended.error = error
    except BaseException as error:  # only the main thread can be interrupted: this one says so by itself
        ended.error = RuntimeError(f"it raised {type(error).__name__}({error})")
        ended.error.__cause__ = error
    ended.done = True
    try:
        portal.start_task_soon(ended.over.set)
    except RuntimeError:  # everything has ended meanwhile, and nobody waits
        return


async def limited(
    call: Callable[[], Awaitable[Any]], seconds: float, grace: float, clock: SinkTime, what: str
) -> Ended:
    """Await *call* in a task of its own, *seconds* at most, then tell it to stop, then cut it off."""
    ended = Ended()
    severable = Severable(clock.stepping(_contained(call, ended), what))
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_severed, severable, ended.over)
            try:
                ended.late = not await clock.wait(ended.over, seconds)
            finally:
                if not ended.over.is_set():
                    tasks.cancel_scope.cancel()
                    with anyio.move_on_after(grace, shield=True):
                        await ended.over.wait()
                if not ended.over.is_set():
                    severable.sever()
    except BaseExceptionGroup as group:
        pass_on(group)
    return ended


async def until_severed(severable: Severable[None], over: anyio.Event) -> None:
    """The body of a task that a stranger's code has for itself; sets *over* at its end."""
    try:
        await severable
    except Severed:  # it was told to stop and would not: it is left behind
        return
    finally:
        over.set()


def pass_on(group: BaseExceptionGroup) -> None:
    """Raise what is for us of what came out of such a task.

    The rest is the event loop's complaint about cancel scopes that a stranger's code has left open. The
    task that they were in is gone, and how the call went is known without it.
    """
    ours = group.subgroup((KeyboardInterrupt, anyio.get_cancelled_exc_class()))
    if ours is not None:
        raise ours


async def _contained(call: Callable[[], Awaitable[Any]], ended: Ended) -> None:
    try:
        ended.value = await call()
        ended.returned = True
    except anyio.get_cancelled_exc_class() as error:
        if anyio.current_effective_deadline() == -math.inf:  # it was asked to stop, by us
            raise
        ended.error = RuntimeError("it was cancelled, by nobody but itself")
        ended.error.__cause__ = error
    except BaseExceptionGroup as group:
        if group.subgroup(KeyboardInterrupt) is not None and not told_as_interruption(group):
            raise
        ended.error = group
    except KeyboardInterrupt as error:
        if not told_as_interruption(error):
            raise
        ended.error = RuntimeError("it raised KeyboardInterrupt")
        ended.error.__cause__ = error
    except BaseException as error:  # SystemExit too: it would end the process
        ended.error = error


def _is_asynchronous(function: Any) -> bool:
    while isinstance(function, partial):
        function = function.func
    if inspect.iscoroutinefunction(function):
        return True
    return inspect.iscoroutinefunction(type(function).__call__)  # an object that is called like a function
