"""The operators' files of the sample: they load, and they decide what their comments say."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobkit import ConfigError, Project

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Production names its database by a variable. Loading a project connects to nothing."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://site@database.invalid/site")


@pytest.mark.parametrize("env", ["", "production"])
def test_nothing_is_wrong(env: str) -> None:
    """In each environment all jobs load, and nothing is doubtful."""
    with Project.load(ROOT, env, remember=False) as project:
        assert (project.errors, project.warnings) == ([], [])
        assert [spec.name for spec in project.jobs.values() if spec.error is not None] == []


def test_production_is_on_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is the one that the variable names, and without it nothing begins."""
    with Project.load(ROOT, "production", remember=False) as project:
        assert project.config.scheduler.store == "postgresql://site@database.invalid/site"
    monkeypatch.delenv("DATABASE_URL")
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        Project.load(ROOT, "production", remember=False)


def test_consent_is_given_in_production_only() -> None:
    """Elsewhere the retention job observes."""
    found = {}
    for env in ("", "production"):
        with Project.load(ROOT, env, remember=False) as project:
            spec = project.jobs["cleanup_old_records"]
            found[env] = (spec.enforce, dict(spec.parameters), project.config.project.protected)
    assert found == {"": (False, {}, False), "production": (True, {"retention_days": 90}, True)}
