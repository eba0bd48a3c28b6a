"""Telling systemd how a service is: ready, reloading, stopping, alive. No library is needed for datagrams.

Without ``NOTIFY_SOCKET`` in the environment nothing is sent. Nobody waits, and nothing that goes wrong here
changes what the program does.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

#: A phase that takes long asks for this many seconds more, each time that it says it goes on.
EXTENSION: Final = 30
#: Seconds between two such requests.
EXTEND_EVERY: Final = 10.0


class Supervisor:
    """The supervisor at *address*; ``watchdog`` is how many seconds it waits for a sign of life, None if it
    does not. Safe to use from any thread."""

    def __init__(self, address: str | None = None, watchdog: float | None = None) -> None:
        self._address = address
        self.watchdog = watchdog
        self._socket: socket.socket | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Supervisor:
        """The one that the variables name, or nobody."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")) or not hasattr(socket, "AF_UNIX"):
            return cls()
        return cls(address, _watchdog(environ))

    def __bool__(self) -> bool:
        return self._address is not None

    def ready(self, status: str) -> None:
        """What there was to begin with, or to take up anew, is done."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """Files are read again; ``ready`` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 if hasattr(time, "clock_gettime_ns") else 0
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")

    def stopping(self) -> None:
        """The end has begun."""
        self._send("STOPPING=1", "STATUS=stopping")

    def status(self, text: str) -> None:
        """What ``systemctl status`` shows."""
        self._send(f"STATUS={text}")

    def extend(self, status: str) -> None:
        """Starting or stopping goes on, and takes its time."""
        self._send(f"EXTEND_TIMEOUT_USEC={EXTENSION * 1_000_000}", f"STATUS={status}")

    def alive(self) -> None:
        """The sign of life that the watchdog waits for."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        # A line break would begin another variable.
        data = "\n".join(" ".join(line.split("\n")) for line in lines).encode("utf-8", "replace")
        target = self._address.replace("@", "\0", 1) if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError):  # nobody listens any more: the work goes on without
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(data, target)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _watchdog(environ: Mapping[str, str]) -> float | None:
    try:
        seconds = int(environ.get("WATCHDOG_USEC", "")) / 1_000_000
        meant = int(environ.get("WATCHDOG_PID") or os.getpid())
    except ValueError:
        return None
    return seconds if seconds > 0 and meant == os.getpid() else None
