"""What can go wrong with virtual time."""

from __future__ import annotations

from jobkit.exceptions import JobkitError


class VirtualTimeError(JobkitError):
    """Virtual time cannot go on: nothing is left to wait for, or something keeps it standing."""

    default_code = "JK890"


def nothing_left(at: float) -> VirtualTimeError:
    """The loop waits, and nothing will ever wake it."""
    return VirtualTimeError(
        f"nothing is left to wait for: {at:.6g} s into virtual time every task waits for something that "
        "neither a timer, nor a thread, nor a process will bring about",
        code="JK890",
        help="look for an event that nobody sets, or for a task that waits for itself; what a thread of your "
        "own brings about is awaited inside `with clock.held():`",
    )


def held_up(seconds: float, by: list[str]) -> VirtualTimeError:
    """Threads or processes were at work for longer than anybody wants to wait."""
    return VirtualTimeError(
        f"virtual time has stood still for {seconds:g} s of real time, because of {', '.join(sorted(by))}",
        code="JK891",
        help="let a thread that passes the time call clock.sleep(seconds) instead of time.sleep, "
        "or give VirtualClock a longer patience",
    )
