"""What hooks are given and what they give back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jobkit.statuses import RunStatus, Trigger

if TYPE_CHECKING:
    from jobkit.exceptions import CollectionError
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord


@dataclass(frozen=True, slots=True)
class Skip:
    """The answer of ``jobkit_run_admit``: this run does not take place, for *reason*. ValueError if empty."""

    reason: str

    def __post_init__(self) -> None:
        if not isinstance(self.reason, str) or not self.reason.strip():
            raise ValueError("Skip(reason): say in a few words why the run does not take place")


@dataclass(frozen=True, slots=True)
class Defer:
    """The answer of ``jobkit_run_admit``: not before *until*, an aware datetime; ValueError if naive."""

    until: datetime
    reason: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.until, datetime) or self.until.tzinfo is None:
            raise ValueError("Defer(until): an aware datetime is expected, such as clock.now() + an hour")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run that is asked for and not yet written down: what ``jobkit_run_admit`` decides about.

    *parameters* are those that were given, secrets included: they are not for logs.
    """

    spec: JobSpec
    trigger: Trigger
    actor: str
    enforce: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    scheduled_at: datetime | None = None
    parent: str | None = None

    @property
    def job(self) -> str:
        """The name of the job."""
        return self.spec.name

    @property
    def extension(self) -> str:
        """The extension that the job belongs to."""
        return self.spec.extension


@dataclass(frozen=True, slots=True)
class Run:
    """A run, as hooks see it: *record* as it stands now, *spec* of its job. Plain data, safe to keep."""

    record: RunRecord
    spec: JobSpec

    @property
    def id(self) -> str:
        """The full id, a UUIDv7."""
        return self.record.id

    @property
    def number(self) -> int | None:
        """The number that people use."""
        return self.record.number

    @property
    def job(self) -> str:
        """The name of the job."""
        return self.record.job

    @property
    def extension(self) -> str:
        """The extension that the job belongs to."""
        return self.record.extension

    @property
    def status(self) -> RunStatus:
        """Its status when the hook was called."""
        return self.record.status

    @property
    def trigger(self) -> Trigger:
        """What made it run."""
        return self.record.trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectReport:
    """What became of one job file. *jobs* are the names it registers; *error* is what is wrong with it;
    *seconds* is what its import took; *printed* is what it printed meanwhile, secrets masked."""

    path: Path
    extension: str
    module: str
    jobs: tuple[str, ...] = ()
    error: CollectionError | None = None
    seconds: float = 0.0
    printed: str = ""


@dataclass(frozen=True, slots=True)
class LogProcessor:
    """A structlog processor of a plugin. At stage ``enrich`` it may add keys; at ``redact``, the last before
    a line is kept and written, it may take away. It gets (None, level, event dict) and returns the event
    dict: at first what was logged, at last plain values and ``exception`` as text. Any thread may call it."""

    processor: Callable[[Any, str, Any], Any]
    stage: Literal["enrich", "redact"] = "enrich"

    def __post_init__(self) -> None:
        if not callable(self.processor):
            raise TypeError("LogProcessor(processor): a callable is expected")
        if self.stage not in ("enrich", "redact"):
            raise ValueError(f"LogProcessor: the stage is 'enrich' or 'redact', not {self.stage!r}")


@dataclass(frozen=True, slots=True)
class Panel:
    """A box on the web page. *render* gives its content as plain text or rows of text, and may be
    asynchronous; whatever it gives is shown as text only."""

    name: str
    title: str
    render: Callable[[], Any]
