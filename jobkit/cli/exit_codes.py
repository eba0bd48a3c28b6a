"""What the exit code says, and which error means which; ``jobkit help exit-codes`` is the page."""

from __future__ import annotations

from enum import IntEnum

from jobkit.exceptions import (
    CollectionError,
    ConfigError,
    JobkitError,
    NothingSelected,
    ParameterError,
    PluginError,
    PluginVerbFailed,
    RunError,
    RunNotFound,
    RunRefused,
    ScheduleError,
    ServiceError,
    StoreError,
    UsageError,
)


class ExitCode(IntEnum):
    """The codes that scripts and supervisors rely on."""

    OK = 0
    FAILED = 1
    STOPPED = 2
    INTERNAL = 3
    USAGE = 4
    NOTHING_SELECTED = 5
    UNUSABLE = 6
    REFUSED = 7


# The first class that fits decides: the special ones stand before what they derive from.
_BY_ERROR: tuple[tuple[type[JobkitError], ExitCode], ...] = (
    (NothingSelected, ExitCode.NOTHING_SELECTED),
    (UsageError, ExitCode.USAGE),
    (ParameterError, ExitCode.USAGE),
    (RunNotFound, ExitCode.USAGE),
    (ScheduleError, ExitCode.USAGE),
    (RunRefused, ExitCode.REFUSED),
    (RunError, ExitCode.FAILED),
    (CollectionError, ExitCode.STOPPED),
    (PluginVerbFailed, ExitCode.FAILED),
    (PluginError, ExitCode.STOPPED),
    (ConfigError, ExitCode.UNUSABLE),
    (StoreError, ExitCode.UNUSABLE),
    (ServiceError, ExitCode.UNUSABLE),
)


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code of a command that *error* ended."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.STOPPED
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return ExitCode.INTERNAL
