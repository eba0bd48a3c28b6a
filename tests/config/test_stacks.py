"""Stacks of opinions: their winners are what is in force, whatever the layers say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit import Project
from jobkit.config import load_config
from jobkit.config.apply import apply
from jobkit.config.layers import Setting
from jobkit.config.loading import load_layers
from jobkit.config.stacks import option_stacks, stacks_of
from jobkit.durations import parse_duration
from jobkit.job import JobSpec

if TYPE_CHECKING:
    from tests.config.conftest import Tree

CODE = """\
from jobkit import Retry, submit_job

@submit_job(schedule="@daily", timeout="5m", retries=Retry(2, delay="30s"), tags=["a"])
def cleanup(ctx, *, days: int = 30, table: str = "logs"): ...
"""
FILES = (
    "jobkit.toml",
    "services/scheduler/config.toml",
    "services/scheduler/config.production.toml",
    "services/scheduler/overrides.production.toml",
)
DURATIONS = st.sampled_from(["10s", "90s", "1h30m", 45])
TABLES = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "enforce": st.booleans(),
        "owner": st.sampled_from(["ada", "bob", "ops@example.com"]),
        "timeout": DURATIONS,
        "tags": st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=2),
        "priority": st.integers(-5, 5),
        "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
        "retries": st.integers(0, 9)
        | st.fixed_dictionaries(
            {}, optional={"retries": st.integers(0, 9), "delay": DURATIONS, "backoff": st.floats(1, 9)}
        ),
        "parameters": st.fixed_dictionaries(
            {}, optional={"days": st.integers(1, 9), "table": st.sampled_from(["x", "y"])}
        ),
    },
)


@pytest.fixture(scope="module")
def proposed(tmp_path_factory: pytest.TempPathFactory) -> JobSpec:
    """The job as its code has it."""
    root = tmp_path_factory.mktemp("code")
    (root / "jobkit.toml").touch()
    folder = root / "extensions" / "web" / "jobs"
    folder.mkdir(parents=True)
    (folder / "cleanup.py").write_text(CODE)
    with Project.load(root, "") as project:
        return project.proposed["cleanup"]


def write(root: Path, tables: tuple[dict[str, Any], ...]) -> None:
    (root / "services" / "scheduler").mkdir(parents=True, exist_ok=True)
    for name, table in zip(FILES, tables, strict=True):
        (root / name).write_text(tomli_w.dumps({"jobs": {"cleanup": table}}))


@settings(max_examples=80, deadline=None)
@given(tables=st.tuples(TABLES, TABLES, TABLES, TABLES))
def test_the_winners_are_in_force(
    tables: tuple[dict[str, Any], ...], proposed: JobSpec, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Two readings of the same layers agree: the stacks for people, and the merge that jobs run with."""
    root = tmp_path_factory.mktemp("project")
    write(root, tables)
    config = load_config(root, env="production", variables={})
    spec = apply(proposed, config)
    won = {stack.key: stack.winner.value for stack in option_stacks(proposed, config)}
    assert spec.error is None
    assert (won["enabled"], won["enforce"], won["owner"]) == (spec.enabled, spec.enforce, spec.owner)
    assert (won["tags"], won["priority"]) == (list(spec.tags), spec.priority)
    assert parse_duration(won["timeout"]) == spec.timeout
    assert won["timezone"] == (spec.timezone or "UTC")
    assert won["retries"] == spec.retries.retries
    assert parse_duration(won["retries.delay"]) == spec.retries.delay
    assert won.get("retries.backoff", 2.0) == spec.retries.backoff
    assert won["parameters.days"] == spec.parameters.get("days", 30)
    assert won["parameters.table"] == spec.parameters.get("table", "logs")


@settings(max_examples=40, deadline=None)
@given(tables=st.tuples(TABLES, TABLES, TABLES, TABLES))
def test_layers_are_read_alike_with_and_without_variables(
    tables: tuple[dict[str, Any], ...], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where there is no ${NAME}, what diff compares is the configuration itself."""
    root = tmp_path_factory.mktemp("project")
    write(root, tables)
    tree: Setting = load_layers(root, env="production").tree
    assert [*stacks_of(tree)] == [*stacks_of(load_config(root, env="production", variables={}).tree)]


def test_the_command_line_is_the_top(proposed: JobSpec, tree: Tree) -> None:
    """The seventh layer wins, and is named by its option."""
    tree.write("services/scheduler/config.toml", "[jobs.cleanup]\ntimeout = '6m'\n")
    variables = {"JOBKIT__JOBS__CLEANUP__TIMEOUT": "7m"}
    config = tree.load(None, variables).with_options({"jobs.cleanup.timeout": "8m"})
    [stack] = [stack for stack in option_stacks(proposed, config) if stack.key == "timeout"]
    assert [(said.origin.layer, said.value) for said in stack.opinions] == [
        ("default", None),
        ("code", "5m"),
        ("config", "6m"),
        ("variable", "7m"),
        ("command-line", "8m"),
    ]
    assert apply(proposed, config).timeout == timedelta(minutes=8)


def test_a_number_of_retries_leaves_the_rest_of_the_table(proposed: JobSpec, tree: Tree) -> None:
    """`retries = 5` above a table speaks of one key; the lines of the others are still known."""
    tree.write("jobkit.toml", "[jobs.cleanup]\nretries = { retries = 1, delay = '2m' }\n")
    tree.write("services/scheduler/config.toml", "[jobs.cleanup]\nretries = 5\n")
    stacks = {stack.key: stack for stack in option_stacks(proposed, tree.load())}
    assert [said.value for said in stacks["retries"].opinions] == [0, 2, 1, 5]
    delay = stacks["retries.delay"].winner
    assert (delay.value, delay.origin.layer, delay.origin.line) == ("2m", "project", 2)
