"""Whether ticks were done in time: the newest one of each job that was, and how long its runs take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from jobkit.plugin.stores import EARLIEST, MEASURED_RUNS, duration_micros
from jobkit_postgres.jobs import Key
from jobkit_postgres.transaction import Transaction

# Nobody can ask for a tick again before it was due: what was queued before the newest known one is done with
# ticks that are older still.
_TICKS: Final = """
SELECT wanted.job, wanted.home, greatest(done.tick, again.tick)
FROM unnest(%(jobs)b::text[], %(homes)b::text[]) AS wanted (job, home)
LEFT JOIN LATERAL (
    SELECT tick FROM jobkit.runs AS runs
    WHERE runs.job = wanted.job AND runs.home = wanted.home AND tick IS NOT NULL AND status = 'succeeded'
    ORDER BY tick DESC LIMIT 1
) AS done ON true
LEFT JOIN LATERAL (
    SELECT max(scheduled_at) AS tick FROM jobkit.runs AS runs
    WHERE runs.job = wanted.job AND queued_at >= coalesce(done.tick - %(earliest)s, 0)
        AND runs.home = wanted.home AND "trigger" = 'retry' AND status = 'succeeded'
) AS again ON true
"""

_DURATIONS: Final = """
SELECT wanted.job, duration_ms FROM unnest(%(jobs)b::text[]) AS wanted (job) CROSS JOIN LATERAL (
    SELECT status, duration_ms FROM jobkit.runs AS runs WHERE runs.job = wanted.job
    ORDER BY queued_at DESC, number DESC LIMIT %(most)s
) AS newest WHERE status = 'succeeded' AND duration_ms IS NOT NULL
"""

Found = tuple[int | None, list[int]]


async def of(tx: Transaction, keys: Sequence[Key]) -> list[Found]:
    """The newest tick of each job and node that was done, and durations of its runs in milliseconds."""
    jobs, homes = [job for job, _ in keys], [home for _, home in keys]
    values = {"jobs": jobs, "homes": homes, "earliest": duration_micros(EARLIEST)}
    ticks = {(job, home): tick for job, home, tick in await tx.all(_TICKS, values)}
    durations: dict[str, list[int]] = defaultdict(list)
    wanted = {"jobs": list(dict.fromkeys(jobs)), "most": MEASURED_RUNS}
    for job, took in await tx.all(_DURATIONS, wanted):
        durations[job].append(took)
    return [(ticks[key], durations[key[0]]) for key in keys]
