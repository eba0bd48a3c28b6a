"""The plugin ``webhook``: every finished run, as JSON, to a URL."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from jobkit import RunRecord, Secret, Sink, hookimpl
from jobkit.plugin import PluginError
from jobkit_notify.answers import NotDelivered, Patience, judge
from jobkit_notify.jobs import FindJob, job_finder
from jobkit_notify.selection import Selection
from jobkit_notify.tables import (
    MAX_AGE,
    STATUSES,
    TIMEOUT,
    Status,
    check_headers,
    check_max_age,
    check_names,
    check_not_blank,
    check_secret,
    check_timeout,
    check_url,
)

if TYPE_CHECKING:
    from jobkit.plugin import Config, Parser

#: What ``schema`` says in the body: it changes with the shape.
SCHEMA = "jobkit.webhook/1"


class _Options(msgspec.Struct, frozen=True, kw_only=True):
    secret: Secret | None = None
    previous_secret: Secret | None = None
    headers: dict[str, Secret] = msgspec.field(default_factory=dict)
    timeout: timedelta = TIMEOUT
    max_age: timedelta = MAX_AGE
    allow_private: bool = False
    on: list[Status] = msgspec.field(default_factory=lambda: [*STATUSES])
    jobs: list[str] = msgspec.field(default_factory=list)
    extensions: list[str] = msgspec.field(default_factory=list)
    tags: list[str] = msgspec.field(default_factory=list)

    def check(self) -> None:
        """Raises PluginError for a value that could not work."""
        check_secret("secret", self.secret)
        check_secret("previous_secret", self.previous_secret)
        if self.previous_secret is not None and self.secret is None:
            raise PluginError(
                "previous_secret is there to change from one secret to the next: secret is missing"
            )
        check_headers(self.headers)
        check_timeout(self.timeout)
        check_max_age(self.max_age)
        for name in ("on", "jobs", "extensions", "tags"):
            check_not_blank(name, getattr(self, name))
        if not self.on:
            raise PluginError("on is empty: nothing would ever be sent")


class Receiver(_Options, frozen=True, kw_only=True):
    """Who is told of which runs, and how: ``[plugins.webhook.receivers.NAME]``."""

    url: Secret

    def __post_init__(self) -> None:
        self.check()
        check_url("url", self.url, allow_private=self.allow_private)


class WebhookTable(_Options, frozen=True, kw_only=True):
    """``[plugins.webhook]``: one receiver, and further ones by name."""

    url: Secret | None = None
    receivers: dict[str, Receiver] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        self.check()
        if self.url is not None:
            check_url("url", self.url, allow_private=self.allow_private)
        elif any(getattr(self, name) != getattr(_UNTOUCHED, name) for name in _Options.__struct_fields__):
            raise PluginError("url is missing: nothing would be sent")
        check_names("receivers", self.receivers)

    def own(self) -> Receiver | None:
        """The receiver that the table itself describes, if it has a URL."""
        if self.url is None:
            return None
        options = {name: getattr(self, name) for name in _Options.__struct_fields__}
        return Receiver(url=self.url, **options)


_UNTOUCHED = _Options()


class WebhookSink(Sink):
    """Sends finished runs to one receiver, one request each, signed if there is a secret."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        *,
        project: str,
        environment: str | None,
        find: FindJob,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.max_age = receiver.max_age
        # The request ends first, with a text that says more than that it took too long.
        self.timeout = receiver.timeout.total_seconds() + 2
        self._receiver = receiver
        self._url = check_url("url", receiver.url, allow_private=receiver.allow_private)
        self._selection = Selection(receiver.jobs, receiver.extensions, receiver.tags)
        self._keys = [key for key in (receiver.secret, receiver.previous_secret) if key is not None]
        self._project = project
        self._environment = environment
        self._find = find
        self._now = now
        self._patience = Patience()

    def accepts(self, run: RunRecord) -> bool:
        """Whether the receiver wants to hear of *run*."""
        return run.status.value in self._receiver.on and self._selection.holds(run, self._find)

    async def emit(self, run: RunRecord) -> None:
        """Send *run*. Raises Sink.Reject if the receiver will never take it."""
        from jobkit_notify.http import send
        from jobkit_notify.signing import SIGNATURE_HEADER, sign

        self._patience.check(self._url)
        event = f"run.{run.status.value}"
        body = self._body(event, run)
        headers = {
            **self._receiver.headers,
            "Content-Type": "application/json",
            "Idempotency-Key": run.id,
            "Jobkit-Event": event,
        }
        if self._keys:
            headers[SIGNATURE_HEADER] = sign(self._keys, body, int(self._now()))
        answer = await send(
            self._url,
            body=body,
            headers=headers,
            timeout=self._receiver.timeout.total_seconds(),
            allow_private=self._receiver.allow_private,
        )
        try:
            judge(answer, self._url, [*self._keys, *self._receiver.headers.values()])
        except NotDelivered as error:
            self._patience.note(error)
            raise

    def _body(self, event: str, run: RunRecord) -> bytes:
        envelope = {
            "schema": SCHEMA,
            "event": event,
            "project": self._project,
            "environment": self._environment,
            "run": run.to_json(),
        }
        # ASCII only: a text of a job may hold what UTF-8 cannot.
        return json.dumps(envelope, separators=(",", ":")).encode("ascii")


class Webhook:
    """The plugin."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        """Declare ``[plugins.webhook]``."""
        parser.table(WebhookTable)

    @hookimpl
    def jobkit_result_sinks(self, config: Config) -> Iterable[Sink]:
        """One sink for each receiver."""
        table: WebhookTable = config.plugin("webhook")
        receivers = {f"webhook:{name}": receiver for name, receiver in table.receivers.items()}
        own = table.own()
        if own is not None:
            receivers = {"webhook": own, **receivers}
        find = job_finder(config.root)
        return [
            WebhookSink(name, receiver, project=config.project.name, environment=config.env, find=find)
            for name, receiver in receivers.items()
        ]
