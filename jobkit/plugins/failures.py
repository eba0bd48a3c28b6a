"""What is remembered, and told, of a plugin's failure."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.exceptions import PluginError

_OURS = str(Path(__file__).parent.parent) + os.sep
_MACHINERY = ("anyio", "asyncio", "pluggy", "contextlib.py", "importlib", "trio")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFailure:
    """One failure of a plugin that was isolated: what ``jobkit_plugin_error`` is called with.

    *hook* is the hook, or what else of the plugin was called (``sink webhook``). *message* is safe to show:
    control characters escaped, bounded. *path* and *line* are the plugin's own code. *run* is the id of the
    run that it happened in, if there was one.
    """

    plugin: str
    hook: str
    error: BaseException
    message: str
    at: datetime
    path: Path | None = None
    line: int | None = None
    run: str | None = None


@dataclass(slots=True)
class Fault:
    """One way in which a plugin has failed since it was loaded, and how often it has."""

    hook: str
    message: str
    error: PluginError
    times: int = 1


class NonsenseError(TypeError):
    """A hook has given something that it must not give; its text says what was expected."""


def place_of(error: BaseException | None, function: Any = None) -> tuple[Path | None, int | None]:
    """File and line in the plugin: where *error* came from, else where *function* begins.

    The frame that counts is the last outside of jobkit and of what lies between it and plugins; for an error
    out of a library it is thus the library's, unless *function* tells the file to prefer.
    """
    own = definition_of(function)
    frames = list(_frames(error.__traceback__)) if error is not None else []
    in_own_file = [(file, line) for file, line in frames if own[0] is not None and file == str(own[0])]
    others = [(file, line) for file, line in frames if not _is_machinery(file)]
    for file, line in (*in_own_file[-1:], *others[-1:]):
        return Path(file), line
    return own


def definition_of(function: Callable[..., Any] | Any) -> tuple[Path | None, int | None]:
    """Where *function* is written."""
    try:
        code = getattr(inspect.unwrap(function), "__code__", None)
    except Exception:  # a plugin's object may answer anything to anybody who asks
        return None, None
    return (Path(code.co_filename), code.co_firstlineno) if code is not None else (None, None)


def _frames(trace: TracebackType | None) -> Any:
    while trace is not None:
        yield trace.tb_frame.f_code.co_filename, trace.tb_lineno
        trace = trace.tb_next


def _is_machinery(file: str) -> bool:
    if file.startswith((_OURS, "<")):
        return True
    return any(part in _MACHINERY for part in Path(file).parts)
