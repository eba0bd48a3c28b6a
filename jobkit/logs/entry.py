"""One thing that was logged, cleaned: what the formats write and what is kept with the run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple


class Entry(NamedTuple):
    """An event with safe text everywhere: no secrets, no control characters, nothing endless.

    *fields* holds plain JSON values. *run* says which run it belongs to (run, run_id, job, extension,
    attempt), None outside of runs. *source* is ``log``, ``logging``, ``stdout`` or ``stderr``.
    *exception* is a traceback of several lines without local variables.
    """

    at: datetime
    level: str
    event: str
    fields: dict[str, Any]
    run: Mapping[str, Any] | None = None
    source: str = "log"
    exception: str | None = None
