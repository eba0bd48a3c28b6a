"""What is another about jobs since schedulers were last heard of, written down for whoever asks why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jobkit.scheduler.standing import same_standing, standing
from jobkit.stores.replicas import Event

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.job import JobSpec

KIND = "job.changed"


def changed_jobs(
    jobs: Mapping[str, JobSpec],
    config: Config,
    now: Mapping[str, str],
    before: Mapping[str, str] | None,
    *,
    at: datetime,
    fires: Callable[[str], bool],
) -> Iterator[Event]:
    """The events ``job.changed`` of *jobs*, whose options have the hashes *now* and had *before*.

    None is where no scheduler was ever heard of: then only jobs that are not scheduled are worth a word, for
    the others are registered from here on; *fires* tells them. Each event is made when it is asked for.
    """
    if before is None:
        found = [name for name in now if not fires(name)]
        gone = []
    else:
        found = [name for name, hash in now.items() if _changed(hash, before.get(name))]
        gone = [name for name in before if name not in now]
    for name in found:
        if name in jobs:  # a reload may have removed it meanwhile: the next look tells
            yield _event(jobs[name], config, at)
    for name in gone:
        yield Event(KIND, at, name, data=dict(_GONE))


def _changed(hash: str, before: str | None) -> bool:
    return hash != before and (before is None or not same_standing(hash, before))


_GONE: Mapping[str, Any] = {
    "scheduled": False,
    "enabled": False,
    "why": "no file registers it",
    "place": None,
}


def _event(spec: JobSpec, config: Config, at: datetime) -> Event:
    stands = standing(spec, config)
    change = stands.change
    zone = spec.times.timezone if spec.times is not None else spec.timezone
    return Event(
        KIND,
        at,
        spec.name,
        change.by if change is not None else None,
        {
            "scheduled": stands.fires,
            "enabled": stands.enabled,
            "cause": stands.cause,
            "why": stands.why,
            "place": stands.place,
            "layer": stands.layer,
            "schedule": spec.schedule_text,
            "timezone": zone or config.scheduler.timezone,
        },
    )
