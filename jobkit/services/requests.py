"""Asking for a service: what a parameter of a job or of a factory says about the service that is meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from jobkit.annotations import (
    NOTHING,
    UnresolvedError,
    evaluate,
    text_of_annotation,
    unwrap,
    without_none,
)
from jobkit.callables import Argument, Shape

_SAYS_NONE = re.compile(r"\|\s*None\b|\bNone\s*\||\bOptional\[")


@dataclass(frozen=True, slots=True)
class Service:
    """Names the service that is meant: ``replica: Annotated[Database, Service("replica")]``."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError('a service is marked by its name: Service("replica")')


@dataclass(frozen=True, slots=True)
class ServiceRequest:
    """One parameter that asks for a service.

    *annotation* is the type asked for, None if there is no annotation or it could not be evaluated (then
    *unresolved* says why); *optional* that None will do, *has_default* that leaving it out will do.
    """

    parameter: str
    annotation: Any = None
    annotation_text: str = ""
    marker: Service | None = None
    has_default: bool = False
    optional: bool = False
    unresolved: str = ""
    positional_only: bool = False

    def describe(self) -> str:
        """``db: Database``, as it was written."""
        return f"{self.parameter}: {self.annotation_text}" if self.annotation_text else self.parameter


def request_for(argument: Argument, shape: Shape) -> ServiceRequest:
    """The request that *argument* makes. TypeError for a marker that names no service."""
    annotation, unresolved = argument.annotation, ""
    text = text_of_annotation(annotation)
    try:
        annotation = evaluate(annotation, shape.names, shape.local_names)
    except UnresolvedError as error:
        annotation, unresolved = NOTHING, str(error)
    annotation, metadata = unwrap(annotation)
    annotation, optional = without_none(annotation)
    annotation, inner = unwrap(annotation)
    return ServiceRequest(
        argument.name,
        None if any(annotation is nothing for nothing in (NOTHING, Any, object)) else annotation,
        text,
        _marker((*metadata, *inner)),
        argument.default is not NOTHING,
        optional or bool(unresolved and _SAYS_NONE.search(text)),
        unresolved,
        argument.positional_only,
    )


def _marker(metadata: tuple[Any, ...]) -> Service | None:
    if Service in metadata:
        raise TypeError('Service needs the name of the service that is meant: Service("replica")')
    return next((item for item in metadata if isinstance(item, Service)), None)
