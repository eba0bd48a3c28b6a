"""One layer against the schema: every mistake of it at once, each with its place and the closest key.

A configuration error is an unknown table or key, and a wrong type; in jobkit's own tables also a value
that is not accepted. A *value* that is not accepted in ``[jobs.NAME]`` is that job's error and not
found here: :mod:`jobkit.config.apply` finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import fields
from typing import Any, Protocol

from jobkit.config.expansion import holds_variable
from jobkit.config.files import unusable_values
from jobkit.config.schema import CHANGED, KEYS, TABLES
from jobkit.config.shapes import Shape, kind_of
from jobkit.exceptions import ConfigError
from jobkit.expect import Expect
from jobkit.options import OPTIONS, nearest_option
from jobkit.origin import Origin
from jobkit.retry import Retry
from jobkit.sanitising import bounded

Path = tuple[str | int, ...]
OriginOf = Callable[[Path], Origin]

_JOB_OPTIONS = {name: option for name, option in OPTIONS.items() if option.in_config}
#: The keys of the options that may be written as a table. Exceptions can only be named in code.
_OPTION_KEYS = {
    "retries": tuple(item.name for item in fields(Retry) if item.name != "on"),
    "expect": tuple(item.name for item in fields(Expect)),
}
_CHANGED_KEYS = ("by", "at", "reason")


class _Decoder(Protocol):
    """A shape or an option."""

    @property
    def type(self) -> str: ...

    @property
    def decode(self) -> Callable[[Any], Any]: ...


def check(
    layer: str, data: Mapping[str, Any], origin_of: OriginOf, *, expanded: bool = False
) -> list[ConfigError]:
    """Everything that is wrong with *data*, which the layer *layer* says, in the order of its lines.

    Texts with variables are left out, until they are *expanded*: then no message repeats a value.
    """
    return _Check(layer, origin_of, expanded).run(data)


def refusal(error: Exception, type: str, *, expanded: bool) -> str:
    """Why a decoder refused a value, without the value if it came from a variable."""
    if expanded:
        return f"{type} is expected, and the variable in it gives something else"
    return bounded(str(error), 400)


def nearest(word: str, known: Collection[str]) -> str | None:
    """The one of *known* that *word* was most likely meant to be."""
    import difflib

    return next(iter(difflib.get_close_matches(word.lower()[:128], known, n=1)), None)


def named(path: Path) -> str:
    """How a message names what stands at *path*: ``[scheduler] store``, ``[jobs.x] retries.delay``.

    Items of lists are counted from 0: ``[plugins.x] targets.1.url``.
    """
    depth = 2 if path[0] in ("jobs", "plugins") else 1
    table = ".".join(bounded(str(key), 80) for key in path[:depth])
    rest = ".".join(bounded(str(key), 80) for key in path[depth:])
    return f"[{table}] {rest}" if rest else f"[{table}]"


def unknown_key(path: Path, known: Collection[str], origin: Origin, hint: str | None = None) -> ConfigError:
    """The error for a key at *path* that does not exist; *known* are those that do, *hint* knows better."""
    key = str(path[-1])
    if hint is None:
        close = nearest(key, known)
        there_are = f"there are {', '.join(known)}" if known else "there are no keys at all"
        hint = f"did you mean `{close}`?" if close is not None else there_are
    return config_error("JK204", f"{named(path[:-1])} has no key `{bounded(key, 80)}`", origin, hint)


def config_error(code: str, message: str, origin: Origin, help: str | None = None) -> ConfigError:
    """A ConfigError about what stands at *origin*; a variable or option is named in the message."""
    if origin.path is None and origin.name is not None:
        message = f"{origin.name}: {message}"
    return ConfigError(message, code=code, path=origin.path, line=origin.line, help=help)


def as_one(errors: list[ConfigError]) -> ConfigError:
    """The first of *errors*, which carries them all."""
    first = errors[0]
    whole = ConfigError(
        first.message,
        code=first.code,
        path=first.path,
        line=first.line,
        help=first.help,
        errors=tuple(errors),
    )
    whole.shown_keys = first.shown_keys
    return whole


class _Check:
    def __init__(self, layer: str, origin_of: OriginOf, expanded: bool) -> None:
        self._expanded = expanded
        self._layer = layer
        self._origin_of = origin_of
        self._errors: list[ConfigError] = []

    def run(self, data: Mapping[str, Any]) -> list[ConfigError]:
        refused: set[Path] = set()
        for path, what in unusable_values(dict(data)):
            refused.add(path)
            self._add("JK206", f"{named(path)}: {what}", path)
        for name, table in data.items():
            if name not in TABLES:
                self._unknown_table(name)
            elif self._is_table(table, (name,)):
                self._table(name, table, refused)
        return sorted(self._errors, key=lambda error: error.line or 0)

    def _table(self, name: str, table: Mapping[str, Any], refused: set[Path]) -> None:
        if name in KEYS:
            for key, value in table.items():
                if (name, key) not in refused:
                    self._setting(name, key, value)
        for key, value in table.items():
            if name == "jobs" and self._is_table(value, (name, key)):
                self._job(key, value)
            elif name == "plugins":
                self._is_table(value, (name, key))

    # -- tables with fixed keys ---------------------------------------------------------------------

    def _setting(self, table: str, key: str, value: Any) -> None:
        known = KEYS[table].get(key)
        if known is None:
            self._unknown_key((table, key), KEYS[table], _elsewhere(key))
        elif known.shape.items is not None and isinstance(value, Mapping):
            for name, item in value.items():
                self._value(known.shape.items, item, (table, key, name))
        else:
            self._value(known.shape, value, (table, key))

    def _value(self, shape: Shape, value: Any, path: Path) -> None:
        if not self._waits(value):
            self._decode(shape, value, path, values_too=True)

    # -- jobs ---------------------------------------------------------------------------------------

    def _job(self, name: str, options: Mapping[str, Any]) -> None:
        try:
            OPTIONS["name"].decode(name)
        except ValueError as error:
            self._add(
                "JK204", f"[jobs] no job can have this name: {bounded(str(error), 300)}", ("jobs", name)
            )
            return
        for option, value in options.items():
            path = ("jobs", name, option)
            if option == CHANGED and self._layer == "overrides":
                self._nested(path, value, _CHANGED_KEYS)
            elif option not in _JOB_OPTIONS:
                self._unknown_option(path, option)
            elif option in _OPTION_KEYS and isinstance(value, Mapping):
                self._option_table(path, option, value)
            elif not self._waits(value):
                self._decode(_JOB_OPTIONS[option], value, path, values_too=False)

    def _unknown_option(self, path: Path, option: str) -> None:
        if option in OPTIONS:
            self._add("JK204", f"{named(path)}: it can only be given in code", path, "remove it here")
            return
        close = nearest_option(option)
        hint = f"did you mean `{close}`?" if close in _JOB_OPTIONS else None
        self._unknown_key(path, _JOB_OPTIONS, hint)

    def _option_table(self, path: Path, option: str, value: Mapping[str, Any]) -> None:
        known = _OPTION_KEYS[option]
        self._nested(path, value, known)
        for key, item in value.items():
            if key in known and not self._waits(item):
                self._decode(_JOB_OPTIONS[option], {key: item}, (*path, key), values_too=False)

    def _nested(self, path: Path, value: Any, known: Collection[str]) -> None:
        if self._is_table(value, path):
            for key in value:
                if key not in known:
                    self._unknown_key((*path, key), known)

    def _waits(self, value: Any) -> bool:
        """Whether *value* can only be checked when its variables are expanded."""
        return not self._expanded and holds_variable(value)

    # -- errors -------------------------------------------------------------------------------------

    def _is_table(self, value: Any, path: Path) -> bool:
        if isinstance(value, Mapping):
            return True
        self._add("JK205", f"{named(path)}: a table is expected, not {kind_of(value)}", path)
        return False

    def _decode(self, decoder: _Decoder, value: Any, path: Path, *, values_too: bool) -> None:
        try:
            decoder.decode(value)
        except (TypeError, ValueError) as error:
            if isinstance(error, TypeError) or values_too:
                code = "JK205" if isinstance(error, TypeError) else "JK206"
                why = refusal(error, decoder.type, expanded=self._expanded)
                self._add(code, f"{named(path)}: {why}", path)

    def _unknown_table(self, name: str) -> None:
        shown = bounded(name, 80)
        close = nearest(name, TABLES)
        home = next(_homes(name), None)
        if name == "tool":
            hint = "in jobkit.toml the tables stand at the top: [project], not [tool.jobkit.project]"
        elif close is not None:
            hint = f"did you mean [{close}]?"
        elif home is not None:
            hint = f"`{shown}` belongs into [{home}]"
        else:
            hint = f"there are {', '.join(f'[{table}]' for table in TABLES)}"
        self._add("JK204", f"there is no table [{shown}]", (name,), hint)

    def _unknown_key(self, path: Path, known: Collection[str], hint: str | None = None) -> None:
        self._errors.append(unknown_key(path, known, self._origin_of(path), hint))

    def _add(self, code: str, message: str, path: Path, help: str | None = None) -> None:
        self._errors.append(config_error(code, message, self._origin_of(path), help))


def _homes(key: str) -> Iterator[str]:
    """The tables that have a key of that name."""
    yield from (table for table, keys in KEYS.items() if key in keys)
    if key in _JOB_OPTIONS:
        yield "jobs.NAME"


def _elsewhere(key: str) -> str | None:
    """For a key that is right and stands in the wrong table."""
    home = next(_homes(key), None)
    return f"`{key}` belongs into [{home}]" if home is not None else None
