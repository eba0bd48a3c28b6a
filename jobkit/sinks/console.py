"""The plugin ``console``: where ``[plugins.console] enabled = true``, a line for each finished run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from jobkit.markers import hookimpl

if TYPE_CHECKING:
    from jobkit.config import Config
    from jobkit.plugins.parser import Parser
    from jobkit.records import RunRecord
    from jobkit.sinks.settings import ConsoleSettings

NAME: Final = "console"

_LONGEST = 200


class ConsolePlugin:
    """Provides the sink, if it is wanted."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        parser.lazy_table("jobkit.sinks.settings:ConsoleSettings")

    @hookimpl
    def jobkit_result_sinks(self, config: Config) -> Iterable[Any]:
        if config.table_setting("plugins", NAME) is None:
            return []
        settings: ConsoleSettings = config.plugin(NAME)
        return [ConsoleSink()] if settings.enabled else []


class ConsoleSink:
    """Writes one line for each run to standard error, as it is at that moment."""

    name = NAME
    local = True

    def emit(self, run: RunRecord) -> None:
        # One of our own streams in front of it would take the line for something that a job printed.
        stream = getattr(sys.stderr, "jobkit_original", sys.stderr)
        if stream is None:
            return
        encoding = getattr(stream, "encoding", None) or "utf-8"
        line = f"{line_of(run)}\n".encode(encoding, "backslashreplace").decode(encoding)
        stream.write(line)
        stream.flush()


def line_of(run: RunRecord) -> str:
    """*run* in one line: when it ended, what it is, how it went. No control characters, bounded."""
    from jobkit.logs.setup import state
    from jobkit.records import format_instant

    at = "" if run.finished_at is None else format_instant(run.finished_at.replace(microsecond=0))
    number = "" if run.number is None else f" {run.number}"
    took = "" if run.duration_ms is None else f" in {run.duration_ms} ms"
    message = state().redactor.show(run.message, _LONGEST, multiline=False) if run.message else ""
    return f"{at} {run.job}{number} {run.status}{took}{': ' if message else ''}{message}".strip()
