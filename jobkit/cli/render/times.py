"""Times and durations for people. Machines get RFC 3339 and milliseconds instead."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def short_duration(milliseconds: float | None) -> str:
    """``12ms``, ``0.4s``, ``41.8s``, ``5m00s``, ``1h02m``, ``2d03h``; ``-`` for None."""
    if milliseconds is None:
        return "-"
    if milliseconds < 100:
        return f"{round(milliseconds)}ms"
    if round(milliseconds / 1000, 1) < 60:
        return f"{milliseconds / 1000:.1f}s"
    return _two_units(round(milliseconds / 1000))


def short_seconds(seconds: float) -> str:
    """Like :func:`short_duration`, for moving figures: whole seconds."""
    return f"{int(seconds)}s" if seconds < 60 else _two_units(int(seconds))


def _two_units(seconds: int) -> str:
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h"


def distance(span: timedelta) -> str:
    """How far away, in one unit: ``45s``, ``11m``, ``12h``, ``8d``."""
    seconds = abs(span.total_seconds())
    for unit, size, upto in (("s", 1, 60), ("m", 60, 3600), ("h", 3600, 48 * 3600)):
        if seconds < upto:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds // 86_400)}d"


def near(instant: datetime, now: datetime, zone: tzinfo) -> str:
    """The shortest text that is clear from *now*: ``03:00``, ``Fri 07:00``, ``1 Dec``, ``2027-01-01``."""
    local, today = instant.astimezone(zone), now.astimezone(zone)
    days = (local.date() - today.date()).days
    if days == 0 or (0 < days <= 1 and instant - now < timedelta(hours=24)):
        return f"{local:%H:%M}"
    if abs(days) < 7:
        return f"{_DAYS[local.weekday()]} {local:%H:%M}"
    if local.year == today.year or abs(days) < 180:
        return f"{local.day} {_MONTHS[local.month - 1]}"
    return f"{local:%Y-%m-%d}"


def moment(instant: datetime, now: datetime, zone: tzinfo) -> str:
    """A past moment to the minute: ``today 14:06``, ``yesterday 13:40``, ``20 Nov 13:40``."""
    local, today = instant.astimezone(zone), now.astimezone(zone)
    days = (today.date() - local.date()).days
    if days in (0, 1, -1):
        word = {0: "today", 1: "yesterday", -1: "tomorrow"}[days]
        return f"{word} {local:%H:%M}"
    if local.year == today.year:
        return f"{local.day} {_MONTHS[local.month - 1]} {local:%H:%M}"
    return f"{local:%Y-%m-%d %H:%M}"


def full_moment(instant: datetime, zone: tzinfo) -> str:
    """Weekday, date, time and offset: ``Mon 2026-11-23 03:00:00 +01:00``."""
    local = instant.astimezone(zone)
    return f"{_DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M:%S} {offset(local)}"


def offset(local: datetime) -> str:
    """The offset from UTC of an aware time: ``+01:00``, ``UTC`` for none."""
    text = f"{local:%z}"
    return f"{text[:3]}:{text[3:5]}" if text.strip("+-0") else "UTC"


def zone_label(name: str, now: datetime, zone: tzinfo) -> str:
    """``Europe/Berlin (+01:00)``, ``UTC``."""
    shift = offset(now.astimezone(zone))
    return name if shift == "UTC" and name in ("UTC", "Etc/UTC") else f"{name} ({shift})"
