"""Ctrl-C and its relatives while jobs run: the first one cancels politely, the second one ends it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Final

from jobkit.cli.wire import Wire

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Interruption:
    """Whether, and how often, somebody has asked the process to stop."""

    def __init__(self) -> None:
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    @contextlib.contextmanager
    def watched(
        self, cancel: Callable[[], None], told: Callable[[str], bool], end: Callable[[], object]
    ) -> Iterator[None]:
        """Inside an asyncio loop: the first signal calls *cancel* on it, the second *end* in a new thread.

        Nothing is raised: what runs at that moment may be a job, which may catch everything. *told* gets the
        signal's name at once, in another thread, and again on the loop if it says False. Outside the main
        thread nothing is watched.
        """
        loop = asyncio.get_running_loop()

        def heard(number: signal.Signals) -> None:
            self.count += 1
            if self.count == 2:
                threading.Thread(target=end, name="jobkit-end", daemon=True).start()
            if self.count > 1:
                return
            # In a context of its own, not in the job's that is interrupted: jobs cannot cancel what is ours.
            loop.call_soon_threadsafe(cancel, context=Context())
            if not told(number.name):
                loop.call_soon_threadsafe(told, number.name)

        with Wire(_SIGNALS, heard):
            yield
