"""``jobkit health``: does everything run that should? For people, and for the probes of supervisors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jobkit.cli.command import verb
from jobkit.cli.exit_codes import ExitCode
from jobkit.cli.projects import loaded
from jobkit.cli.reading import History, read
from jobkit.cli.render.header import header, place
from jobkit.cli.render.text import count, pad, wrap
from jobkit.cli.session import Session
from jobkit.records import to_plain
from jobkit.sanitising import escape_controls

if TYPE_CHECKING:
    from jobkit.cli.render.terminal import Terminal
    from jobkit.config import Config
    from jobkit.scheduler.health import Finding
    from jobkit.scheduler.snapshot import Snapshot
    from jobkit.stores.replicas import ReplicaState

_STYLES = {"ok": "good", "warning": "warning", "error": "error"}


@verb(
    "health",
    examples=[
        ("jobkit health", "who serves, what is late, what waits"),
        ("jobkit health -q", "a probe: says only what is wrong"),
        ("jobkit health --json | jq '.data.findings[] | select(.level != \"ok\")'", "for scripts"),
    ],
)
def command(session: Session) -> int:
    """Look whether schedulers run, and whether what they should run does; and say what to do if not.

    Exit code 0 if there is no error, 1 if there is, 6 if the store cannot be used. Warnings are no errors,
    except with --strict.
    """
    from jobkit.scheduler.health import examine, healthy
    from jobkit.scheduler.snapshot import take

    with loaded(session, lenient=True) as project:

        async def look(history: History) -> Snapshot:
            return await take(history.store, project.jobs, project.errors, project.config)

        seen = read(project.config, look)
        findings = examine(seen)
        well = healthy(findings)
        if session.options.strict:
            well = well and all(finding.level == "ok" for finding in findings)
        session.output.answer(_to_json(seen, findings, well))
        terminal = session.output.terminal
        if session.options.quiet:
            session.output.lines(_lines([each for each in findings if each.level != "ok"], terminal))
        else:
            session.output.lines(screen(project.config, seen, findings, terminal))
        return ExitCode.OK if well else ExitCode.FAILED


def _to_json(seen: Snapshot, findings: Sequence[Finding], well: bool) -> dict[str, Any]:
    from jobkit.scheduler.differences import differing

    return {
        "healthy": well,
        "at": to_plain(seen.now),
        "store": seen.store,
        "findings": [finding.to_json() for finding in findings],
        "replicas": [_replica(state) for state in seen.live],
        "late": [late.to_json() for late in seen.late.values()],
        "differs": [difference.to_json() for difference in differing(seen.live)],
    }


def _replica(state: ReplicaState) -> dict[str, Any]:
    replica = state.replica
    return {
        "id": replica.id,
        "kind": replica.kind,
        "node": replica.node,
        "host": replica.owner.host,
        "pid": replica.owner.pid,
        "since": to_plain(state.registered_at),
        "heartbeat_at": to_plain(state.heartbeat_at),
        "jobs": len(replica.jobs),
        "details": to_plain(dict(replica.details)),
    }


def screen(config: Config, seen: Snapshot, findings: Sequence[Finding], terminal: Terminal) -> list[str]:
    """One line for each finding, with what to do below it; then the sum."""
    lines = header([*place(config, seen.now), seen.store], terminal)
    return [*lines, "", *_lines(findings, terminal), "", terminal.style(_sum(findings), "strong")]


def _lines(findings: Sequence[Finding], terminal: Terminal) -> list[str]:
    lines: list[str] = []
    shown = {"ok": "ok", "warning": "warn", "error": "FAIL"}
    width = max((len(finding.code) for finding in findings), default=0)
    for finding in findings:
        lead = f"{pad(shown[finding.level], 4)}  {pad(finding.code, width)}  "
        indent = " " * len(lead)
        first, *rest = wrap(escape_controls(finding.message), terminal.columns, indent)
        styled = terminal.style(shown[finding.level], _STYLES[finding.level])
        lines += [lead.replace(shown[finding.level], styled, 1) + first.strip(), *rest]
        if finding.help is not None and finding.level != "ok":
            first, *rest = wrap(f"help: {escape_controls(finding.help)}", terminal.columns, indent)
            lines += [first.replace("help:", terminal.style("help:", "accent"), 1), *rest]
    return lines


def _sum(findings: Sequence[Finding]) -> str:
    errors, warnings = (sum(each.level == level for each in findings) for level in ("error", "warning"))
    parts = ["unhealthy" if errors else "healthy"]
    parts += [count(errors, "error")] if errors else []
    parts += [count(warnings, "warning")] if warnings else []
    return ", ".join(parts)
