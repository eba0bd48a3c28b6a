"""The plugin ``healthcheck``: tells a service that watches for silence when runs begin and how they end.

The pings are those of healthchecks.io, which several other services understand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from jobkit import ConfigError, JobSpec, RunRecord, RunStatus, Secret, Sink, hookimpl
from jobkit.plugin import PluginError
from jobkit_notify.answers import NotDelivered, judge
from jobkit_notify.jobs import FindJob, job_finder
from jobkit_notify.selection import Selection
from jobkit_notify.tables import (
    MAX_AGE,
    TIMEOUT,
    check_max_age,
    check_not_blank,
    check_timeout,
    check_url,
    parse_url,
)
from jobkit_notify.texts import shown, what_happened
from jobkit_notify.urls import Url

if TYPE_CHECKING:
    from jobkit.plugin import Config, Parser, Run

NAME = "healthcheck"
#: What stands for the job's name in ``base``.
JOB = "{job}"
#: Services keep about this many bytes of a ping's body.
LARGEST_BODY = 10_000
#: How long a run waits for its ping ``/start``, in seconds.
START_PATIENCE = 3.0
#: How long no ``/start`` is sent after one that did not arrive, in seconds.
SILENCE = 60.0

#: What is added to the URL; an end that says neither yes nor no is only noted.
_SUFFIX = {
    RunStatus.SUCCEEDED: "",
    RunStatus.FAILED: "fail",
    RunStatus.TIMED_OUT: "fail",
    RunStatus.LOST: "fail",
    RunStatus.CANCELLED: "log",
    RunStatus.SKIPPED: "log",
}


class HealthcheckTable(msgspec.Struct, frozen=True, kw_only=True):
    """``[plugins.healthcheck]``: the check of every job that ``jobs``, ``extensions`` and ``tags`` select."""

    base: Secret | None = None
    jobs: list[str] = msgspec.field(default_factory=list)
    extensions: list[str] = msgspec.field(default_factory=list)
    tags: list[str] = msgspec.field(default_factory=list)
    start: bool = True
    timeout: timedelta = TIMEOUT
    max_age: timedelta = MAX_AGE
    allow_private: bool = False

    def __post_init__(self) -> None:
        if self.base is not None:
            check_url("base", self.base.replace(JOB, "job"), allow_private=self.allow_private)
            if JOB not in self.base:
                raise PluginError(f"base needs {JOB} where the name of the job belongs")
            if JOB in self.base.split("://", 1)[-1].partition("/")[0]:
                raise PluginError(f"base: {JOB} belongs behind the host")
        check_timeout(self.timeout)
        check_max_age(self.max_age)
        for name in ("jobs", "extensions", "tags"):
            check_not_blank(name, getattr(self, name))


class HealthcheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """``[jobs.NAME.plugins.healthcheck]``: the check of one job, or none for it."""

    url: Secret | None = None
    enabled: bool = True

    def __post_init__(self) -> None:
        if self.url is not None:
            parse_url("url", self.url)


class Checks:
    """Which check belongs to which run."""

    def __init__(self, config: Config, find: FindJob) -> None:
        self.table: HealthcheckTable = config.plugin(NAME)
        self._config = config
        self._find = find
        table = self.table
        self._selection = Selection(table.jobs, table.extensions, table.tags)

    def wanted(self, jobs: Iterable[JobSpec]) -> bool:
        """Whether anybody asks for pings: configuration does, or one of *jobs* in its code."""
        if NAME in self._config.plugins:
            return True
        asked: Iterable[JobSpec | str] = [*self._config.jobs, *(job for job in jobs if NAME in job.plugins)]
        return any(map(self._has_own, asked))

    def _has_own(self, job: JobSpec | str) -> bool:
        try:
            return self._settings(job).url is not None
        except ConfigError:  # that job is listed with the error, and not run
            return False

    def url(self, run: RunRecord) -> Url | None:
        """Where to tell of *run*; None if nobody asked for it."""
        settings = self._settings(self._find(run.job) or run.job)
        if not settings.enabled:
            return None
        if settings.url is not None:
            return Url.parse(settings.url)
        if self.table.base is None or not self._selection.holds(run, self._find):
            return None
        return Url.parse(self.table.base.replace(JOB, quote(run.job, safe="")))

    def _settings(self, job: JobSpec | str) -> HealthcheckSettings:
        settings: HealthcheckSettings = self._config.plugin_settings(job, NAME)
        return settings

    async def ping(self, url: Url, suffix: str, run: RunRecord, timeout: float) -> None:
        """Tell the check at *url*. Raises NotDelivered, or Sink.Reject if the service knows no such check."""
        from jobkit_notify.http import send

        answer = await send(
            url.below(suffix, rid=run.id),
            body=summary(run),
            headers={"Content-Type": "text/plain; charset=utf-8"},
            timeout=timeout,
            allow_private=self.table.allow_private,
        )
        judge(answer, url)


class HealthcheckSink(Sink):
    """Tells how runs ended, through the outbox: a check that hears nothing raises an alarm."""

    name = NAME

    def __init__(self, checks: Checks) -> None:
        self._checks = checks
        self.max_age = checks.table.max_age
        self.timeout = checks.table.timeout.total_seconds() + 2

    def accepts(self, run: RunRecord) -> bool:
        """Whether the run's job has a check."""
        return self._checks.url(run) is not None

    async def emit(self, run: RunRecord) -> None:
        """Ping the job's check: success, ``/fail``, or ``/log``."""
        url = self._checks.url(run)
        if url is not None:
            await self._checks.ping(url, _SUFFIX[run.status], run, self._checks.table.timeout.total_seconds())


