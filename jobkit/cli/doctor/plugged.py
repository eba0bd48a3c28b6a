"""Plugins and their services: which take part, which are broken, and whether what they provide is well."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from jobkit.cli.doctor.finding import Finding, State, from_error, ok
from jobkit.cli.plugin_failures import failures_of
from jobkit.cli.render.text import count
from jobkit.exceptions import ServiceError

if TYPE_CHECKING:
    from jobkit.project import Project
    from jobkit.services.graph import Provider

#: How long a service may take to open and to answer, in seconds.
PATIENCE = 5.0


def look_at_plugins(project: Project) -> Iterator[Finding]:
    """What is broken, what failed while the project was loaded, what is blocked, and how many take part."""
    infos = [info for info in project.plugins.infos if info.source != "built-in" or info.status != "active"]
    for error in [*project.plugins.warnings, *failures_of(project)]:
        yield from_error("plugins", error, project.root, state=State.WARN)
    blocked = [info.name for info in infos if info.status == "blocked"]
    if blocked:
        yield ok("plugins", f"not loaded, as somebody wants it: {', '.join(sorted(blocked))}")
    active = [info.name for info in infos if info.status == "active"]
    names = f": {', '.join(sorted(active))}" if active else " besides the built-in ones"
    yield ok("plugins", f"{count(len(active), 'plugin')}{names}")


def look_at_services(project: Project) -> Iterator[Finding]:
    """Whether each service that can be asked how it is (ping) is well; each is opened and closed for that."""
    well: list[str] = []
    for provider in project.services:
        if provider.spec.ping is None or provider.spec.scope == "run":
            continue  # those of runs are opened for runs
        if provider not in project.graph.available(provider.extension):
            continue  # another one has its name: nobody is given this one
        error = _trouble(project, provider)
        if error is None:
            well.append(provider.name)
        else:
            yield from_error("services", error, project.root)
    if well:
        yield ok("services", f"well: {', '.join(well)}")


def _trouble(project: Project, provider: Provider) -> ServiceError | None:
    """What is wrong with a service. It is asked in a thread, which is left behind if it does not return."""
    found: list[ServiceError | None] = []

    def ask() -> None:
        import anyio

        try:
            found.append(anyio.run(partial(_ask, project, provider)))
        except BaseException as error:  # closing it may raise anything; the thread is its own
            found.append(_unwell(provider, f"is not well: {type(error).__name__}: {error}"))

    thread = threading.Thread(target=ask, name=f"ping {provider.name}", daemon=True)
    thread.start()
    thread.join(2 * PATIENCE)
    return found[0] if found else _unwell(provider, f"has not come back within {2 * PATIENCE:g} s: it blocks")


async def _ask(project: Project, provider: Provider) -> ServiceError | None:
    import anyio

    from jobkit.clock import SystemClock
    from jobkit.services.builtin import CLOCK, CONFIG, PROJECT
    from jobkit.services.host import ServiceHost

    supplied = {CLOCK: SystemClock(), CONFIG: project.config, PROJECT: project.root}
    troubles: list[ServiceError] = []
    async with ServiceHost(
        project.graph, supplied=supplied, report=troubles.append, cleanup=PATIENCE / 3
    ) as host:
        try:
            with anyio.fail_after(PATIENCE):
                await host.ping(provider.name, provider.extension)
        except TimeoutError:
            return _unwell(provider, f"has not answered within {PATIENCE:g} s")
        except ServiceError as error:
            return error
    return troubles[0] if troubles else None


def _unwell(provider: Provider, why: str) -> ServiceError:
    path, line = provider.spec.place
    return ServiceError(
        f"service `{provider.name}` {why}",
        code="JK408",
        path=path,
        line=line,
        help="see that what it stands for can be reached from here; `jobkit services -v` says whose it is",
    )
