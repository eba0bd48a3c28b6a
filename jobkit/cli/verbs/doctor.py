"""``jobkit doctor``: is everything set up, and if not, how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.cli.command import verb
from jobkit.cli.doctor.finding import Finding, State, warn
from jobkit.cli.doctor.machine import look_at_machine
from jobkit.cli.doctor.project import look_at_configuration, look_at_permissions, look_at_project
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.render.terminal import Terminal
from jobkit.cli.render.text import count, pad, wrap
from jobkit.cli.session import Session
from jobkit.exceptions import JobkitError
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from datetime import datetime

    from jobkit.config import Config

_STYLES = {State.OK: "good", State.WARN: "warning", State.FAIL: "error"}


@verb(
    "doctor",
    empty=[],
    examples=[
        ("jobkit doctor", "look at machine, configuration, plugins, services, jobs and store"),
        ("jobkit doctor --json | jq '.data[] | select(.status != \"ok\")'", "for scripts"),
    ],
)
def command(session: Session) -> int:
    """Look at everything that jobkit needs, and say how to mend what is wrong.

    Nothing is written. Services that can be asked how they are (ping) are opened and asked.

    Exit code 1 if anything fails; warnings are none, except with --strict.
    """
    findings = [*examine(session)]
    output = session.output
    for finding in findings:
        if finding.error is not None and finding.state is State.FAIL:
            output.add_error(finding.error)
    output.answer([finding.to_json() for finding in findings])
    output.lines(screen(findings, output.terminal))
    bad = {State.FAIL, State.WARN} if session.options.strict else {State.FAIL}
    return ExitCode.FAILED if any(finding.state in bad for finding in findings) else ExitCode.OK


def examine(session: Session) -> Iterator[Finding]:
    """All findings, in the order in which they are shown."""
    now = session.clock.now()
    start = Path(session.options.directory or ".")
    yield from look_at_machine(now, session.output.terminal)
    config, found = look_at_configuration(start, session.options.env)
    yield from found
    if config is None:
        return
    session.output.root = config.root
    yield look_at_permissions(config)
    yield from look_at_project(session.options, now)
    from jobkit.cli.stores import with_plugins

    try:
        config = with_plugins(session, config)
    except JobkitError:  # what it is was found before
        what = "not looked at: its kind comes with a plugin, and the plugins could not be loaded"
        yield warn("store", what, "mend what is said of the project first")
        return
    yield from _store(config, session.clock.now)


def _store(config: Config, clock: Callable[[], datetime]) -> list[Finding]:
    import anyio

    from jobkit.cli.doctor.store import look_at_store

    async def look() -> list[Finding]:
        return [finding async for finding in look_at_store(config, clock)]

    return anyio.run(look)


def screen(findings: Sequence[Finding], terminal: Terminal) -> list[str]:
    """One line for each finding, with its fix below it; then the sum."""
    width = max(len(finding.check) for finding in findings)
    lines: list[str] = []
    for finding in findings:
        lead = f"{pad(finding.state, 4)}  {pad(finding.check, width)}  "
        indent = " " * len(lead)
        texts = wrap(escape_controls(finding.message), terminal.columns, indent)
        styled = terminal.style(finding.state, _STYLES[finding.state])
        lines += [lead.replace(finding.state, styled, 1) + texts[0].strip(), *texts[1:]]
        if finding.mend is not None:
            mend = " ".join(escape_controls(line) for line in finding.mend.splitlines())
            first, *rest = wrap(f"help: {mend}", terminal.columns, indent)
            lines += [first.replace("help:", terminal.style("help:", "accent"), 1), *rest]
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    parts = [f"{counts[State.OK]} ok"]
    parts += [count(counts[State.WARN], "warning")] if counts[State.WARN] else []
    parts += [f"{counts[State.FAIL]} failed"] if counts[State.FAIL] else []
    return [*lines, "", terminal.style(", ".join(parts), "strong")]
