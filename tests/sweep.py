"""How many examples laws are tried on: few in every run, more in ``nox -s slow``."""

from __future__ import annotations

import os

from hypothesis import settings

#: ``JOBKIT_TEST_SWEEP=50`` makes it fifty times as many.
SWEEP = int(os.environ.get("JOBKIT_TEST_SWEEP", "1"))


def examples(count: int, *, steps: int | None = None) -> settings:
    """As many examples; *steps*: of a state machine, how long each may be."""
    if steps is None:
        return settings(max_examples=count * SWEEP)
    return settings(max_examples=count * SWEEP, stateful_step_count=steps)
