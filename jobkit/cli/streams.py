"""Who owns standard output: the answer. What anybody else prints goes to standard error meanwhile.

Job files, jobs and plugins run in the same process. They may print, write to descriptor 1, start children
that do, close ``sys.stdout`` or replace it: none of it may reach the answer, and none of it may keep the
answer from being written. So a command writes to its own copies of the two descriptors.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Streams:
    """Where a command writes: *answer* and everything else."""

    answer: TextIO
    aside: TextIO


def open_missing_descriptors() -> None:
    """Point closed standard descriptors at the null device.

    Otherwise the next file that is opened, the run store for one, would be descriptor 1.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


@contextlib.contextmanager
def owned_streams(*, for_good: bool = False) -> Iterator[Streams]:
    """Own standard output until the block ends, or *for_good* if the process ends with it.

    A program that has put an object without a descriptor in the place of ``sys.stdout`` (a test, a
    notebook) gets the same by exchanging the objects.
    """
    if _descriptor(sys.stdout) == 1:
        with _owned_descriptor(for_good) as streams:
            yield streams
    else:
        with _owned_object() as streams:
            yield streams


@contextlib.contextmanager
def _owned_descriptor(for_good: bool) -> Iterator[Streams]:
    sys.stdout.flush()
    answer, aside = _copy(1, sys.stdout), _copy(2, sys.stderr)
    os.dup2(aside.fileno(), 1)
    try:
        yield Streams(answer, aside)
    finally:
        if not for_good:
            _flush(sys.stdout)
            os.dup2(answer.fileno(), 1)
        _close(answer)
        _close(aside)


@contextlib.contextmanager
def _owned_object() -> Iterator[Streams]:
    answer, aside = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    sys.stdout = aside
    try:
        yield Streams(answer, aside)
    finally:
        sys.stdout = answer


def _copy(descriptor: int, like: TextIO | None) -> TextIO:
    # A copy is not inherited by children: a pipe's reader sees the end when this process is done,
    # whatever jobs have left behind. Signs that the encoding lacks are shown as escapes.
    encoding = getattr(like, "encoding", None) or "utf-8"
    return open(os.dup(descriptor), "w", encoding=encoding, errors="backslashreplace")


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):  # not a file, or closed
        return None


def _flush(stream: TextIO | None) -> None:
    # A job may have closed it, or put something else in its place: not ours to complain.
    with contextlib.suppress(Exception):
        if stream is not None:
            stream.flush()


def _close(stream: TextIO) -> None:
    # The reader may have gone away; what could be written has been.
    with contextlib.suppress(OSError):
        stream.close()
