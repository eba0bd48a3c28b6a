"""What a registration does with its schedule."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from jobkit import JobSpec, submit_job
from jobkit.exceptions import CollectionError
from jobkit.registration import collecting
from jobkit.schedules import BUILTIN_KINDS, EpochSchedule, ScheduleKind

HEAD = "from jobkit import submit_job\nasync def job(ctx): ...\n\n"


async def work(ctx: object) -> None: ...


def test_schedule_text_is_validated_at_the_call(refused: Callable[[str], CollectionError]) -> None:
    """The error has the schedule's own code and fix, and the line of the call."""
    error = refused(HEAD + "submit_job(job, schedule='0 3 * * *')\n")
    assert (error.code[:3], error.line) == ("JK3", 4)
    assert error.message.startswith("`schedule` of job job: ")
    assert error.help is not None
    assert "0 0 3 * * *" in error.help


def test_a_schedule_in_its_own_zone_is_read_at_once(job: Callable[[str], JobSpec]) -> None:
    """With a zone of its own nothing later can change its meaning."""
    spec = job(HEAD + "submit_job(job, schedule='0 0 3 * * *', timezone='Europe/Berlin')\n")
    assert spec.times is not None
    assert spec.times.next_after(datetime(2027, 1, 1, tzinfo=UTC)) == datetime(2027, 1, 1, 2, tzinfo=UTC)


def test_without_a_zone_the_scheduler_decides(job: Callable[[str], JobSpec]) -> None:
    """The text is checked, and read once the scheduler's zone is known."""
    spec = job(HEAD + "submit_job(job, schedule='0 0 3 * * *')\n")
    assert (spec.schedule_text, spec.times) == ("0 0 3 * * *", None)


def test_an_unknown_zone_is_refused(refused: Callable[[str], CollectionError]) -> None:
    """Whether there is a schedule or not."""
    error = refused(HEAD + "submit_job(job, timezone='Europe/Berlln')\n")
    assert (error.code, error.line) == ("JK309", 4)
    assert error.message.startswith("`timezone` of job job: ")
    assert error.help == "did you mean `Europe/Berlin`?"


def test_outside_of_collection_the_text_is_not_judged() -> None:
    """A plugin of the project may know a kind of schedule that a unit test does not."""
    assert submit_job(work, schedule="sunset + 10m") is work


class _Never(EpochSchedule):
    __slots__ = ()

    def next_epoch(self, second: int) -> int | None:
        return None

    def describe(self) -> str:
        return "never"


def test_the_loading_project_says_which_kinds_there_are() -> None:
    """A kind that only the project knows is accepted while that project is loaded."""
    never = ScheduleKind("never", lambda text, timezone, name: _Never(text, timezone), "`never`")
    with collecting("one", Path("one.py"), kinds=(never, *BUILTIN_KINDS)) as collected:
        submit_job(work, schedule="never")
    assert [item.options["schedule"] for item in collected.registrations] == [("never",)]
    with (
        collecting("one", Path("one.py")),
        pytest.raises(CollectionError, match="begins no kind of schedule"),
    ):
        submit_job(work, schedule="never")
