"""What the tests of all plugins stand on: each finds what is installed, whatever ran before it."""

from __future__ import annotations

import sys

import pytest

#: As it was before any test: those of jobkit itself, in the same process, hide the plugins from themselves.
_PATH = tuple(sys.path)


@pytest.fixture(autouse=True)
def everything_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test has left on ``sys.path`` hides a plugin from its own tests."""
    monkeypatch.setattr(sys, "path", [*_PATH])
