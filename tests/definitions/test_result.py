"""What a job says about how it went."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from jobkit import JobResult, RunStatus


class Integer:
    """Stands for the integers of another library."""

    def __index__(self) -> int:
        return 5


def test_the_three_ends_of_a_job() -> None:
    """Success and skip may say something, failure does."""
    ends = [JobResult.success(), JobResult.failure("no"), JobResult.skipped("nothing new")]
    assert [(end.status, end.message) for end in ends] == [
        (RunStatus.SUCCEEDED, None),
        (RunStatus.FAILED, "no"),
        (RunStatus.SKIPPED, "nothing new"),
    ]


def test_methods_give_new_results() -> None:
    """They chain, and none changes what it is called on."""
    first = JobResult.success()
    last = first.with_stats(3, 1).with_duration(1.5).with_message("done").with_data({"a": 1})
    assert first == JobResult()
    assert (last.processed, last.errors, last.duration_ms, last.message) == (3, 1, 1.5, "done")
    assert last.data == {"a": 1}


def test_a_result_cannot_be_changed() -> None:
    """Neither its fields nor its data; nor does the mapping that was given reach into it."""
    given = {"a": 1}
    result = JobResult.success().with_data(given)
    given["a"] = 2
    assert result.data == {"a": 1}
    with pytest.raises(FrozenInstanceError):
        result.message = "other"  # type: ignore[misc]  # that is what is tested
    with pytest.raises(TypeError):
        result.data["a"] = 3  # type: ignore[index]  # that is what is tested


def test_integers_of_other_libraries_count() -> None:
    """Whatever is an integer by Python's own protocol becomes a plain one."""
    counted: Any = Integer()
    result = JobResult.success().with_stats(processed=counted)
    assert (result.processed, type(result.processed)) == (5, int)


@pytest.mark.parametrize("count", [-1, True, 1.0, "1", float("nan"), 2**63, 10**400])
def test_counts_are_non_negative_integers(count: Any) -> None:
    """And fit every store."""
    with pytest.raises(ValueError):
        JobResult.success().with_stats(processed=count)
    with pytest.raises(ValueError):
        JobResult.success().with_stats(errors=count)


@pytest.mark.parametrize("duration", [-1, float("nan"), float("inf"), True, "1", 10**400, 1e300])
def test_durations_are_finite_and_not_negative(duration: Any) -> None:
    """And not longer than a hundred years."""
    with pytest.raises(ValueError):
        JobResult.success().with_duration(duration)


@pytest.mark.parametrize(
    "fields",
    [{"status": "running"}, {"status": None}, {"status": []}, {"message": 5}, {"data": [1]}, {"data": None}],
)
def test_other_fields_are_checked(fields: Any) -> None:
    """A wrong status, message or data is refused where it is made."""
    with pytest.raises(ValueError):
        JobResult(**fields)


def test_a_status_may_be_text() -> None:
    """Plain text of the same meaning becomes the status."""
    assert JobResult("failed").status is RunStatus.FAILED  # type: ignore[arg-type]  # that is what is tested


@pytest.mark.parametrize("other", [pickle.loads, copy.copy, copy.deepcopy])
def test_a_result_travels(other: Any) -> None:
    """Between processes, and through copies."""
    result = JobResult.failure("no").with_stats(3, 1).with_duration(1.5).with_data({"a": [1]})
    assert other(pickle.dumps(result) if other is pickle.loads else result) == result


def test_results_can_be_members_of_sets() -> None:
    """Data does not take part in the hash."""
    assert len({JobResult.success(), JobResult.success(), JobResult.success().with_data({"a": []})}) == 2
