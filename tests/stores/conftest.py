"""Child processes, which several tests are about: they import this very jobkit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import jobkit


@pytest.fixture
def child_environment() -> dict[str, str]:
    """The environment of a child that finds jobkit where this process found it."""
    here = str(Path(jobkit.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": here}
