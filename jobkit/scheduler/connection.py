"""The store as a scheduler sees it: away at times, and asked again until it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, TypeVar

import anyio

from jobkit.exceptions import StoreError, StoreUnavailable
from jobkit.logs import get_logger
from jobkit.scheduler.failing import Failure

if TYPE_CHECKING:
    from jobkit.clock import Clock

T = TypeVar("T")

#: Seconds before the first further question, and the most between two.
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 5.0
#: The same where it answers that it will not.
FIRST_REFUSED, LONGEST_REFUSED = 1.0, 30.0


class Connection:
    """Asks a store on behalf of everything that one scheduler does, and knows since when it is away.

    Belongs to the event loop. *lost* is called when an answer fails to come, each time, *reached* when the
    store is back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._down_since: float | None = None
        self._error: StoreUnavailable | None = None
        self._failures = 0
        self._refused: dict[str, Failure] = {}
        self.lost: list[Callable[[], None]] = []
        self.reached: list[Callable[[], None]] = []

    @property
    def error(self) -> StoreUnavailable | None:
        """Why the store does not answer; None if it did when it was last asked."""
        return self._error

    @property
    def age(self) -> float:
        """For how many seconds it has not answered; 0 if it does."""
        return 0.0 if self._down_since is None else self._clock.monotonic() - self._down_since

    def failing(self) -> Iterable[Failure]:
        """What the store refuses, and is asked for again."""
        return self._refused.values()

    async def ask(self, question: Callable[[], Awaitable[T]], what: str) -> T:
        """The answer to *question*, asked until the store gives one. *what* it is about, for the log.

        Each call must be the same whether an earlier one has happened or not. What else the store raises
        goes on.
        """
        pause = FIRST_PAUSE
        while True:
            failures = self._failures
            try:
                answer = await question()
            except StoreUnavailable as error:
                self.failed(error, what)
            else:
                if failures == self._failures:  # asked before the store went away, it says nothing of now
                    self.answered()
                return answer
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def insist(self, question: Callable[[], Awaitable[T]], what: str) -> T:
        """The same, and asked again whatever the store raises: rights that lack are granted, a table that was
        dropped is restored. Whoever asks has more to do than this question. Said once, as long as it is the
        same."""
        try:
            return await self._insist(question, what)
        finally:
            self._refused.pop(what, None)

    async def _insist(self, question: Callable[[], Awaitable[T]], what: str) -> T:
        pause, said, since = FIRST_REFUSED, "", self._clock.monotonic()
        while True:
            try:
                answer = await self.ask(question, what)
            except StoreError as error:
                self._refused[what] = Failure.of(what, error)
                if str(error) != said:
                    told = {"code": error.code, "help": error.help, "wanted": what, "retry_in": pause}
                    get_logger().error("store.refused", error=str(error), **told)
                said = str(error)
            else:
                if said:
                    seconds = round(self._clock.monotonic() - since, 3)
                    get_logger().warning("store.willing", wanted=what, seconds=seconds)
                return answer
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_REFUSED)

    def failed(self, error: StoreUnavailable, what: str) -> None:
        """It did not answer somebody."""
        if self._down_since is None:
            self._down_since = self._clock.monotonic()
            get_logger().error("store.unreachable", error=str(error), code=error.code, wanted=what)
        self._error = error
        self._failures += 1
        for lost in self.lost:
            lost()

    def answered(self) -> None:
        """It did."""
        if self._down_since is None:
            return
        get_logger().warning("store.reached", seconds=round(self.age, 3))
        self._down_since = self._error = None
        for reached in self.reached:
            reached()
