"""``jobkit disable NAME``: switch a job off in the overrides."""

from __future__ import annotations

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.session import Session


@verb(
    "disable",
    examples=[
        ("jobkit disable cleanup_old_records", "here, where no environment is chosen"),
        (
            "jobkit disable cleanup --env production --reason 'mail is down'",
            "in one environment, and why",
        ),
    ],
)
@click.argument("name", shell_complete=completing("jobs"))
@click.option("--reason", metavar="TEXT", help="Why; kept beside the change, with who and when.")
@click.option("--as", "actor", metavar="WHO", help="Who is accountable (user@host).")
def command(session: Session, name: str, reason: str | None, actor: str | None) -> None:
    """Switch a job off, and say what is in force then and why.

    Writes services/scheduler/overrides.toml (or that of the environment) and nothing else; the job can still
    be run by hand.
    """
    from jobkit.cli.switching import switch

    switch(session, name, enabled=False, reason=reason, actor=actor)
