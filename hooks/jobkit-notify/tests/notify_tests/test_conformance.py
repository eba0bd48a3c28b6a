"""The sinks behave as every sink must: jobkit's own suite says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from jobkit_notify.alerts.rules import Rule
from jobkit_notify.alerts.sink import AlertSink
from jobkit_notify.alerts.state import RuleState
from jobkit_notify.webhook import Receiver, WebhookSink
from notify_tests.projects import loaded, sinks
from notify_tests.receiver import Receiver as Server

from jobkit import Secret
from jobkit.testing.conformance.sink import MakeSink, SinkConformance


class TestWebhook(SinkConformance):
    """With a server that takes everything."""

    @pytest.fixture
    def make_sink(self, receiver: Server) -> MakeSink:
        """One as the plugin makes it."""
        table = Receiver(url=Secret(f"{receiver.url}/hook"), secret=Secret("secret"), allow_private=True)
        return lambda: WebhookSink("webhook", table, project="shop", environment=None, find=lambda _: None)


class TestHealthcheck(SinkConformance):
    """In a loaded project."""

    @pytest.fixture
    def make_sink(self, receiver: Server, tmp_path: Path) -> MakeSink:
        """One as the plugin makes it."""
        table = f'[plugins.healthcheck]\nallow_private = true\nbase = "{receiver.url}/{{job}}"'

        def make() -> object:
            with loaded(tmp_path, table) as project:
                return sinks(project)["healthcheck"]

        return make


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")
class TestAlerts(SinkConformance):
    """A plain function, which the delivery calls in a thread."""

    @pytest.fixture
    def make_sink(self, receiver: Server, tmp_path: Path) -> MakeSink:
        """One that tells of everything."""
        rule = Rule(
            to=[Secret(f"json://127.0.0.1:{receiver.port}/")],
            on=["failed", "recovered", "timed_out", "lost", "cancelled", "succeeded", "skipped"],
        )
        return lambda: AlertSink(
            "ops",
            rule,
            project="shop",
            environment=None,
            find=lambda _: None,
            state=RuleState(tmp_path / "ops.json"),
        )
