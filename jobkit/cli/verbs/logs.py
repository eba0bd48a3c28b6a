"""``jobkit logs RUN``: what a run wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.reading import History, configuration, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.log_lines import log_line
from jobkit.cli.render.runs import failure_block, result_line
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.run_references import find_run
from jobkit.cli.session import Session
from jobkit.config import Config
from jobkit.records import LogLine, RunRecord
from jobkit.sanitising import escape_controls

_PAGE = 1000
_POLL = timedelta(milliseconds=250)


@verb(
    "logs",
    examples=[
        ("jobkit logs 1423", "what run 1423 wrote"),
        ("jobkit logs last -f", "follow the newest run until it ends"),
    ],
)
@click.argument("run", shell_complete=completing("runs"))
@click.option("-f", "--follow", is_flag=True, help="Wait for more until the run has ended.")
def command(session: Session, run: str, follow: bool) -> None:
    """Show what a run wrote. RUN is its number, its full id, or `last`."""
    config = configuration(session)
    output = session.output

    async def show(history: History) -> None:
        record = await find_run(history, run)
        zone = ZoneInfo(config.scheduler.timezone)
        if output.json and not follow:
            lines = [line async for line in _lines(history, record, session, follow=False)]
            output.answer({"run": record.to_json(), "lines": [line.to_json() for line in lines]})
            return
        output.lines(_head(record, config, session.clock.now(), history.url, output.terminal))
        attempt = 1
        async for line in _lines(history, record, session, follow=follow):
            if output.json:
                output.stream({"run": record.number, **line.to_json()})
            else:
                output.lines(_shown(line, attempt, zone, output.terminal))
                attempt = line.attempt
        record = await history.run(record.id)
        if record.status.finished:
            output.lines(_end(record, config, output.terminal))

    read(config, show)


async def _lines(
    history: History, record: RunRecord, session: Session, *, follow: bool
) -> AsyncIterator[LogLine]:
    """The lines of a run in order; with *follow* those to come as well, until it has ended."""
    after = 0
    while True:
        # Whether it has ended is asked before the lines are read, or its last ones could be missed.
        ended = not follow or (await history.run(record.id)).status.finished
        page: Sequence[LogLine] = await history.store.log_lines(record.id, after=after, limit=_PAGE)
        for line in page:
            yield line
            after = line.sequence
        if len(page) == _PAGE:
            continue
        if ended or session.output.unread:
            return
        await session.clock.sleep_until(session.clock.now() + _POLL)


def _head(record: RunRecord, config: Config, now: datetime, store: str, terminal: Terminal) -> list[str]:
    name = f"#{record.number} {record.job}" if record.number is not None else record.job
    where = [f"node {escape_controls(record.node)}"] if record.node else []  # one that waits has none yet
    return [*header([name, *where, *place(config, now), store], terminal), ""]


def _shown(line: LogLine, attempt: int, zone: ZoneInfo, terminal: Terminal) -> list[str]:
    shown = [log_line(line, zone, terminal)]
    if line.attempt != attempt:
        shown.insert(0, terminal.rule(f"attempt {line.attempt}", "dim", thin=True))
    return shown


def _end(record: RunRecord, config: Config, terminal: Terminal) -> list[str]:
    block = failure_block(record, terminal, root=config.root) if not record.status.ok else []
    return [*block, "", *result_line(record, terminal)]
