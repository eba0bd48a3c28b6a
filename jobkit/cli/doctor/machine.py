"""The machine: Python, packages, zone data, terminal, pytest. Needs no project."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import PackageNotFoundError, distribution, entry_points, version

from jobkit.cli.doctor.finding import Finding, fail, ok, warn
from jobkit.cli.render.terminal import Terminal

DISTRIBUTION = "jobkit-core"
#: For a folder that was never installed: what it cannot do without.
_NEEDED = ("pluggy", "anyio", "croniter", "structlog", "msgspec", "click", "tomli-w")
_OLD_ZONES = 2


def look_at_machine(now: datetime, terminal: Terminal) -> Iterator[Finding]:
    """All checks of this file, in the order in which they are shown."""
    yield _python()
    yield from _packages()
    yield _zones(now)
    yield _screen(terminal)
    yield _pytest()


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} ({sys.executable})"
    if sys.platform == "win32":
        return warn("python", found, "jobkit is made for Linux and macOS; list, check and run work here")
    return ok("python", found)


def _packages() -> Iterator[Finding]:
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        yield warn(
            "packages",
            "jobkit is run from a folder, without being installed",
            "install the checkout into this environment: plugins and the pytest plugin are found by that",
        )
        needed, found = [*_NEEDED], []
    else:
        needed = [name for name in map(_required, installed.requires or ()) if name]
        found = [f"{DISTRIBUTION} {installed.version}"]
    for name in needed:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            yield fail("packages", f"{name} is not installed", "install jobkit's checkout again")
    yield ok("packages", ", ".join(found))


def _required(requirement: str) -> str | None:
    """The name in a requirement; None for one of an extra."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return found[0] if found and "extra ==" not in requirement else None


def _zones(now: datetime) -> Finding:
    from jobkit.schedules import zone_data_version

    shown = zone_data_version()
    year = re.match(r"(\d{4})[a-z]", shown)
    if year and now.year - int(year[1]) > _OLD_ZONES:
        return warn(
            "zone data",
            f"{shown} is from {year[1]}: clock changes decided since then are missing",
            "bring the system's tzdata up to date, or the package of that name",
        )
    return ok("zone data", shown)


def _screen(terminal: Terminal) -> Finding:
    parts = ["colour" if terminal.colour else "no colour", "UTF-8" if terminal.unicode else "ASCII only"]
    parts.append(f"{terminal.width} columns" if terminal.width is not None else "no terminal")
    if not terminal.unicode:
        return warn("terminal", ", ".join(parts), "export LANG=C.UTF-8, or PYTHONIOENCODING=utf-8")
    return ok("terminal", ", ".join(parts))


def _pytest() -> Finding:
    try:
        found = version("pytest")
    except PackageNotFoundError:
        return warn("pytest", "not installed, so jobs cannot be tested here", "install pytest")
    if any(entry.value.startswith("jobkit.testing") for entry in entry_points(group="pytest11")):
        return ok("pytest", f"{found}, with the fixture jobkit_run")
    return warn(
        "pytest",
        f"{found}, without the fixture jobkit_run: jobkit is not installed",
        "install the checkout, or give pytest the option `-p jobkit.testing.plugin`",
    )
