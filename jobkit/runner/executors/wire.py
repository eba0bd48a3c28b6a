"""What a run's process and its parent say to each other: lines of JSON, over two pipes.

Nothing is pickled: both sides load the project, and pass each other names and values.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from jobkit.clock import ahead_of_machine
from jobkit.exceptions import JobkitError, ParameterError, RunError, RunRefused, UsageError
from jobkit.logs import setup
from jobkit.plugins.failures import PluginFailure
from jobkit.plugins.sources import PluginChoice
from jobkit.records import LogLine, Progress, RunRecord, to_plain
from jobkit.runner.orders import Limit
from jobkit.runner.outcome import Stop, Verdict
from jobkit.stores.base import Outcome

if TYPE_CHECKING:
    from jobkit.clock import Clock
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.facade import Hooks
    from jobkit.runner.orders import Order

T = TypeVar("T")

#: Longest line that is read, in bytes: a message, or a log line, with room for its escapes.
LONGEST_LINE = 64 * 1024 * 1024

_ERRORS: dict[str, type[JobkitError]] = {
    kind.__name__: kind for kind in (UsageError, RunRefused, ParameterError, RunError)
}


def encode(message: Mapping[str, Any]) -> bytes:
    """*message* as one line; lone surrogates survive it."""
    return json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of one line. ValueError if it is none."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message


def read(value: Any, kind: type[T]) -> T:
    """A record out of its plain form. ValueError if it does not fit."""
    return msgspec.convert(value, kind)


# -- from the parent ------------------------------------------------------------------------------


def order_message(
    order: Order, config: Config, cleanup: float, hooks: Hooks | None, clock: Clock
) -> dict[str, Any]:
    """An order, and what the process has to know of this one, whose clock is *clock*."""
    limit = order.limit
    return {
        "clock_ahead": ahead_of_machine(clock).total_seconds(),
        "root": str(config.root),
        "env": config.env,
        "level": next(name for name, level in setup.LEVELS.items() if level == setup.state().level),
        "job": order.spec.name,
        "run": order.run.to_json(),
        "attempt": order.attempt,
        "parameters": plain_parameters(order.spec, order.parameters),
        "started_at": order.started_at.isoformat(),
        "limit": _plain_limit(limit),
        "inherited": _plain_limit(order.inherited),
        "cleanup": cleanup,
        "plugins": _plain_choice(hooks.choice if hooks is not None else None),
        "arguments": dict(config.accepted.arguments) if config.accepted is not None else {},
    }


def choice_of(message: Mapping[str, Any]) -> PluginChoice:
    """Which plugins the user has chosen for the process that gives the order."""
    return PluginChoice(**{name: _tuple(value) for name, value in message["plugins"].items()})


def limit_of(message: Mapping[str, Any], clock: Clock, which: str = "limit") -> Limit | None:
    """The limit of an order, or the one that it inherits, by the clock of the process that reads it."""
    if message[which] is None:
        return None
    at, timeout = datetime.fromisoformat(message[which][0]), message[which][1]
    return Limit(monotonic_of(at, clock), at, None if timeout is None else timedelta(seconds=timeout))


def monotonic_of(instant: datetime, clock: Clock) -> float:
    """When *instant* is or was, by ``clock.monotonic()``: both processes share the wall clock only."""
    return clock.monotonic() + (instant - clock.now()).total_seconds()


def plain_parameters(spec: JobSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """*values* as JSON, secret ones included: they go from memory to memory."""
    schema = spec.signature.parameters
    plain = schema.to_exact(values)
    plain.update(
        (item.name, item.kind.plain(values[item.name]))
        for item in schema.parameters
        if item.secret and values[item.name] is not None
    )
    return plain


def stop_message(stop: Stop) -> dict[str, Any]:
    """Tells a process to stop."""
    return {"stop": {"status": stop.status, "message": stop.message, "reason": stop.reason}}


def reply_message(call: int, answer: RunRecord | BaseException) -> dict[str, Any]:
    """The record of a child run, or why there is none."""
    if isinstance(answer, RunRecord):
        return {"reply": call, "record": answer.to_json()}
    error = answer if isinstance(answer, JobkitError) else RunError(f"{type(answer).__name__}: {answer}")
    kind = next((name for name, known in _ERRORS.items() if isinstance(error, known)), "RunError")
    return {
        "reply": call,
        "error": {"kind": kind, "message": error.message, "code": error.code, "help": error.help},
    }


def reply_of(message: Mapping[str, Any]) -> RunRecord | JobkitError:
    """The answer in a reply."""
    if "record" in message:
        return read(message["record"], RunRecord)
    error = message["error"]
    return _ERRORS[error["kind"]](error["message"], code=error["code"], help=error["help"])


def reference_to(job: object) -> object:
    """A job as it is called across the pipe: its name, or where its function or class is defined."""
    if isinstance(job, FunctionType | type):
        return {"module": job.__module__, "name": job.__qualname__}
    return job if isinstance(job, str) else type(job).__qualname__


def job_of(message: Mapping[str, Any]) -> object:
    """The job that a call is about. Looked for among the modules that are loaded; nothing is imported."""
    job = message["job"]
    if isinstance(job, str):
        return job
    found: object = sys.modules.get(job["module"])
    for part in job["name"].split("."):
        found = getattr(found, part, None)
    return job["name"] if found is None else found


# -- from the process -----------------------------------------------------------------------------


def verdict_message(verdict: Verdict) -> dict[str, Any]:
    """How the attempt ended."""
    outcome = verdict.outcome
    plain = {item.name: to_plain(getattr(outcome, item.name)) for item in fields(outcome)}
    plain["error"] = None if outcome.error is None else asdict(outcome.error)
    plain["cleanup_errors"] = [asdict(error) for error in outcome.cleanup_errors]
    return {"verdict": plain, "retry": verdict.retry}


def verdict_of(message: Mapping[str, Any]) -> Verdict:
    """The verdict in a message."""
    return Verdict(read(message["verdict"], Outcome), bool(message["retry"]))


def lines_message(lines: list[LogLine]) -> dict[str, Any]:
    """Log lines of the job."""
    return {"lines": [line.to_json() for line in lines]}


def progress_message(progress: Progress) -> dict[str, Any]:
    """How far the job is."""
    return {"progress": to_plain(progress)}


def hooks_message(seconds: float | None) -> dict[str, Any]:
    """Plugins begin with something around the job (None), or took that long for it."""
    return {"hooks": seconds}


def failure_message(failure: PluginFailure) -> dict[str, Any]:
    """A plugin has failed there."""
    path = None if failure.path is None else str(failure.path)
    return {"plugin": failure.plugin, "hook": failure.hook, "message": failure.message, "path": path,
            "line": failure.line, "at": failure.at.isoformat(), "run": failure.run}  # fmt: skip


def failure_of(message: Mapping[str, Any]) -> PluginFailure:
    """The failure in a message; the exception itself stays in its process."""
    return PluginFailure(
        plugin=message["plugin"],
        hook=message["hook"],
        error=RuntimeError(message["message"]),
        message=message["message"],
        at=datetime.fromisoformat(message["at"]),
        path=None if message["path"] is None else Path(message["path"]),
        line=message["line"],
        run=message["run"],
    )


def _plain_choice(choice: PluginChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    # What is strict has been strict in the process that gives the order.
    return {"load": choice.load, "block": choice.block, "autoload": choice.autoload}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _plain_limit(limit: Limit | None) -> list[Any] | None:
    return None if limit is None else [limit.at.isoformat(), _seconds(limit.timeout)]


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()
