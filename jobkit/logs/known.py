"""What is secret in the projects that are loaded in this process: masked in whatever the process writes.

A program starts to log before it has loaded a project, and only the plugins that are then loaded say which of
their settings are secret. Safe to use from any thread.
"""

from __future__ import annotations

from collections.abc import Collection
from weakref import WeakKeyDictionary

_secrets: WeakKeyDictionary[object, frozenset[str]] = WeakKeyDictionary()
_all: frozenset[str] = frozenset()


def learn(owner: object, secrets: Collection[str]) -> None:
    """Mask *secrets*, at least as long as *owner* lives or until it has other ones."""
    global _all
    _secrets[owner] = frozenset(secrets)
    _all = frozenset().union(*_secrets.values())


def known_secrets() -> frozenset[str]:
    """All of them; the same object as long as they are the same."""
    return _all
