"""The thread that names what holds everything up."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from jobkit.plugins.dispatch import Dispatch
from jobkit.plugins.watchdog import WATCHDOG, Watchdog
from tests.plugins.conftest import Plugins

CONFIG: Any = SimpleNamespace()


def test_a_synchronous_hook_that_hangs_is_named(plugins: Plugins) -> None:
    """On stderr, from a thread of its own, while everything waits."""
    said: list[str] = []
    named = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        named.set()

    dispatch = Dispatch(plugins, Watchdog(0.05, say))
    plugins.add("slow", jobkit_configure=lambda config: (named.wait(10), None)[1])
    dispatch.call("jobkit_configure", lambda info: {"config": CONFIG})
    assert len(said) == 1
    assert said[0].startswith("plugin slow: jobkit_configure")
    assert "has not returned for 0.05 s" in said[0]


def test_its_thread_lasts_no_longer_than_it_is_needed() -> None:
    """A program that loads plugins again and again does not gather threads; the next call has a new one."""
    others = set(threading.enumerate())
    named = threading.Event()
    watchdog = Watchdog(0.05, lambda line: named.set(), idle=0.01)
    for _ in range(2):
        named.clear()
        with watchdog.watch(lambda: "this"):
            (thread,) = [found for found in threading.enumerate() if found not in others]
            assert thread.name == WATCHDOG
            assert named.wait(10)
        thread.join(10)
        assert not thread.is_alive()
