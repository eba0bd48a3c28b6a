"""What sinks are told besides finished runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class LateJob:
    """A job that should have succeeded by now, and has not.

    *tick* is the newest instant at which it was due and should be done, *since* when the time for that was
    over, *succeeded* the newest tick that was done, None if none was. *node* is ``""`` unless every node has
    the job for itself.
    """

    job: str
    extension: str
    tick: datetime
    since: datetime
    succeeded: datetime | None = None
    node: str = ""
