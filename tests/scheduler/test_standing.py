"""What tells a job's schedule and its options from others: the same everywhere, and without secrets."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobkit.config import Config, load_config
from jobkit.config.apply import apply
from jobkit.job import JobSpec
from jobkit.parameters import Secret
from jobkit.retry import Retry
from jobkit.scheduler.standing import job_key, options_hash, same_standing, schedule_hash, standing
from jobkit.stores.ledger import JobKey
from tests.runner.conftest import spec_of
from tests.scheduler.posts import job

PROGRAM = """
from pathlib import Path
from jobkit.config import load_config
from jobkit.retry import Retry
from jobkit.scheduler.standing import options_hash, schedule_hash
from tests.scheduler.posts import job
spec = job(tags=("b", "a"), retries=Retry(2), limits=("y", "x"))
print(schedule_hash(spec, ""), options_hash(spec, load_config(Path({root!r}))))
"""


def config(root: Path, text: str = "") -> Config:
    (root / "jobkit.toml").write_text(text)
    return load_config(root)


def reporting(**parameters: Any) -> JobSpec:
    async def report(ctx: Any, *, days: int = 1, url: str = "", token: Secret | None = None) -> None: ...

    return spec_of(report, schedule=("@daily",), parameters=parameters)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_hashes_are_the_same_in_every_process(seed: str, tmp_path: Path) -> None:
    """Whatever seed its sets and dictionaries have."""
    spec = job(tags=("b", "a"), retries=Retry(2), limits=("y", "x"))
    own = f"{schedule_hash(spec, '')} {options_hash(spec, config(tmp_path))}"
    command = [sys.executable, "-c", PROGRAM.format(root=str(tmp_path))]
    root = str(Path(__file__).parents[2])
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": root, "PATH": "/usr/bin:/bin"}
    shown = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == own


@pytest.mark.parametrize(
    ("option", "of_schedule"),
    [
        ({"schedule": "1 * * * * *"}, True),
        ({"timezone": "Europe/Berlin"}, True),
        ({"scope": "node"}, True),
        ({"enabled": False}, False),
        ({"timeout": timedelta(1)}, False),
        ({"limits": ("db",)}, False),
        ({"plugins": {"notify": {"to": "ops"}}}, False),
        ({"parameters": {"days": 2}}, False),
    ],
)
def test_every_option_counts(option: dict[str, Any], of_schedule: bool, tmp_path: Path) -> None:
    """In the hash of the options; schedule, zone and scope in that of the schedule, and nothing else."""
    settings = config(tmp_path)
    plain, other = apply(job(), settings), apply(job(**option), settings)
    assert options_hash(plain, settings) != options_hash(other, settings)
    assert (schedule_hash(plain, "") != schedule_hash(other, "")) is of_schedule
    told = same_standing(options_hash(plain, settings), options_hash(other, settings))
    assert told is not (of_schedule or "enabled" in option)


def test_the_size_of_a_limit_counts(tmp_path: Path) -> None:
    """For jobs that have it, and for no others."""
    few, many = (config(tmp_path, f"[scheduler]\nlimits = {{ db = {size} }}\n") for size in (1, 2))
    assert options_hash(job(limits=("db",)), few) != options_hash(job(limits=("db",)), many)
    assert options_hash(job(), few) == options_hash(job(), many)


def test_secrets_take_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither secret parameters nor values of variables can be guessed from a hash; others count."""
    settings = config(tmp_path)
    one, two = (options_hash(reporting(token=text), settings) for text in ("hunter2", "12345"))
    assert one == two
    assert options_hash(reporting(days=1), settings) != options_hash(reporting(days=2), settings)
    text = '[jobs.report.parameters]\nurl = "${WHERE}"\n'
    found = set()
    for value in ("a", "b"):
        monkeypatch.setenv("WHERE", value)
        settings = config(tmp_path, text)
        found.add(options_hash(apply(reporting(), settings), settings))
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "options", "why", "fires"),
    [
        ("", {}, "enabled (default ", True),
        ("[jobs.job]\nenabled = false\n", {}, "disabled (project jobkit.toml:2)", False),
        ("", {"schedule": ""}, "it has no schedule", False),
        ("", {"schedule": "never"}, "it has an error: JK3", False),
        ('[scheduler]\nunlisted = "ignore"\n', {}, 'unlisted = "ignore" (jobkit.toml:2)', False),
        ("[scheduler]\nenabled = false\n", {}, "the scheduler is off (jobkit.toml:2)", False),
    ],
)
def test_one_line_decides(text: str, options: dict[str, Any], why: str, fires: bool, tmp_path: Path) -> None:
    """And is named."""
    settings = config(tmp_path, text)
    found = standing(apply(job(**options), settings), settings)
    assert found.why.startswith(why)
    assert found.fires is fires
    assert (found.place == "jobkit.toml:2") is ("jobkit.toml:2" in why)


def test_a_job_of_nodes_has_a_key_for_each() -> None:
    """One of the deployment has one."""
    assert job_key(job(scope="node"), "a") == JobKey("job", "a")
    assert job_key(job(), "a") == JobKey("job")
