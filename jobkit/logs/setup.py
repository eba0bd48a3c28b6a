"""How this process logs: format, level, stream, and what is secret.

One state for the process, replaced as a whole by :func:`configure`. A program that embeds jobkit and
configures nothing gets jobkit's events through ``logging.getLogger("jobkit")``, as from any library.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TextIO

from jobkit.logs.entry import Entry
from jobkit.logs.known import known_secrets
from jobkit.logs.output import Output
from jobkit.redaction import SHORTEST_CONTENT, Redactor, secrets_of

FORMATS = ("auto", "console", "json", "logfmt", "ecs")
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}

#: Set on records that jobkit itself hands to ``logging``, so that they are not taken for a job's.
OWN_RECORD = "jobkit_own"

_MOST_REDACTORS = 64


class State:
    """What is in force; replaced as a whole. Only what is secret may grow. Safe to use from any thread."""

    def __init__(
        self,
        level: str,
        render: Callable[[Entry], bytes] | None,
        output: Output | None,
        secrets: Collection[str],
        *,
        runs: bool,
        now: Callable[[], datetime],
    ) -> None:
        self.level = LEVELS[level]
        self._secrets = frozenset((*secrets, *secrets_of(os.environ)))
        self._known = known_secrets()
        self._redactor = Redactor(self._secrets | self._known)
        self._redactors: dict[frozenset[str], Redactor] = {}
        self.now = now
        self._render = render
        self._output = output
        self._runs = runs

    @property
    def redactor(self) -> Redactor:
        """Masks what is secret in this process, in the projects that are loaded now included."""
        known = known_secrets()
        if known is not self._known:
            self._redactor = Redactor(self._secrets | known)
            self._known = known
        return self._redactor

    @property
    def lost(self) -> int:
        """How many lines could not be written since :func:`configure`."""
        return self._output.lost if self._output is not None else 0

    def redactor_with(self, secrets: Collection[str]) -> Redactor:
        """A redactor that knows *secrets* besides those of this process."""
        own = self.redactor
        more = frozenset([text for text in secrets if len(text) >= SHORTEST_CONTENT]) - own.secrets
        if not more:
            return own
        found = self._redactors.get(more)
        if found is None:
            # Runs of one project mostly have the same ones, and making a redactor takes longer than a run.
            if len(self._redactors) >= _MOST_REDACTORS:
                self._redactors.clear()
            found = self._redactors[more] = Redactor(own.secrets | more)
        return found

    def write(self, entry: Entry) -> None:
        """Write *entry* as one line."""
        if self._render is None:
            _hand_to_logging(entry)
        elif self._output is not None and (self._runs or not entry.event.startswith("run.")):
            self._output.write(self._render(entry))

    def write_of_run(self, entry: Entry) -> None:
        """Write an entry that is kept with its run."""
        if self._runs:
            self.write(entry)


_state: State | None = None


def state() -> State:
    """What is in force in this process."""
    global _state
    if _state is None:
        _state = State("info", None, None, (), runs=True, now=_system_now())
    return _state


def configure(
    format: str = "auto",
    level: str = "info",
    stream: TextIO | None = None,
    *,
    secrets: Collection[str] = (),
    runs: bool = True,
    colour: bool | None = None,
    now: Callable[[], datetime] | None = None,
) -> None:
    """Write this process's log lines to *stream* (default: standard error), from now on.

    *format* is one of ``auto`` (console on a terminal, json otherwise), ``console``, ``json``, ``logfmt``
    and ``ecs``; *level* the least that is written and kept. *secrets* are masked wherever they turn up,
    besides those that the environment's names give away. With *runs* False, lines of runs are only kept
    with their run, and events about runs (``run.…``) not written, for a program that shows both itself.
    *colour* is decided by the terminal and its variables unless given. Changes nothing of structlog's or
    ``logging``'s own configuration: see ``jobkit.logs.install``. Raises ValueError for an unknown format
    or level.
    """
    global _state
    if format not in FORMATS:
        raise ValueError(f"there is no log format {format!r}; there are {', '.join(FORMATS)}")
    if level not in LEVELS:
        raise ValueError(f"there is no log level {level!r}; there are {', '.join(LEVELS)}")
    target: Any = stream if stream is not None else sys.stderr
    target = getattr(target, "jobkit_original", target)  # one of our own proxies: what lies behind it
    output = Output(target) if target is not None else None
    render = _renderer(format, target, colour)
    _state = State(level, render, output, secrets, runs=runs, now=now or _system_now())


def reset() -> None:
    """Forget what :func:`configure` did."""
    global _state
    _state = None


def _renderer(format: str, stream: Any, colour: bool | None) -> Callable[[Entry], bytes]:
    if format == "auto":
        format = "console" if _is_terminal(stream) else "json"
    if format == "json":
        from jobkit.logs.formats import json

        return json.render
    if format == "logfmt":
        from jobkit.logs.formats import logfmt

        return logfmt.render
    if format == "ecs":
        from jobkit.logs.formats import ecs

        return ecs.render
    from jobkit.logs.formats import console

    if colour is None:
        colour = console.wants_colour(stream, os.environ)
    return console.renderer(colour=colour, encoding=getattr(stream, "encoding", None) or "utf-8")


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (OSError, ValueError, AttributeError):
        return False


def _system_now() -> Callable[[], datetime]:
    from jobkit.clock import SystemClock

    return SystemClock().now


def _hand_to_logging(entry: Entry) -> None:
    logger = logging.getLogger("jobkit")
    level = LEVELS.get(entry.level, logging.INFO)
    if logger.isEnabledFor(level):
        from jobkit.logs.formats.logfmt import text_of

        logger.log(level, "%s", text_of(entry), extra={OWN_RECORD: True})
