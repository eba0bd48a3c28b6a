"""What an answer means for the run that was sent: delivered, to be tried again, or never."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from jobkit import Sink
from jobkit_notify.texts import one_line
from jobkit_notify.urls import Url


class NotDelivered(Exception):
    """It did not arrive, and may the next time. Its text names the host and the reason, and holds no keys;
    *wait* is how many seconds the receiver asks to be left alone, if it does."""

    def __init__(self, message: str, *, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said: names of *headers* are in lower case, *body* may have been cut off."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300


#: Refusals that another attempt may change: it took too long, came too early, too many at once.
_TRY_AGAIN = frozenset((408, 425, 429))
_EXCERPT = 200


def judge(answer: Answer, url: Url, secrets: Iterable[str] = ()) -> None:
    """Return if *answer* says that the message has arrived.

    Raises NotDelivered if trying again may help (5xx, 408, 425, 429, a redirect), and Sink.Reject if it will
    not (every other 4xx). *secrets* are masked in what the receiver has said.
    """
    if answer.ok:
        return
    said = one_line(answer.body[:4096].decode("utf-8", "replace"), _EXCERPT, [*secrets, *url.secrets])
    message = f"{url.shown} answered {answer.status}" + (f": {said}" if said else "")
    if 300 <= answer.status < 400:
        raise NotDelivered(
            f"{url.shown} answered {answer.status}, a redirect{_target(answer)}; "
            "none is followed: write the final address as url"
        )
    if 400 <= answer.status < 500 and answer.status not in _TRY_AGAIN:
        raise Sink.Reject(message)
    raise NotDelivered(message, wait=_wait(answer))


def _wait(answer: Answer) -> float | None:
    """The seconds that the receiver asks to be left alone for, None if it does not."""
    asked = answer.headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit() and len(asked) < 10:
        return float(asked)
    if not asked:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):  # no date, or one without a zone
        return None


def _target(answer: Answer) -> str:
    try:
        return f" to {Url.parse(answer.headers.get('location', '')).shown}"
    except ValueError:
        return ""


class Patience:
    """Leaves a receiver alone for as long as it has asked for, within reason."""

    #: Nobody is left alone for longer than this, in seconds: it is how long a delivery pauses at most.
    LONGEST = 300.0

    def __init__(self) -> None:
        self._until = -math.inf

    def check(self, url: Url) -> None:
        """Raises NotDelivered while *url* is to be left alone."""
        left = self._until - _now()
        if left > 0:
            raise NotDelivered(f"{url.shown} has asked to be left alone for another {math.ceil(left)} s")

    def note(self, error: NotDelivered) -> None:
        """Remember what the receiver asks for in *error*."""
        if error.wait is not None and error.wait > 0:
            self._until = _now() + min(error.wait, self.LONGEST)


def _now() -> float:
    import anyio  # the modules that hooks live in are imported by every verb: what only sending needs is not

    return anyio.current_time()
