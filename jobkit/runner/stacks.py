"""Where the threads of this process are."""

from __future__ import annotations

import gc
import sys
import threading
from types import FrameType

#: Before 3.12 the interpreter may collect garbage while it lists the frames, and holds a lock that the
#: garbage needs (python/cpython#106883): the process would stand still for ever, with all of its threads.
_COLLECTS_MEANWHILE = sys.version_info < (3, 12)
_one_at_a_time = threading.Lock()


def thread_frames() -> dict[int, FrameType]:
    """What each thread executes at this moment, by the thread's ident. From any thread.

    Not for finalizers: one may run in the very thread that is in here.
    """
    if not _COLLECTS_MEANWHILE:
        return sys._current_frames()
    with _one_at_a_time:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if enabled:
                gc.enable()
