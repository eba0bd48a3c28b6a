"""What the documentation shows, by the fixtures that it shows."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from jobkit import JobContext, JobResult
from jobkit.testing import JobkitRun, VirtualClock, VirtualTimeError


async def patient(ctx: JobContext) -> JobResult:
    """Sleeps for an hour."""
    began = ctx.clock.now()
    await anyio.sleep(3600)
    return JobResult.success(str(ctx.clock.now() - began))


def test_an_hour_is_over_at_once(jobkit_run: JobkitRun, virtual_clock: VirtualClock) -> None:
    """The job's own clock shows it."""
    assert jobkit_run(patient).message == "1:00:00"
    assert virtual_clock.monotonic() == 3600


def test_a_timeout_is_exact(jobkit_run: JobkitRun, virtual_clock: VirtualClock) -> None:
    """To the millisecond."""
    record = jobkit_run(patient, timeout="10m")
    assert (record.status, record.duration_ms) == ("timed_out", 600_000)


async def test_inside_of_another_event_loop(jobkit_run: JobkitRun, virtual_clock: VirtualClock) -> None:
    """An async test has its runs in virtual time, too."""
    assert jobkit_run(patient).message == "1:00:00"


def test_a_run_inside_of_virtual_time(jobkit_run: JobkitRun, virtual_clock: VirtualClock) -> None:
    """One loop inside another, both with the clock's time."""

    async def main() -> float:
        await anyio.sleep(1)
        assert jobkit_run(patient).status == "succeeded"
        await anyio.sleep(1)
        return anyio.current_time()

    assert virtual_clock.run(main) == 3602


def test_a_process_has_the_virtual_wall_clock(virtual_clock: VirtualClock) -> None:
    """It is told by how much the clock of whoever started it is ahead of the machine's."""
    from jobkit.clock import SystemClock, ahead_of_machine, clock_ahead

    virtual_clock.step(timedelta(days=-400))
    shifted = clock_ahead(ahead_of_machine(virtual_clock)).now()
    assert abs(shifted - virtual_clock.now()) < timedelta(minutes=1)
    assert type(clock_ahead(timedelta(0))) is SystemClock


def test_an_error_reaches_the_test(jobkit_run: JobkitRun, virtual_clock: VirtualClock) -> None:
    """A job that waits for ever ends the test, not the patience of whoever waits for it."""

    async def job(ctx: JobContext) -> None:
        await anyio.Event().wait()

    with pytest.raises(VirtualTimeError):
        jobkit_run(job)
