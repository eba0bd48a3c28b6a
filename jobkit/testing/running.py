"""One run in a store in memory, for the fixture ``jobkit_run``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import sniffio

from jobkit.exceptions import UsageError
from jobkit.testing.projects import projects

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord

