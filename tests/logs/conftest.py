"""A process that logs, for the length of one test."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from jobkit.logs import RunCapture, configure, install
from jobkit.logs.setup import reset


class Log:
    """What was written, as bytes and as lines."""

    def __init__(self) -> None:
        self.raw = io.BytesIO()
        self.stream = io.TextIOWrapper(self.raw, encoding="utf-8")

    def configure(self, format: str = "json", level: str = "debug", **options: Any) -> None:
        """Log to here from now on."""
        configure(format, level, self.stream, **options)

    @property
    def text(self) -> str:
        return self.raw.getvalue().decode()

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def log() -> Iterator[Log]:
    """jobkit's own output, as JSON from level debug on; nothing else of the process is touched."""
    written = Log()
    written.configure()
    yield written
    reset()


@pytest.fixture
def program(log: Log) -> Iterator[Log]:
    """As in jobkit's own programs: structlog, logging and print all come to the log."""
    undo = install()
    yield log
    undo()


@pytest.fixture
def capture(log: Log) -> Callable[..., RunCapture]:
    """Makes the capture of one attempt of run 1423."""

    def make(attempt: int = 1, **options: Any) -> RunCapture:
        return RunCapture("0190-run", 1423, "cleanup", "web", attempt, **options)

    return make
