"""A receiver for each test that wants one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from notify.receiver import Receiver, serving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP server on this machine."""
    with serving(Receiver()) as running:
        yield running
