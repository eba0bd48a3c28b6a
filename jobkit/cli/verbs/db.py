"""``jobkit db``: the run store, and the state of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from jobkit.cli.command import SETTINGS, verb
from jobkit.cli.reading import configuration
from jobkit.cli.render.header import header, place
from jobkit.cli.render.text import count
from jobkit.cli.session import Session
from jobkit.config import Config
from jobkit.stores.opening import store_of

if TYPE_CHECKING:
    from jobkit.stores.base import SchemaStatus, Store


@verb("status", examples=[("jobkit db status", "where runs are kept, and whether the tables are current")])
def status(session: Session) -> None:
    """Say where the store is and whether its tables are current."""
    config = configuration(session)
    schema, store = _ask(store_of(config), upgrade=False)
    _answer(session, config, schema, store)


@verb("upgrade", examples=[("jobkit db upgrade", "apply the migrations that wait")])
def upgrade(session: Session) -> None:
    """Apply the migrations that wait; doing it twice changes nothing."""
    config = configuration(session)
    schema, store = _ask(store_of(config), upgrade=True)
    _answer(session, config, schema, store)


command = click.Group(
    "db", commands=[status, upgrade], help="The run store: status, upgrade.", context_settings=SETTINGS
)


def _ask(store: Store, *, upgrade: bool) -> tuple[SchemaStatus, Store]:
    import anyio

    # Without entering the store: that would refuse one whose tables are not current.
    return anyio.run(store.upgrade if upgrade else store.schema), store


def _answer(session: Session, config: Config, schema: SchemaStatus, store: Store) -> None:
    output = session.output
    output.answer(
        {
            "store": store.url,
            "read_only": store.read_only,
            "applied": list(schema.applied),
            "pending": list(schema.pending),
            "details": dict(schema.details),
        }
    )
    terminal = output.terminal
    state = (
        "current"
        if not schema.pending
        else f"{count(len(schema.pending), 'migration')} waiting (jobkit db upgrade)"
    )
    facts = {
        "store": store.url + (", read-only" if store.read_only else ""),
        "tables": f"{state}, {len(schema.applied)} applied",
        **{str(key): str(value) for key, value in schema.details.items()},
    }
    width = max(map(len, facts))
    output.lines(
        [
            *header(place(config, session.clock.now()), terminal),
            *(f"  {terminal.style(f'{key:{width}}', 'dim')}  {value}" for key, value in facts.items()),
        ]
    )
