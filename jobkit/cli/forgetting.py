"""``jobkit db forget-sink``: an end to what is kept for a sink that is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobkit.cli.command import verb
from jobkit.cli.reading import configuration
from jobkit.cli.render.text import count
from jobkit.cli.session import Session
from jobkit.cli.sinks_view import refuse_unknown_sink, unknown_sink
from jobkit.cli.stores import open_store
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import SinkState


@verb(
    "forget-sink",
    examples=[("jobkit db forget-sink webhook", "its plugin was removed; delete what waits for it")],
)
@click.argument("name", metavar="SINK")
def forget_sink(session: Session, name: str) -> None:
    """Delete what waits for a sink that is gone, and its dead letters; the runs stay.

    A run that waits for a sink is never pruned. A sink whose plugin is still there begins anew.
    """
    import anyio

    async def forget(store: Store) -> SinkState:
        if not (await store.schema()).applied:
            raise unknown_sink(name, ())
        async with store:
            await refuse_unknown_sink(store, name)
            [state] = [state for state in await store.sinks() if state.name == name]
            await store.remove_sink(name)
            return state

    state = anyio.run(forget, open_store(configuration(session)))
    session.output.answer({"sink": name, "waiting": state.waiting, "dead": state.dead})
    results, letters = count(state.waiting, "waiting result"), count(state.dead, "dead letter")
    session.output.lines([f"forgot sink {escape_controls(name)}: {results} and {letters} deleted"])
