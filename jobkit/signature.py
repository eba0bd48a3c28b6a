"""What a job asks for: its context, its services, its parameters.

The first positional argument is the context, further ones are services, keyword-only ones are job
parameters. What does not fit that is refused, with the reason.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from jobkit.annotations import NOTHING, UnresolvedError, evaluate, text_of_annotation
from jobkit.callables import Argument, Shape
from jobkit.parameters import Parameter, ParameterSchema
from jobkit.services.requests import ServiceRequest, request_for
from jobkit.targets import RefusedError, callee_of, is_job_object, label_of

__all__ = ["Note", "RefusedError", "ServiceRequest", "Signature", "bind", "label_of", "signature_of"]

# Values by name, for annotations that cannot be evaluated.
_VALUE_WORDS = frozenset(
    {"int", "float", "bool", "str", "bytes", "list", "dict", "tuple", "set", "date", "datetime", "timedelta"}
)
_CONTEXT_WORDS = frozenset({"JobContext", "Any", "object"})
_FIRST_WORD = re.compile(r"(?:\w+\.)*(\w+)")
_ROOT_NAMES = re.compile(r"project|root")


class Note(NamedTuple):
    """Something about a job that works, and is likely not what was meant; for ``jobkit check``."""

    text: str
    code: str
    help: str | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """What is passed when the job is called: the context, *services* in order, parameters by name.

    *context* is the name of the first argument, *is_async* whether a coroutine function is called (another
    callable may still give something to await), *label* names the callable for people.
    """

    context: str
    services: tuple[ServiceRequest, ...]
    parameters: ParameterSchema
    is_async: bool
    label: str
    notes: tuple[Note, ...] = ()


_NO_PARAMETERS = ParameterSchema()


def signature_of(target: Any) -> Signature:
    """What *target* asks for. Raises RefusedError (a TypeError) if it cannot be a job."""
    callee = callee_of(target)
    shape = callee.shape
    context = _context(shape, callee.label)
    notes: list[Note] = []
    services = tuple([_service(item, shape, notes) for item in shape.positional[1:]])
    parameters = _NO_PARAMETERS
    if shape.keyword_only or shape.var_keyword:
        declared = tuple([_parameter(item, shape, notes) for item in shape.keyword_only])
        parameters = ParameterSchema(declared, shape.var_keyword is not None)
    if shape.positional:
        notes += _odd_context(shape.positional[0], shape)
    return Signature(context, services, parameters, callee.is_async, callee.label, tuple(notes))


def bind(target: Any) -> Callable[..., Any]:
    """What is called for each attempt, with the context, the services and the parameters by name.

    A class gives a fresh instance for each call, made in the thread of the call. The call gives a result,
    or something to await for it: that is certain only once it was made.
    """
    if isinstance(target, type):
        return functools.partial(_execute_fresh, target)
    if isinstance(target, functools.partial):
        return functools.partial(_call_partial, target, signature_of(target).services)
    called: Callable[..., Any] = target.execute if is_job_object(target) else target
    return called


def _execute_fresh(kind: Any, /, context: Any, *services: Any, **parameters: Any) -> Any:
    return kind().execute(context, *services, **parameters)


def _call_partial(
    target: functools.partial[Any],
    requests: tuple[ServiceRequest, ...],
    /,
    context: Any,
    *services: Any,
    **parameters: Any,
) -> Any:
    # An argument before a service may have been given by keyword, and then places do not match any more.
    pairs = list(zip(requests, services, strict=True))
    placed = [service for request, service in pairs if request.positional_only]
    named = {request.parameter: service for request, service in pairs if not request.positional_only}
    return target(context, *placed, **named, **parameters)


# -- the parts --------------------------------------------------------------------------------------


def _context(shape: Shape, label: str) -> str:
    if not shape.positional:
        if shape.var_positional is not None:
            return shape.var_positional
        raise RefusedError(
            f"{label} takes no context",
            code="JK112",
            help="its first argument has to be the context: `def job(ctx, *, days: int = 30)`",
        )
    first = shape.positional[0]
    owner, _, name = label.rpartition(".")
    if first.name == "self" and owner and not owner.endswith("<locals>"):
        raise RefusedError(
            f"{label} is a method without its object",
            code="JK112",
            help=f"submit the class, or the method of an instance: submit_job({owner}().{name})",
        )
    if _is_plain_value(first, shape):
        raise RefusedError(
            f"{label} takes no context: its first argument is `{_written(first)}`",
            code="JK112",
            help=f"write the context first, and `*` before parameters: `def job(ctx, *, {_written(first)})`",
        )
    return first.name


def _service(argument: Argument, shape: Shape, notes: list[Note]) -> ServiceRequest:
    try:
        request = request_for(argument, shape)
    except TypeError as error:
        raise RefusedError(f"`{argument.name}`: {error}", code="JK116") from None
    why = ""
    if argument.default is not NOTHING:
        why = "has a default"
    elif request.marker is None and _is_plain_value(argument, shape):
        why = f"is annotated `{request.annotation_text}`"
    if why:
        raise RefusedError(
            f"`{argument.name}` stands where services stand, and {why}",
            code="JK113",
            help=f"put `*` before it: `def job(ctx, *, {_written(argument)})`",
        )
    if request.unresolved:
        notes.append(_unresolved(request.describe(), request.unresolved, "the service is found by its name"))
    elif request.annotation is Path and request.marker is None and not _ROOT_NAMES.search(argument.name):
        notes.append(
            Note(
                f"`{argument.name}: Path` stands where services stand, and is given the project's root",
                "JK135",
                f"call it `project`; or, if it is a job parameter, put `*` before `{argument.name}`",
            )
        )
    return request


def _parameter(argument: Argument, shape: Shape, notes: list[Note]) -> Parameter:
    text = text_of_annotation(argument.annotation)
    try:
        annotation = evaluate(argument.annotation, shape.names, shape.local_names)
    except UnresolvedError as error:
        notes.append(_unresolved(_written(argument), str(error), "values are passed on as they are given"))
        annotation = NOTHING
    try:
        return Parameter.declared(argument.name, annotation, argument.default, text)
    except TypeError as error:
        raise RefusedError(
            f"`{_written(argument)}` stands where job parameters stand, and {error}",
            code="JK115",
            help=f"if it is a service, put it before `*`: `def job(ctx, {_written(argument)}, *, …)`",
        ) from None


def _unresolved(written: str, why: str, consequence: str) -> Note:
    return Note(
        f"the annotation of `{written}` cannot be evaluated ({why}): {consequence}",
        "JK133",
        "import the type outside `if TYPE_CHECKING:`",
    )


def _odd_context(first: Argument, shape: Shape) -> list[Note]:
    """A class other than the context's on the first argument: likely a context that was forgotten."""
    text = text_of_annotation(first.annotation)
    if not text or _first_word(text) in _CONTEXT_WORDS:
        return []
    try:
        annotation = evaluate(first.annotation, shape.names, shape.local_names)
    except UnresolvedError:
        return []
    if not isinstance(annotation, type) or getattr(annotation, "_is_protocol", False):
        return []
    if any(base.__name__ == "JobContext" for base in annotation.__mro__):
        return []
    return [
        Note(
            f"the first argument, `{first.name}: {text}`, is given the context",
            "JK136",
            f"write the context before it: `def job(ctx, {first.name}: {text})`",
        )
    ]


def _is_plain_value(argument: Argument, shape: Shape) -> bool:
    annotation = argument.annotation
    if annotation is NOTHING:
        return False
    if isinstance(annotation, str) and _first_word(annotation) in _CONTEXT_WORDS:
        return False
    from jobkit.values.types import is_plain_value

    try:
        return is_plain_value(evaluate(annotation, shape.names, shape.local_names))
    except UnresolvedError:
        return _first_word(text_of_annotation(annotation)) in _VALUE_WORDS


def _first_word(text: str) -> str:
    """The class that an annotation starts with: ``JobContext`` of ``jobkit.JobContext | None``."""
    match = _FIRST_WORD.match(text)
    return match[1] if match else ""


def _written(argument: Argument) -> str:
    text = text_of_annotation(argument.annotation)
    return f"{argument.name}: {text}" if text else argument.name
