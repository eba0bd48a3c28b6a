"""Sending through apprise, which speaks to people's services and blocks while it does."""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from jobkit_notify.alerts.messages import Message
from jobkit_notify.answers import NotDelivered
from jobkit_notify.texts import MASK, masked, one_line

if TYPE_CHECKING:
    from apprise import Apprise

_PART = re.compile(r"[^\W_]{4,}")


class Channel:
    """One URL of apprise. *name* tells in errors which of a rule's it is; the URL itself is a secret."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        scheme, _, rest = url.partition("://")
        #: What may be told of it.
        self.shown = f"{name} ({scheme}://{MASK})"
        self._parts = [url, rest, *_PART.findall(rest)]
        self._service: Apprise | None = None

    def send(self, message: Message) -> None:
        """Send *message*; blocks. Raises NotDelivered if the service did not take it."""
        if self._service is None:
            self._service = self._open()
        with _Listening() as heard:
            try:
                taken = self._service.notify(
                    body=message.body, title=message.title, notify_type=message.kind, body_format="text"
                )
            except Exception as error:  # whatever a service's plugin raises: it has not sent
                raise NotDelivered(f"{self.shown}: {type(error).__name__}") from None
        if not taken:
            why = one_line(masked("; ".join(heard), self._parts), 300)
            raise NotDelivered(f"{self.shown} did not take it" + (f": {why}" if why else ""))

    def _open(self) -> Apprise:
        from apprise import Apprise

        service = Apprise()
        with _Listening():  # what apprise says of a wrong URL repeats it
            added = service.add(self._url)
        if not added:
            raise NotDelivered(f"{self.shown} is no URL that apprise understands")
        return service


class _Listening(logging.Filter):
    """Takes what apprise says meanwhile, in whatever thread it works for us: it may hold keys of the URL and
    goes to no log."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        if _listener.get() is not self:
            return True
        if record.levelno >= logging.WARNING and len(self._heard) < 10:
            self._heard.append(record.getMessage())
        return False

    def __enter__(self) -> list[str]:
        self._before = _listener.set(self)
        logging.getLogger("apprise").addFilter(self)
        return self._heard

    def __exit__(self, *error: Any) -> None:
        logging.getLogger("apprise").removeFilter(self)
        _listener.reset(self._before)


#: Context travels with the work, threads do not.
_listener: ContextVar[_Listening | None] = ContextVar("listener", default=None)
