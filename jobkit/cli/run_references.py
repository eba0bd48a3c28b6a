"""How people name a run: its number, ``#`` and its number, its full id, or ``last``."""

from __future__ import annotations

from jobkit.cli.reading import History
from jobkit.cli.usage import quoted
from jobkit.exceptions import RunNotFound
from jobkit.records import RunRecord

_RECENT = 200
_LARGEST = 2**62


async def find_run(history: History, text: str) -> RunRecord:
    """The run that *text* names. ``last`` is the newest one that is not a child run. RunNotFound."""
    from jobkit.stores.base import RunQuery

    reference = text.strip()
    if reference.lower() == "last":
        runs = (await history.page(RunQuery(limit=_RECENT))).runs
        roots = [run for run in runs if run.parent is None and run.number is not None]
        if not roots:
            raise RunNotFound("nothing has run yet", code="JK603", help="`jobkit list` shows the jobs")
        return roots[0]
    if reference == "-":
        raise RunNotFound(
            "a row without a number is a span of ticks that had no run: nothing was written",
            code="JK603",
            help="`jobkit why JOB --at TIME` tells why they had none",
        )
    number = reference.removeprefix("#")
    if number.isascii() and number.isdigit():
        return await history.run(min(int(number[:20]), _LARGEST))
    if len(reference) != 36:
        raise RunNotFound(
            f"{quoted(text, 60)} names no run",
            code="JK603",
            help="give its number, its full id, or `last`; `jobkit history` shows them",
        )
    return await history.run(reference)
