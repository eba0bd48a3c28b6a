"""What a command says: the answer on stdout, everything else on stderr, ``--json`` as one object."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import select
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from jobkit.cli.render.terminal import Terminal, detect
from jobkit.cli.streams import Streams
from jobkit.exceptions import JobkitError
from jobkit.sanitising import escape_controls

#: What an answer's data is while there is none.
NOTHING = object()

_COLOURS = re.compile(r"(\x1b\[[0-9;]*m)")

# Signs of our own texts, for streams that cannot encode them; each takes one column, as they do.
_TWINS = str.maketrans({"…": "~", "·": "-", "–": "-", "→": ">", "✗": "x", "“": '"', "”": '"', "’": "'"})


class Output:
    """The voice of one command. Thread-safe: jobs report progress from their threads.

    ``answer`` and ``lines`` go to stdout, the first with ``--json`` and the second without; ``aside`` and
    ``report`` go to stderr. Call ``finish`` once, at the end. Nobody reading any more is no error:
    ``unread`` tells.
    """

    def __init__(self, verb: str, streams: Streams, *, json: bool, verbosity: int = 0) -> None:
        self.verb = verb
        self.json = json
        self.verbosity = verbosity
        self.terminal: Terminal = detect(streams.answer)
        self.aside_terminal: Terminal = detect(streams.aside)
        #: Paths in errors are shown relative to it.
        self.root: Path | None = None
        self._streams = streams
        self._lock = threading.RLock()
        self._data: Any = NOTHING
        self._errors: list[JobkitError] = []
        self._streamed = False
        self._finished = False
        self._unread = False

    # -- the answer -------------------------------------------------------------------------------

    def lines(self, lines: Iterable[str]) -> None:
        """Text for people; nothing with ``--json``, where the answer is an object."""
        if not self.json:
            self._write("".join(f"{_safe(line, self.terminal)}\n" for line in lines))

    def answer(self, data: Any) -> None:
        """The ``data`` of the object; an answer given twice is the last one."""
        self._data = data

    def stream(self, item: Any) -> None:
        """One object on a line of its own, at once; instead of ``answer``."""
        self._streamed = True
        self._write(encode(item) + "\n")

    def text(self, text: str) -> None:
        """Machine-readable text that is not JSON, as it is (CSV); instead of ``answer``."""
        self._streamed = True
        self._write(text)

    @property
    def unread(self) -> bool:
        """True once the reader of stdout has gone away: there is nobody to follow for."""
        if not self._unread:
            try:
                poll = select.poll()
                poll.register(self._streams.answer.fileno(), 0)
                self._unread = any(event & select.POLLERR for _, event in poll.poll(0))
            except (OSError, ValueError, AttributeError):
                pass  # not a descriptor, or no poll on this platform: the next write will tell
        return self._unread

    # -- everything else --------------------------------------------------------------------------

    def aside(self, *lines: str) -> bool:
        """Lines on stderr. False in a signal handler that came in the middle of another write: try again."""
        terminal = self.aside_terminal
        return self._write_to(self._streams.aside, "".join(f"{_safe(line, terminal)}\n" for line in lines))

    def raw_aside(self, text: str) -> None:
        """Text on stderr without a line's end: moving lines, prompts."""
        self._write_to(self._streams.aside, text)

    def add_error(self, error: JobkitError) -> None:
        """List *error* in the object's ``errors`` without showing it."""
        if error not in self._errors:
            self._errors.append(error)

    def report(self, error: JobkitError, *, kind: str = "error", frames: bool | None = None) -> None:
        """Show *error* as a block on stderr, and list it in the object's ``errors``."""
        from jobkit.cli.render.errors import error_block

        if kind == "error":
            self.add_error(error)
        shown = frames if frames is not None else self.verbosity >= 2
        lines = error_block(error, self.aside_terminal, root=self.root, kind=kind, frames=shown)
        self.aside(*map(_masked, lines))

    def mention(self, error: JobkitError, *, kind: str = "error") -> None:
        """Show *error* in one line on stderr, and list it in the object's ``errors``."""
        from jobkit.cli.render.errors import error_line

        if kind == "error":
            self.add_error(error)
        self.aside(_masked(error_line(error, self.aside_terminal, root=self.root, kind=kind)))

    def give_back(self) -> None:
        """Let descriptor 1 lead where it led when the command began, for another program in this process."""
        with contextlib.suppress(OSError, ValueError):
            os.dup2(self._streams.answer.fileno(), 1)

    def measure(self) -> None:
        """Look again how wide the terminal behind stderr is: people resize their windows."""
        self.aside_terminal = detect(self._streams.aside)

    # -- the end ----------------------------------------------------------------------------------

    def finish(self, empty: Any = None) -> None:
        """Write the one object of ``--json``, with *empty* as its data if there was no answer.

        Idempotent: a thread that ends the process may come first.
        """
        with self._lock:
            if self.json and not self._streamed and not self._finished:
                self._finished = True
                envelope = {
                    "schema": f"jobkit.{self.verb}/1" if self.verb else "jobkit/1",
                    "data": empty if self._data is NOTHING else self._data,
                    "errors": [_plain(error, self.root) for error in self._errors],
                }
                self._write(encode(envelope, indent=2 if self.terminal.live else None) + "\n")

    def _write(self, text: str) -> None:
        with self._lock:
            if self._unread:
                return
            try:
                self._streams.answer.write(_shown(text, self.terminal))
                self._streams.answer.flush()
            except BrokenPipeError:
                self._unread = True

    def _write_to(self, stream: TextIO, text: str) -> bool:
        with self._lock:
            try:
                stream.write(_shown(text, self.aside_terminal))
                stream.flush()
            except (OSError, ValueError):
                pass  # nobody listens on stderr; the answer and the exit code still tell
            except RuntimeError:  # a buffer is entered by one at a time
                return False
        return True


def _masked(text: str) -> str:
    """*text* of an error without what is secret in the projects that were loaded."""
    from jobkit.logs.known import known_secrets

    if not known_secrets():
        return text
    from jobkit.logs.setup import state

    redactor = state().redactor
    return redactor.text(text) if redactor.knows(text) else text


def _plain(error: JobkitError, root: Path | None) -> dict[str, Any]:
    facts = error.to_json(root)
    return {key: _masked(value) if isinstance(value, str) else value for key, value in facts.items()}


def _safe(line: str, terminal: Terminal) -> str:
    """*line* with our own colours, and with nothing else in it that a terminal would obey.

    Texts of others are made safe where they enter a screen; this is for the one that was forgotten.
    """
    if line.isprintable():
        return line
    parts = _COLOURS.split(line) if terminal.colour else [line]
    return "".join(
        part if index % 2 else escape_controls(part, multiline=True) for index, part in enumerate(parts)
    )


def _shown(text: str, terminal: Terminal) -> str:
    return text if terminal.unicode or text.isascii() else text.translate(_TWINS)


def encode(value: Any, indent: int | None = None) -> str:
    """*value* as JSON in ASCII: any terminal, pipe and file can carry it, and no sign in it is a control."""
    text = json.dumps(_finite(value), indent=indent, default=str, allow_nan=False)
    return text.replace("\x7f", "\\u007f")


def _finite(value: Any) -> Any:
    """*value* without the numbers that JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
