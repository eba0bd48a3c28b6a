"""Queueing runs for whichever scheduler or worker comes, and saying who that will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from jobkit.cli.exit_codes import ExitCode, exit_code_of
from jobkit.cli.plan import Manner, Order
from jobkit.cli.render.runs import queued_line
from jobkit.cli.session import Session
from jobkit.exceptions import JobkitError
from jobkit.records import RunRecord
from jobkit.runner.accepting import accept, refuse_memory
from jobkit.runner.settling import settle_dead
from jobkit.runner.takers import takers, takers_of

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.stores.replicas import ReplicaState


@dataclass(slots=True)
class _Queued:
    """What became of the orders, and who is there to take up the runs."""

    runs: list[tuple[Order, RunRecord]] = field(default_factory=list)
    refused: list[JobkitError] = field(default_factory=list)
    takers: tuple[ReplicaState, ...] = ()


def queue_runs(session: Session, project: Project, orders: Sequence[Order], manner: Manner) -> int:
    """Queue *orders* and answer with their records; the exit code is that of the first refusal."""
    made = anyio.run(_queue, session, project, orders, manner)
    output = session.output
    output.answer([run.to_json() for _, run in made.runs])
    left = []
    for order, run in made.runs:
        able = takers_of(run.job, run.node if order.spec.scope == "node" else "", made.takers)
        output.lines([queued_line(run, _who(able), output.terminal)])
        left += [] if able else [run]
    if left:
        output.aside(f"warning: {_nobody(left, made.takers)}")
    for error in made.refused:
        output.report(error)
    return exit_code_of(made.refused[0]) if made.refused else ExitCode.OK


async def _queue(session: Session, project: Project, orders: Sequence[Order], manner: Manner) -> _Queued:
    made = _Queued()
    store = project.open_store()
    refuse_memory(store)
    async with store:
        await settle_dead(store, project.jobs)
        for order in orders:
            try:
                run = await accept(
                    store,
                    order.spec,
                    order.parameters,
                    trigger=order.trigger,
                    actor=manner.actor,
                    enforce=manner.enforce,
                    config=project.config,
                    hooks=project.hooks,
                    clock=session.clock,
                    retry_of=order.retry_of,
                )
            except JobkitError as error:
                made.refused.append(error)
            else:
                made.runs.append((order, run))
        made.takers = await takers(store)
    return made


def _who(able: Sequence[ReplicaState]) -> str:
    """``scheduler on host-a (pid 4711)``, and how many more."""
    if not able:
        return ""
    replica = able[0].replica
    more = f", or {len(able) - 1} more" if len(able) > 1 else ""
    return f"{replica.kind} on {replica.node} (pid {replica.owner.pid}){more}"


def _nobody(left: Sequence[RunRecord], found: Sequence[ReplicaState]) -> str:
    """Why *left* are not executed now."""
    if not found:
        waits = "it waits" if len(left) == 1 else "they wait"
        return f"no scheduler is running: {waits} until one is (jobkit start)"
    names = ", ".join(dict.fromkeys(run.job for run in left))
    return f"no scheduler that is running can execute {names}; unless one comes, that ends in ten minutes"
