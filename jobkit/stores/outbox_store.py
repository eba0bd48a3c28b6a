"""What a run store promises about its outbox: which finished runs a sink has yet to be given.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here
too, with one difference: the text of an error is cut to :data:`ERROR_LIMIT` characters.

The store knows the sinks that were registered, and whatever ends a run writes one entry for each of
them, in the same transaction: a run that is recorded as finished waits for every sink, and nothing
waits for a run that is not. Whether a sink accepts a run, how often it is tried and when it is given up
is for whoever delivers to judge.

Its records are in :mod:`jobkit.stores.outbox`, which commands that only look at runs do not import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from jobkit.processes import ProcessIdentity
    from jobkit.stores.outbox import (
        DeadLetter,
        OutboxEntry,
        OutboxVerdict,
        SinkLease,
        SinkRegistration,
        SinkState,
    )

FORGOTTEN_AFTER: Final = timedelta(days=7)
"""A sink that nobody has registered for so long gets no further entries."""

ERROR_LIMIT: Final = 2000
"""Characters that are kept of an error's text."""

LARGEST_PAGE: Final = 10_000


def check_limit(limit: int) -> None:
    """ValueError unless *limit* is one of a page."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise ValueError(f"a page has 1 to {LARGEST_PAGE:,} entries, not {limit}")


class OutboxStore(Protocol):
    """The part of a store that keeps what sinks have yet to be given."""

    async def register_sinks(self, sinks: Iterable[SinkRegistration]) -> None:
        """Have every run that finishes from now on wait for *sinks*, whoever finishes it.

        Registering again says that the sink is still wanted, and its newest *max_age* counts; nothing
        else of it changes. One that was not registered for :data:`FORGOTTEN_AFTER` gets no entries
        until it is again. Other sinks are left as they are.
        """
        ...

    async def take_sink(
        self,
        name: str,
        owner: ProcessIdentity,
        duration: timedelta,
        *,
        dead: Callable[[ProcessIdentity], bool] | None = None,
    ) -> SinkLease | None:
        """The right to deliver to a sink, for *duration* from now; None if another process has it.

        Whoever has it gets it renewed, with the same fence, also when it has expired, as long as
        nobody else took it. It passes on when it was released, when it has expired by the store's
        clock, or when *dead* says of its owner that it certainly runs no more; then the fence grows.
        *dead* is called in the caller's task. Having a sink counts as registering it. None, too, for a
        sink that is not registered: somebody may have removed it.
        """
        ...

    async def release_sink(self, lease: SinkLease) -> None:
        """Let go of a sink, so that others need not wait; ignored if the lease was fenced."""
        ...

    async def outbox(self, sink: str, *, after: int = 0, limit: int = 100) -> list[OutboxEntry]:
        """What waits for *sink*, in order, with ids above *after*, also what is not to be tried yet.

        *limit* lies between 1 and 10,000: ValueError beyond.
        """
        ...

    async def settle_outbox(
        self,
        lease: SinkLease,
        verdicts: Sequence[OutboxVerdict],
        *,
        failures: int,
        suspended_until: datetime | None,
        error: str | None,
    ) -> bool:
        """Write down what became of entries, and how the sink as a whole stands, in one transaction.

        False, and nothing has changed, if the lease was fenced or released; an expired one that nobody
        took still counts. What is not an entry of that sink is passed over, so the same call again is
        the same call: what is gone is gone, and a failure whose *not_before* the entry has already is
        counted once. (Without a *not_before* it cannot be told from the next.) *failures*,
        *suspended_until* and *error* replace what they were before.
        """
        ...

    async def sinks(self) -> list[SinkState]:
        """How the registered sinks stand, by name; forgotten ones too, until they are removed."""
        ...

    async def remove_sink(self, name: str) -> bool:
        """Forget a sink, what waits for it and its dead letters; False if there is none.

        Its lease is fenced. Registered again it begins anew.
        """
        ...

    async def dead_letters(
        self, *, sink: str | None = None, after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """Entries that were given up, by id, above *after*; of all sinks unless one is named.

        *limit* lies between 1 and 10,000: ValueError beyond.
        """
        ...

    async def replay(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        """Put dead letters back behind what waits, in their order; how many.

        All of them, or those of *sink*, or those with one of *ids*, or, with both, those that meet
        both; unknown ids are passed over. Each is an entry added now, under a new id, with no failures
        and all of its time before it. The same call again finds nothing left to replay.
        """
        ...

    async def drop_dead_letters(self, *, sink: str | None = None, ids: Iterable[int] | None = None) -> int:
        """Delete dead letters, selected as for :meth:`replay`; how many. Their runs stay."""
        ...
