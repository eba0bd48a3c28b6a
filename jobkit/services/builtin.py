"""The services that are always there."""

from __future__ import annotations

from functools import lru_cache

from jobkit.services.specs import ServiceSpec, SuppliedSpec, supplied

CLOCK, CONFIG, LOG, PROJECT = "clock", "config", "log", "project"


@lru_cache(maxsize=1)
def builtin_specs() -> tuple[ServiceSpec, ...]:
    """``clock``, ``config``, ``log`` (bound to the run) and ``project`` (the root folder).

    Whoever runs jobs supplies the objects: see :class:`~jobkit.services.host.ServiceHost`.
    """
    return (
        SuppliedSpec(supplied(CLOCK), name=CLOCK, type_names=(("jobkit.clock", "Clock"),)),
        SuppliedSpec(supplied(CONFIG), name=CONFIG, type_names=(("jobkit.config", "Config"),)),
        SuppliedSpec(
            supplied(LOG),
            name=LOG,
            scope="run",
            type_names=(
                ("structlog", "FilteringBoundLogger"),
                ("structlog", "BoundLogger"),
                ("structlog", "BindableLogger"),
            ),
        ),
        SuppliedSpec(supplied(PROJECT), name=PROJECT, type_names=(("pathlib", "Path"),)),
    )
