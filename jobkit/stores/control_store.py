"""What a run store promises about what people ask of schedulers: to pause, to resume, to stop a run.

Part of :class:`jobkit.stores.base.Store`; the rules at the head of :mod:`jobkit.stores.base` hold here too.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jobkit.records import RunRecord
    from jobkit.stores.control import CancelRequest, Pause


class ControlStore(Protocol):
    """The part of a store that hands on what people ask of schedulers."""

    async def request_cancel(self, run_id: str, *, by: str, reason: str | None = None) -> RunRecord:
        """Ask for the end of a run; the run as it stands then.

        One that is queued, and nobody has its lease, is ``cancelled`` at once. For any other whoever has the
        lease finds the request; the first one counts. It is not tried again after the attempt that it finds:
        where ``retry_later`` or ``settle`` would queue it, it ends, ``cancelled``. One that has ended
        stays as it is. RunNotFound if there is no such run.
        """
        ...

    async def cancel_requests(self, run_ids: Iterable[str] | None = None) -> dict[str, CancelRequest]:
        """The requests for those of *run_ids* that have not ended and are asked to, by their ids; for all
        runs if it is None."""
        ...

    async def pause(
        self, job: str | None, *, until: datetime | None = None, by: str, reason: str | None = None
    ) -> Pause:
        """Pause a job, or all of them, from now, by the store's clock.

        It takes the place of a pause of the same that goes on. The event ``job.paused`` is written with it.
        """
        ...

    async def resume(self, job: str | None, *, by: str) -> Pause | None:
        """End the pause of a job, or that of all of them, now; None if none goes on.

        A pause of all jobs is ended for all only. The event ``job.resumed`` is written with it.
        """
        ...

    async def pauses(self, *, since: datetime | None = None) -> list[Pause]:
        """The pauses that go on, by id; with *since* also those that ended after it."""
        ...
