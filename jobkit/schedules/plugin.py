"""The built-in plugin ``schedules``."""

from __future__ import annotations

from collections.abc import Iterable

from jobkit.markers import hookimpl
from jobkit.schedules.base import ScheduleKind
from jobkit.schedules.parse import BUILTIN_KINDS


class SchedulesPlugin:
    """Provides the kinds of schedules that there are without plugins."""

    @hookimpl
    def jobkit_schedule_kinds(self) -> Iterable[ScheduleKind]:
        return BUILTIN_KINDS
