"""What 100,000 scheduled jobs cost: memory, building the agenda, and 10,000 of them due at one instant.

    python tests/benchmarks/bench_agenda.py [jobs] [due]

Schedules are made of a few hundred texts, in two zones, as in a real project. Times are wall time on an
otherwise idle process, memory is what the objects take (tracemalloc). Nothing is asserted.
"""

from __future__ import annotations

import random
import sys
import time
import tracemalloc
from datetime import UTC, datetime, timedelta

from jobkit.scheduler.agenda import Agenda
from jobkit.scheduler.policies import Policy
from jobkit.scheduler.ticks import Job, Step, first_due, next_step
from jobkit.schedules import parse_schedule
from jobkit.schedules.base import Schedule

START = datetime(2026, 5, 1, 2, 59, 30, tzinfo=UTC)
INSTANT = datetime(2026, 5, 1, 3, 0, 0, 500, tzinfo=UTC)
SLICE = 100


def schedule_of(text: str, zone: str) -> Schedule:
    """The schedule that *text* means."""
    schedule = parse_schedule(text, timezone=zone)
    assert schedule is not None
    return schedule


def build(count: int, due: int) -> dict[str, Job]:
    """*count* jobs, of which exactly *due* have a tick at 03:00:00Z."""
    random.seed(7)
    policy = Policy()
    nightly = schedule_of("0 0 3 * * *", "UTC")
    other = [
        schedule_of(f"{random.randrange(1, 60)} {random.randrange(60)} {random.randrange(24)} * * *", zone)
        for zone in ("UTC", "Europe/Berlin")
        for _ in range(200)
    ]
    return {
        f"job_{number}": Job(f"job_{number}", nightly if number < due else other[number % len(other)], policy)
        for number in range(count)
    }


def main(count: int = 100_000, due: int = 10_000) -> None:
    """Print the figures."""
    began = time.perf_counter()
    jobs = build(count, due)
    print(f"making {count:,} jobs of 401 shared schedules   {time.perf_counter() - began:8.3f} s")

    def fill() -> Agenda[str]:
        agenda: Agenda[str] = Agenda()
        for key, job in jobs.items():
            at = first_due(START, job.schedule)
            if at is not None:
                agenda.schedule(key, at)
        return agenda

    fill()  # the tables of a schedule are made on first use
    began = time.perf_counter()
    agenda = fill()
    print(f"building the agenda                         {time.perf_counter() - began:8.3f} s")
    tracemalloc.start()
    measured = fill()
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    each = used / len(measured)
    print(f"memory of the agenda                        {used / 2**20:8.1f} MiB ({each:.0f} B a job)")

    random.seed(8)
    began = time.perf_counter()
    first, taken, slices = 0.0, 0, []
    while keys := agenda.due(INSTANT.timestamp(), SLICE):
        slice_began = time.perf_counter()
        for key in keys:
            step = next_step(jobs[key], START, INSTANT)
            assert isinstance(step, Step)
            taken += step.run is not None
        if not first:
            first = time.perf_counter() - began
        for key in keys:  # once their claims are made
            at = first_due(INSTANT, jobs[key].schedule)
            assert at is not None
            agenda.schedule(key, at)
        slices.append(time.perf_counter() - slice_began)
    took = time.perf_counter() - began
    print(f"{taken:,} due at one instant, in slices of {SLICE}:")
    print(f"  until the first slice can be claimed      {first * 1000:8.3f} ms")
    print(f"  the longest slice                         {max(slices) * 1000:8.3f} ms")
    each = took / taken * 1e6
    print(f"  until all are computed and rescheduled    {took * 1000:8.1f} ms ({each:.1f} µs a job)")
    outage = INSTANT + timedelta(days=30)
    secondly = Job("job", schedule_of("* * * * * *", "Europe/Berlin"), Policy("all"))
    began = time.perf_counter()
    step = next_step(secondly, START, outage)
    assert isinstance(step, Step)
    assert step.passed is not None
    print(
        f"an outage of 30 days of an every-second job {(time.perf_counter() - began) * 1000:8.3f} ms "
        f"({step.passed.ticks.count:,} ticks passed)"
    )


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
