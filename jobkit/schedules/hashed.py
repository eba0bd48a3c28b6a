"""``H``: a value drawn from the job's name, the same in every process and after every restart.

The draw is croniter's (CRC-32 of the name, shifted by the field's place), so that jobs which come
from there keep their times – with one exception: a day of the month is drawn from 1 to 28, for a
monthly job must not skip February.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Final

from jobkit.exceptions import ScheduleError
from jobkit.schedules.fields import FIELDS, MONTHDAY, Field
from jobkit.schedules.refusal import refused, shown

_HASHED = re.compile(r"H(?:\(([0-9]+)-([0-9]+)\))?(?:/([0-9]+))?")
#: By how many bits each field's draw is shifted: croniter counts the second last.
_SHIFTS: Final = (5, 0, 1, 2, 3, 4)
_SHORTEST_MONTH: Final = 28


def draw_hashed(texts: Sequence[str], name: str) -> list[str]:
    """The six field texts with each ``H`` replaced by the plain text it stands for.

    Raises ScheduleError for a range or a step that the field does not have.
    """
    checksum = zlib.crc32(name.encode("utf-8", "surrogatepass"))
    return [
        _drawn(field, match, checksum >> shift)
        if (match := _HASHED.fullmatch(text.upper())) is not None
        else text
        for field, text, shift in zip(FIELDS, texts, _SHIFTS, strict=True)
    ]


def _drawn(field: Field, match: re.Match[str], bits: int) -> str:
    low, high, end = field.low, field.high, field.high
    if match[1] is not None:
        low, high = _bounds(field, match)
        end = high
    elif field is MONTHDAY:
        high = _SHORTEST_MONTH
    if match[3] is None:
        return str(low + bits % (high - low + 1))
    step = _step(field, match)
    # The offset lies in the first round; the steps go on from there to the end.
    start = low + bits % (min(low + step - 1, high) - low + 1)
    return f"{start}-{end}/{step}"


def _bounds(field: Field, match: re.Match[str]) -> tuple[int, int]:
    low, high = (int(word) if len(word) <= 4 else -1 for word in (match[1], match[2]))
    if not (field.low <= low <= field.largest and field.low <= high <= field.largest):
        raise _wrong("JK304", field, match, f"leaves the range {field.range_text()}")
    if low >= high:
        raise _wrong("JK305", field, match, "needs a range that runs upwards")
    return low, high


def _step(field: Field, match: re.Match[str]) -> int:
    step = int(match[3]) if len(match[3]) <= 4 else 0
    if not 1 <= step <= field.largest_step:
        raise _wrong("JK306", field, match, f"needs a step from 1 to {field.largest_step}")
    return step


def _wrong(code: str, field: Field, match: re.Match[str], why: str) -> ScheduleError:
    example = f"`H`, `H/{min(5, field.largest_step)}` or `H({field.low}-{field.high})`"
    return refused(code, f"{field.name}: `{shown(match[0])}` {why}", f"write {example}")
