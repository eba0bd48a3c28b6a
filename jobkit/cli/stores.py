"""The run store that a command reads: jobkit's own kinds at once, those of plugins once these are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobkit.stores.opening import SCHEMES, store_of

if TYPE_CHECKING:
    from jobkit.cli.session import Session
    from jobkit.config import Config
    from jobkit.stores.base import Store


def is_foreign(config: Config) -> bool:
    """Whether the kind of store that *config* names is none of jobkit's own."""
    return config.scheduler.store.partition(":")[0].lower() not in SCHEMES


def open_store(config: Config, *, read_only: bool = False) -> Store:
    """The store that *config* names, not entered yet. Raises StoreError.

    For one of a plugin, the project has to be loaded: see :func:`with_plugins`.
    """
    if is_foreign(config):
        from jobkit.project import loaded_project

        project = loaded_project()
        if project is not None:
            return project.open_store(read_only=read_only)
    return store_of(config, read_only=read_only)


def with_plugins(session: Session, config: Config) -> Config:
    """*config*, with the plugins loaded that its store needs; they stay loaded while the command goes on.

    Raises whatever keeps plugins from being loaded.
    """
    if not is_foreign(config):
        return config
    from jobkit.cli.plugged import choice_of
    from jobkit.project import Project, loaded_project

    if loaded_project() is None:
        options = session.options
        project = Project.prepare(
            config.root, options.env, plugins=choice_of(options), arguments=options.plugin_options
        )
        session.prepared.append(project)
        return project.config
    return config
