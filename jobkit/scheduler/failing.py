"""What a scheduler tries again and again and cannot do, told with its signs of life for others to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from jobkit.exceptions import JobkitError
from jobkit.records import format_instant
from jobkit.redaction import Redactor

#: So many are told, and so much of each error, in characters.
MOST_TOLD: Final = 10
_LONGEST: Final = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that fails at the moment; *what* goes on after "cannot"; *jobs* are those of it."""

    what: str
    error: str
    code: str | None = None
    help: str | None = None
    jobs: tuple[str, ...] = ()

    @classmethod
    def of(cls, what: str, error: Exception) -> Self:
        """What an error says of itself."""
        if isinstance(error, JobkitError):
            return cls(what, str(error), error.code, error.help)
        return cls(what, f"{type(error).__name__}: {error}")

    def to_json(self, since: datetime, redactor: Redactor) -> dict[str, Any]:
        """As others read it."""
        return {
            "what": self.what,
            "since": format_instant(since),
            "error": redactor.show(self.error, _LONGEST),
            "code": self.code,
            "help": None if self.help is None else redactor.show(self.help, _LONGEST),
            "jobs": [*self.jobs[:MOST_TOLD]],
            "more": len(self.jobs[MOST_TOLD:]),
        }


class Failing:
    """What fails in one scheduler, as its *sources* see it at each :meth:`look`. Belongs to the event loop.

    *now* is the time that is told, *secrets* those that no error may show.
    """

    def __init__(
        self,
        sources: Sequence[Callable[[], Iterable[Failure]]],
        now: Callable[[], datetime],
        secrets: Callable[[], Iterable[str]],
    ) -> None:
        self._sources = sources
        self._now = now
        self._secrets = secrets
        self._since: dict[tuple[str, str], datetime] = {}

    def look(self) -> list[dict[str, Any]]:
        """What fails now and did so at the look before, too: what lasts a moment is nobody's business."""
        now, known = self._now(), self._since
        found = {(each.what, each.error): each for source in self._sources for each in source()}
        self._since = {key: known.get(key, now) for key in found}
        lasting = [(known[key], failure) for key, failure in found.items() if key in known]
        if not lasting:
            return []
        redactor = Redactor(self._secrets())
        return [failure.to_json(since, redactor) for since, failure in lasting[:MOST_TOLD]]
