"""From files, variables and options to one configuration.

The layers, later ones win: ``jobkit.toml`` (or ``[tool.jobkit]`` in ``pyproject.toml``); the operators'
``services/scheduler/config.toml``; that of the environment, ``config.<env>.toml``; ``overrides.toml``, or
``overrides.<env>.toml``; variables ``JOBKIT__…``; options of the command line. What a job's code says lies
below all of them, and is joined by :mod:`jobkit.config.apply`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jobkit.config.check import as_one, check, config_error, named, nearest
from jobkit.config.expansion import Expansion, empty_variable
from jobkit.config.files import Document, exists, read_document
from jobkit.config.layers import Setting, always, layer, merged, nested, overlay
from jobkit.config.outside import option_layers, variable_layers
from jobkit.config.permissions import permission_error, refused_paths
from jobkit.config.root import OWN_FILE, SHARED_FILE, has_own_table
from jobkit.config.settings import Config, settings_of
from jobkit.exceptions import ConfigError
from jobkit.origin import Origin
from jobkit.redaction import mask_url, secrets_of
from jobkit.sanitising import bounded

#: The operators' folder, below the root.
OPERATORS = Path("services") / "scheduler"

_ENVIRONMENT = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_OF_ENVIRONMENT = re.compile(r"(?:config|overrides)\.([a-z0-9][a-z0-9_-]{0,63})\.toml")


def load_config(
    root: Path,
    *,
    env: str | None = None,
    variables: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    documents: Mapping[Path, Document | None] | None = None,
) -> Config:
    """Read the configuration of the project at *root*.

    *env* chooses the environment (default: ``JOBKIT_ENV``; empty for none). *variables* is the
    environment (default: the process's). *options* are values of the command line by dotted key, as
    ``{"logs.format": "json"}``; those that are None are not given. *documents* take the place of files of
    these paths; None for one that was not there. Raises ConfigError, whose ``errors`` are all that was found
    wrong, in all files.
    """
    variables = os.environ if variables is None else variables
    loading = _Loading(root.resolve(), documents)
    chosen = _environment(env if env is not None else variables.get("JOBKIT_ENV"))
    loading.read_files(chosen)
    tree = merged(loading.layers)
    for one in variable_layers(variables, tree, loading.errors):
        tree = overlay(tree, one)
    for one in option_layers(options or {}, loading.errors):
        tree = overlay(tree, one)
    tree, secrets = loading.expand(tree, variables)
    loading.check_permissions(tree)
    if loading.errors:
        raise as_one(loading.ordered_errors())
    return Config(
        root=loading.root,
        env=chosen,
        files=tuple(document.path for document in loading.documents),
        tree=tree,
        secrets=secrets,
        warnings=tuple(loading.warnings),
        **settings_of(tree, loading.root),
    )


class Layers(NamedTuple):
    """What the layers say, laid over each other; variables ``${NAME}`` are not expanded."""

    env: str | None
    tree: Setting
    files: tuple[Path, ...]
    warnings: tuple[ConfigError, ...]


def load_layers(root: Path, *, env: str | None = None, variables: Mapping[str, str] | None = None) -> Layers:
    """What the files of the project at *root* say for *env*, though its ``${NAME}`` may not be set here.

    *variables* is the environment (default: none, so that it says nothing); an empty *env* means none. Raises
    ConfigError.
    """
    loading = _Loading(root.resolve())
    chosen = _environment(env)
    loading.read_files(chosen)
    tree = merged(loading.layers)
    for one in variable_layers(variables or {}, tree, loading.errors):
        tree = overlay(tree, one)
    loading.check_permissions(tree)
    if loading.errors:
        raise as_one(loading.ordered_errors())
    files = tuple(document.path for document in loading.documents)
    return Layers(chosen, tree, files, tuple(loading.warnings))


def configuration_files(root: Path, env: str | None) -> list[Path]:
    """The files that the configuration is read from for *env* (None for none), be they there or not.

    The last one is that of the overrides.
    """
    folder = root / OPERATORS
    of_environment = [folder / f"config.{env}.toml"] if env else []
    overrides = folder / (f"overrides.{env}.toml" if env else "overrides.toml")
    return [root / OWN_FILE, root / SHARED_FILE, folder / "config.toml", *of_environment, overrides]


def read_documents(root: Path, env: str | None) -> dict[Path, Document | None]:
    """What these files say now, for :func:`load_config` to be given later; None for what is not there.

    Raises ConfigError for one that cannot be read.
    """
    return {path: document_at(path) for path in configuration_files(root, env)}


def document_at(path: Path) -> Document | None:
    """One of them. ConfigError."""
    there = has_own_table(path) if path.name == SHARED_FILE else exists(path)
    return read_document(path) if there else None


def known_environments(root: Path) -> list[str]:
    """The environments that have a file of their own in the operators' folder, in order."""
    try:
        names = [path.name for path in (root / OPERATORS).iterdir()]
    except OSError:
        return []
    return sorted({match[1] for name in names if (match := _OF_ENVIRONMENT.fullmatch(name))})


def _environment(name: str | None) -> str | None:
    if not name:
        return None
    if not _ENVIRONMENT.fullmatch(name):
        raise ConfigError(
            f"{bounded(mask_url(name), 80)!r} cannot be the name of an environment",
            code="JK211",
            help="a name has letters from a to z, digits, `_` and `-`: --env production",
        )
    return name


class _Loading:
    """The files on their way to a configuration, and what is wrong with them."""

    def __init__(self, root: Path, given: Mapping[Path, Document | None] | None = None) -> None:
        self.root = root
        self._given = given or {}
        self.looked_at: list[Path] = []
        self.documents: list[Document] = []
        self.layers: list[Setting] = []
        self.errors: list[ConfigError] = []
        self.warnings: list[ConfigError] = []

    def read_files(self, env: str | None) -> None:
        self._read_project()
        folder = self.root / OPERATORS
        self._read("config", folder / "config.toml")
        if env is None:
            self._read("overrides", folder / "overrides.toml")
            return
        of_environment = folder / f"config.{env}.toml"
        overrides = folder / f"overrides.{env}.toml"
        if not self._exists(of_environment) and not self._exists(overrides):
            self._no_file_for(env)
        self._read("environment-file", of_environment)
        self._read("overrides", overrides)

    def _read_project(self) -> None:
        own, shared = self.root / OWN_FILE, self.root / SHARED_FILE
        in_shared = self._exists(shared) if shared in self._given else has_own_table(shared)
        if self._exists(own):
            self._read("project", own)
            if in_shared:
                help = (
                    f"move everything into one of them; `[project] name` and all the rest work in {OWN_FILE}"
                )
                message = f"both {OWN_FILE} and [tool.jobkit] in {SHARED_FILE} configure this project"
                self.errors.append(ConfigError(message, code="JK207", path=shared, help=help))
        elif in_shared:
            self._read("project", shared, "tool", "jobkit")
        else:
            raise ConfigError(
                f"there is no jobkit project in {self.root}",
                code="JK202",
                help=f"start one with an empty file {OWN_FILE}",
            )

    def _read(self, name: str, path: Path, *below: str) -> None:
        if not self._exists(path):
            return
        self.looked_at.append(path)
        try:
            document = self._given.get(path) or read_document(path)
            table = document.below(*below)
        except ConfigError as error:
            self.errors.append(error)
            return
        if table is None:
            return
        self.documents.append(table)

        def origin(at: tuple[str | int, ...]) -> Origin:
            return table.origin(name, at)

        wrong = check(name, table.data, origin)
        self.errors += wrong
        self.layers.append(layer("", table.data, origin))

    def _exists(self, path: Path) -> bool:
        return self._given[path] is not None if path in self._given else exists(path)

    def _no_file_for(self, env: str) -> None:
        known = known_environments(self.root)
        close = nearest(env, known)
        folder = OPERATORS.as_posix()
        message = f"the environment {env!r} has no file of its own"
        there_are = f"there are {', '.join(known)}" if known else "there is none for any environment"
        error = ConfigError(message, code="JK211", path=self.root / OPERATORS / f"config.{env}.toml")
        if close is not None:
            error.help = f"did you mean {close!r}? If not, create {folder}/config.{env}.toml; it may be empty"
            self.errors.append(error)
        elif known:
            error.help = f"{there_are}; create {folder}/config.{env}.toml, which may be empty"
            self.warnings.append(error)

    def ordered_errors(self) -> list[ConfigError]:
        """What is not to be trusted first; then file by file, the lowest layer first, each by line."""
        order = {path: number for number, path in enumerate(self.looked_at)}

        def place(error: ConfigError) -> tuple[int, int]:
            if error.code == "JK209":
                return -1, 0
            number = order.get(error.path, len(order)) if error.path is not None else len(order)
            return number, error.line or 0

        return sorted(self.errors, key=place)

    def expand(self, tree: Setting, variables: Mapping[str, str]) -> tuple[Setting, frozenset[str]]:
        """*tree* with its variables expanded, and what is secret in it."""
        expansion = Expansion(variables)
        expanded = expansion.expand(tree)
        self.errors += expansion.errors
        for path, leaf in expanded.leaves():
            if leaf.expanded is not None and not expansion.errors:
                data = nested(path, leaf.value)
                wrong = check(leaf.origin.layer, data, always(leaf.origin), expanded=True)
                self.errors += [_about_nothing(error, path, leaf) for error in wrong]
        texts = {f"secret {number}": text for number, text in enumerate(expansion.secrets)}
        return expanded, secrets_of(texts) | secrets_of(expanded.value)

    def check_permissions(self, tree: Setting) -> None:
        """Refuse what everybody may write to, unless the project says that it trusts it."""
        refused = list(refused_paths(self.root, [document.path for document in self.documents]))
        if refused and not self._trusts(tree, refused):
            self.errors += [permission_error(path, self.root) for path in refused]

    def _trusts(self, tree: Setting, refused: list[Path]) -> bool:
        """Whether permissions are waived – by the developers' file, a variable or an option.

        The operators' files count only where not everybody may write to them: a file cannot vouch for
        itself. (Whoever can change the developers' file can change the jobs as well.)
        """
        setting = tree.at(("project", "trust_permissions"))
        heard = [
            statement.value
            for statement in (setting.stack if setting is not None else ())
            if statement.origin.layer == "project" or statement.origin.path not in refused
        ]
        return bool(heard) and heard[-1] is True


def _about_nothing(error: ConfigError, path: tuple[str, ...], leaf: Setting) -> ConfigError:
    """*error* in other words, if what is wrong with *leaf* is that its variable has no text."""
    name = empty_variable(leaf)
    if name is None:
        return error
    help = f"set {name} for the process that runs jobkit"
    return config_error(error.code, f"{named(path)}: the variable {name} is empty", leaf.origin, help)
