"""A line with parts of it masked."""

from __future__ import annotations

from collections.abc import Iterable

from jobkit.redaction import MASK, Redactor

_NOTHING_ELSE = " \t,;()[]{}\"'"


def without(line: str, start: int, spans: Iterable[tuple[int, int]]) -> str | None:
    """*line*, which begins at *start* of its text, with ``***`` for the *spans* of that text.

    None if nothing else is in it. What looks like a secret in the rest, a comment for one, is masked too.
    """
    hidden = sorted(
        (max(first - start, 0), min(last - start, len(line)))
        for first, last in spans
        if first - start < len(line) and last > start
    )
    parts: list[str] = []
    done = 0
    for first, last in hidden:
        if last > done and first < last:
            if first >= done:
                quoted = line[first] in "\"'"
                parts += (line[done:first], f'"{MASK}"' if quoted else MASK)
            done = last
    parts.append(line[done:])
    shown = Redactor().text("".join(parts))
    return None if shown.strip(_NOTHING_ELSE) == MASK else shown
