"""Which project owns the names ``jobkit_ext`` and ``jobkit_hooks`` in this process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from jobkit.collection.finder import ExtensionFinder

if TYPE_CHECKING:
    from jobkit.config import Config

_attached: ExtensionFinder | None = None


def attach(config: Config, *, from_source: bool = False) -> ExtensionFinder:
    """Make the project's modules importable, and append ``[project] pythonpath`` to ``sys.path``.

    Again for the same root it changes nothing, unless its settings have changed. With *from_source* the
    bytecode cache is not used. Raises RuntimeError while another project is attached. Not thread-safe.
    """
    global _attached
    root, project = str(config.root), config.project
    if _attached is not None and _attached.root != root:
        raise RuntimeError(f"the project in {_attached.root} is attached; detach it first")
    fresh = ExtensionFinder(
        root,
        project.extensions,
        project.pythonpath,
        trust=project.trust_permissions,
        from_source=from_source,
    )
    if _attached is not None and _attached.settings != fresh.settings:
        detach()
    if _attached is None:
        _attached = fresh
    if _attached not in sys.meta_path:
        sys.meta_path.insert(0, _attached)
    _attached.pythonpath.apply()
    return _attached


def detach() -> None:
    """Take the project's modules out of ``sys.modules`` and undo :func:`attach`. Idempotent.

    What was imported by way of ``pythonpath`` stays imported: other code may hold on to it.
    """
    global _attached
    if _attached is not None:
        if _attached in sys.meta_path:
            sys.meta_path.remove(_attached)
        _attached.purge()
        _attached.pythonpath.undo()
        _attached = None


def attached() -> ExtensionFinder | None:
    """The finder of the project whose modules are importable now, or None."""
    return _attached
