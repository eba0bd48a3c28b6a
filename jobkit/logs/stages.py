"""What plugins do to log lines: enrich them before they are cleaned, redact them before they are written.

Nothing here costs anything while there are no such plugins: :func:`stages` is then None.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from jobkit.logs.entry import Entry
from jobkit.logs.tracebacks import LONGEST
from jobkit.logs.values import clean
from jobkit.redaction import Redactor

#: Given a level and the fields of a line, ``event`` among them, gives back what they are to be. Never raises.
Step = Callable[[str, dict[str, Any]], Mapping[str, Any]]


class Stages:
    """The steps that every line goes through, in their order. Safe to use from any thread.

    A line that a step logs itself does not go through steps of the same stage again.
    """

    def __init__(self, enrich: Sequence[Step] = (), redact: Sequence[Step] = ()) -> None:
        self._enrich = tuple(enrich)
        self._redact = tuple(redact)
        self._busy = _Busy()

    def enriched(
        self, level: str, event: object, fields: MutableMapping[str, Any], run: Mapping[str, Any] | None
    ) -> tuple[object, MutableMapping[str, Any]]:
        """The event and its fields, before they are cleaned; *run* is what the line carries of its run."""
        if not self._enrich or self._busy.enriching:
            return event, fields
        self._busy.enriching = True
        try:
            return self._through(self._enrich, level, event, fields, run)
        finally:
            self._busy.enriching = False

    def redacted(self, entry: Entry, redactor: Redactor) -> Entry:
        """*entry* as it may be written; what steps have put into it is cleaned as everything is."""
        if not self._redact or self._busy.redacting:
            return entry
        before: dict[str, Any] = {**entry.fields}
        if entry.exception is not None:
            before["exception"] = entry.exception
        self._busy.redacting = True
        try:
            event, after = self._through(self._redact, entry.level, entry.event, before, entry.run)
            exception = after.pop("exception", None) if entry.exception is not None else None
            text, plain = clean(event, after, redactor)
            if exception is not None and exception is not entry.exception:
                exception = redactor.show(exception, LONGEST, multiline=True)
        except Exception as error:  # what a step has given cannot be read: what it was to hide may be in it
            return entry._replace(
                event="log.unreadable", fields={"problem": type(error).__name__}, exception=None
            )
        finally:
            self._busy.redacting = False
        return entry._replace(event=text, fields=plain, exception=exception)

    @staticmethod
    def _through(
        steps: Sequence[Step],
        level: str,
        event: object,
        fields: Mapping[str, Any],
        run: Mapping[str, Any] | None,
    ) -> tuple[object, dict[str, Any]]:
        around = {key: value for key, value in (run or {}).items() if key not in fields}
        line: dict[str, Any] = {**around, **fields, "event": event, "level": level}
        for step in steps:
            line = dict(step(level, {**line}))
        for key in (*around, "level"):  # these are not theirs to change
            line.pop(key, None)
        return line.pop("event", ""), line


class _Busy(threading.local):
    """Whether this thread is in a step just now."""

    enriching = False
    redacting = False


_stages: Stages | None = None


def stages() -> Stages | None:
    """What is in force in this process."""
    return _stages


def use_stages(new: Stages | None) -> None:
    """Let every line go through *new* from now on."""
    global _stages
    _stages = new
