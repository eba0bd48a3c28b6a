"""A part of the scheduler that fails ends alone, and begins again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import anyio

from jobkit.exceptions import JobkitError
from jobkit.logs import get_logger
from jobkit.scheduler.failing import Failure

#: Seconds before a part that has failed begins again: the first time, and at most.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
#: One that goes on for so many seconds is taken to be well again.
_WELL: Final = 10.0


class Supervision:
    """Keeps the parts of one scheduler going. *failures* counts, by part, how often each has failed."""

    def __init__(self) -> None:
        self.failures: dict[str, int] = {}
        self._failing: dict[str, tuple[Failure, float]] = {}

    def failing(self) -> Iterator[Failure]:
        """The parts that have failed and are not known to be well again. On the event loop only."""
        now = anyio.current_time()
        return (failure for failure, until in self._failing.values() if now < until)

    async def keep(self, name: str, serve: Callable[[], Awaitable[None]]) -> None:
        """Run *serve* until it returns; after an error, which is logged, once more.

        What is wrong with one part, an error of ours among it, must not take the others with it: they go on
        to fire, to execute and to record.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                return await serve()
            except Exception as error:
                self.failures[name] = self.failures.get(name, 0) + 1
                facts: dict[str, Any] = {"part": name, "retry_in": pause}
                cause = _alone(error)
                well = anyio.current_time() + pause + _WELL
                self._failing[name] = (Failure.of(f"keep its part {name!r} going", cause), well)
                if isinstance(cause, JobkitError):  # it says what to do, and where it was raised does not
                    facts |= {"error": str(cause), "code": cause.code, "help": cause.help}
                else:
                    facts |= {"error": repr(error), "exc_info": error}
                get_logger().error("scheduler.part_failed", **facts)
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


def _alone(error: Exception) -> Exception:
    """What the groups of tasks have wrapped, if it is one error."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
