"""The words for how a run stands and why it exists."""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """How a run stands; ``queued`` and ``running`` are the only two that can still change."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"

    @property
    def finished(self) -> bool:
        """True once nothing can change the run any more."""
        return self not in (RunStatus.QUEUED, RunStatus.RUNNING)

    @property
    def ok(self) -> bool:
        """True for an end that nobody has to look at: succeeded or skipped."""
        return self in (RunStatus.SUCCEEDED, RunStatus.SKIPPED)


class Trigger(StrEnum):
    """What asked for a run."""

    SCHEDULE = "schedule"
    CATCHUP = "catchup"
    STARTUP = "startup"
    MANUAL = "manual"
    RETRY = "retry"
    CHILD = "child"
    API = "api"


class Reason(StrEnum):
    """Why a run ended as it did, or why a tick has no run, where the status alone does not say."""

    SERVICE = "service"
    EXPECTATION = "expectation"
    PARAMETERS = "parameters"
    SHUTDOWN = "shutdown"
    INTERRUPTED = "interrupted"
    SUPERSEDED = "superseded"
    ADMISSION = "admission"
    OVERLAP = "overlap"
    MISFIRE = "misfire"
    PAUSED = "paused"
    UNKNOWN_JOB = "unknown_job"
    PARENT = "parent"
