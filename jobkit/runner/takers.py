"""Who is there to take up runs that wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobkit.stores.base import Store
    from jobkit.stores.replicas import ReplicaState


async def takers(store: Store) -> tuple[ReplicaState, ...]:
    """The schedulers and workers that are registered and live, as far as is known here. StoreError."""
    return tuple(
        state
        for state in await store.replicas()
        if state.live and not state.replica.owner.dead(expired=False)
    )


def takers_of(job: str, node: str, found: Iterable[ReplicaState]) -> tuple[ReplicaState, ...]:
    """Those of *found* that know *job*; unless *node* is ``""``, the ones on that node."""
    return tuple(state for state in found if job in state.replica.jobs and node in ("", state.replica.node))
