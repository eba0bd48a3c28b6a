"""The time that a sink has had: what it held the event loop for counts, what others did does not."""

from __future__ import annotations

import time
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

import anyio

from jobkit.plugins.watchdog import Watchdog

if TYPE_CHECKING:
    from jobkit.sinks.checking import CheckedSink

T = TypeVar("T")

#: A step that took no longer, in seconds, is what sharing a loop is like, and not measured.
NOTEWORTHY = 0.05


@dataclass(slots=True)
class LoopTime:
    """What the sinks of one event loop have held it for, in seconds; *watchdog* names whoever does."""

    watchdog: Watchdog = field(default_factory=Watchdog)
    held: float = 0.0


class SinkTime:
    """The clock of one sink: it stands still while another sink holds the event loop. Belongs to the loop.

    Without that one sink that sleeps where it should await would make all others late.
    """

    def __init__(self, sink: CheckedSink, loop_time: LoopTime | None = None) -> None:
        self._loop_time = loop_time or LoopTime()
        self._words = f"plugin {sink.plugin}: {sink.label}"
        self._held = 0.0

    def now(self) -> float:
        """Seconds; only differences mean anything."""
        return anyio.current_time() - (self._loop_time.held - self._held)

    async def wait(self, event: anyio.Event, seconds: float, *, shield: bool = False) -> bool:
        """Wait for *event*; whether it was set before *seconds* of this clock were over."""
        ends = self.now() + seconds
        while not event.is_set() and (left := ends - self.now()) > 0:
            with anyio.move_on_after(left, shield=shield):
                await event.wait()
        return event.is_set() and self.now() <= ends

    def stepping(self, coroutine: Coroutine[Any, Any, T], what: str = "") -> Coroutine[Any, Any, T]:
        """*coroutine*, each step of which is measured, and named on stderr if it holds up everything."""
        return cast("Coroutine[Any, Any, T]", _steps(coroutine, self, partial(self._named, what)))

    def step(self, call: Callable[[], T], words: Callable[[], str]) -> T:
        """One step of it."""
        began = time.monotonic()
        try:
            with self._loop_time.watchdog.watch(words):
                return call()
        finally:
            seconds = time.monotonic() - began
            if seconds > NOTEWORTHY:
                self._held += seconds
                self._loop_time.held += seconds

    def _named(self, what: str) -> str:
        return f"{self._words}, {what}" if what else self._words


@types.coroutine
def _steps(
    coroutine: Coroutine[Any, Any, T], clock: SinkTime, words: Callable[[], str]
) -> Generator[Any, Any, T]:
    call: partial[Any] = partial(coroutine.send, None)
    while True:
        try:
            awaited = clock.step(call, words)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        try:
            call = partial(coroutine.send, (yield awaited))
        except BaseException as error:
            call = partial(coroutine.throw, error)
