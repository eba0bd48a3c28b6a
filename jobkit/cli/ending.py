"""How the process ends once the answer is written: without waiting for what others left behind."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import NoReturn


def end_process(code: int) -> NoReturn:
    """End with exit code *code*, in the usual way where that ends soon.

    A thread that a job file or a job left behind would keep the interpreter waiting for it, for ever if need
    be. Then the functions registered with ``atexit`` are called, and the process ends without it.
    """
    if _left_behind():
        import atexit

        try:
            atexit._run_exitfuncs()
        finally:
            for stream in (sys.stdout, sys.stderr):
                # A job may have closed it, or put something else in its place.
                with contextlib.suppress(Exception):
                    stream.flush()
            os._exit(code)
    sys.exit(code)


def _left_behind() -> bool:
    return any(
        thread.is_alive() and not thread.daemon and thread is not threading.main_thread()
        for thread in threading.enumerate()
    )
