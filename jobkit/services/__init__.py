"""Objects that jobs ask for instead of making them: database pools, clients, clocks.

``requests`` says who asks, ``specs`` what a service is, ``graph`` finds the one for the other before
anything is opened, ``host`` opens and closes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit.services.builtin import builtin_specs as builtin_specs
    from jobkit.services.requests import Service as Service
    from jobkit.services.requests import ServiceRequest as ServiceRequest
    from jobkit.services.specs import ServiceSpec as ServiceSpec

# Imported on first use: every job file needs the requests, and hardly any the rest.
_HOMES = {
    "Service": "requests",
    "ServiceRequest": "requests",
    "ServiceSpec": "specs",
    "builtin_specs": "builtin",
}

__all__ = ["Service", "ServiceRequest", "ServiceSpec", "builtin_specs"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
