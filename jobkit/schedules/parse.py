"""From what is written as a job's schedule to the schedule: the kinds, tried one after another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from jobkit.exceptions import ScheduleError
from jobkit.schedules.aliases import ALIAS, ALIASES
from jobkit.schedules.at import AT
from jobkit.schedules.base import EpochSchedule, Kinds, Schedule, ScheduleKind
from jobkit.schedules.cron import CronSchedule
from jobkit.schedules.every import EVERY
from jobkit.schedules.reading import LONGEST, printable
from jobkit.schedules.refusal import closest, is_text, kind_of, refused, shown
from jobkit.schedules.union import UnionSchedule

#: The schedule of a job that is only started by hand.
MANUAL: Final = ""
#: Entries of one list.
MOST_ENTRIES: Final = 100

_WORD = re.compile(r"[A-Za-z][A-Za-z_-]+")


def _parse_cron(text: str, timezone: str, name: str) -> CronSchedule:
    return CronSchedule(text, timezone, name=name)


CRON = ScheduleKind("", _parse_cron, "a cron expression of six fields, seconds first: `0 0 3 * * *`")
#: Tried in this order; cron takes whatever is left.
BUILTIN_KINDS: Final[tuple[ScheduleKind, ...]] = (EVERY, AT, ALIAS, CRON)


def parse_schedule(
    text: str | Sequence[str],
    *,
    timezone: str = "UTC",
    name: str = "",
    kinds: Sequence[ScheduleKind] = BUILTIN_KINDS,
) -> Schedule | None:
    """The schedule that *text* means, or None for ``""`` and ``[]``: started by hand only.

    A list or tuple fires on the union of its entries. *timezone* is an IANA name, *name* the job's
    name, which seeds ``H``; *kinds* are tried in order. Raises ScheduleError, and nothing else.
    """
    if is_text(text):
        return _parse_one(text, timezone, name, kinds) if text else None
    if not issubclass(type(text), list | tuple):
        raise refused(
            "JK301", f"a schedule is text or a list of texts, not {kind_of(text)}", 'write "0 0 3 * * *"'
        )
    members = [_parse_one(entry, timezone, name, kinds) for entry in _distinct(text)]
    if len(members) < 2:
        return members[0] if members else None
    return UnionSchedule(members)


def _distinct(entries: Sequence[object]) -> list[str]:
    if len(entries) > MOST_ENTRIES:
        raise refused(
            "JK313",
            f"a schedule has at most {MOST_ENTRIES} entries, this has {len(entries)}",
            "a range or a step says the same as many single times",
        )
    texts: dict[str, str] = {}
    for number, entry in enumerate(entries, 1):
        if not is_text(entry) or not entry.strip():
            what = "blank" if is_text(entry) else kind_of(entry)
            raise refused(
                "JK313",
                f"entry {number} of the schedule is {what}, not text",
                "remove the entry; an empty list means that the job is only started by hand",
            )
        texts.setdefault(" ".join(entry[: LONGEST + 1].split()), entry)
    return list(texts.values())


def _parse_one(text: str, timezone: str, name: str, kinds: Sequence[ScheduleKind]) -> Schedule:
    if len(text) > LONGEST or text.isspace():
        printable(text, "a schedule")
    try:
        kind = next((kind for kind in kinds if kind.accepts(text)), CRON)
        if kind is CRON and _is_other_word(text):
            raise _unknown_word(text, kinds)
        schedule = kind.parse(text, timezone, name)
    except ScheduleError:
        raise
    except Exception as error:
        raise _broken(text, f"{type(error).__name__}: {error}") from error
    # Our own need no look at each of their members, which takes its time.
    if not isinstance(schedule, EpochSchedule) and not isinstance(schedule, Schedule):
        raise _broken(text, f"it returned {kind_of(schedule)}")
    return schedule


def _is_other_word(text: str) -> bool:
    words = text.split()
    return len(words) != 6 and _WORD.match(words[0]) is not None


def _unknown_word(text: str, kinds: Sequence[ScheduleKind]) -> ScheduleError:
    word = text.split(maxsplit=1)[0]
    written = [*(kind.prefix for kind in kinds if kind.prefix.isalnum()), *ALIASES]
    near = closest(word, written)
    fix = f"did you mean `{near}`?" if near else f"a schedule is {'; '.join(map(_described, kinds))}"
    absent = kinds.absent if isinstance(kinds, Kinds) else ()
    if absent:
        fix += f"; or it is the word of a plugin that is left out: {', '.join(absent)}"
    return refused("JK312", f"`{shown(word)}` begins no kind of schedule: `{shown(text)}`", fix)


def _described(kind: ScheduleKind) -> str:
    return f"{kind.description} (plugin {kind.plugin})" if kind.plugin else kind.description


def _broken(text: str, why: str) -> ScheduleError:
    return refused(
        "JK315",
        f"the kind of schedule that `{shown(text)}` belongs to failed: {shown(why, 100)}",
        "report it to whoever wrote the plugin, and write a cron expression until it is mended",
    )
