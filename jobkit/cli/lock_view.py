"""What ``jobkit schedule diff`` shows: job by job what is new, gone or otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, display_width, wrap
from jobkit.cli.render.times import full_moment
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.cli.lock_difference import FireChange, JobChange
    from jobkit.cli.lock_file import Fire, LockedJob

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~", "moved": "~", "reworded": "~"}
_STYLES: Final = {"+": "good", "-": "error", "~": "warning"}
#: So many changed fires of a job are shown; the rest is counted.
_SHOWN: Final = 10


def screen(
    changes: Sequence[JobChange], notes: Sequence[str], terminal: Terminal, file: str | None = None
) -> Iterator[str]:
    """The changes from what *file* (None: the usual one) says, the notes, and what to do about them."""
    if not changes:
        yield "no job fires otherwise than is locked"
    for change in changes:
        yield ""
        sign = _SIGNS[change.change]
        yield terminal.style(f"{sign} {change.name}", _STYLES[sign])
        yield from _details(change, terminal)
    for note in notes:
        yield from ("", *wrap(f"note: {escape_controls(note)}", terminal.columns))
    if changes:
        differ = count(len(changes), "job differs", "jobs differ")
        command = "jobkit schedule lock" + (f" -o {escape_controls(file)}" if file is not None else "")
        yield from ("", *wrap(f"{differ}; `{command}` accepts that", terminal.columns))


def _details(change: JobChange, terminal: Terminal) -> Iterator[str]:
    lone = change.locked if change.now is None else change.now if change.locked is None else None
    if lone is not None:
        yield from _pieces([_standing(lone)], "    ", terminal)
    for name, before, now in change.fields():
        if name == "why" and None in (before, now):
            continue  # it is told beside "scheduled"
        words = [_word(before), _word(now)]
        if name == "scheduled":
            words = [_scheduled(change.locked), _scheduled(change.now)]
        pieces = [f"{name}: {words[0]}", f"{terminal.glyphs.arrow} {words[1]}"]
        yield from _pieces(pieces, "    ", terminal)
    for fire in change.fires[:_SHOWN]:
        yield from _fire(change, fire, terminal)
    if len(change.fires) > _SHOWN:
        yield f"      and {count(len(change.fires) - _SHOWN, 'more fire')}"


def _standing(job: LockedJob) -> str:
    if not job.schedule:
        return "no schedule"
    said = "" if job.scheduled else f", {_scheduled(job)}"
    return escape_controls(f"{job.schedule}  {job.timezone}{said}")


def _scheduled(job: LockedJob | None) -> str:
    assert job is not None, "a job that is on one side only has no fields that differ"
    return "scheduled" if job.scheduled else f"not scheduled ({job.why})"


def _word(value: Any) -> str:
    return escape_controls(str(value)) if value else "none"


def _fire(change: JobChange, fire: FireChange, terminal: Terminal) -> Iterator[str]:
    pieces = []
    if fire.locked is not None and change.locked is not None:
        pieces.append(_moment(fire.locked, change.locked))
    if fire.now is not None and change.now is not None:
        arrow = f"{terminal.glyphs.arrow} " if pieces else ""
        pieces.append(arrow + _moment(fire.now, change.now))
    sign = _SIGNS[fire.change]
    first, *rest = _pieces(pieces, "      ", terminal)
    yield "    " + terminal.style(sign, _STYLES[sign]) + first[5:]
    yield from rest


def _moment(fire: Fire, job: LockedJob) -> str:
    try:
        text = full_moment(fire.at, ZoneInfo(job.timezone))
    except (OSError, ValueError):  # a zone that is not known here
        text = fire.local
    return escape_controls(f"{text} ({fire.note})" if fire.note else text)


def _pieces(pieces: Sequence[str], indent: str, terminal: Terminal) -> Iterator[str]:
    """The *pieces* on one line if they fit, else on one each, or more."""
    line = indent + " ".join(pieces)
    if display_width(line) <= terminal.columns:
        yield line
        return
    for piece in pieces:
        whole = indent + piece
        fits = display_width(whole) <= terminal.columns
        yield from [whole] if fits else wrap(piece, terminal.columns, indent)
