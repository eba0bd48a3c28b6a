"""The tables, per-job settings and options of plugins: read by what each plugin declared.

A mistake in ``[plugins.NAME]`` is one of the configuration; one in the settings of a job harms that job.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from jobkit.config.check import as_one, config_error, nearest
from jobkit.config.layers import DeepPath, Setting, always, layer, overlay
from jobkit.config.outside import spelled
from jobkit.exceptions import ConfigError
from jobkit.origin import Origin
from jobkit.redaction import SHORTEST_CONTENT
from jobkit.sanitising import bounded

if TYPE_CHECKING:
    from jobkit.config.plugin_declared import Declared, PluginOption
    from jobkit.config.settings import Config
    from jobkit.job import JobSpec
    from jobkit.services.graph import Provider
    from jobkit.values.structures import StructureKind


class Plugin(Protocol):
    """What has to be known of a plugin: its name, and whether it takes part."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...


class Registry(Protocol):
    """Where the plugins are listed, those that are not active included."""

    @property
    def infos(self) -> Iterable[Plugin]: ...


class Parser(Protocol):
    """Where a plugin has declared what it has."""

    @property
    def declared(self) -> Declared: ...


class PluginTables:
    """What was declared by the active plugins, and what configuration says about it. Safe to share.

    It stays in its process: one that gets the configuration by pickle loads the plugins itself.
    """

    def __init__(
        self, root: Path, declared: Mapping[str, Declared], active: frozenset[str], others: frozenset[str]
    ) -> None:
        self.declared = declared
        self.active = active
        self.others = others
        #: Structs by plugin, and values by flag; *arguments* as they were given.
        self.values: dict[str, Any] = {}
        self.options: dict[str, Any] = {}
        self.arguments: Mapping[str, Any] = MappingProxyType({})
        self._root = root
        self._jobs: dict[str, Setting] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return _nothing, ()

    @property
    def known(self) -> frozenset[str]:
        """The names of all plugins, be they active or not."""
        return self.active | self.others

    def again(self, config: Config) -> Config:
        """*config*, in which something was changed, with the tables read anew. Raises ConfigError."""
        fresh = PluginTables(self._root, self.declared, self.active, self.others)
        fresh.options, fresh.arguments = self.options, self.arguments
        return _with_tables(config, fresh, [])

    # -- tables -----------------------------------------------------------------------------------------

    def read(self, config: Config) -> tuple[list[ConfigError], set[str]]:
        """Read the table of every plugin; what is wrong, and what is secret."""
        errors: list[ConfigError] = []
        secrets = self._secrets_of_jobs(config)
        for name, declared in self.declared.items():
            said = config.table_setting("plugins", name)
            if declared.has_table and (said is not None or not declared.later):
                wrong, secret = self._read_table(declared, said)
                errors += wrong
                secrets |= secret
        return errors, secrets

    def _read_table(self, declared: Declared, said: Setting | None) -> tuple[list[ConfigError], set[str]]:
        from jobkit.config.plugin_reading import REFUSED, Reading

        reading = Reading(self._root)
        if declared.table is not None:
            value = reading.table(declared.table, ("plugins", declared.name), said)
            if value is not REFUSED:
                self.values[declared.name] = value
        return reading.errors, reading.secrets

    def _secrets_of_jobs(self, config: Config) -> set[str]:
        """What is secret in ``[jobs.NAME.plugins]``, found before any job is: logs begin earlier."""
        found: set[str] = set()
        for job, options in config.jobs.items():
            for name, setting in (options["plugins"].parts or {}).items() if "plugins" in options else ():
                kind = self._settings_of(name)
                if kind is not None:
                    from jobkit.config.plugin_reading import Reading

                    reading = Reading(self._root)
                    reading.table(kind, ("jobs", job, "plugins", name), setting)
                    found |= reading.secrets
        return found

    def table(self, name: str, config: Config) -> Any:
        """The struct of the plugin *name*, or plain values if it declared none. LookupError."""
        declared = self.declared.get(name)
        if name not in self.values and declared is not None and declared.has_table:
            self._read_table(declared, config.table_setting("plugins", name))
        if name in self.values:
            return self.values[name]
        self._check_name(name)
        return plain_table(config.table_setting("plugins", name))

    def option(self, flag: str) -> Any:
        """The value of an option. LookupError for one that no plugin has."""
        if flag not in self.options:
            raise LookupError(_unknown_option(flag, self.options))
        return self.options[flag]

    def give(self, arguments: Mapping[str, Any]) -> None:
        """Take options of the command line that were read after the tables. Raises ConfigError."""
        errors = _read_options(self, {**self.arguments, **arguments})
        if errors:
            raise as_one(errors)

    # -- settings of single jobs ------------------------------------------------------------------------

    def check_job(self, job: str, plugins: Setting) -> list[ConfigError]:
        """What is wrong with the settings of *job* for plugins; they are kept for whoever asks by name."""
        from jobkit.config.plugin_reading import Reading

        self._jobs[job] = plugins
        reading = Reading(self._root)
        for name, setting in (plugins.parts or {}).items():
            path = ("jobs", job, "plugins", name)
            kind = self._settings_of(name)
            if kind is not None:
                reading.table(kind, path, setting)
            elif name not in self.known:
                reading.errors.append(self.unknown_plugin(path, setting.stack[0].origin))
        return [_of_job(error) for error in reading.errors]

    def job_settings(self, job: JobSpec | str, name: str, config: Config) -> Any:
        """The settings of *job* for the plugin *name*, as its struct. LookupError, ConfigError."""
        from jobkit.config.plugin_reading import REFUSED, Reading

        self._check_name(name)
        job_name, plugins = self._plugins_of(job, config)
        setting = plugins.at((name,))
        kind = self._settings_of(name)
        if kind is None:
            return plain_table(setting)
        # A job that was merged before has what configuration says among its own.
        reading = Reading(self._root, in_force=True)
        value = reading.table(kind, ("jobs", job_name, "plugins", name), setting)
        if value is REFUSED:
            raise as_one([_of_job(error) for error in reading.errors])
        return value

    def _plugins_of(self, job: JobSpec | str, config: Config) -> tuple[str, Setting]:
        if not isinstance(job, str):
            return job.name, job_plugins(job, config)
        known = self._jobs.get(job)
        if known is None:
            known = config.job(job).get("plugins") or layer("plugins", {}, always(Origin("default")))
        return job, known

    def _settings_of(self, name: str) -> StructureKind | None:
        declared = self.declared.get(name)
        return declared.settings if declared is not None else None

    # -- names and secrets ------------------------------------------------------------------------------

    def hides(self, path: Sequence[str | int]) -> bool:
        """Whether the plugin declared what stands at *path*, ``("plugins", NAME, KEY)``, as secret."""
        from jobkit.config.plugin_structs import is_secret

        match path:
            case ("plugins", name, *rest) if (declared := self.declared.get(str(name))) is not None:
                kind = declared.table
            case ("jobs", _, "plugins", name, *rest):
                kind = self._settings_of(str(name))
            case _:
                return False
        return kind is not None and is_secret(kind, tuple(map(str, rest)))

    def _check_name(self, name: str) -> None:
        if name not in self.known:
            close = nearest(name, self.known)
            hint = (
                f"did you mean {close!r}?" if close is not None else "`jobkit plugins` lists those there are"
            )
            raise LookupError(f"there is no plugin {bounded(name, 80)!r}; {hint}")

    def unknown_plugin(self, path: DeepPath, origin: Origin) -> ConfigError:
        """The error for a name at the end of *path* that no plugin has."""
        name = bounded(str(path[-1]), 80)
        close = nearest(str(path[-1]), self.known)
        if path[0] == "jobs":
            message = f"[jobs.{path[1]}] plugins: there is no plugin `{name}`"
            hint = f"did you mean `{close}`?"
        else:
            message = f"[plugins.{name}] matches no plugin"
            hint = f"did you mean [plugins.{close}]?"
        if close is None:
            hint = "`jobkit plugins` lists those there are; install the one that is meant, or remove this"
        return config_error("JK742", message, origin, hint)


