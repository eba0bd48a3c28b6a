"""Who is being collected right now.

``submit_job`` has to know whose registration it is. The loader pushes a :class:`Collecting` while a
job file's body runs, and pops it afterwards; nothing else does. So a registration belongs to the
module whose body is executing – not to the file the collector happens to be at, and not to the
module that the calling function was defined in. Import runs on one thread, so the stack is
thread-local: a thread started by a job file collects nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.exceptions import CollectionError
    from jobkit.schedules.base import Schedule, ScheduleKind
    from jobkit.signature import Signature


@dataclass(frozen=True, slots=True)
class Registration:
    """One call of ``submit_job``, found to be right: what was given, and the line of the call.

    *options* are decoded, name and description included; those named in *given* were said in code.
    *times* is the parsed schedule (None = manual only), *warnings* are for ``jobkit check``. A pending
    decorator has options as they were given, and neither target nor signature.
    """

    target: Any
    options: dict[str, Any]
    path: Path
    line: int
    signature: Signature | None = None
    given: frozenset[str] = frozenset()
    times: Schedule | None = None
    warnings: tuple[CollectionError, ...] = ()


@dataclass(slots=True, eq=False)
class Collecting:
    """A module whose body is being executed, and what it has registered so far.

    *accepts* is False for a helper (``_helpers.py``, a package's ``__init__``): it may be imported
    by job files, and a registration in it is an error at that line. *pending* holds decorators
    ``@submit_job(...)`` that have not been applied to anything yet. *kinds* are the kinds of schedules
    that the loading project knows, None for the built-in ones. *line* is set while a plugin registers what
    stands in a file that is no Python: the line in that file.
    """

    module: str
    path: Path
    accepts: bool = True
    registrations: list[Registration] = field(default_factory=list)
    pending: dict[int, Registration] = field(default_factory=dict)
    kinds: Sequence[ScheduleKind] | None = None
    line: int | None = None


class _Stack(threading.local):
    def __init__(self) -> None:
        self.items: list[Collecting] = []


_stack = _Stack()


def current() -> Collecting | None:
    """The module whose body is executing in this thread under the loader, or None."""
    return _stack.items[-1] if _stack.items else None


def bodies() -> list[Collecting]:
    """This thread's list of the modules whose bodies are executing, the innermost last; for the loader."""
    return _stack.items


@contextmanager
def collecting(
    module: str, path: Path, *, accepts: bool = True, kinds: Sequence[ScheduleKind] | None = None
) -> Iterator[Collecting]:
    """Credit registrations to *module* while its body runs."""
    item = Collecting(module, path, accepts, kinds=kinds)
    _stack.items.append(item)
    try:
        yield item
    finally:
        _stack.items.remove(item)


@contextmanager
def at_line(line: int) -> Iterator[None]:
    """For ``jobkit_collect_file``: what is registered meanwhile stands in line *line* of the collected file.

    Lines count from 1; without it a registration is said to stand in line 1. Anywhere else it does nothing.
    """
    collected = current()
    before = collected.line if collected is not None else None
    if collected is None or before is None:
        yield
        return
    collected.line = max(1, int(line))
    try:
        yield
    finally:
        collected.line = before
