"""Runs as JSON lines, to stdout or into a new file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from jobkit.cli.output import Output, encode
from jobkit.exceptions import UsageError
from jobkit.records import RunRecord

#: Takes runs and writes them; False if nobody reads any more.
Writer = Callable[[Sequence[RunRecord]], bool]


@contextlib.contextmanager
def jsonl_target(output: Output, target: str | None) -> Iterator[Writer]:
    """Where runs go: the file *target*, or the answer of *output* for None.

    A file that exists is kept, one that could not be completed is removed. UsageError (JK815).
    """
    if target is None:
        yield lambda runs: _to_stdout(output, runs)
        return
    path = Path(target)
    try:
        file = path.open("x", encoding="ascii", newline="\n")
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error
    try:
        with file:
            yield lambda runs: bool(file.write(_lines(runs)) >= 0)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _refused(path, error) from error
    except BaseException:
        path.unlink(missing_ok=True)  # half an export looks like a whole one
        raise


def _to_stdout(output: Output, runs: Sequence[RunRecord]) -> bool:
    output.text(_lines(runs))
    return not output.unread


def _lines(runs: Sequence[RunRecord]) -> str:
    return "".join(f"{encode(run.to_json())}\n" for run in runs)


def _refused(path: Path, error: OSError | ValueError) -> UsageError:
    reason = getattr(error, "strerror", None) or str(error)
    return UsageError(
        f"the runs cannot be written to that file: {reason}",
        code="JK815",
        path=path,
        help="name a file that does not exist yet, in a folder that you may write to",
    )
