"""Time that passes only when nothing else can happen: an hour's sleep ends at once.

:class:`VirtualClock` is the clock, and runs the event loop whose time it is.
"""

from __future__ import annotations

from jobkit.testing.virtual_time.clock import VirtualClock
from jobkit.testing.virtual_time.errors import VirtualTimeError

__all__ = ["VirtualClock", "VirtualTimeError"]
