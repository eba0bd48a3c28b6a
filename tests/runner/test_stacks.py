"""Asking where threads are: it must not be what stops them."""

from __future__ import annotations

import subprocess
import sys
import threading

from jobkit.runner.stacks import thread_frames

#: Garbage that needs the interpreter's list of threads to be thrown away, collected at every other moment.
ASKS_AMONG_GARBAGE = """
import gc, threading
from jobkit.runner.stacks import thread_frames

def litter():
    circle = [threading.local()]
    circle.append(circle)

def deeper(depth):
    return thread_frames() if depth == 0 else deeper(depth - 1)

for number in range(3000):
    gc.set_threshold(2 + number % 23)
    for _ in range(number % 19):
        litter()
    assert threading.get_ident() in deeper(number % 7)
assert gc.isenabled()
print("went on")
"""


def test_each_thread_is_found_where_it_is() -> None:
    """By its ident, the one that asks included."""
    asked, told = threading.Event(), threading.Event()

    def waits_to_be_told() -> None:
        asked.set()
        told.wait(30)

    thread = threading.Thread(target=waits_to_be_told)
    thread.start()
    assert asked.wait(30)
    frames = thread_frames()
    frame, names = frames[thread.ident or 0], []
    while frame.f_back is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    told.set()
    thread.join()
    assert "waits_to_be_told" in names
    assert frames[threading.get_ident()].f_code.co_name == "thread_frames"


def test_garbage_does_not_stop_the_process() -> None:
    """Python 3.11 may hang, with all of its threads, if it collects garbage meanwhile."""
    ended = subprocess.run(
        [sys.executable, "-c", ASKS_AMONG_GARBAGE], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout, ended.stderr) == ("went on\n", "")
