"""The hooks of the plugin ``alerts``."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobkit import Sink, hookimpl
from jobkit.plugin import PluginError
from jobkit_notify.alerts.rules import AlertsTable
from jobkit_notify.jobs import job_finder

if TYPE_CHECKING:
    from jobkit.plugin import Config, Parser


class Alerts:
    """The plugin."""

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        """Declare ``[plugins.alerts]``."""
        parser.table(AlertsTable)

    @hookimpl
    def jobkit_configure(self, config: Config) -> None:
        """See that apprise is there if somebody is to be told. Raises PluginError otherwise."""
        table: AlertsTable = config.plugin("alerts")
        if table.rules and importlib.util.find_spec("apprise") is None:
            raise PluginError(
                "alerts are configured, and apprise, which sends them, is not installed",
                help="install jobkit-notify with its extra: `jobkit-notify[apprise]`",
            )

    @hookimpl
    def jobkit_result_sinks(self, config: Config) -> Iterable[Sink]:
        """One sink for each rule."""
        table: AlertsTable = config.plugin("alerts")
        if not table.rules:
            return []
        from jobkit_notify.alerts.sink import AlertSink
        from jobkit_notify.alerts.state import RuleState

        folder = config.root / ".jobkit" / "alerts"
        return [
            AlertSink(
                name,
                rule,
                project=config.project.name,
                environment=config.env,
                find=job_finder(config.root),
                state=RuleState(folder / f"{name}.json"),
            )
            for name, rule in table.rules.items()
        ]
