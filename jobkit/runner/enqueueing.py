"""Queueing a run from a program that has neither a store nor an event loop at hand."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anyio

from jobkit.runner.accepting import accept, refuse_memory
from jobkit.runner.children import find_job
from jobkit.runner.settling import settle_dead
from jobkit.statuses import Trigger

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.records import RunRecord


def enqueue(
    project: Project,
    name: str,
    parameters: Mapping[str, Any] | None,
    *,
    actor: str | None,
    enforce: bool | None,
) -> RunRecord:
    """See ``Project.enqueue``."""
    spec = find_job(project.jobs, name)

    async def add() -> RunRecord:
        store = project.open_store()
        refuse_memory(store)
        async with store:
            await settle_dead(store, project.jobs)
            return await accept(
                store,
                spec,
                parameters,
                trigger=Trigger.API,
                actor=actor,
                enforce=enforce,
                config=project.config,
                hooks=project.hooks,
            )

    # Whoever calls may be inside an event loop, which cannot be entered once more.
    outcome: list[RunRecord | BaseException] = []

    def work() -> None:
        try:
            outcome.append(anyio.run(add))
        except BaseException as error:  # carried over to the thread that waits
            outcome.append(error)

    thread = threading.Thread(target=work, name="jobkit-enqueue")
    thread.start()
    thread.join()
    [came_of_it] = outcome
    if isinstance(came_of_it, BaseException):
        raise came_of_it
    return came_of_it
