"""What a command line asks to be run, how, and how it went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jobkit.exceptions import JobkitError
from jobkit.records import RunRecord
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from jobkit.job import JobSpec


@dataclass(frozen=True, slots=True)
class Order:
    """One job to be run, with the parameters that were given for this run."""

    spec: JobSpec
    parameters: Mapping[str, Any]
    trigger: Trigger = Trigger.MANUAL
    #: The run that it repeats.
    retry_of: RunRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the orders are to be executed."""

    actor: str
    at_once: int = 1
    stop_at_first: bool = False
    enforce: bool | None = None
    timeout: timedelta | None = None
    debug: bool = False


@dataclass(slots=True)
class Outcome:
    """How it went: *refused* are orders that never became a run, *left* those that were not begun.

    *dropped* is the error to report if orders came to nothing without anybody wanting that.
    """

    records: list[RunRecord] = field(default_factory=list)
    refused: list[JobkitError] = field(default_factory=list)
    left: int = 0
    interrupted: bool = False
    dropped: JobkitError | None = None
