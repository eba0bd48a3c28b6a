"""``jobkit db dead-letters``: results that no sink would take; tried once more, or deleted."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import Option, verb
from jobkit.cli.reading import History, configuration, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.table import Column, Row, table
from jobkit.cli.render.text import count
from jobkit.cli.render.times import moment
from jobkit.cli.session import Session
from jobkit.cli.sinks_view import refuse_unknown_sink, unknown_sink
from jobkit.cli.stores import open_store
from jobkit.cli.usage import quoted
from jobkit.exceptions import UsageError
from jobkit.records import to_plain
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.cli.render.terminal import Terminal
    from jobkit.config import Config
    from jobkit.stores.base import Store
    from jobkit.stores.outbox import DeadLetter

_PAGE = 2000
#: More digits than an ID ever has.
_DIGITS = 18


@verb(
    "dead-letters",
    examples=[
        ("jobkit db dead-letters --sink webhook", "what it would not take, and why"),
        ("jobkit db dead-letters --replay 12 13", "try these two once more"),
        ("jobkit db dead-letters --replay --all --sink webhook", "try all of its once more"),
        ("jobkit db dead-letters --drop --all", "forget them; their runs stay"),
    ],
)
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--sink", "name", cls=Option, metavar="SINK", help="Only those of this sink, by its name.")
@click.option(
    "-n", "--limit", cls=Option, metavar="N", type=click.IntRange(1, 10_000), default=50,
    help="Show at most this many (50).",
)  # fmt: skip
@click.option("--replay", cls=Option, is_flag=True, help="Have the sink given them once more.")
@click.option("--drop", cls=Option, is_flag=True, help="Delete them; their runs stay.")
@click.option("--all", "everything", cls=Option, is_flag=True, help="With --replay or --drop: all there are.")
def dead_letters(session: Session, ids: tuple[str, ...], **given: Any) -> None:
    """Show results that a sink would not take, oldest first; with --replay or --drop, end that.

    What is replayed waits again, as if its run had just ended, for a scheduler or the next
    `jobkit run`.
    """
    _refuse_nonsense(ids, given)
    numbers = [_number(text) for text in ids]
    config = configuration(session)
    if given["replay"] or given["drop"]:
        _settle(session, config, numbers, given)
    else:
        _list(session, config, given["name"], given["limit"])


def _refuse_nonsense(ids: Sequence[str], given: dict[str, Any]) -> None:
    what = "--replay" if given["replay"] else "--drop"
    if given["replay"] and given["drop"]:
        raise UsageError("--replay and --drop exclude each other", help="give one of them")
    if not given["replay"] and not given["drop"]:
        if ids or given["everything"]:
            raise UsageError("nothing was said to be done with them", help="add --replay or --drop")
    elif ids and given["everything"]:
        raise UsageError("some IDs and --all exclude each other", help="give either")
    elif not ids and not given["everything"]:
        raise UsageError(
            f"{what}: which of them?",
            help=f"give IDs as `jobkit db dead-letters` shows them, or `{what} --all`",
        )


def _number(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= _DIGITS and int(text):
        return int(text)
    raise UsageError(
        f"{quoted(text, 40)} is no ID of a dead letter, which is a number",
        help="`jobkit db dead-letters` lists them",
    )


# -- listing ------------------------------------------------------------------------------------------


def _list(session: Session, config: Config, sink: str | None, limit: int) -> None:
    async def look(history: History) -> list[DeadLetter]:
        if sink is not None:
            await refuse_unknown_sink(history.store, sink)
        found = await history.store.dead_letters(sink=sink, limit=min(limit + 1, 10_000))
        return [*found]

    letters = read(config, look)
    shown, more = letters[:limit], len(letters) > limit
    session.output.answer(
        {"letters": [_to_json(letter) for letter in shown], "more": more, "replayed": None, "dropped": None}
    )
    now, zone = session.clock.now(), ZoneInfo(config.scheduler.timezone)
    terminal = session.output.terminal
    lines = header(place(config, now), terminal)
    if not shown:
        whose = f" of sink {escape_controls(sink)}" if sink is not None else ""
        session.output.lines([*lines, f"no dead letters{whose}"])
        return
    lines += _screen(shown, now, zone, terminal)
    session.output.lines([*lines, "", _footer(more=more, limit=limit)])


def _footer(*, more: bool, limit: int) -> str:
    ways = "--replay ID tries one once more, --drop ID deletes it, --all means all"
    return f"the first {limit} (--limit shows more); {ways}" if more else ways


def _to_json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "sink": letter.sink,
        "run_id": letter.run_id,
        "number": letter.number,
        "job": letter.job,
        "added_at": to_plain(letter.added_at),
        "died_at": to_plain(letter.died_at),
        "failures": letter.failures,
        "reason": letter.reason,
        "error": letter.error,
    }


def _screen(letters: Sequence[DeadLetter], now: datetime, zone: ZoneInfo, terminal: Terminal) -> list[str]:
    columns = [
        Column("ID", right=True),
        Column("SINK", shrink_to=10),
        Column("RUN", right=True),
        Column("JOB", shrink_to=12),
        Column("GIVEN UP", optional=1),
        Column("WHY"),
        Column("TRIES", right=True, optional=2),
        Column("ERROR", shrink_to=16),
    ]

    def row(letter: DeadLetter) -> Row:
        return [
            str(letter.id),
            escape_controls(letter.sink),
            f"#{letter.number}",
            escape_controls(letter.job),
            moment(letter.died_at, now, zone),
            letter.reason,
            str(letter.failures),
            escape_controls(letter.error or "-"),
        ]

    return table(columns, [row(letter) for letter in letters], terminal)


# -- replaying and dropping ---------------------------------------------------------------------------


def _settle(session: Session, config: Config, ids: Sequence[int], given: dict[str, Any]) -> None:
    import anyio

    sink, replay = given["name"], given["replay"]

    async def settle(store: Store) -> int:
        if not (await store.schema()).applied:
            _refuse_unknown(ids, ())
            if sink is not None:
                raise unknown_sink(sink, ())
            return 0  # there is no store yet, and this is no reason to make one
        async with store:
            if sink is not None:
                await refuse_unknown_sink(store, sink)
            if ids:
                _refuse_unknown(ids, await _known(store, sink))
            method = store.replay if replay else store.drop_dead_letters
            return await method(sink=sink, ids=ids or None)

    number = anyio.run(settle, open_store(config))
    session.output.answer(
        {
            "letters": [],
            "more": False,
            "replayed": number if replay else None,
            "dropped": None if replay else number,
        }
    )
    whose = f" for {escape_controls(sink)}" if sink is not None else ""
    words = f"{count(number, 'result')} wait{'s' if number == 1 else ''} again{whose}"
    if not replay:
        words = f"{count(number, 'dead letter')} deleted"
    elif number:
        words += ": a scheduler (jobkit start) or the next `jobkit run` delivers " + (
            "it" if number == 1 else "them"
        )
    session.output.lines([words])


async def _known(store: Store, sink: str | None) -> set[int]:
    known: set[int] = set()
    after = 0
    while page := await store.dead_letters(sink=sink, after=after, limit=_PAGE):
        known.update(letter.id for letter in page)
        after = page[-1].id
    return known


def _refuse_unknown(ids: Sequence[int], known: Collection[int]) -> None:
    missing = [str(number) for number in ids if number not in known]
    if missing:
        raise UsageError(
            f"there is no dead letter {', '.join(missing[:10])}",
            help="`jobkit db dead-letters` lists them; what was replayed and failed again has a new ID",
        )
