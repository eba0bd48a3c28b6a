"""Writing down what became of outbox entries: several at a time, and none before it is true."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import anyio

from jobkit.exceptions import StoreError
from jobkit.sinks.leasing import LeaseLost

if TYPE_CHECKING:
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import OutboxVerdict, SinkLease

#: So many verdicts at most are held back: a process that dies repeats no more than these.
MOST_UNSETTLED = 50


class Settlement:
    """Verdicts under one lease, and how the sink as a whole stands. Belongs to one event loop."""

    def __init__(self, store: Store, linger: float) -> None:
        self.failures = 0
        self.suspended_until: datetime | None = None
        self.error: str | None = None
        self._store = store
        self._linger = linger
        self._lease: SinkLease | None = None
        self._verdicts: list[OutboxVerdict] = []
        self._changed = False
        self._something = anyio.Event()
        self._full = anyio.Event()
        self._turn = anyio.Lock()

    def begin(self, lease: SinkLease) -> None:
        """Settle under *lease* from now on. Verdicts of an older one are void: others have taken over."""
        if self._lease is not None and self._lease.fence != lease.fence:
            self._verdicts.clear()
            self._changed = False
        self._lease = lease

    def add(self, verdict: OutboxVerdict) -> None:
        """Have *verdict* written soon."""
        self._verdicts.append(verdict)
        self.touch()
        if len(self._verdicts) >= MOST_UNSETTLED:
            self._full.set()

    def touch(self) -> None:
        """How the sink stands has changed: have it written soon."""
        self._changed = True
        self._something.set()

    @property
    def unsettled(self) -> bool:
        """Whether anything is still to be written."""
        return self._changed

    @property
    def full(self) -> bool:
        """Whether it is time to wait for :meth:`flush`."""
        return len(self._verdicts) >= MOST_UNSETTLED

    async def serve(self, failed: anyio.CancelScope) -> None:
        """Write what is added, a moment after it was; cancels *failed* if that is not possible.

        Whoever is cancelled so calls :meth:`flush`, which then says why.
        """
        while True:
            await self._something.wait()
            with anyio.move_on_after(self._linger):
                await self._full.wait()
            try:
                await self.flush()
            except (StoreError, LeaseLost):
                failed.cancel()
                return

    async def flush(self) -> None:
        """Write everything now. Raises StoreError, keeping it for later, and LeaseLost, forgetting it."""
        async with self._turn:
            if self._lease is None or not self._changed:
                return
            verdicts = self._verdicts.copy()
            self._changed = False
            self._something, self._full = anyio.Event(), anyio.Event()
            written = False
            try:
                written = await self._write(self._lease, verdicts)
            finally:
                if not written:
                    self._changed = True
                    self._something.set()
            del self._verdicts[: len(verdicts)]

    async def _write(self, lease: SinkLease, verdicts: list[OutboxVerdict]) -> bool:
        held = await self._store.settle_outbox(
            lease,
            verdicts,
            failures=self.failures,
            suspended_until=self.suspended_until,
            error=self.error,
        )
        if not held:
            self._lease = None
            self._verdicts.clear()
            raise LeaseLost
        return True
