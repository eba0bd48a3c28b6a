"""The options of a job: one table, shared by code (``submit_job``) and configuration (``[jobs.NAME]``).

``decode`` of an option takes what a person wrote, in Python or in TOML, and gives what
:class:`~jobkit.job.JobSpec` holds. It raises TypeError for a wrong type and ValueError for a wrong
value; the text is made to be read after the option's name and a colon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from jobkit.durations import parse_duration
from jobkit.expect import Expect
from jobkit.retry import Retry

LONGEST_NAME = 128
LONGEST_LINE = 1000
LONGEST_SCHEDULE = 256
MOST_ITEMS = 100
HIGHEST_PRIORITY = 1_000_000

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/@+-]*")

# What people call these things elsewhere, where spelling alone would not lead them here.
_ELSEWHERE = {
    "cron": "schedule",
    "crontab": "schedule",
    "every": "schedule",
    "interval": "schedule",
    "trigger": "schedule",
    "tz": "timezone",
    "time_limit": "timeout",
    "max_duration": "timeout",
    "max_retries": "retries",
    "attempts": "retries",
    "max_instances": "overlap",
    "concurrency": "limits",
    "coalesce": "misfire",
    "misfire_grace_time": "misfire_grace",
    "disabled": "enabled",
    "on_startup": "run_on_startup",
    "actor": "owner",
    "labels": "tags",
    "doc": "description",
    "id": "name",
}


@dataclass(frozen=True, slots=True)
class Option:
    """One option: *type* and *summary* are for people, *default* is what a job has that says nothing.

    *in_code* and *in_config* say where it may be given.
    """

    name: str
    summary: str
    type: str
    default: Any
    decode: Callable[[object], Any]
    in_code: bool = True
    in_config: bool = True


def option_named(name: str) -> Option:
    """The option of that name. LookupError for an unknown one, with the closest that there is."""
    option = OPTIONS.get(name)
    if option is None:
        near = nearest_option(name)
        hint = f"did you mean `{near}`?" if near else f"there are {', '.join(OPTIONS)}"
        raise LookupError(f"there is no option `{name[:LONGEST_NAME]}`; {hint}")
    return option


def nearest_option(name: str) -> str | None:
    """The option that *name* was most likely meant to be, or None."""
    import difflib

    word = name[:LONGEST_NAME].lower()
    if word in _ELSEWHERE:
        return _ELSEWHERE[word]
    return next(iter(difflib.get_close_matches(word, OPTIONS, n=1)), None)


# -- shapes: each takes what was written and gives what the specification holds -------------------


def _name(value: object) -> str:
    name = _text(value)
    if not name:
        raise ValueError("it is empty")
    if len(name) > LONGEST_NAME:
        raise ValueError(f"at most {LONGEST_NAME} characters, not {len(name)}")
    if not name.islower() and _NAME.fullmatch(name.lower()) and name.isascii():
        raise ValueError(f"{name!r} has upper-case letters; write {name.lower()!r}")
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a name: it starts with a letter from a to z, "
            "and letters from a to z, digits, `_` and `-` follow"
        )
    if "__" in name:
        single = re.sub("__+", "_", name)
        raise ValueError(f"{name!r} holds `__`, which parts words in environment variables; write {single!r}")
    return name


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text is expected, not {kind_of(value)}")
    return value


def _line(value: object) -> str:
    """One line of text for people; any white space in it becomes one blank."""
    line = " ".join(_text(value).split())
    if len(line) > LONGEST_LINE:
        raise ValueError(f"at most {LONGEST_LINE} characters, not {len(line)}")
    if not line.isprintable():
        raise ValueError(f"{line[:60]!r} holds characters that cannot be printed")
    return line


def _owner(value: object) -> str:
    owner = _line(value)
    if not owner:
        raise ValueError("it is empty")
    return owner


def _word(value: object) -> str:
    word = _text(value)
    if len(word) > LONGEST_NAME:
        raise ValueError(f"at most {LONGEST_NAME} characters, not {len(word)}")
    if not _WORD.fullmatch(word):
        raise ValueError(
            f"{word!r} is not a word: it starts with a letter or digit, "
            "and letters, digits, `_`, `-`, `.`, `:`, `/`, `@`, `+` follow"
        )
    return word


def _words(value: object) -> tuple[str, ...]:
    """A list of labels; one that is named twice counts once."""
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)  # a set has no order of its own, and output has to be stable
    items = _items(value, "write `[{!r}]`")
    return tuple(dict.fromkeys(_in_list(item, _label) for item in items))


def _label(value: object) -> str:
    label = _text(value).strip()
    if not label:
        raise ValueError("it is empty")
    if len(label) > LONGEST_NAME:
        raise ValueError(f"at most {LONGEST_NAME} characters, not {len(label)}")
    if not label.isprintable():
        raise ValueError(f"{label!r} holds characters that cannot be printed")
    return label


def _items(value: object, advice: str) -> Collection[object]:
    if isinstance(value, str):
        raise TypeError(f"a list of text is expected, not text; {advice.format(value[:40])}")
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list of text is expected, not {kind_of(value)}")
    if len(value) > MOST_ITEMS:
        raise ValueError(f"at most {MOST_ITEMS} items, not {len(value)}")
    return value


def _in_list(item: object, decode: Callable[[object], str]) -> str:
    try:
        return decode(item)
    except (TypeError, ValueError) as error:
        raise type(error)(f"in the list, {error}") from None


def _schedule(value: object) -> tuple[str, ...]:
    """Shape only: what the text means is the business of the schedule kinds."""
    if isinstance(value, str):
        text = _schedule_text(value)
        return (text,) if text else ()
    if not isinstance(value, list | tuple):
        raise TypeError(
            f"text or a list of text is expected, not {kind_of(value)}; "
            'write `""` for a job that is only run by hand'
        )
    texts = [_in_list(item, _schedule_text) for item in _items(value, "")]
    if "" in texts:
        raise ValueError("in the list, one text is empty")
    return tuple(dict.fromkeys(texts))


def _schedule_text(value: object) -> str:
    written = _text(value)
    text = written.strip()
    if written and not text:
        raise ValueError('it is blank; write `""` for a job that is only run by hand')
    if len(text) > LONGEST_SCHEDULE:
        raise ValueError(f"at most {LONGEST_SCHEDULE} characters, not {len(text)}")
    return text


def _timezone(value: object) -> str | None:
    if value is None:
        return None
    name = _text(value).strip()
    if not name:
        raise ValueError("it is empty; leave it out for the scheduler's zone")
    # A name is checked against the zone database where the schedule is read, which says more.
    if len(name) > LONGEST_NAME or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+/-]*", name):
        raise ValueError(f"{name[:60]!r} is not an IANA name like 'Europe/Berlin' or 'UTC'")
    return name


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is expected, not {kind_of(value)}")
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number is expected, not {kind_of(value)}")
    if not -HIGHEST_PRIORITY <= value <= HIGHEST_PRIORITY:
        raise ValueError(f"it lies between -{HIGHEST_PRIORITY:,} and {HIGHEST_PRIORITY:,}")
    return value


def _timeout(value: object) -> timedelta | None:
    if value is None or (isinstance(value, str) and value == "none"):
        return None
    timeout = parse_duration(value)
    if not timeout:
        raise ValueError("it is longer than nothing; leave it out, or write `none`, for no limit")
    return timeout


def _grace(value: object) -> timedelta | str:
    if isinstance(value, str) and value == "auto":
        return value
    return parse_duration(value)


def _retries(value: object) -> Retry:
    if isinstance(value, Retry):
        return value
    if isinstance(value, Mapping):
        return Retry(**_table(value, ("retries", "delay", "backoff", "max_delay", "jitter", "on")))
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"a whole number or Retry(...) is expected, not {kind_of(value)}")
    return Retry(value)


def _expect(value: object) -> Expect | None:
    if value is None or isinstance(value, Expect):
        return value
    if isinstance(value, Mapping):
        return Expect(**_table(value, ("min_processed", "max_error_ratio", "max_duration")))
    raise TypeError(f"Expect(...) or a table is expected, not {kind_of(value)}")


def _table(value: Mapping[Any, Any], known: tuple[str, ...]) -> dict[str, Any]:
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"its keys are text, not {kind_of(key)}")
        if key not in known:
            raise ValueError(f"there is no key {key[:60]!r}; there are {', '.join(known)}")
    return dict(value)


def _plugins(value: object) -> Mapping[str, Any]:
    """Settings by plugin; what stands in them is checked by the plugin that they are for."""
    tables = _mapping(value)
    for name, table in tables.items():
        if not isinstance(table, Mapping):
            raise TypeError(f"the settings of plugin {name!r} are a table, not {kind_of(table)}")
    return tables


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"a table is expected, not {kind_of(value)}")
    if len(value) > MOST_ITEMS:
        raise ValueError(f"at most {MOST_ITEMS} entries, not {len(value)}")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"its keys are text, not {kind_of(key)}")
    return MappingProxyType(dict(value))


def _one_of(*words: str) -> Callable[[object], str]:
    listed = ", ".join(words[:-1]) + " or " + words[-1]

    def decode(value: object) -> str:
        if not isinstance(value, str):
            raise TypeError(f"{listed} is expected, not {kind_of(value)}")
        if value not in words:
            raise ValueError(f"{listed} is expected, not {value[:60]!r}")
        return str(value)

    return decode


def kind_of(value: object) -> str:
    """The type of *value* as an error names it; *value* itself is never asked for its text."""
    return "None" if value is None else type(value).__name__[:60]


def _listing(*options: Option) -> Mapping[str, Option]:
    return MappingProxyType({option.name: option for option in options})


#: Every option by name, in the order in which they are documented.
OPTIONS: Mapping[str, Option] = _listing(
    Option("name", "unique in the project", "str", None, _name, in_config=False),
    Option("description", "one line for people", "str", "", _line),
    Option("schedule", "when it runs by itself; empty: only by hand", "str or list of str", (), _schedule),
    Option("timezone", "zone that the schedule is read in", "IANA name", None, _timezone),
    Option("run_on_startup", "run once when a scheduler starts", "bool", False, _flag),
    Option("enabled", "whether it is scheduled", "bool", True, _flag),
    Option("tags", "labels to select by", "list of str", (), _words),
    Option("timeout", "longest time of one attempt", "duration", None, _timeout),
    Option("retries", "further attempts after the first", "int or Retry", Retry(), _retries),
    Option(
        "overlap",
        "what happens when it is due and still running",
        '"skip", "queue", "allow", "cancel"',
        "skip",
        _one_of("skip", "queue", "allow", "cancel"),
    ),
    Option(
        "misfire",
        "which missed ticks are made up",
        '"latest", "all", "none"',
        "latest",
        _one_of("latest", "all", "none"),
    ),
    Option("misfire_grace", "how late a tick may start", 'duration or "auto"', "auto", _grace),
    Option("jitter", "spread of starts over time", "duration", timedelta(0), parse_duration),
    Option(
        "scope",
        "once per deployment, or on every node",
        '"cluster", "node"',
        "cluster",
        _one_of("cluster", "node"),
    ),
    Option("limits", "named limits that a run holds", "list of str", (), _words),
    Option(
        "executor",
        "where it is executed",
        '"auto", "async", "thread", "process"',
        "auto",
        _one_of("auto", "async", "thread", "process"),
    ),
    Option("queue", "queue of engines with workers", "str", "default", _word),
    Option("priority", "higher is handed out first", "int", 0, _whole),
    Option("expect", "what a right result looks like", "Expect", None, _expect),
    Option("owner", "who is accountable for scheduled runs", "str", "system", _owner),
    Option("plugins", "settings for plugins, by plugin", "mapping", MappingProxyType({}), _plugins),
    Option("enforce", "consent to destructive effects", "bool", False, _flag, in_code=False),
    Option(
        "parameters", "values of job parameters", "mapping", MappingProxyType({}), _mapping, in_code=False
    ),
    Option("extension", "the extension it must belong to", "str", None, _label, in_code=False),
)