def accept_plugins(
    config: Config,
    registry: Registry,
    parsers: Mapping[str, Parser],
    arguments: Mapping[str, Any] | None = None,
    *,
    installed: Callable[[], Collection[str]] | None = None,
) -> Config:
    """*config* with the tables and options of the active plugins of *registry*, as *parsers* declare them.

    *arguments* are what the command line gave, by flag; *installed* tells, if it comes to that, the names of
    plugins that could be loaded. Raises ConfigError, whose ``errors`` are all that was found wrong, in all
    files.
    """
    active = frozenset(info.name for info in registry.infos if info.status == "active")
    others = frozenset(info.name for info in registry.infos) - active
    declared = {name: parser.declared for name, parser in parsers.items() if name in active}
    unknown = _unclaimed(config, active | others)
    if unknown and installed is not None:
        others |= frozenset(installed()) - active
        unknown = _unclaimed(config, active | others)
    tables = PluginTables(config.root, MappingProxyType(declared), active, others)
    wrong = [tables.unknown_plugin(("plugins", name), origin) for name, origin in unknown]
    wrong += _read_options(tables, arguments or {})
    warnings = (*config.warnings, *_not_checked(config, others))
    return replace(_with_tables(config, tables, wrong), warnings=warnings)


def _with_tables(config: Config, tables: PluginTables, wrong: list[ConfigError]) -> Config:
    errors, secrets = tables.read(config)
    if errors or wrong:
        raise as_one(_ordered([*errors, *wrong], config))
    hidden = {text for text in secrets if len(text) >= SHORTEST_CONTENT}
    return replace(config, accepted=tables, secrets=config.secrets | hidden)


