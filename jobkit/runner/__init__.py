"""Executing runs: one from its lease to its record, attempts, executors, leases."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.runner.observer import Observer as Observer
    from jobkit.runner.runner import Runner as Runner
    from jobkit.runner.settling import settle_dead as settle_dead

# Commands that only look settle the leases of the dead, and do without all that executing needs.
_HOMES = {"Observer": "observer", "Runner": "runner", "settle_dead": "settling"}

__all__ = ["Observer", "Runner", "settle_dead"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{home}"), name)
