"""Printed text, cut into lines as a terminal would show them."""

from __future__ import annotations

import codecs

#: A line that grows beyond this is broken, in characters.
LONGEST_LINE = 65_536


class PrintedText:
    """Collects what is written to one stream until a line is whole. Not thread-safe.

    A carriage return begins the line anew, as progress bars want it: only what remains visible counts.
    """

    def __init__(self) -> None:
        self._rest = ""
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(self, text: str | bytes) -> list[str]:
        """Add *text*; the lines that are whole now."""
        if not isinstance(text, str):
            text = self._decoder.decode(text)
        if "\n" not in text and "\r" not in text and len(self._rest) + len(text) <= LONGEST_LINE:
            self._rest += text
            return []
        *lines, rest = (self._rest + text).split("\n")
        # A carriage return at the very end may still be half of a line end.
        body, end = (rest[:-1], "\r") if rest.endswith("\r") else (rest, "")
        self._rest = body.rpartition("\r")[2] + end
        whole = [line.rstrip("\r").rpartition("\r")[2] for line in lines]
        while len(self._rest) > LONGEST_LINE:
            whole.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return whole

    def end(self) -> list[str]:
        """What is left when nothing more comes, as a line; empty if there is nothing."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        line = rest.rstrip("\r").rpartition("\r")[2]
        return [line] if line else []
