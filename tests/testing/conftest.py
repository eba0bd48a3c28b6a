"""What pytest sessions of the tests' own stand on."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest rewrites the assertions of jobkit, whose plugin it loads: each session would do it anew where
    the shell forbids bytecode."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
