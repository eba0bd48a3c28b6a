"""``jobkit explain CODE``: the long text of an error code."""

from __future__ import annotations

import click

from jobkit.cli.command import verb
from jobkit.cli.completing import completing
from jobkit.cli.session import Session
from jobkit.cli.usage import did_you_mean, quoted
from jobkit.codes import all_codes, explanation
from jobkit.exceptions import UsageError


@verb("explain", examples=[("jobkit explain JK302", "what it means and how to mend it")])
@click.argument("code", shell_complete=completing("codes"))
def command(session: Session, code: str) -> None:
    """Explain an error code: what it means and how to mend it."""
    from jobkit.cli.render.markdown import markdown

    page = explanation(code)
    if page is None:
        codes = all_codes()
        raise UsageError(
            f"there is no error code {quoted(code, 60)}",
            code="JK804",
            help=did_you_mean(code.upper(), codes, f"codes run from {codes[0]} to {codes[-1]}"),
        )
    title, _, text = page.partition("\n")
    name, _, title = title.removeprefix("# ").partition(": ")
    session.output.answer({"code": name, "title": title, "text": text.strip()})
    session.output.lines(markdown(page, session.output.terminal))
