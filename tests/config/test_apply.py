"""The operators' values laid over the job's own, and what a bad one does: harm its own job, nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobkit.config.apply import apply, enabled_by_operators
from jobkit.exceptions import CollectionError, ConfigError
from jobkit.expect import Expect
from jobkit.job import JobSpec
from jobkit.origin import Origin
from jobkit.retry import Retry
from jobkit.signature import signature_of

if TYPE_CHECKING:
    from tests.config.conftest import Tree

OPERATORS = "services/scheduler"


async def cleanup(ctx: object, *, days: int = 30, token: str = "") -> None:
    """A job as people write it."""


def job(name: str = "cleanup", **options: Any) -> JobSpec:
    path = Path("extensions/web/jobs/cleanup.py")
    origins = {option: Origin("code", path, 7) for option in options}
    return JobSpec(
        name, "web", "", path, 7, "jobkit_ext.web.jobs.cleanup", cleanup, signature_of(cleanup),
        origins=origins, **options,
    )  # fmt: skip


def test_a_job_nobody_speaks_of_stays_as_it_is(tree: Tree) -> None:
    """Only its schedule is read."""
    spec = job(schedule=("0 0 3 * * *",))
    merged = apply(spec, tree.load())
    assert merged.error is None
    assert merged.origins == spec.origins
    assert merged.times is not None
    assert merged.times.next_after(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert apply(job(), tree.load()).times is None


def test_each_option_is_decoded_and_knows_its_line(tree: Tree) -> None:
    """Later layers win option by option; the rest stays with the code."""
    tree.write(
        "jobkit.toml",
        "[jobs.cleanup]\nenabled = false\nschedule = '0 0 4 * * *'\ntimezone = 'Europe/Berlin'\n"
        "timeout = '10m'\ntags = ['a', 'b']\nenforce = true\nextension = 'web'\n"
        "parameters = { days = 90 }\nplugins = { otel = { sample = 0.5 } }",
    )
    tree.write(f"{OPERATORS}/config.toml", "[jobs.cleanup]\nenabled = true\nowner = 'ops@example.com'")
    merged = apply(job(owner="dev", priority=3, plugins={"otel": {"name": "x"}}), tree.load())
    assert merged.error is None
    assert (merged.enabled, merged.owner, merged.priority) == (True, "ops@example.com", 3)
    assert (merged.timeout, merged.tags, merged.enforce) == (timedelta(minutes=10), ("a", "b"), True)
    assert merged.parameters == {"days": 90}
    assert merged.plugins == {"otel": {"name": "x", "sample": 0.5}}
    assert merged.times is not None
    assert merged.times.next_after(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert merged.origins["enabled"].describe(tree.root) == f"{OPERATORS}/config.toml:2"
    assert merged.origins["schedule"].describe(tree.root) == "jobkit.toml:3"
    assert merged.origins["priority"].layer == "code"


def test_the_schedulers_zone_is_the_default(tree: Tree) -> None:
    """A schedule that names no zone is read in that of [scheduler]."""
    tree.write("jobkit.toml", "[scheduler]\ntimezone = 'Asia/Tokyo'")
    merged = apply(job(schedule=("0 0 9 * * *",)), tree.load())
    assert merged.times is not None
    assert merged.times.next_after(datetime(2026, 1, 1, tzinfo=UTC)) == datetime(2026, 1, 2, tzinfo=UTC)


def test_retries_and_expect_merge_key_by_key(tree: Tree) -> None:
    """A number changes how often, and leaves the pauses to whoever set them."""
    spec = job(retries=Retry(2, delay="1m", on=(OSError,)), expect=Expect(min_processed=1))
    tree.write("jobkit.toml", "[jobs.cleanup]\nretries = { backoff = 3 }\nexpect = { max_error_ratio = 0.1 }")
    tree.write(f"{OPERATORS}/config.toml", "[jobs.cleanup]\nretries = 5")
    merged = apply(spec, tree.load())
    assert merged.retries == Retry(5, delay="1m", backoff=3, on=(OSError,))
    assert merged.expect == Expect(min_processed=1, max_error_ratio=0.1)
    assert apply(job(), tree.load()).expect == Expect(max_error_ratio=0.1)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("timeout = 'soon'", "timeout: 'soon' is not a duration"),
        ("overlap = 'never'", "overlap: skip, queue, allow or cancel is expected"),
        ("priority = 99999999", "priority: it lies between"),
        ("retries = 5000", "retries: retries lies between 0 and 1000"),
        ("retries = { backoff = 0 }", "retries: backoff lies between"),
        ("expect = { max_error_ratio = 2 }", "expect: max_error_ratio lies between 0 and 1"),
        ("parameters = { days = 'many' }", "parameter `days` of job cleanup: 'many'"),
        ("parameters = { dayz = 3 }", "no parameter `dayz`; did you mean `days`?"),
        ("parameters = { days = '${SECRET}' }", "the variable in `days` gives a value that is not accepted"),
        ("timeout = '${SECRET}'", "timeout: duration is expected, and the variable in it"),
    ],
)
def test_a_bad_value_is_the_jobs_error(tree: Tree, line: str, says: str) -> None:
    """JK213 with the line; every other job is untouched, and with a good value this one is too."""
    tree.write("jobkit.toml", f"[jobs.cleanup]\n\n{line}")
    config = tree.load(variables={"SECRET": "canary-pa55word"})
    error = apply(job(), config).error
    assert isinstance(error, ConfigError)
    assert (error.code, error.path, error.line) == ("JK213", tree.root / "jobkit.toml", 3)
    assert error.message.startswith("[jobs.cleanup] ")
    assert says in error.message
    assert "canary" not in error.message + (error.help or "")
    assert apply(job("other"), config).error is None
    tree.write("jobkit.toml", "[jobs.cleanup]\ntimeout = '10m'\nparameters = { days = 90 }")
    assert apply(job(), tree.load()).error is None


def test_all_bad_values_of_a_job_are_told(tree: Tree) -> None:
    """One error that carries the others, each with its line."""
    tree.write(
        "jobkit.toml", "[jobs.cleanup]\ntimeout='x'\nqueue='a b'\n[jobs.cleanup.parameters]\ndays='x'\nnay=1"
    )
    error = apply(job(), tree.load()).error
    assert isinstance(error, ConfigError)
    assert [one.line for one in error.errors] == [2, 3, 5, 6]


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("[jobs.cleanup]\nschedule = '0 3 * * *'", 2, "JK302"),
        ("[jobs.cleanup]\n\ntimezone = 'Europe/Berln'", 3, "JK309"),
    ],
)
def test_a_bad_schedule_or_zone_has_the_line_where_it_was_written(
    tree: Tree, text: str, line: int, code: str
) -> None:
    """In the file if the file says it, in the code if the code does."""
    tree.write("jobkit.toml", text)
    error = apply(job(schedule=("0 0 3 * * *",)), tree.load()).error
    assert error is not None
    assert error.code.startswith("JK3")
    assert (error.path, error.line) == (tree.root / "jobkit.toml", line)
    tree.write("jobkit.toml", "")
    in_code = apply(job(schedule=("0 3 * * *",)), tree.load()).error
    assert in_code is not None
    assert (in_code.path, in_code.line) == (Path("extensions/web/jobs/cleanup.py"), 7)


def test_the_extension_is_a_check(tree: Tree) -> None:
    """JK214 says whose job it is; with the right name nothing is wrong."""
    tree.write("jobkit.toml", "[jobs.cleanup]\nextension = 'billing'")
    error = apply(job(), tree.load()).error
    assert error is not None
    assert (error.code, error.line) == ("JK214", 2)
    assert "belongs to the extension 'web'" in error.message
    assert 'write extension = "web"' in (error.help or "")
    tree.write("jobkit.toml", '[jobs.cleanup]\nextension = "web"')
    assert apply(job(), tree.load()) == job()


def test_configuration_switches_startup_off_only(tree: Tree) -> None:
    """JK215 if it wants it on where the code does not; the code's True can be taken back or repeated."""
    tree.write("jobkit.toml", "[jobs.cleanup]\nrun_on_startup = true")
    error = apply(job(), tree.load()).error
    assert error is not None
    assert (error.code, error.line) == ("JK215", 2)
    assert apply(job(run_on_startup=True), tree.load()).run_on_startup is True
    tree.write("jobkit.toml", "[jobs.cleanup]\nrun_on_startup = false")
    assert apply(job(run_on_startup=True), tree.load()).run_on_startup is False


