"""Where a value came from: the layer that decided it, and the file and line, variable or option."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jobkit.exceptions import relative_to


@dataclass(frozen=True, slots=True)
class Origin:
    """The provenance of one value.

    *layer* is one of ``default``, ``code``, ``project``, ``config``, ``environment-file``,
    ``overrides``, ``variable``, ``command-line``; *name* is the variable or option for the last two.
    """

    layer: str
    path: Path | None = None
    line: int | None = None
    name: str | None = None

    def describe(self, root: Path | None = None) -> str:
        """``services/scheduler/config.toml:12``, ``JOBKIT__JOBS__X__ENABLED``, ``default``."""
        if self.path is not None:
            shown = relative_to(self.path, root)
            return f"{shown}:{self.line}" if self.line is not None else shown
        return self.name or self.layer

    def to_json(self, root: Path | None = None) -> dict[str, Any]:
        """The layer and the place, as ``list`` and ``show`` give it."""
        return {
            "layer": self.layer,
            "path": relative_to(self.path, root) if self.path is not None else None,
            "line": self.line,
            "name": self.name,
        }


#: The origin of a value that nobody set.
DEFAULT = Origin("default")
