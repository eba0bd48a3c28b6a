"""Who asks for what: every job's services found, in order, before anything is opened.

A request is answered by its marker (``Annotated[T, Service("name")]``), else by its exact type, else by
its name. What cannot be answered is an error when jobs are collected, not at three in the morning.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from jobkit.annotations import NOTHING, text_of_annotation
from jobkit.exceptions import ServiceError, ServiceNotFound, relative_to
from jobkit.services.refusals import (
    Asker,
    ambiguous,
    contradiction,
    cycle,
    missing,
    replaces_nothing,
    twice,
    wrong_scope,
)
from jobkit.services.requests import ServiceRequest
from jobkit.services.specs import GivenSpec, ServiceSpec, SuppliedSpec

if TYPE_CHECKING:
    from jobkit.job import JobSpec


@dataclass(frozen=True, eq=False, slots=True)
class Provider:
    """A service and where it came from: *source* is a plugin's name, *extension* is set for services that
    only the jobs of that extension see. *value* is an object that is open already, or NOTHING. A *private*
    one is found by its type, by the factories of the same *source*, and by nobody else."""

    spec: ServiceSpec
    source: str = ""
    extension: str | None = None
    value: Any = NOTHING
    private: bool = False

    @property
    def name(self) -> str:
        """The name of the service."""
        return self.spec.name


@dataclass(frozen=True, eq=False, slots=True)
class ServiceNode:
    """A service with everything that it needs; *arguments* are those of its factory, by name.

    None stands for an optional service that nothing provides.
    """

    provider: Provider
    arguments: tuple[tuple[ServiceRequest, ServiceNode | None], ...] = ()
    root: Path | None = None

    @property
    def spec(self) -> ServiceSpec:
        """What it is."""
        return self.provider.spec

    @property
    def place(self) -> str:
        """File and line of the factory, relative to the project's root; empty if nobody knows."""
        path, line = self.spec.place
        return f"{relative_to(path, self.root)}:{line}" if path is not None else ""


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What one job needs: *arguments* in the order of its parameters, *autouse* opened besides."""

    arguments: tuple[ServiceNode | None, ...] = ()
    autouse: tuple[ServiceNode, ...] = ()
    extension: str | None = None

    def __iter__(self) -> Iterator[ServiceNode]:
        """Every service that is to be opened, in that order."""
        yield from self.autouse
        yield from (node for node in self.arguments if node is not None)


class ServiceGraph:
    """All services of a project. Finding is thread-safe; nothing is opened here.

    *given* are open objects, by name or by type, that take the place of whatever has that name or type.
    *errors* are services that could not be taken in; the others work. *root* is the project's folder,
    for paths in errors.
    """

    def __init__(
        self,
        services: Iterable[ServiceSpec | Provider],
        *,
        given: Mapping[str | type, object] | None = None,
        root: Path | None = None,
    ) -> None:
        self._root = root
        self.errors: list[ServiceError] = []
        everything = [item if isinstance(item, Provider) else Provider(item) for item in services]
        providers = [item for item in everything if not item.private]
        self._private = [item for item in everything if item.private]
        self._common = self._one_per_name(item for item in providers if item.extension is None)
        self._own: dict[str, dict[str, Provider]] = {
            extension: self._one_per_name(item for item in providers if item.extension == extension)
            for extension in {item.extension for item in providers if item.extension is not None}
        }
        self.errors += _replacing_nothing(providers)
        self._given = _given_providers(given or {}, list(self._common.values()))
        self._nodes: dict[Provider, ServiceNode] = {}
        self._views: dict[str, tuple[Provider, ...]] = {}
        self._autouse = any(item.spec.autouse for item in providers)

    def available(self, extension: str | None = None) -> tuple[Provider, ...]:
        """Everything that a job of *extension* may ask for, in the order of the names."""
        key = extension if extension in self._own else ""
        if key not in self._views:
            view = {**self._common, **self._own.get(key, {}), **self._given}
            self._views[key] = tuple(view[name] for name in sorted(view))
        return self._views[key]

    def plan(self, job: JobSpec) -> ServicePlan:
        """What *job* needs. Raises ServiceError, with the chain of who asked, if it cannot be had."""
        if not job.signature.services and not self._autouse:
            return ServicePlan(extension=job.extension)
        asker = Asker(f"job {job.name}", job.path, job.line, root=self._root)
        view = self.available(job.extension)
        arguments = tuple(self._answer(request, view, (asker,)) for request in job.signature.services)
        autouse = tuple(self._node(item, (asker,)) for item in view if item.spec.autouse)
        return ServicePlan(arguments, autouse, job.extension)

    def find(self, wanted: Any, extension: str | None = None) -> ServiceNode:
        """The service of that name (text) or exact type. Raises ServiceNotFound, naming what there is."""
        view = self.available(extension)
        if isinstance(wanted, str):
            request = ServiceRequest(wanted)
        else:
            request = ServiceRequest("", wanted, text_of_annotation(wanted))
        node = self._answer(request, view, ())
        if node is None:  # only an optional request is answered with nothing, and this is none
            raise missing(request, view, ())
        return node

    # -- answering ----------------------------------------------------------------------------------

    def _answer(
        self, request: ServiceRequest, view: Sequence[Provider], chain: tuple[Asker, ...]
    ) -> ServiceNode | None:
        provider = _provider_for(request, view, chain)
        if provider is None:
            if request.optional or request.has_default:
                return None
            raise missing(request, view, chain)
        return self._node(provider, chain)

    def _node(self, provider: Provider, chain: tuple[Asker, ...]) -> ServiceNode:
        known = self._nodes.get(provider)
        if known is not None:
            return known
        spec = provider.spec
        asker = Asker(f"service {spec.name}", *spec.place, identity=provider, root=self._root)
        if any(link.identity is provider for link in chain):
            raise cycle((*chain, asker))
        if provider.value is not NOTHING or isinstance(spec, SuppliedSpec):
            node = ServiceNode(provider)
        else:
            node = ServiceNode(provider, self._arguments(provider, (*chain, asker)), self._root)
        # Two threads may both have made it: any of the two will do, but all have to use the same.
        return self._nodes.setdefault(provider, node)

    def _arguments(
        self, provider: Provider, chain: tuple[Asker, ...]
    ) -> tuple[tuple[ServiceRequest, ServiceNode | None], ...]:
        view = self._seen_by(provider)
        found = []
        for request in provider.spec.requests:
            node = self._answer(request, view, chain)
            if node is None and request.has_default:
                continue
            if node is not None and provider.spec.scope == "scheduler" and node.spec.scope == "run":
                raise wrong_scope(request, node.provider, chain)
            found.append((request, node))
        return tuple(found)

    def _seen_by(self, provider: Provider) -> Sequence[Provider]:
        """What the factory of *provider* may ask for: what is its plugin's own comes before the rest."""
        common = self.available(provider.extension)
        given = {kind for item in self._given.values() for kind in item.spec.types}
        mine = [item for item in self._private if item.source == provider.source]
        own = [item for item in mine if given.isdisjoint(item.spec.types)]
        types = {kind for item in own for kind in item.spec.types}
        return [*own, *(item for item in common if types.isdisjoint(item.spec.types))] if own else common

    def _one_per_name(self, providers: Iterable[Provider]) -> dict[str, Provider]:
        found: dict[str, Provider] = {}
        for provider in providers:
            before = found.get(provider.name)
            if before is None or provider.spec.replaces:
                found[provider.name] = provider
            elif not before.spec.replaces:
                self.errors.append(twice(before, provider, self._root))
        return found


