"""What can be submitted as a job, and what is called when it runs.

A function, a class with ``execute`` (a fresh instance for each attempt), an instance of one, a partial,
a bound method, any other callable. What cannot be a job is refused with the reason.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple, get_origin

from jobkit.callables import Shape, shape_of
from jobkit.job import Job

_GENERATOR = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
_ALREADY_CALLED = (CoroutineType, GeneratorType, AsyncGeneratorType)


class RefusedError(TypeError):
    """What was submitted cannot be a job: the text says why, *help* what to do, *code* is for explain."""

    def __init__(self, reason: str, *, code: str, help: str | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.help = help


class Callee(NamedTuple):
    """What is called when a job runs: what it takes, whether it is a coroutine function, its label."""

    shape: Shape
    is_async: bool
    label: str


def callee_of(target: Any) -> Callee:
    """What is called when *target* runs. Raises RefusedError if it cannot be a job."""
    if type(target) is FunctionType:
        return _callee(target, target.__qualname__)
    _refuse_what_is_no_callable(target)
    if isinstance(target, type):
        return _callee_of_class(target)
    if isinstance(target, functools.partial):
        return _callee_of_partial(target)
    kind = type(target)
    if is_job_object(target):
        return _callee_of_method(kind, target, "execute")
    if isinstance(target, staticmethod):
        return _callee(target.__func__, label_of(target))
    if isinstance(target, MethodType) or inspect.isroutine(target):
        return _callee(target, label_of(target))
    return _callee_of_method(kind, target, "__call__")


def is_job_object(target: Any) -> bool:
    """Whether *target* is an object with an ``execute`` method: what makes its class a job."""
    return not isinstance(target, type) and callable(getattr(type(target), "execute", None))


def label_of(target: Any) -> str:
    """*target* as people know it: the qualified name of a function or class, else its type."""
    if isinstance(target, functools.partial):
        return f"partial of {label_of(target.func)}"
    name = getattr(target, "__qualname__", None)
    return name if isinstance(name, str) else type(target).__qualname__


# -- what cannot be a job ---------------------------------------------------------------------------


def _refuse_what_is_no_callable(target: Any) -> None:
    if target is None:
        raise RefusedError(
            "None is not a job",
            code="JK110",
            help="a decorator or function that was to give the job has returned nothing",
        )
    if isinstance(target, _ALREADY_CALLED):
        _refuse_result_of_call(target)
    if isinstance(target, ModuleType):
        name = target.__name__.rpartition(".")[2]
        raise RefusedError(
            f"the module {name} is not a job",
            code="JK110",
            help=f"submit what is in it: submit_job({name}.some_function)",
        )
    if isinstance(target, classmethod):
        raise RefusedError(
            "a class method cannot be submitted inside the body of its class",
            code="JK110",
            help="submit it below the class: submit_job(TheClass.method)",
        )
    if (not callable(target) and not is_job_object(target)) or get_origin(target) is not None:
        raise RefusedError(
            f"an object of type {type(target).__name__[:60]} is not a job",
            code="JK110",
            help="a job is a function, a class with `execute`, or another callable",
        )


def _refuse_result_of_call(target: Any) -> None:
    kind = "coroutine" if isinstance(target, CoroutineType) else "generator"
    name = getattr(target, "__name__", "the function")
    if not isinstance(target, AsyncGeneratorType):
        target.close()  # or Python would warn that it was never awaited
    raise RefusedError(
        f"the {kind} that calling {name} gave is not a job",
        code="JK110",
        help=f"submit the function itself, without calling it: submit_job({name})",
    )


def _refuse_generator(function: Any, label: str) -> None:
    code = getattr(function, "__code__", None)
    if code is not None and getattr(code, "co_flags", 0) & _GENERATOR:
        raise RefusedError(
            f"{label} is a generator: calling it does none of its work",
            code="JK111",
            help="take `yield` out of it; ctx.progress says how far a job is",
        )


def _refuse_uninstantiable(kind: type, label: str) -> None:
    missing = sorted(getattr(kind, "__abstractmethods__", ()))
    if missing:
        raise RefusedError(
            f"class {label} is abstract: it does not define {', '.join(missing)}",
            code="JK114",
            help="submit a class that defines them",
        )
    try:
        parameters = inspect.signature(kind).parameters.values()
    except (TypeError, ValueError):  # Python cannot tell; the first run will
        return
    needed = [
        item.name
        for item in parameters
        if item.default is item.empty and item.kind not in (item.VAR_POSITIONAL, item.VAR_KEYWORD)
    ]
    if needed:
        raise RefusedError(
            f"class {label} cannot be made without arguments: it needs {', '.join(needed)}",
            code="JK114",
            help=f"give them defaults, or submit an instance: submit_job({label}(…))",
        )


# -- what is called ---------------------------------------------------------------------------------


def _callee_of_class(kind: type) -> Callee:
    label = kind.__qualname__
    execute = getattr(kind, "execute", None)
    if not callable(execute) or execute is Job.execute:
        raise RefusedError(
            f"class {label} does not define execute(self, ctx)",
            code="JK114",
            help="a job is a class with `async def execute(self, ctx)`, best derived from jobkit.Job",
        )
    _refuse_uninstantiable(kind, label)
    return _callee_of_method(kind, kind, "execute")


def _callee_of_method(kind: type, target: Any, name: str) -> Callee:
    label = f"{kind.__qualname__}.{name}"
    declared = inspect.getattr_static(kind, name)
    if declared is Job.__dict__["execute"]:
        raise RefusedError(
            f"class {kind.__qualname__} does not define execute(self, ctx)",
            code="JK114",
            help="define `async def execute(self, ctx)` in it",
        )
    if isinstance(declared, FunctionType):
        callee = _callee(declared, label, vars(kind))
        return Callee(callee.shape.without_first(), callee.is_async, label)
    if isinstance(declared, staticmethod):
        return _callee(declared.__func__, label, vars(kind))
    if isinstance(declared, functools.partialmethod):
        # Bound to anything it shows what is left to be given.
        return callee_of(declared.__get__(object(), kind))._replace(label=label)
    return _callee(getattr(target, name), label, vars(kind))


def _callee_of_partial(target: functools.partial[Any]) -> Callee:
    label = label_of(target)
    if isinstance(target.func, type):
        name = target.func.__qualname__
        raise RefusedError(
            f"{label} makes an instance when it is called, and is no job itself",
            code="JK114",
            help=f"submit the instance: submit_job({name}(…))",
        )
    inner = callee_of(target.func)
    shape = inner.shape.without(len(target.args), target.keywords)
    return Callee(shape, inner.is_async, label)


def _callee(function: Any, label: str, local_names: Mapping[str, Any] | None = None) -> Callee:
    bound = isinstance(function, MethodType)
    plain: Callable[..., Any] = function.__func__ if bound else function
    _refuse_generator(plain, label)
    try:
        if bound and type(plain) is FunctionType:
            shape = shape_of(plain, local_names).without_first()
        else:
            shape = shape_of(function, local_names)
    except (TypeError, ValueError):
        raise RefusedError(
            f"Python cannot tell what {label} takes", code="JK112", help="wrap it: `async def job(ctx): …`"
        ) from None
    return Callee(shape, inspect.iscoroutinefunction(function), label)
