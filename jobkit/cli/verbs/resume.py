"""``jobkit resume [NAME…]``: the end of a pause."""

from __future__ import annotations

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.session import Session


@verb(
    "resume",
    examples=[
        ("jobkit resume send_invoices", "the pause of one job ends"),
        ("jobkit resume", "the pause of all jobs ends"),
    ],
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=completing("jobs"))
@click.option("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
def command(session: Session, names: tuple[str, ...], actor: str | None) -> None:
    """End the pause of jobs; where none is named, the pause of all jobs.

    The two are apart: a job that was paused by its name stays paused when all jobs go on, and the other way
    round. What fell due meanwhile is not made up for.
    """
    from jobkit.cli.pausing import resume

    resume(session, names, actor=actor)
