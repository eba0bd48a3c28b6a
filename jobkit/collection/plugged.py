"""What plugins have a say in while jobs are collected: which files, what is in them, what becomes of jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jobkit.exceptions import CollectionError
from jobkit.plugins.failures import NonsenseError

if TYPE_CHECKING:
    from jobkit.collection.changes import Changes
    from jobkit.collection.collected import CollectedFile
    from jobkit.collection.finder import ExtensionFinder
    from jobkit.collection.walk import JobFile
    from jobkit.config import Config
    from jobkit.job import JobSpec
    from jobkit.plugins.registry import PluginInfo, PluginRegistry
    from jobkit.registration import Collecting
    from jobkit.schedules.base import ScheduleKind

#: The hooks that decide what is collected, and how it is called.
_DECIDING = ("ignore_collect", "collect_file", "collection_modifyjobs")


class Plugged:
    """The plugins of *registry* in one collection. Belongs to the thread that collects."""

    def __init__(self, registry: PluginRegistry, config: Config) -> None:
        self._registry = registry
        self._hooks = registry.hooks
        self._config = config
        self._ignores = self._hooks.implemented("ignore_collect")
        #: Whether files that are no Python are of interest to any of them.
        self.others = self._hooks.implemented("collect_file")
        #: Whether any of them is to be asked about files at all.
        self.chooses = self._ignores or self.others

    # -- files ------------------------------------------------------------------------------------------

    def ignore(self, path: str, extension: str) -> bool | None:
        """True to skip the file, False to collect it whatever it is called, None for no opinion."""
        if not self._ignores:
            return None
        return self._hooks.ignore_collect(Path(path), self._config, extension=extension)

    def take(self, finder: ExtensionFinder, file: JobFile) -> bool:
        """Let a plugin register what stands in *file*; whether one has. Raises what is wrong with it."""
        refused = finder.refused.get(file.path)
        if refused is not None:
            raise refused

        def ask(collected: Collecting) -> bool:
            def begin() -> None:
                collected.registrations.clear()
                collected.pending.clear()
                collected.line = 1

            def judge(answer: bool | None) -> None:
                number = len(collected.registrations) + len(collected.pending)
                if number and not answer:
                    jobs = "one job" if number == 1 else f"{number} jobs"
                    raise NonsenseError(f"registered {jobs} and returned {answer}: return True")

            path = Path(file.path)
            return self._hooks.collect_file(path, file.extension, self._config, begin=begin, judge=judge)

        return finder.executed.collect(file.module, file.path, ask)

    def failures(self) -> dict[str, int]:
        """How often each has failed so far."""
        return {info.name: info.failures for info in self._registry.infos if info.failures}

    def trouble(self, path: str, before: Mapping[str, int]) -> CollectionError | None:
        """The error of a file that a plugin has failed at since *before* was asked for, and nobody took."""
        for info in self._registry.infos:
            if info.failures > before.get(info.name, 0) and info.error is not None:
                return CollectionError(
                    f"plugin {info.name} failed at the file: {info.error.message}",
                    code="JK170",
                    path=path,
                    help=f"mend the plugin{_place(info, self._config.root)}, or leave it out: {info.switch}",
                )
        return None

    def report(self, file: CollectedFile) -> None:
        """Tell what became of *file*."""
        from jobkit.plugins.values import CollectReport

        self._hooks.collectreport(
            CollectReport(
                path=file.path,
                extension=file.extension,
                module=file.module,
                jobs=file.jobs,
                error=file.error,
                seconds=file.seconds,
                printed=file.printed,
            )
        )

    @property
    def reports(self) -> bool:
        """Whether anybody wants to be told."""
        return self._hooks.implemented("collectreport")

    # -- jobs -------------------------------------------------------------------------------------------

    def modifies(self, extension: str | None = None) -> bool:
        """Whether any of them may change jobs: those of *extension*, if it is given."""
        found = self._registry.implementations("jobkit_collection_modifyjobs")
        return any(extension is None or item.plugin.extension in (None, extension) for item in found)

    def modify(
        self,
        jobs: Sequence[JobSpec],
        taken: Mapping[str, JobSpec],
        kinds: Sequence[ScheduleKind] | None,
    ) -> Changes:
        """What they make of *jobs*; *taken* are the names that others have, who are not shown to them."""
        from jobkit.collection.changes import Changes

        changes = Changes(taken, kinds)
        changed = [*jobs]
        self._hooks.collection_modifyjobs(changed, self._config, changes.judge)
        changes.finish(jobs, changed)
        return changes

    # -- what is not there ------------------------------------------------------------------------------

    @property
    def absent(self) -> tuple[str, ...]:
        """Plugins that take no part although they are there, each with the reason in brackets."""
        return absent_plugins(self._registry)

    def settings(self) -> Iterator[str]:
        """What besides the plugins themselves decides what is collected: empty if none of them decides."""
        if any(map(self._hooks.implemented, _DECIDING)):
            yield digest_of_settings(self._config)


def absent_plugins(registry: PluginRegistry) -> tuple[str, ...]:
    """Plugins that take no part although they are there: ``astral (broken)``."""
    return tuple(
        f"{info.name} ({info.status})"
        for info in registry.infos
        if info.status != "active" and info.source != "built-in"
    )


def digest_of_settings(config: Config) -> str:
    """A digest of everything that configuration says, the environment's name included."""
    import hashlib

    said = [f"{'.'.join(map(str, path))}={leaf.value!r}" for path, leaf in config.tree.leaves()]
    return hashlib.blake2b("\0".join([str(config.env), *said]).encode(), digest_size=16).hexdigest()


def _place(info: PluginInfo, root: Path) -> str:
    where = info.error.location(root) if info.error is not None else None
    return f" ({where})" if where is not None else ""