class Healthcheck:
    """The plugin, one object for each loaded project."""

    def __init__(self) -> None:
        self._checks: Checks | None = None
        self._silent_until = -math.inf

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        """Declare ``[plugins.healthcheck]`` and ``[jobs.NAME.plugins.healthcheck]``."""
        parser.table(HealthcheckTable)
        parser.job_settings(HealthcheckSettings)

    @hookimpl
    def jobkit_configure(self, config: Config) -> None:
        """Keep what the hooks about runs need."""
        self._checks = Checks(config, job_finder(config.root))

    @hookimpl
    async def jobkit_run_started(self, run: Run) -> None:
        """Ping ``/start``, so that the service measures the time; one that does not arrive is not repeated.

        The run waits meanwhile: not long, and not again for a while if nobody answers.
        """
        import anyio

        checks = self._checks
        if checks is None or not checks.table.start or anyio.current_time() < self._silent_until:
            return
        url = checks.url(run.record)
        if url is None:
            return
        try:
            patience = min(START_PATIENCE, checks.table.timeout.total_seconds())
            await checks.ping(url, "start", run.record, patience)
        except NotDelivered:
            self._silent_until = anyio.current_time() + SILENCE
            raise

    @hookimpl
    def jobkit_result_sinks(self, config: Config) -> Iterable[Sink]:
        """The sink, if pings are asked for."""
        from jobkit.plugin import loaded_project

        project = loaded_project()
        checks = Checks(config, job_finder(config.root))
        known = project.proposed.values() if project is not None and project.root == config.root else ()
        return [HealthcheckSink(checks)] if checks.wanted(known) else []


def summary(run: RunRecord) -> bytes:
    """A run in a few lines, for people: how it ended, what it says, what went wrong; bounded."""
    lines = [f"run {f'#{run.number}' if run.number is not None else run.id} of {run.job}: {run.status.value}"]
    if run.duration_ms is not None:
        lines.append(f"took {run.duration_ms / 1000:g} s")
    if run.reason:
        lines.append(f"reason: {shown(run.reason, 200)}")
    lines += what_happened(run, 2000)
    body = "\n".join(lines).encode("utf-8", "replace")[:LARGEST_BODY]
    return body.decode("utf-8", "ignore").encode()  # not half a character at the end
