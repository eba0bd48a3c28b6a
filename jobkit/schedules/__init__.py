"""When jobs run: schedule text in, instants out. Pure functions; nothing here waits or stores.

:func:`parse_schedule` reads whatever a job may have as its schedule; :class:`CronSchedule` is the
six-field kind. croniter and the zone data are loaded when the first expression needs them.
"""

from __future__ import annotations

from jobkit.schedules.base import EpochSchedule, Schedule, ScheduleKind
from jobkit.schedules.cron import CronSchedule
from jobkit.schedules.parse import BUILTIN_KINDS, MANUAL, parse_schedule
from jobkit.schedules.union import UnionSchedule
from jobkit.schedules.zones import zone_data_version

__all__ = [
    "BUILTIN_KINDS",
    "MANUAL",
    "CronSchedule",
    "EpochSchedule",
    "Schedule",
    "ScheduleKind",
    "UnionSchedule",
    "parse_schedule",
    "zone_data_version",
]
