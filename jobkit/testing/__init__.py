"""Testing jobs, and testing what extends jobkit.

``jobkit_run`` and ``virtual_clock`` are pytest fixtures (see :mod:`jobkit.testing.plugin`);
:class:`VirtualClock` makes an hour's sleep end at once; ``conformance`` holds the suites that define what a
correct store is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobkit.testing.plugin import JobkitRun

if TYPE_CHECKING:
    from jobkit.testing.virtual_time import VirtualClock, VirtualTimeError

__all__ = ["JobkitRun", "VirtualClock", "VirtualTimeError"]


def __getattr__(name: str) -> Any:
    # The pytest plugin lives here too, and every test run of whoever has jobkit installed imports it.
    if name in {"VirtualClock", "VirtualTimeError"}:
        from jobkit.testing import virtual_time

        return getattr(virtual_time, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
