"""Configuration: layers of TOML files, variables and options, and for each value the line that decided it."""

from __future__ import annotations

from jobkit.config.layers import Setting, Statement
from jobkit.config.loading import known_environments, load_config
from jobkit.config.root import find_root, require_root
from jobkit.config.schema import LogsSettings, ProjectSettings, SchedulerSettings
from jobkit.config.settings import Config

__all__ = [
    "Config",
    "LogsSettings",
    "ProjectSettings",
    "SchedulerSettings",
    "Setting",
    "Statement",
    "find_root",
    "known_environments",
    "load_config",
    "require_root",
]
