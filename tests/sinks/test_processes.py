"""Real processes, killed at the worst moment: nothing that was recorded is lost, and the order holds."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobkit.stores.opening import open_store

ROOT = Path(__file__).parents[2]


class Receiver(socketserver.ThreadingTCPServer):
    """The sink's server: takes lines, and answers them until it stalls."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int, stall_at: int | None = None) -> None:
        super().__init__(("127.0.0.1", port), Answer)
        self.stall_at = stall_at
        self.got: list[tuple[int, str]] = []
        self.stalled = threading.Event()


class Answer(socketserver.StreamRequestHandler):
    server: Receiver

    def handle(self) -> None:
        number, job = json.loads(self.rfile.readline())
        self.server.got.append((number, job))
        if number == self.server.stall_at:
            self.server.stalled.set()
            self.rfile.read()  # until the other side is gone
            return
        self.wfile.write(b"ok\n")


@pytest.fixture
def port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def listening(port: int, stall_at: int | None = None) -> Iterator[Receiver]:
    with Receiver(port, stall_at) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def child(what: str, folder: Path, port: int, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "tests/sinks/child.py"), what, str(folder), str(port), *more],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def recorded_and_killed(folder: Path, port: int, count: int) -> str:
    """Let a process record runs and try once to deliver them, kill it; what it said of that."""
    with child("record", folder, port, str(count)) as process:
        assert process.stdout is not None
        said = ""
        while (line := process.stdout.readline()) not in ("recorded\n", ""):
            said += line
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        return said


def delivered(folder: Path, port: int) -> None:
    with child("deliver", folder, port) as process:
        assert process.wait(30) == 0


async def waiting(folder: Path) -> list[int]:
    async with open_store("sqlite:///runs.db", project="tests", root=folder) as store:
        return [entry.number for entry in await store.outbox("wire")]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_killed_between_record_and_delivery(tmp_path: Path, port: int) -> None:
    """The server is down, two processes are killed; once both return every run arrives, in order per job."""
    said = recorded_and_killed(tmp_path, port, 6)
    assert said.startswith(
        "sink wire: 6 finished runs to be delivered by a scheduler (jobkit start) or the next `jobkit run`"
    )
    assert "ConnectionRefusedError" in said
    recorded_and_killed(tmp_path, port, 4)
    assert await waiting(tmp_path) == list(range(1, 11))
    with listening(port) as receiver:
        delivered(tmp_path, port)
    assert [number for number, job in receiver.got if job == "a"] == [1, 3, 5, 7, 9]
    assert [number for number, job in receiver.got if job == "b"] == [2, 4, 6, 8, 10]
    assert await waiting(tmp_path) == []


async def test_killed_in_the_middle_of_delivering(tmp_path: Path, port: int) -> None:
    """What was not settled comes again, and nothing else; a dead process holds up nobody with its lease."""
    recorded_and_killed(tmp_path, port, 8)
    with listening(port, stall_at=5) as receiver:
        with child("deliver", tmp_path, port) as process:
            assert receiver.stalled.wait(30)
            process.kill()
        before = [*receiver.got]
        left = await waiting(tmp_path)
        receiver.got.clear()
        receiver.stall_at = None
        delivered(tmp_path, port)
        after = [number for number, _ in receiver.got]
    assert {5, 6, 7, 8} <= {*left}
    assert sorted(after) == left
    assert {number for number, _ in before} | {*after} == set(range(1, 9))
    for job in "ab":
        order = [number for number, name in receiver.got if name == job]
        assert order == sorted(order)
