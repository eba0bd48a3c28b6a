"""What schedules cost beside croniter and cronsim: next fire, parsing, memory, damaged text.

    python tests/benchmarks/bench_schedules.py [repetitions]

Every figure comes from this one run, engines taking turns; times are process time, the best of the
repetitions. Nothing is asserted.
"""

from __future__ import annotations

import gc
import math
import random
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter
from cronsim import CronSim

from jobkit import CronSchedule, ScheduleError

EXPRESSIONS = [
    "0 * * * * *",
    "*/5 * * * * *",
    "0 */15 * * * *",
    "0 30 2 * * *",
    "0 0 9 * * 1-5",
    "0 0 0 1 * *",
    "0 0 0 29 2 *",
    "15,45 10-20/5 8-18/2 * 1-6/2 1-5",
]
LEAP_DAY = 6  # so sparse that other engines dominate every mean with it
START = datetime(2025, 1, 15, 12, 34, 56, tzinfo=UTC)

Step = Callable[[int], object]


def jobkit_steps(text: str, zone: str) -> Step:
    """The public call: datetime in, datetime out."""
    schedule = CronSchedule(text, zone)

    def step(count: int) -> object:
        instant: datetime | None = START
        for _ in range(count):
            assert instant is not None
            instant = schedule.next_after(instant)
        return instant

    return step


def epoch_steps(text: str, zone: str) -> Step:
    """The scheduler's call: epoch seconds in and out."""
    schedule = CronSchedule(text, zone)

    def step(count: int) -> object:
        second: int | None = int(START.timestamp())
        for _ in range(count):
            assert second is not None
            second = schedule.next_epoch(second)
        return second

    return step


def croniter_steps(text: str, zone: str) -> Step:
    def step(count: int) -> object:
        get_next = croniter(text, _in(zone), datetime, second_at_beginning=True).get_next
        return [get_next() for _ in range(count)][-1]

    return step


def cronsim_steps(text: str, zone: str) -> Step:
    def step(count: int) -> object:
        engine = CronSim(text, _in(zone))
        return [next(engine) for _ in range(count)][-1]

    return step


ENGINES: dict[str, Callable[[str, str], Step]] = {
    "jobkit": jobkit_steps,
    "jobkit, epoch seconds": epoch_steps,
    "cronsim": cronsim_steps,
    "croniter": croniter_steps,
}


def _in(zone: str) -> datetime:
    """The start as each engine is quickest with it: naive for UTC, else aware in the zone."""
    return START.replace(tzinfo=None) if zone == "UTC" else START.astimezone(ZoneInfo(zone))


def microseconds(step: Step, count: int) -> float:
    begin = time.process_time()
    step(count)
    return (time.process_time() - begin) / count * 1e6


def next_fires(zone: str, repetitions: int) -> None:
    """A table of microseconds per next fire, one row per engine."""
    best: dict[str, list[float]] = {name: [math.inf] * len(EXPRESSIONS) for name in ENGINES}
    for _ in range(repetitions):
        for index, text in enumerate(EXPRESSIONS):
            for name, make in ENGINES.items():
                step = make(text, zone)
                step(1)
                count = (20 if index == LEAP_DAY else 2000) * (10 if name.startswith("jobkit") else 1)
                best[name][index] = min(best[name][index], microseconds(step, count))
    print(f"\nmicroseconds per next fire, {zone} (gm: geometric mean without E7)")
    print(row("", [f"E{number}" for number in range(1, len(EXPRESSIONS) + 1)] + ["gm"]))
    for name, figures in best.items():
        usual = [figure for index, figure in enumerate(figures) if index != LEAP_DAY]
        mean = math.exp(sum(map(math.log, usual)) / len(usual))
        print(row(name, [f"{figure:.2f}" for figure in [*figures, mean]]))


def many(count: int) -> list[str]:
    """Expressions as projects have them: few field texts, many combinations."""
    chance = random.Random(7)

    def minute() -> str:
        low, high = chance.randrange(25), chance.randrange(30, 60)
        return chance.choice(["*", "*/5", str(chance.randrange(60)), f"{low}-{high}/3"])

    return [
        f"{chance.randrange(60)} {minute()} {chance.choice(['*', str(chance.randrange(24)), '8-18'])} "
        f"{chance.choice(['*', str(chance.randrange(1, 29))])} {chance.choice(['*', '1-6'])} "
        f"{chance.choice(['*', '1-5'])}"
        for _ in range(count)
    ]


def parsing(repetitions: int) -> None:
    """Microseconds to make an object of an expression, and bytes to keep it."""
    texts = many(100_000)
    makers: dict[str, tuple[Callable[[str], object], int]] = {
        "jobkit": (lambda text: CronSchedule(text, "Europe/Berlin"), 100_000),
        "cronsim": (lambda text: CronSim(text, START), 10_000),
        "croniter": (lambda text: croniter(text, START, second_at_beginning=True), 5_000),
    }
    print("\nparsing; the first pass of jobkit asks croniter about every field text that is new")
    print(row("", ["us", "first us", "bytes"]))
    for name, (make, count) in makers.items():
        first = microseconds(lambda n, make=make: [make(text) for text in texts[:n]], count)  # type: ignore[misc]
        best = min(
            microseconds(lambda n, make=make: [make(text) for text in texts[:n]], count)  # type: ignore[misc]
            for _ in range(repetitions)
        )
        print(row(name, [f"{best:.2f}", f"{first:.2f}", f"{memory(make, texts[:5_000]):.0f}"]))


def memory(make: Callable[[str], object], texts: Sequence[str]) -> float:
    """Bytes per object, what it shares with others left out as far as others were made before."""
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [make(text) for text in texts]
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / len(kept)


def damaged(count: int) -> Iterator[str]:
    """Valid expressions with a few characters lost, doubled or replaced."""
    chance = random.Random(20)
    whole = [
        *EXPRESSIONS,
        "0 0 9 15W JAN-MAR *",
        "*/10 59/15 0-23 1/5 * FRI#2",
        "0 0 3 * * 5L",
        "H H(0-29) H/6 * * *",
    ]
    for _ in range(count):
        text = chance.choice(whole)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text))
            text = (
                text[:at] + chance.choice(["", text[at] * 2, chr(chance.randrange(32, 127))]) + text[at + 1 :]
            )
        yield text


def refusing() -> None:
    """How long the worst of 10,000 damaged expressions takes, its next fire included."""
    slowest, refused = (0.0, ""), 0
    for text in damaged(10_000):
        begin = time.perf_counter()
        try:
            CronSchedule(text, "Europe/Berlin").next_after(START)
        except ScheduleError:
            refused += 1
        slowest = max(slowest, (time.perf_counter() - begin, text))
    print(
        f"\n10,000 damaged expressions: {refused} refused, slowest {slowest[0] * 1e3:.1f} ms ({slowest[1]!r})"
    )


def row(name: str, cells: Sequence[str]) -> str:
    return f"{name:24}" + "".join(f"{cell:>9}" for cell in cells)


def main() -> None:
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"Python {sys.version.split()[0]}, {repetitions} repetitions; {Path(__file__).name}")
    for zone in ("UTC", "Europe/Berlin"):
        next_fires(zone, repetitions)
    parsing(repetitions)
    refusing()


if __name__ == "__main__":
    main()
