"""Schedulers as real processes, and what they leave behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.faults.project import write_project

#: Seconds after which a process that should have done something will not.
PATIENCE = 40.0


@dataclass
class Place:
    """A project, its witness file, and the schedulers that were started for it."""

    root: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    #: How those ended that a test has waited for.
    codes: list[int] = field(default_factory=list)
    #: Replaces ``python -m jobkit``, to start a scheduler that is broken on purpose.
    program: tuple[str, ...] = ("-m", "jobkit")

    @property
    def witness(self) -> Path:
        return self.root / "witness.jsonl"

    @property
    def log(self) -> Path:
        return self.root / "start.log"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "WITNESS": str(self.witness)}

    def jobkit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "jobkit", "-C", str(self.root), *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """A scheduler, once it fires."""
        before = self.executed()
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *self.program, "-C", str(self.root), "start"],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.started.append(process)
        deadline = time.monotonic() + PATIENCE
        while self.executed() == before:
            assert process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return process

    def executed(self) -> int:
        """How many bytes of witness there are."""
        return self.witness.stat().st_size if self.witness.exists() else 0

    def stop(self, process: subprocess.Popen[bytes]) -> int:
        """End it as an operator does; its exit code."""
        process.send_signal(signal.SIGTERM)
        return process.wait(PATIENCE)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A project with every kind of job, one of them paused."""
    found = Place(write_project(tmp_path))
    assert found.jobkit("pause", "paused", "--reason", "for the test").returncode == 0
    yield found
    for process in found.started:
        if process.poll() is None:
            process.kill()
            process.wait(PATIENCE)
