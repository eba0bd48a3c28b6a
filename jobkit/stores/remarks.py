"""What a store knows of its surroundings: a server and its version, how others are heard, what is left.

A store may say so; ``doctor`` and ``db status`` ask those that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Remark:
    """One line: *subject* is a word or two (``server``, ``waking``), *help* says how to mend what is not ok.

    An ``error`` keeps something from working; a ``warning`` works and is likely not meant.
    """

    subject: str
    message: str
    level: Literal["ok", "warning", "error"] = "ok"
    help: str | None = None

    def to_json(self) -> dict[str, Any]:
        """An item of ``db status --json``."""
        return {"subject": self.subject, "level": self.level, "message": self.message, "help": self.help}


@runtime_checkable
class Remarking(Protocol):
    """A store that has something to say of its surroundings."""

    async def remarks(self) -> Sequence[Remark]:
        """What there is to say, the most important first. It need not be entered, and writes nothing.

        Raises StoreError if its place cannot be reached at all.
        """
        ...


async def remarks_of(store: object) -> Sequence[Remark]:
    """What *store* says; nothing, if it is not of that kind."""
    return await store.remarks() if isinstance(store, Remarking) else ()
