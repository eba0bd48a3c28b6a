"""Who a process is, so that a lease can tell a dead owner from a living one.

A process id alone is not enough: ids are used again, hosts restart, and containers have their own
ids. On Linux the host's boot id, the process-id namespace and the process's start time make it
unique; macOS has no boot id and no namespace, so boot time, pid and start time serve.
"""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """One process on one boot of one host."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @classmethod
    def current(cls) -> Self:
        """The process that asks. A fork is another process: nothing is remembered across it."""
        pid = os.getpid()
        return cls(socket.gethostname(), _boot(), _namespace(), pid, _started(pid) or "")

    def dead(self, *, expired: bool) -> bool:
        """True only if this process certainly runs no more; *expired* says whether its lease has run out.

        Another host or container cannot be looked into: not certain, the lease has to decide. The
        same host name on another boot is a restarted host or a namesake: a namesake's lease is
        renewed, so it counts as dead only once expired.
        """
        here = ProcessIdentity.current()
        if self.host != here.host:
            return False
        if self.boot != here.boot:
            return expired
        if self.namespace != here.namespace:
            return False
        return _started(self.pid) != self.started

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(**value)


@functools.cache
def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return _ask("sysctl", "-n", "kern.boottime") or ""


def _namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """When *pid* started, in the platform's own words; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The command name stands in brackets and may hold anything, brackets too.
            fields = file.read().rpartition(")")[2].split()
        return None if fields[0] in ("Z", "X") else fields[19]
    except FileNotFoundError:
        if sys.platform == "linux":
            return None
    except (OSError, IndexError):
        return None
    return _ask("ps", "-o", "lstart=", "-p", str(pid)) or None


def _ask(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
