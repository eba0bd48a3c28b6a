"""``jobkit cancel RUN…``: have runs end, wherever they go on."""

from __future__ import annotations

from datetime import timedelta

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.session import Session
from jobkit.cli.spans import Span

#: What was cancelled has five seconds to clean up, unless it is told otherwise.
_PATIENCE = timedelta(seconds=10)


@verb(
    "cancel",
    empty=[],
    examples=[
        ("jobkit cancel 1423 --reason 'wrong month'", "one run, and wait until it has ended"),
        ("jobkit cancel last --no-wait", "just ask for it"),
    ],
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=completing("runs"))
@click.option("--reason", metavar="TEXT", help="Why; it stands in the record of the run.")
@click.option("--timeout", type=Span(), metavar="DURATION", help="How long to wait for the end (10s).")
@click.option("--no-wait", is_flag=True, help="Ask for the end, and do not wait for it.")
@click.option("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
def command(
    session: Session,
    runs: tuple[str, ...],
    reason: str | None,
    timeout: timedelta | None,
    no_wait: bool,
    actor: str | None,
) -> int:
    """Cancel runs. RUN is a number, a full id, or `last`.

    One that waits ends at once. One that is executed, here or on another host, is stopped by the process that
    executes it: code that awaits is cancelled, a thread when it asks `ctx.check_cancelled()`. It is not tried
    again.
    """
    from jobkit.cli.cancelling import cancel

    patience = timedelta(0) if no_wait else timeout or _PATIENCE
    return cancel(session, runs, reason=reason, actor=actor, patience=patience)
