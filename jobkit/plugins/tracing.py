"""What ``--trace-hooks`` shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HookCall:
    """One call of one implementation, as ``--trace-hooks`` shows it. *seconds* is what it took."""

    hook: str
    plugin: str
    seconds: float
    outcome: str
