"""What a log event costs, beside what it cannot do without: ``python tests/benchmarks/bench_logs.py``.

Processor time per event of seven fields, written to the null device; the best of several rounds that take
turns. The floors are the bare operation (encode and write) and structlog with its own processors, which
neither masks secrets, nor escapes, nor knows runs.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any, BinaryIO

import msgspec
import structlog

from jobkit.logs import RunCapture, configure, get_logger
from jobkit.logs.setup import reset

BOUND = {"job": "reports.daily", "run_id": "01J8Z0Q5W7T5X1V2N3M4K5P6R7", "trigger": "cron"}
GIVEN = {"event_kind": "finish", "status": "ok", "duration_ms": 12.5, "attempt": 1}
SECRETS = [f"a-secret-of-the-environment-{number}" for number in range(10)]

Case = Callable[[], object]


def floors(null: BinaryIO) -> dict[str, Case]:
    """The bare operation, and structlog as its documentation advises."""
    encode = msgspec.json.Encoder().encode

    def bare() -> None:
        line = {"timestamp": time.time(), "level": "info", "event": "job.finished", **BOUND, **GIVEN}
        null.write(encode(line) + b"\n")

    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(serializer=lambda value, **_: encode(value)),
    ]
    logger = structlog.wrap_logger(
        structlog.BytesLogger(null),
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(20),
        context_class=dict,
        cache_logger_on_first_use=True,
    ).bind(**BOUND)
    return {
        "floor: encode and write": bare,
        "floor: structlog, JSON": lambda: logger.info("job.finished", **GIVEN),
    }


def outside(
    format: str, secrets: list[str] | None = None, event: str = "job.finished"
) -> Callable[[Any], Case]:
    """An event outside of runs."""

    def prepare(stream: Any) -> Case:
        configure(format, "info", stream, secrets=secrets or [])
        logger = get_logger().bind(**BOUND)
        return lambda: logger.info(event, **GIVEN)

    return prepare


def inside(*, runs: bool) -> Callable[[Any], Case]:
    """An event that is kept with its run, and written as well if *runs*."""

    def prepare(stream: Any) -> Case:
        configure("json", "info", stream, runs=runs)
        capture = RunCapture("01J8Z0Q5W7T5X1V2N3M4K5P6R7", 1423, "daily", "reports", 1)
        logger = capture.logger
        return lambda: logger.info("job.finished", rows=12, **GIVEN)

    return prepare


def filtered(stream: Any) -> Case:
    configure("json", "info", stream)
    logger = get_logger().bind(**BOUND)
    return lambda: logger.debug("job.finished", **GIVEN)


CASES = {
    "json": outside("json"),
    "json, ten known secrets": outside("json", SECRETS),
    "json, event of words": outside("json", event="the report for today: 12 pages, 3 new"),
    "logfmt": outside("logfmt"),
    "ecs": outside("ecs"),
    "console": outside("console"),
    "kept with its run, and json": inside(runs=True),
    "kept with its run": inside(runs=False),
    "below the level": filtered,
}


def measure(case: Case, count: int) -> float:
    """Microseconds of processor time per call."""
    case()
    begin = time.process_time()
    for _ in range(count):
        case()
    return (time.process_time() - begin) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    best: dict[str, float] = {}
    with open(os.devnull, "wb", buffering=0) as null, open(os.devnull, "w", encoding="utf-8") as stream:
        for _ in range(options.rounds):
            round_ = {name: measure(case, options.count) for name, case in floors(null).items()}
            for name, prepare in CASES.items():
                round_[name] = measure(prepare(stream), options.count)
            best = {name: min(best.get(name, number), number) for name, number in round_.items()}
        reset()
    for name, took in best.items():
        print(f"{name:32} {took:7.2f} µs")


if __name__ == "__main__":
    main()
