"""``@daily`` and its like: short names for cron expressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from jobkit.schedules.base import ScheduleKind
from jobkit.schedules.cron import CronSchedule
from jobkit.schedules.reading import printable
from jobkit.schedules.refusal import closest, refused, shown

ALIASES: Final[Mapping[str, str]] = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}

#: What other programs understand, and how to say it here.
_ELSEWHERE = {
    "@reboot": "set `run_on_startup = True` on the job",
    "@every": "write it without the sign: `every 5m`",
    "@at": "write it without the sign: `at 2027-01-01T03:00:00Z`",
}


def parse_alias(text: str, timezone: str, name: str) -> CronSchedule:
    """The cron schedule that an alias stands for; ScheduleError (JK312) for an unknown one."""
    alias = printable(text, "a schedule").strip().lower()
    expression = ALIASES.get(alias)
    if expression is None:
        near = closest(alias, ALIASES)
        fix = _ELSEWHERE.get(alias.split()[0]) or (
            f"did you mean `{near}`?" if near else "write " + ", ".join(f"`{known}`" for known in ALIASES)
        )
        raise refused("JK312", f"`{shown(text)}` is not an alias", fix)
    schedule = CronSchedule(expression, timezone, name=name)
    schedule.text = text
    return schedule


ALIAS = ScheduleKind("@", parse_alias, "an alias: `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`")
