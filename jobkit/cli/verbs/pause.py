"""``jobkit pause [NAME…]``: no ticks of a job, or of all, for every scheduler on the store."""

from __future__ import annotations

from datetime import timedelta

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.session import Session
from jobkit.cli.spans import Span


@verb(
    "pause",
    examples=[
        (
            "jobkit pause send_invoices --for 2h --reason 'mail server moves'",
            "one job, and it ends by itself",
        ),
        ("jobkit pause", "all jobs, until `jobkit resume`"),
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completing("jobs"))
@click.option("--for", "span", type=Span(), metavar="DURATION", help="Ends by itself: 30m, 2h, 1d.")
@click.option("--reason", metavar="TEXT", help="Why; kept beside it, with who and when.")
@click.option("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
@click.option("-y", "--yes", is_flag=True, help="Do not ask in a protected environment.")
def command(
    session: Session,
    names: tuple[str, ...],
    span: timedelta | None,
    reason: str | None,
    actor: str | None,
    yes: bool,
) -> None:
    """Pause jobs, all jobs where none is named: their ticks have no runs until the pause ends.

    Kept in the store, and obeyed by every scheduler on it within a second. What runs goes on, what is asked
    for by hand runs, and ticks in a pause are never made up for. Pausing again takes the place of the pause.
    In a protected environment it is asked whether all jobs are meant.
    """
    from jobkit.cli.pausing import pause

    pause(session, names, span=span, reason=reason, actor=actor, consent=yes)
