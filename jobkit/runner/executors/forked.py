"""Processes that jobs fork: whoever comes back from the job in one of them is not the one that called it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def at_home() -> Iterator[None]:
    """A block that calls a job. A process that was forked inside ends where it would leave the block.

    It would go on as a second scheduler that only one thread is left of. Its exit code is 0, that of
    ``sys.exit``, or 1 for any other exception. Nothing is flushed: what is buffered is the first one's too.
    """
    home = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != home:
            _end(error)
        raise
    if os.getpid() != home:
        _end()


def _end(error: BaseException | None = None) -> NoReturn:
    code = error.code if isinstance(error, SystemExit) else error
    os._exit(code & 0xFF if isinstance(code, int) else int(code is not None))
