"""The built-in plugin ``schedules``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.schedules.base import ScheduleKind


class SchedulesPlugin:
    """Provides the kinds of schedules that there are without plugins."""

    @hookimpl
    def jobkit_schedule_kinds(self) -> Iterable[ScheduleKind]:
        from jobkit.schedules.parse import BUILTIN_KINDS

        return BUILTIN_KINDS
