"""The version, which is written in one place only: the distribution's metadata."""

from __future__ import annotations


def version() -> str:
    """The installed version, or ``unknown`` when run from a folder that was never installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("jobkit-core")
    except PackageNotFoundError:
        return "unknown"
