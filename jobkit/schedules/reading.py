"""From the text of a cron expression to its tables, remembered field by field.

Real projects repeat a few dozen field texts. A text is read, and confirmed by croniter, once per
process; after that a schedule is made of four look-ups.
"""

from __future__ import annotations

from typing import Final, TypeVar

from jobkit.exceptions import ScheduleError
from jobkit.schedules.days import DayRule
from jobkit.schedules.fields import FIELDS, FieldValues, read_field
from jobkit.schedules.hashed import draw_hashed
from jobkit.schedules.pattern import Following
from jobkit.schedules.refusal import is_text, kind_of, refused, shown
from jobkit.schedules.verdict import confirm

#: Characters of an expression, blanks included.
LONGEST: Final = 256
#: Texts that are remembered per field before all are forgotten: a bound, not a working size.
_REMEMBERED: Final = 4096

T = TypeVar("T")

#: Tables of a minute or hour field, and whether its text starts with a star.
Starred = tuple[Following, bool]
#: What an expression comes to: seconds, minutes, hours, days (None: every day), fixed-time job?
Tables = tuple[Following, Following, Following, "DayRule | None", bool]

_seconds: dict[str, Following] = {}
_minutes: dict[str, Starred] = {}
_hours: dict[str, Starred] = {}
#: By the text of the last three fields as written, blanks included.
_days: dict[str, DayRule | None] = {}


def read_expression(expression: str, name: str = "") -> Tables:
    """The tables of a six-field *expression*; *name* seeds ``H``.

    Raises ScheduleError, and nothing else, for whatever is not one.
    """
    if type(expression) is str and expression.isascii() and expression.isprintable():
        try:
            second, minute, hour, rest = expression.split(None, 3)
            minutes, every_minute = _minutes[minute]
            hours, every_hour = _hours[hour]
            if len(expression) <= LONGEST:
                return _seconds[second], minutes, hours, _days[rest], not (every_minute or every_hour)
        except (KeyError, ValueError):
            pass  # not seen before, or not six fields: the slow way tells which
    texts = split_fields(expression)
    if "H" in "".join(texts).upper():
        texts = draw_hashed(texts, _checked_name(name))
    return _learn(texts)


def split_fields(expression: object) -> list[str]:
    """The six texts of *expression*; ScheduleError (JK301, JK302) if there are not six."""
    fields = printable(expression, "a cron expression").split()
    if len(fields) != 6:
        raise _wrong_number(fields)
    return fields


def printable(text: object, what: str) -> str:
    """*text* as a plain str with blanks for tabs; ScheduleError (JK301) unless it can be read."""
    if not is_text(text):
        raise refused("JK301", f"{what} is text, not {kind_of(text)}", 'write it in quotes: "0 0 3 * * *"')
    text = str.__str__(text)
    if len(text) > LONGEST:
        fix = "a range or a step is shorter than a list; several schedules can be given as a list of texts"
        raise refused("JK301", f"{what} has at most {LONGEST} characters, this has {len(text)}", fix)
    text = text.replace("\t", " ")
    if not (text.isascii() and text.isprintable()):
        odd = next(sign for sign in text if not (sign.isascii() and sign.isprintable()))
        raise refused(
            "JK301",
            f"{what} has plain characters only, this has `{shown(odd)}`: `{shown(text)}`",
            "separate the fields by blanks, and type the text anew if it was copied from a document",
        )
    if not text.strip():
        raise refused(
            "JK301",
            f"{what} is not blank",
            'write six fields; a job that is only started by hand has "" as its schedule',
        )
    return text


def _learn(texts: list[str]) -> Tables:
    """The tables of six plain field texts, asking croniter if one of them is new."""
    second, minute, hour = texts[:3]
    rest = " ".join(texts[3:])
    try:
        minutes, every_minute = _minutes[minute]
        hours, every_hour = _hours[hour]
        return _seconds[second], minutes, hours, _days[rest], not (every_minute or every_hour)
    except KeyError:
        pass  # a field that is new, or wrong: it is read in full below
    values = [read_field(field, text) for field, text in zip(FIELDS, texts, strict=True)]
    rule = DayRule(*values[3:])
    if not rule.ever_matches():
        raise _never(texts)
    confirm(values)
    days = None if rule.matches_every_day() else rule
    seconds, minutes, hours = (_table(values[0], 60), _table(values[1], 60), _table(values[2], 24))
    _remember(_seconds, second, seconds)
    _remember(_minutes, minute, (minutes, values[1].starred))
    _remember(_hours, hour, (hours, values[2].starred))
    _remember(_days, rest, days)
    return seconds, minutes, hours, days, not (values[1].starred or values[2].starred)


def _remember(memory: dict[str, T], text: str, value: T) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[text] = value


def _table(values: FieldValues, size: int) -> Following:
    """For each number below *size*, and *size* itself, the next value that matches, or -1."""
    following, found = [-1], -1
    for number in range(size - 1, -1, -1):
        if number in values.plain:
            found = number
        following.append(found)
    return tuple(reversed(following))


def _checked_name(name: object) -> str:
    if not is_text(name):
        raise refused("JK301", f"the name that seeds `H` is text, not {kind_of(name)}")
    return name


def _wrong_number(fields: list[str]) -> ScheduleError:
    count, written = len(fields), " ".join(fields)
    message = f"a cron expression has six fields, this has {count}: `{shown(written)}`"
    order = "the fields are second, minute, hour, day of month, month, weekday"
    if count == 5:
        fix = f"seconds come first: `{shown('0 ' + written)}`"
    elif count == 7:
        fix = f"there is no year: {order}"
    elif written.startswith(("@", "every ", "at ")):
        fix = "give it as the job's `schedule`, which takes more than cron expressions"
    elif count >= 11:
        fix = f"several schedules are a list of texts; {order}"
    else:
        fix = order
    return refused("JK302", message, fix)


def _never(texts: list[str]) -> ScheduleError:
    monthday, month, weekday = texts[3:]
    return refused(
        "JK308",
        f"no day ever matches day of month `{shown(monthday, 20)}`, month `{shown(month, 20)}` "
        f"and weekday `{shown(weekday, 20)}`",
        "check the days that the month has; `L` is its last day",
    )
