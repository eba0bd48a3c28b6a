"""What hides ``rich`` from the program under test: jobkit does not need it, import-linter has brought it, and
structlog loads it at every start where it finds it."""

from __future__ import annotations

raise ImportError("not where jobkit is installed alone")
