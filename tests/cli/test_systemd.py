"""What a supervisor is told, read from a real socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jobkit.cli.systemd import Supervisor


@contextmanager
def listening(address: str | bytes) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(address)
        server.settimeout(5)
        yield server


def test_each_state_is_one_datagram(tmp_path: Path) -> None:
    """In systemd's own words, with the clock that a reload is measured by."""
    path = str(tmp_path / "notify")
    supervisor = Supervisor.of({"NOTIFY_SOCKET": path})
    with listening(path) as server:
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        supervisor.extend("starting")
        supervisor.ready("3 jobs\nREADY=0")
        supervisor.reloading()
        supervisor.stopping()
        supervisor.alive()
        told = [server.recv(4096).decode() for _ in range(5)]
    supervisor.close()
    assert told[0] == "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=starting"
    assert told[1] == "READY=1\nSTATUS=3 jobs READY=0"
    reloading, clock, _ = told[2].split("\n")
    assert reloading == "RELOADING=1"
    assert before <= int(clock.removeprefix("MONOTONIC_USEC=")) <= before + 60_000_000
    assert told[3:] == ["STOPPING=1\nSTATUS=stopping", "WATCHDOG=1"]


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="abstract sockets are Linux's")
def test_an_abstract_socket_is_found() -> None:
    """Its name begins with ``@`` in the variable and with NUL for the system."""
    name = f"jobkit-test-{os.getpid()}"
    with listening(b"\0" + name.encode()) as server:
        supervisor = Supervisor.of({"NOTIFY_SOCKET": f"@{name}"})
        supervisor.status("here")
        supervisor.close()
        assert server.recv(100) == b"STATUS=here"


def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    """No variable, an address of another kind, a socket that has gone."""
    for environ in ({}, {"NOTIFY_SOCKET": "vsock:2:99"}, {"NOTIFY_SOCKET": str(tmp_path / "gone")}):
        supervisor = Supervisor.of(environ)
        supervisor.ready("x")
        supervisor.close()
    assert not Supervisor.of({})


def test_the_watchdog_is_for_the_process_that_is_named() -> None:
    """WATCHDOG_PID of another process, or a number that is none, means no watchdog."""
    there = {"NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000"}
    assert Supervisor.of(there).watchdog == 30.0
    assert Supervisor.of({**there, "WATCHDOG_PID": str(os.getpid())}).watchdog == 30.0
    assert Supervisor.of({**there, "WATCHDOG_PID": "1"}).watchdog is None
    assert Supervisor.of({**there, "WATCHDOG_USEC": "soon"}).watchdog is None
    assert Supervisor.of({"WATCHDOG_USEC": "30000000"}).watchdog is None