def job_plugins(spec: JobSpec, config: Config) -> Setting:
    """What a job says to plugins: its code, and configuration laid over that, table by table."""
    origin = spec.origins.get("plugins") or Origin("code", spec.path, spec.line)
    code = layer("plugins", spec.plugins, always(origin))
    said = config.job(spec.name).get("plugins")
    return code if said is None else overlay(code, said)


def plain_table(setting: Setting | None) -> Mapping[str, Any]:
    """What *setting* says, as a read-only mapping of plain values; each call gives values of its own."""
    return MappingProxyType(_copied(setting.value) if setting is not None else {})


def table_services(config: Config) -> list[Provider]:
    """The struct of each plugin's table as a service, for the factories of that plugin and no others."""
    if config.accepted is None:
        return []
    from jobkit.services.graph import Provider
    from jobkit.services.specs import GivenSpec

    return [
        Provider(
            GivenSpec(lambda value=value: value, name=f"table-{number}", provides=type(value)),
            name,
            value=value,
            private=True,
        )
        for number, (name, value) in enumerate(config.accepted.values.items())
    ]


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _unclaimed(config: Config, known: Collection[str]) -> list[tuple[str, Origin]]:
    """The tables that belong to no plugin. In a variable's name ``_`` may stand for ``-``."""
    found = config.tree.at(("plugins",))
    heard = {spelled(name) for name in known if config.table_setting("plugins", name) is not None}
    return [
        (name, setting.stack[0].origin)
        for name, setting in (found.parts or {} if found is not None else {}).items()
        if name not in known and not (name in heard and setting.by_variables_only)
    ]


def _not_checked(config: Config, others: Collection[str]) -> list[ConfigError]:
    found = config.tree.at(("plugins",))
    tables = (found.parts or {}) if found is not None else {}
    return [
        config_error(
            "JK747",
            f"[plugins.{name}] is not checked: the plugin {name} is not active",
            setting.stack[0].origin,
            "`jobkit plugins` says why; if that is as it should be, remove the table",
        )
        for name, setting in tables.items()
        if name in others
    ]


# -- options of the command line --------------------------------------------------------------------------


def _read_options(tables: PluginTables, arguments: Mapping[str, Any]) -> list[ConfigError]:
    """Give every option its value; what is wrong with what was given."""
    options = {flag: item for each in tables.declared.values() for flag, item in each.options.items()}
    tables.arguments = MappingProxyType(dict(arguments))
    errors = [
        ConfigError(_unknown_option(flag, options), code="JK746", help="`jobkit --help` lists the options")
        for flag in arguments
        if flag not in options
    ]
    for flag, option in options.items():
        given = arguments.get(flag)
        try:
            tables.options[flag] = option.default if given is None else _argument(option, given)
        except ValueError as error:
            hint = f"give it {option.kind.label}: {flag} VALUE"
            errors.append(ConfigError(f"{flag}: {error}", code="JK746", help=hint))
    return errors


def _argument(option: PluginOption, given: Any) -> Any:
    from jobkit.values.base import MisfitError

    try:
        return option.kind.read_text(given) if isinstance(given, str) else option.kind.read(given)
    except MisfitError as error:
        shown = "this value" if option.kind.secret else repr(error.value)[:60]
        raise ValueError(f"{shown} {error.reason}") from None


def _unknown_option(flag: str, known: Collection[str]) -> str:
    close = nearest(flag, known)
    return f"no plugin has the option {bounded(flag, 80)}" + (f"; did you mean {close}?" if close else "")


# -- errors -----------------------------------------------------------------------------------------------


def _of_job(error: ConfigError) -> ConfigError:
    """*error* as one that harms a job and nothing else."""
    found = ConfigError(error.message, code="JK744", path=error.path, line=error.line, help=error.help)
    found.shown_keys = error.shown_keys
    return found


def _ordered(errors: list[ConfigError], config: Config) -> list[ConfigError]:
    """File by file, the lowest layer first, each by line; then what stands in no file."""
    order = {path: number for number, path in enumerate(config.files)}

    def place(error: ConfigError) -> tuple[int, int]:
        return order.get(error.path, len(order)) if error.path is not None else len(order), error.line or 0

    return sorted(errors, key=place)


def _nothing() -> None:
    return None
