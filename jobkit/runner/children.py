"""Child runs: a job runs another job, with a record of its own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobkit.exceptions import RunRefused, UsageError
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
        )
        await admit(self._environment.site.hooks, request)
        return await Run(self._environment, request).execute()


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
