"""The place in history where a page ends, as the text that asks for the next one.

Newest first is by ``queued_at`` and then by number, so these two are the key. They are read back
strictly: the text comes from command lines and web pages.
"""

from __future__ import annotations

import re
from typing import Final

from jobkit.stores.refusals import no_position

Position = tuple[int, int]
"""``queued_at`` in microseconds, and the number of a run."""

_WRITTEN: Final = re.compile(r"(-?[0-9]{1,18})-([0-9]{1,18})", re.ASCII)


def write_position(position: Position) -> str:
    return f"{position[0]}-{position[1]}"


def read_position(text: str) -> Position:
    """The position that :func:`write_position` wrote. StoreError for anything else."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise no_position(text)
    return int(found[1]), int(found[2])
