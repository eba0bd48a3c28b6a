"""Child runs: a job runs another job, with a record of its own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

import anyio

from jobkit.exceptions import RunInTheWay, RunRefused, UsageError
from jobkit.logs import get_logger
from jobkit.runner.admission import admit
from jobkit.runner.requests import request_for
from jobkit.runner.run import Run
from jobkit.sanitising import safe_text
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.records import RunRecord
    from jobkit.runner.environment import Environment
    from jobkit.runner.orders import Limit
    from jobkit.runner.request import Request


class Children:
    """Starts the child runs of one attempt, in its place and under its deadline."""

    def __init__(
        self, environment: Environment, parent: Request, record: RunRecord, limit: Limit | None
    ) -> None:
        self._environment = environment
        self._parent = parent
        self._record = record
        self._limit = limit

    async def run_child(self, job: object, parameters: Mapping[str, Any]) -> RunRecord:
        """Run *job* to its end; its record, however it ended."""
        spec = find_job(self._environment.jobs, job)
        ancestors = (*self._parent.ancestors, self._parent.spec.name)
        if spec.name in ancestors:
            chain = " → ".join((*ancestors, spec.name))
            raise RunRefused(
                f"job {spec.name} would run inside itself ({chain})",
                help="what both need goes into a function, or into a third job",
            )
        request = request_for(
            self._environment,
            spec,
            parameters,
            trigger=Trigger.CHILD,
            actor=self._record.actor,
            enforce=self._record.enforce,
            parent=self._record.id,
            ancestors=ancestors,
            limit=self._limit.inherited() if self._limit is not None else None,
            inherited=self._parent.held,
        )
        await admit(self._environment.site.hooks, request)
        try:
            return await Run(self._environment, request).execute()
        except RunInTheWay as error:
            return await self._in_its_turn(request, error)

    async def _in_its_turn(self, request: Request, refusal: RunInTheWay) -> RunRecord:
        """Once no other run of the job is in the way. The refusal if that is after the parent's deadline."""
        environment, limit, told = self._environment, request.limit, None
        with environment.turns.listening():
            while True:
                if told != (told := refusal.run.id):
                    self._tell(request.spec, refusal.run)
                change = environment.turns.change
                try:
                    return await Run(environment, request).execute()
                except RunInTheWay as error:
                    refusal = error
                left = inf if limit is None else limit.monotonic - environment.site.clock.monotonic()
                with anyio.move_on_after(left):
                    await change.wait()
                if left <= 0:
                    raise refusal

    def _tell(self, spec: JobSpec, other: RunRecord) -> None:
        what = f"the thread of run {other.number}" if other.status.finished else f"run {other.number}"
        get_logger().info("run.waiting", job=spec.name, waiting_for=what, parent=self._record.id)
        self._environment.audience.tell(lambda observer: observer.run_waiting(spec, None, what))


def find_job(jobs: Mapping[str, JobSpec], wanted: object) -> JobSpec:
    """The job of that name, or that was submitted as *wanted*. UsageError if there is none."""
    if isinstance(wanted, str):
        if wanted in jobs:
            return jobs[wanted]
        near = difflib.get_close_matches(wanted, jobs, n=1)
        raise UsageError(
            f"there is no job {wanted[:128]!r}",
            code="JK523",
            help=f"did you mean {near[0]!r}?" if near else "`jobkit list` shows the jobs there are",
        )
    for spec in jobs.values():
        if spec.target is wanted:
            return spec
    name = safe_text(getattr(wanted, "__qualname__", type(wanted).__qualname__), 80)
    raise UsageError(
        f"{name} was not submitted as a job",
        code="JK523",
        help="run_job takes a job's name, or the function or class that was given to submit_job",
    )
