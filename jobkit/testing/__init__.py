"""Testing jobs, and testing what extends jobkit.

``jobkit_run`` is a pytest fixture (see :mod:`jobkit.testing.plugin`); ``conformance`` holds the suites
that define what a correct store is.
"""

from __future__ import annotations

from jobkit.testing.plugin import JobkitRun

__all__ = ["JobkitRun"]
