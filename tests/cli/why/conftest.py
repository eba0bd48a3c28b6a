"""A project with an empty store, whose clock stands still."""

from __future__ import annotations

import pytest

from tests.cli.harness import CommandLine, FixedClock
from tests.cli.why.kit import JOBS


@pytest.fixture
def project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Jobs, and a store that is empty; its clock stands still, as that of the screens."""
    monkeypatch.setattr("jobkit.stores.sqlite.store.SystemClock", FixedClock)
    cli.file("jobkit.toml", '[project]\nname = "shop"\n\n[scheduler]\ntimezone = "Europe/Berlin"\n')
    cli.file("extensions/web/jobs/all.py", JOBS)
    return cli
