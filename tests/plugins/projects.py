"""A project in a temporary folder whose plugins are loaded, beside a folder of installed distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from jobkit import collection
from jobkit.collection.hook_files import HookFiles
from jobkit.config import Config, load_config
from jobkit.plugins.loading import load_plugins
from jobkit.plugins.registry import PluginRegistry
from jobkit.plugins.sources import Builtin, PluginChoice
from tests.plugins.distributions import SitePackages

#: A plugin that works.
SOUND = """from jobkit import hookimpl


@hookimpl
def jobkit_services(config):
    return []
"""


class PluginProject:
    """Files of a project, distributions in *site*, and what loading them gives."""

    def __init__(self, root: Path, site: SitePackages) -> None:
        self.root = root
        self.site = site
        self.file("jobkit.toml", "")

    def file(self, path: str, text: str = SOUND) -> Path:
        """Write a file of the project."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def configure(self, text: str) -> None:
        """Write the project's configuration."""
        self.file("jobkit.toml", text)

    @property
    def config(self) -> Config:
        return load_config(self.root)

    def load(
        self,
        *words: str,
        variables: Mapping[str, str] | None = None,
        builtins: Sequence[Builtin] = (),
        disable_autoload: bool = False,
        strict: bool = False,
    ) -> PluginRegistry:
        """Load the plugins, *words* being those of ``--plugin``."""
        collection.detach()
        config = self.config
        registry = PluginRegistry(strict=strict)
        with HookFiles(config, collection.attach(config)) as files:
            load_plugins(
                registry,
                config,
                PluginChoice.of(words, disable_autoload=disable_autoload, strict=strict),
                builtins=builtins,
                import_file=files.load,
                variables=variables or {},
            )
        return registry


def states(registry: PluginRegistry) -> dict[str, str]:
    """Every plugin with its status, in the order in which they were met."""
    return {info.name: info.status for info in registry.infos}