def resolve(job: JobSpec, available: ServiceGraph | Sequence[ServiceSpec]) -> ServicePlan:
    """What *job* needs out of *available*. Raises ServiceError if it cannot be had."""
    graph = available if isinstance(available, ServiceGraph) else _graph_of(tuple(available))
    return graph.plan(job)


@lru_cache(maxsize=4)
def _graph_of(services: tuple[ServiceSpec, ...]) -> ServiceGraph:
    return ServiceGraph(services)


def _replacing_nothing(providers: Sequence[Provider]) -> list[ServiceError]:
    """Those that are to take the place of a service that its jobs do not have: likely misspelt."""
    wrong = []
    for item in providers:
        if item.spec.replaces:
            others = {
                other.name
                for other in providers
                if other is not item and other.extension in (None, item.extension)
            }
            if item.name not in others:
                wrong.append(replaces_nothing(item, sorted(others)))
    return wrong


def _provider_for(
    request: ServiceRequest, view: Sequence[Provider], chain: tuple[Asker, ...]
) -> Provider | None:
    by_name = {item.name: item for item in view}
    if request.marker is not None:
        return _named(request, by_name.get(request.marker.name), chain)
    if request.annotation is not None:
        of_type = _of_type(request.annotation, view)
        if len(of_type) > 1:
            same_name = [item for item in of_type if item.name == request.parameter]
            if not same_name:
                raise ambiguous(request, of_type, chain)
            of_type = same_name
        if of_type:
            return of_type[0]
    return _named(request, by_name.get(request.parameter), chain)


def _of_type(wanted: Any, view: Sequence[Provider]) -> list[Provider]:
    """The providers of exactly that type, else of ``Pool`` for ``Pool[Connection]``; nearest level only."""
    origin = get_origin(wanted)
    for kind in (wanted, origin) if origin is not None else (wanted,):
        found = [item for item in view if item.spec.provides_type(kind)]
        given = [item for item in found if item.value is not NOTHING]
        own = [item for item in found if item.extension is not None]
        if given:  # one object may stand in for several services
            return list({id(item.value): item for item in reversed(given)}.values())[::-1]
        if found:
            return own or found
    return []


def _named(request: ServiceRequest, provider: Provider | None, chain: tuple[Asker, ...]) -> Provider | None:
    if provider is None or request.annotation is None:
        return provider
    if not provider.spec.may_be(request.annotation):
        raise contradiction(request, provider, chain)
    return provider


def _given_providers(given: Mapping[str | type, object], common: Sequence[Provider]) -> dict[str, Provider]:
    """Open objects as providers. One given by type stands in for every service of that type."""
    found: dict[str, Provider] = {}
    for key, value in given.items():
        if isinstance(key, str):
            replaced = next((item.spec for item in common if item.name == key), None)
            types: tuple[Any, ...] = (*(replaced.types if replaced else ()), *_own_type(value))
            found[key] = _given(key, value, types, replaced)
            continue
        replaced_ones = [item.spec for item in common if item.spec.provides_type(key)]
        for spec in replaced_ones:
            found[spec.name] = _given(spec.name, value, (*spec.types, key), spec)
        if not replaced_ones:
            name = getattr(key, "__name__", str(key))
            found[name] = _given(name, value, (key,), None)
    return found


def _given(name: str, value: object, types: tuple[Any, ...], replaced: ServiceSpec | None) -> Provider:
    return Provider(GivenSpec(lambda: value, name=name, provides=types, like=replaced), "given", value=value)


def _own_type(value: object) -> tuple[Any, ...]:
    """A text or a number is found by its name only: its type says nothing about it."""
    return () if type(value).__module__ == "builtins" else (type(value),)


__all__ = [
    "Provider",
    "ServiceGraph",
    "ServiceNode",
    "ServiceNotFound",
    "ServicePlan",
    "resolve",
]
