"""Settings from outside the files: ``JOBKIT__SCHEDULER__STORE=…`` and options of the command line.

A variable's name is the path of the key in upper case, its parts joined by ``__``, ``-`` written as ``_``;
its value is read as TOML, and taken as text if it is none or if the key wants text.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jobkit.config.check import check, config_error
from jobkit.config.layers import Path, Setting, always, layer, nested
from jobkit.config.schema import KEYS
from jobkit.exceptions import ConfigError
from jobkit.options import OPTIONS
from jobkit.origin import Origin
from jobkit.sanitising import bounded

PREFIX = "JOBKIT__"

_LONGEST_TOML = 65_536


def variable_layers(
    variables: Mapping[str, str], below: Setting, errors: list[ConfigError]
) -> Iterator[Setting]:
    """Each variable as a layer, those with the longer paths last; what is wrong is added to *errors*.

    *below* is what the files say: where a job or plugin is spelled with ``-`` there, the variable means
    that one.
    """
    found: list[tuple[Path, str]] = []
    for name in variables:
        if name.startswith(PREFIX):
            path = tuple(part.lower() for part in name.removeprefix(PREFIX).split("__"))
            problem = _misspelt(name, path)
            if problem is None:
                found.append((path, name))
            else:
                errors.append(problem)
    for path, name in sorted(found, key=lambda item: (len(item[0]), item)):
        origin = Origin("variable", name=name)
        for target in _targets(path, below):
            data = nested(target, _value(variables[name], _decoder(target)))
            errors += check("variable", data, always(origin))
            yield layer("", data, always(origin), written=variables[name])


def option_layers(options: Mapping[str, Any], errors: list[ConfigError]) -> Iterator[Setting]:
    """Each option of the command line, by dotted key, as a layer; what is wrong is added to *errors*.

    One that is None was not given.
    """
    for name, value in options.items():
        if value is not None:
            data = nested(tuple(name.split(".")), value)
            origin = Origin("command-line", name=name)
            errors += check("command-line", data, always(origin))
            yield layer("", data, always(origin))


def spelled(name: str) -> str:
    """*name* as it looks in a variable, in lower case: ``-`` and ``_`` cannot be told apart there."""
    return name.replace("-", "_")


def _misspelt(name: str, path: Path) -> ConfigError | None:
    origin = Origin("variable", name=bounded(name, 120))
    if not all(path):
        return config_error(
            "JK212",
            "this is not the path of a key",
            origin,
            "write it like JOBKIT__SCHEDULER__STORE or JOBKIT__JOBS__NAME__ENABLED",
        )
    if name != name.upper():
        return config_error(
            "JK212", "the name is not in upper case", origin, f"write {bounded(name.upper(), 120)}"
        )
    return None


def _targets(path: Path, below: Setting) -> Iterable[Path]:
    """The paths that a variable means: jobs and plugins may be spelled with ``-`` in the files."""
    if len(path) < 2 or path[0] not in ("jobs", "plugins"):
        return (path,)
    table = below.at(path[:1])
    names = [name for name in (table.parts or ()) if spelled(name) == path[1]] if table is not None else []
    return [(path[0], name, *path[2:]) for name in names or [path[1]]]


def _decoder(path: Path) -> Callable[[Any], Any] | None:
    """What decides whether a value has the right type for the key at *path*; None if anything goes."""
    match path:
        case (table, key) if table in KEYS and key in KEYS[table]:
            return KEYS[table][key].shape.decode
        case ("jobs", _, option) if option in OPTIONS:
            return OPTIONS[option].decode
        case _:
            return None


def _value(text: str, decode: Callable[[Any], Any] | None) -> Any:
    value = _as_toml(text)
    if decode is None or isinstance(value, str):
        return value
    try:
        decode(value)
    except TypeError:  # `JOBKIT__PROJECT__NAME=1984` means the text
        try:
            decode(text)
        except TypeError:
            return value  # wrong either way: the check says so, in words about what was written
        except ValueError:
            return text
        return text
    except ValueError:
        return value
    return value


def _as_toml(text: str) -> Any:
    if "\n" in text or "\r" in text or len(text) > _LONGEST_TOML:
        return text  # a line end could begin a second key
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # not TOML, and then it is text
        return text
