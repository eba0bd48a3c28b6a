"""The plugin ``alerts``: tells people, by whatever apprise can reach them with, how runs ended."""

from __future__ import annotations

from jobkit_notify.alerts.plugin import Alerts

__all__ = ["Alerts"]
