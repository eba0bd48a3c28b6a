"""What a plugin has provided, together with who did."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Provided(NamedTuple, Generic[T]):
    """One thing that a hook gave. *plugin* is the NAME of the plugin; *extension* is set if that is the
    ``hooks.py`` of an extension, whose jobs then are all that the thing is for."""

    value: T
    plugin: str
    extension: str | None = None
