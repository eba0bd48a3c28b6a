"""Testing jobs, and testing what extends jobkit.

``jobkit_run`` and ``jobkit_project`` are pytest fixtures (see :mod:`jobkit.testing.plugin`): the first runs
a job of the project that a test belongs to, the second is a project in a temporary folder, for plugins.
``conformance`` holds the suites that define what a correct store, and a correct sink, is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.testing.outcomes import CommandResult as CommandResult
    from jobkit.testing.outcomes import RunResult as RunResult
    from jobkit.testing.plugin import JobkitRun as JobkitRun
    from jobkit.testing.recorder import RecordedCall as RecordedCall
    from jobkit.testing.trial import JobkitProject as JobkitProject

# Imported on first use: pytest loads this package in every session, and few use all of it.
_HOMES = {
    "CommandResult": "outcomes",
    "JobkitProject": "trial",
    "JobkitRun": "plugin",
    "RecordedCall": "recorder",
    "RunResult": "outcomes",
}

__all__ = ["CommandResult", "JobkitProject", "JobkitRun", "RecordedCall", "RunResult"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
