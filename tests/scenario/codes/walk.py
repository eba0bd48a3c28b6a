"""One walk through an error code: run into it, read what is printed, do what it says, go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.cli.harness import CommandLine, Ended


@dataclass(frozen=True, slots=True)
class Walk:
    """How a user meets *code* and leaves it behind.

    *provoke* sets the stage in an empty project and runs the command that prints the code; *hint* are words
    of what is printed then that say what to do; *mend* does just that and runs the command again, which
    must succeed without a word of the code.
    """

    code: str
    provoke: Callable[[CommandLine], Ended]
    hint: str
    mend: Callable[[CommandLine], Ended]


def follow(walk: Walk, cli: CommandLine) -> None:
    """Walk it in the project of *cli*."""
    shown = _words(walk.provoke(cli))
    assert walk.code in shown, shown
    assert walk.hint in shown, shown
    after = walk.mend(cli)
    assert after.code == 0, after.out + after.err
    assert walk.code not in _words(after), after.out + after.err


def _words(ended: Ended) -> str:
    """What was printed, broken lines joined."""
    return " ".join((ended.out + " " + ended.err).split())
