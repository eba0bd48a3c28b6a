"""What the tests stand on: no variables from outside, and a receiver for each that wants one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from notify_tests.receiver import Receiver, serving


@pytest.fixture(autouse=True)
def no_variables_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's shell steers a test."""
    for name in [*os.environ]:
        if name.startswith("JOBKIT_") and not name.startswith("JOBKIT_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP server on this machine."""
    with serving(Receiver()) as running:
        yield running