def test_an_error_of_the_code_is_kept(tree: Tree) -> None:
    """A job that could not be loaded says so, whatever configuration adds."""
    broken = job().with_error(CollectionError("twice"))
    tree.write("jobkit.toml", "[jobs.cleanup]\ntimeout='x'")
    error = apply(broken, tree.load()).error
    assert error is not None
    assert error.message == "twice"


def test_startup_needs_the_operators_consent(tree: Tree) -> None:
    """`enabled = true` counts in their layers, and only while it is in force."""
    tree.write("jobkit.toml", "[jobs.a]\nenabled = true\n[jobs.b]\nenabled = true")
    tree.write(f"{OPERATORS}/config.toml", "[jobs.b]\nenabled = true\n[jobs.c]\nenabled = true")
    tree.write(f"{OPERATORS}/overrides.toml", "[jobs.c]\nenabled = false")
    config = tree.load(variables={"JOBKIT__JOBS__D__ENABLED": "true"})
    found = {name: enabled_by_operators(config, name) for name in "abcde"}
    assert found == {"a": False, "b": True, "c": False, "d": True, "e": False}


def test_who_changed_an_override_is_no_option(tree: Tree) -> None:
    """It stands beside the options and changes nothing."""
    tree.write(f"{OPERATORS}/overrides.toml", "[jobs.cleanup]\nenabled=false\nchanged={by='x'}")
    merged = apply(job(), tree.load())
    assert (merged.enabled, merged.error) == (False, None)
