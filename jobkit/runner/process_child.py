"""The program of a process that executes one attempt of one job.

It loads the project, opens the job's services, executes it, and tells its parent about all of it. It ends
when the job has ended, or when the parent has.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from jobkit.clock import Clock, clock_ahead
from jobkit.exceptions import JobkitError
from jobkit.job import JobSpec
from jobkit.logs import configure, install
from jobkit.logs.capture import RunCapture
from jobkit.project import Project
from jobkit.records import Progress, RunRecord
from jobkit.runner.attempt import Attempt
from jobkit.runner.executors import wire
from jobkit.runner.orders import Order
from jobkit.runner.outcome import Stop, Verdict
from jobkit.runner.requests import secret_texts
from jobkit.runner.site import Site
from jobkit.runner.steady_loop import SteadyLoop
from jobkit.statuses import Reason, RunStatus

#: How often log lines and progress are passed on, in seconds.
_INTERVAL = 0.2


class Channel:
    """The two pipes to the parent. ``send`` may be called from any thread."""

    def __init__(self) -> None:
        # The job may print, read and close what it likes: our pipes are not its standard streams.
        self._incoming = os.fdopen(os.dup(0), "rb")
        self._outgoing = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def send(self, message: Mapping[str, Any]) -> None:
        """Tell the parent; a parent that is gone is not told."""
        rest = memoryview(wire.encode(message))
        with self._lock, suppress(BrokenPipeError):
            while rest:
                rest = rest[os.write(self._outgoing, rest) :]

    def receive(self) -> dict[str, Any] | None:
        """What the parent says next; None if there is no parent any more."""
        line = self._incoming.readline()
        return wire.decode(line) if line.endswith(b"\n") else None


class Parent:
    """The parent, as the one that runs children and hears about progress."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._calls: dict[int, tuple[anyio.Event, list[Mapping[str, Any]]]] = {}
        self._progress: Progress | None = None

    async def run_child(self, job: object, parameters: Mapping[str, Any]) -> RunRecord:
        """Have *job* run as a child of this run."""
        number = len(self._calls) + 1
        answered, replies = self._calls[number] = anyio.Event(), []
        self._channel.send({"call": number, "job": wire.reference_to(job), "parameters": _plain(parameters)})
        await answered.wait()
        answer = wire.reply_of(replies[0])
        if isinstance(answer, RunRecord):
            return answer
        raise answer

    def replied(self, message: Mapping[str, Any]) -> None:
        """The parent has an answer."""
        answered, replies = self._calls[message["reply"]]
        replies.append(message)
        answered.set()

    def progressed(self, progress: Progress) -> None:
        """Remember how far the job is, to be told soon."""
        self._progress = progress

    def tell(self, capture: RunCapture) -> None:
        """Tell the parent what is new."""
        progress, self._progress = self._progress, None
        if progress is not None:
            self._channel.send(wire.progress_message(progress))
        lines = capture.drain()
        if lines:
            self._channel.send(wire.lines_message(lines))


def main() -> None:
    """Execute what standard input says, and end the process."""
    channel = Channel()
    try:
        order = channel.receive()
        if order is not None:
            _execute(channel, order)
    except BaseException as error:  # whatever it was, the parent is to know
        channel.send({"failed": f"its process could not execute it: {type(error).__name__}: {error}"})
    finally:
        # Threads that the job has left behind would keep an ordinary exit waiting.
        sys.stderr.flush()
        os._exit(0)


def _execute(channel: Channel, message: Mapping[str, Any]) -> None:
    root, name = Path(message["root"]), message["job"]
    # The parent writes the lines: here they are only kept and passed on.
    configure("json", message["level"], runs=False)
    install()
    try:
        project = Project.load(
            root,
            message["env"],
            only=name,
            plugins=wire.choice_of(message),
            arguments=message["arguments"],
        )
    except JobkitError as error:
        channel.send({"failed": f"its process could not load the project: {error.message}"})
        return
    # It is the parent that counts what plugins do wrong, and tells whoever wants to know.
    project.plugins.relay = lambda failure: channel.send(wire.failure_message(failure))
    spec = project.jobs.get(name)
    trouble = spec.error if spec is not None else next(iter(project.errors), None)
    if spec is None or spec.error is not None:
        why = trouble.message if trouble is not None else "it is not there any more"
        channel.send({"failed": f"its process could not load the job {name}: {why}"})
        return
    verdict = anyio.run(
        partial(_attempt, channel, message, project, spec), backend_options={"loop_factory": SteadyLoop}
    )
    channel.send(wire.verdict_message(verdict))


async def _attempt(channel: Channel, message: Mapping[str, Any], project: Project, spec: JobSpec) -> Verdict:
    clock = clock_ahead(timedelta(seconds=message["clock_ahead"]))
    site = _site(message, project, clock)
    schema = spec.signature.parameters
    parameters = schema.complete(schema.from_values(message["parameters"], job=spec.name), job=spec.name)
    secrets = project.config.secrets | secret_texts(spec, parameters)
    run = wire.read(message["run"], RunRecord)
    started_at = datetime.fromisoformat(message["started_at"])
    parent = Parent(channel)
    async with site, anyio.create_task_group() as tasks:
        with RunCapture(
            run.id,
            run.number or 0,
            run.job,
            run.extension,
            message["attempt"],
            secrets=secrets,
            now=clock.now,
        ) as capture:
            order = Order(
                spec,
                run,
                message["attempt"],
                parameters,
                started_at,
                wire.monotonic_of(started_at, clock),
                wire.limit_of(message, clock),
                capture.logger,
                capture.redactor,
                lambda: Stop.because(Reason.INTERRUPTED),
                wire.limit_of(message, clock, "inherited"),
            )
            attempt = Attempt(site, order, parent, parent.progressed)
            attempt.held_up = lambda seconds: channel.send(wire.hooks_message(seconds))
            listener = threading.Thread(target=_listen, args=(channel, site, attempt, parent), daemon=True)
            listener.start()
            tasks.start_soon(_tell, parent, capture)
            verdict = await attempt.verdict()
        tasks.cancel_scope.cancel()
        parent.tell(capture)
    return verdict


def _site(message: Mapping[str, Any], project: Project, clock: Clock) -> Site:
    cleanup = timedelta(seconds=message["cleanup"])
    hooks, services = project.hooks, project.services
    return Site(project.config, clock, {}, cleanup, disposable=True, hooks=hooks, providers=services)


async def _tell(parent: Parent, capture: RunCapture) -> None:
    while True:
        await anyio.sleep(_INTERVAL)
        parent.tell(capture)


def _listen(channel: Channel, site: Site, attempt: Attempt, parent: Parent) -> None:
    """In a thread: hear the parent even while the job holds the event loop."""
    while (message := channel.receive()) is not None:
        if "stop" in message:
            site.soon(partial(_stop, channel, attempt, message["stop"]))
        elif "reply" in message:
            site.soon(partial(parent.replied, message))
    # Nobody waits for the job any more, and nobody would record it.
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _stop(channel: Channel, attempt: Attempt, stop: Mapping[str, Any]) -> None:
    reason = None if stop["reason"] is None else Reason(stop["reason"])
    attempt.stop(Stop(RunStatus(stop["status"]), stop["message"], reason))
    # Said on the event loop: a process whose loop stands still says nothing, and is killed at once.
    channel.send({"stopping": True})


def _plain(parameters: Mapping[str, Any]) -> Any:
    import msgspec

    return msgspec.to_builtins(dict(parameters), str_keys=True, enc_hook=str)
