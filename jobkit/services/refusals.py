"""What is wrong with a request for a service, in words: the chain of who asked, and what there is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from jobkit.annotations import text_of_annotation
from jobkit.exceptions import ServiceError, ServiceNotFound, relative_to
from jobkit.services.requests import ServiceRequest
from jobkit.services.specs import SuppliedSpec

if TYPE_CHECKING:
    from jobkit.services.graph import Provider

_SHOWN = 40

E = TypeVar("E", bound=ServiceError)


@dataclass(frozen=True, slots=True)
class Asker:
    """A job or a service that asks for another service, and where it is written."""

    text: str
    path: Path | None = None
    line: int | None = None
    identity: object = None
    root: Path | None = None

    def __str__(self) -> str:
        if self.path is None:
            return self.text
        return f"{self.text} ({relative_to(self.path, self.root)}:{self.line})"


def missing(request: ServiceRequest, view: Sequence[Provider], chain: tuple[Asker, ...]) -> ServiceNotFound:
    """Nothing provides it."""
    wanted = (
        request.marker.name if request.marker is not None else request.parameter or request.annotation_text
    )
    near = difflib.get_close_matches(wanted, [item.name for item in view], n=1)
    hints = [f"did you mean `{near[0]}`?"] if near else []
    if not request.annotation_text and request.marker is None and chain:
        hints.append(_meant_otherwise(request, chain[-1]))
    hints += _by_type(request, view)
    hints.append(f"available: {_listed(view)}")
    return _error(ServiceNotFound, "JK402", f"{_asks(request, chain)}, and nothing provides it", chain, hints)


def _meant_otherwise(request: ServiceRequest, asker: Asker) -> str:
    """What a parameter without a type may be, if not a service."""
    if asker.identity is None:
        return f"if `{request.parameter}` is meant to be a job parameter, put `*` before it"
    return (
        f"a factory's parameters are services; if `{request.parameter}` is a setting, give it a default, "
        "or read it from `config` or from the plugin's table"
    )


def _by_type(request: ServiceRequest, view: Sequence[Provider]) -> list[str]:
    """What helps somebody who asks for a type that nothing provides."""
    wanted = request.annotation
    if request.marker is not None or not isinstance(wanted, type):
        return []
    name = text_of_annotation(wanted)
    for item in view:
        for known in item.spec.types:
            if not isinstance(known, type) or not (wanted in known.__mro__ or known in wanted.__mro__):
                continue
            return [_by_another_type(name, item, known, wanted in known.__mro__)]
    return [f"`jobkit new service hooks/NAME.py` writes what provides one: its factory returns `{name}`"]


def _by_another_type(wanted: str, found: Provider, known: type, below: bool) -> str:
    kind = text_of_annotation(known)
    line = f"a `{wanted}`" if below else f"of which `{wanted}` is a subclass"
    ways = [f"ask for `{kind}`", f'for `Annotated[{wanted}, Service("{found.name}")]`']
    ways += [f"or give its ServiceSpec provides={wanted}"] if below else []
    return f"types are compared exactly: service `{found.name}` provides `{kind}`, {line}; {', '.join(ways)}"


def ambiguous(request: ServiceRequest, found: Sequence[Provider], chain: tuple[Asker, ...]) -> ServiceError:
    """Several provide it, and the name of the parameter does not choose."""
    names = ", ".join(item.name for item in found)
    marked = f'Annotated[{text_of_annotation(request.annotation)}, Service("{found[0].name}")]'
    return _error(
        ServiceError,
        "JK403",
        f"{_asks(request, chain)}, and {len(found)} services are of that type: {names}",
        chain,
        [f"name the parameter like one of them, or write {marked}" if chain else "ask for one by its name"],
    )


def cycle(chain: tuple[Asker, ...]) -> ServiceError:
    """A service needs itself, directly or through others."""
    last = chain[-1]
    first = next(index for index, link in enumerate(chain) if link.identity is last.identity)
    circle = [*chain[first:-1]]
    # The same words wherever one enters it, so that it is told once.
    start = min(range(len(circle)), key=lambda index: circle[index].text)
    circle = [*circle[start:], *circle[:start]]
    names = " → ".join(link.text.removeprefix("service ") for link in (*circle, circle[0]))
    return _error(
        ServiceError,
        "JK404",
        f"services need each other in a circle: {names}",
        chain,
        ["take one of the parameters out, or make a third service of what both need"],
        place=circle[0],
    )


def wrong_scope(request: ServiceRequest, found: Provider, chain: tuple[Asker, ...]) -> ServiceError:
    """Something that lives as long as the process needs something that lives as long as a run."""
    asker = chain[-1].text
    return _error(
        ServiceError,
        "JK405",
        f"{asker} is opened once for the process and cannot use `{found.name}`, which is opened for each run",
        chain,
        [f'give {asker} scope="run", or take `{request.parameter}` out of its factory'],
    )


def contradiction(request: ServiceRequest, found: Provider, chain: tuple[Asker, ...]) -> ServiceError:
    """The name is there, and it is something else."""
    return _error(
        ServiceError,
        "JK409",
        f"{_asks(request, chain)}, and `{found.name}` is {types_of(found)}",
        chain,
        [f"annotate it as {types_of(found)}, or name the service that is meant"],
    )


def twice(first: Provider, second: Provider, root: Path | None = None) -> ServiceError:
    """Two services under one name; the place of the first is told relative to *root*."""
    path, line = second.spec.place
    there, number = first.spec.place
    where = (
        ":".join(str(part) for part in (there and relative_to(there, root), number) if part) or first.source
    )
    return ServiceError(
        f"there already is a service `{second.name}`" + (f" ({where})" if where else ""),
        code="JK407",
        path=path,
        line=line,
        help="give it another name, or replaces=True if it is to take the other's place",
    )


def replaces_nothing(provider: Provider, names: Sequence[str]) -> ServiceError:
    """It says that it replaces another, and there is none of its name."""
    path, line = provider.spec.place
    near = difflib.get_close_matches(provider.name, names, n=1)
    return ServiceError(
        f"service `{provider.name}` replaces nothing: no other service has that name",
        code="JK406",
        path=path,
        line=line,
        help=f"did you mean `{near[0]}`?" if near else "take replaces=True out, or give it the other's name",
    )


def types_of(provider: Provider) -> str:
    """The types of a service, as people write them."""
    if isinstance(provider.spec, SuppliedSpec):
        return provider.spec.type_names[0][1]
    return " or ".join(map(text_of_annotation, provider.spec.types)) or "of no known type"


def _asks(request: ServiceRequest, chain: tuple[Asker, ...]) -> str:
    what = request.describe() if request.parameter else request.annotation_text
    if request.marker is not None:
        what += f" (service {request.marker.name!r})"
    return f"{chain[-1].text} asks for `{what}`" if chain else f"`{what}` is asked for"


def _listed(view: Sequence[Provider]) -> str:
    shown = [f"{item.name} ({types_of(item)})" for item in view[:_SHOWN]]
    rest = len(view) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "") if shown else "nothing"


def _error(
    kind: type[E],
    code: str,
    message: str,
    chain: tuple[Asker, ...],
    hints: list[str],
    place: Asker | None = None,
) -> E:
    if len(chain) > 1:
        hints = [*hints, "asked for by: " + " → ".join(map(str, chain))]
    # The parameter that cannot be had is that of the last who asks.
    place = place or (chain[-1] if chain else None)
    return kind(
        message,
        code=code,
        path=place.path if place else None,
        line=place.line if place else None,
        help="\n".join(hints),
    )
