"""What a service is: a name, a type, and a factory that opens it."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from jobkit.annotations import (
    NOTHING,
    UnresolvedError,
    evaluate,
    text_of_annotation,
    unwrap,
    without_none,
)
from jobkit.callables import Shape, shape_of
from jobkit.exceptions import ServiceError
from jobkit.services.requests import ServiceRequest, request_for

ServiceScope = Literal["scheduler", "run"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_YIELDING = ("AsyncIterator", "AsyncGenerator", "AsyncIterable", "Iterator", "Generator", "Iterable")


@dataclass(frozen=True, eq=False)
class ServiceSpec:
    """A service that jobs, and other services, may ask for; nothing is opened by making one.

    *factory* opens it: a function, coroutine function, (async) generator function that yields it once,
    or (async) context-manager function; its own parameters are services. It is called on the event loop:
    a plain one that waits, for a connection say, holds up every run meanwhile, and no timeout ends it.
    What blocks goes into an ``async def``: ``await anyio.to_thread.run_sync(connect)``.
    *provides* is the type (or a tuple of types) under which it is found, by default what *factory* is
    annotated to return. *scope* ``scheduler`` opens one for the process, on first use; ``run`` one for
    each run, which sees the run's exception. *autouse* opens it for every run, asked for or not;
    *replaces* lets it take the place of another of the same *name*; *ping* is called with the open
    service, and raises or returns False if it is not well. Raises ServiceError if any of this is not what
    it should be.
    """

    factory: Callable[..., Any]
    _: KW_ONLY
    name: str
    provides: Any = None
    scope: ServiceScope = "scheduler"
    autouse: bool = False
    replaces: bool = False
    ping: Callable[[Any], Any] | None = None
    _read: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise self._refused("its name is not a word of at most 128 letters, digits and `_.-`")
        if not callable(self.factory):
            raise self._refused(f"its factory is a function, not {type(self.factory).__name__}")
        if self.scope not in ("scheduler", "run"):
            raise self._refused(f"its scope is `scheduler` or `run`, not {self.scope!r:.60}")
        for flag in ("autouse", "replaces"):
            if not isinstance(getattr(self, flag), bool):
                raise self._refused(f"{flag} is true or false, not {type(getattr(self, flag)).__name__}")
        if self.ping is not None and not callable(self.ping):
            raise self._refused(f"its ping is a function, not {type(self.ping).__name__}")
        try:
            self._read["shape"] = shape_of(self.factory)
        except (TypeError, ValueError) as error:
            raise self._refused(f"Python cannot tell what its factory takes ({error})") from None

    def _refused(self, why: str) -> ServiceError:
        path, line = self.place
        return ServiceError(f"service {self.name!r:.60}: {why}", code="JK406", path=path, line=line)

    @property
    def place(self) -> tuple[Path | None, int | None]:
        """File and line of the factory, where they are known."""
        code = getattr(inspect.unwrap(self.factory), "__code__", None) if callable(self.factory) else None
        return (Path(code.co_filename), code.co_firstlineno) if code is not None else (None, None)

    @property
    def requests(self) -> tuple[ServiceRequest, ...]:
        """The services that the factory needs. ServiceError if it needs something else."""
        if "requests" not in self._read:
            shape: Shape = self._read["shape"]
            arguments = (*shape.positional, *shape.keyword_only)
            try:
                self._read["requests"] = tuple(request_for(argument, shape) for argument in arguments)
            except TypeError as error:
                raise self._refused(str(error)) from None
        found: tuple[ServiceRequest, ...] = self._read["requests"]
        return found

    @property
    def types(self) -> tuple[Any, ...]:
        """The types under which it is found; empty if nobody said any: then only the name finds it."""
        if "types" not in self._read:
            provides = self._returned() if self.provides is None else self.provides
            listed = provides if isinstance(provides, tuple) else (provides,)
            self._read["types"] = tuple(item for item in listed if item not in (None, NOTHING, Any, object))
        found: tuple[Any, ...] = self._read["types"]
        return found

    @property
    def unreadable(self) -> str:
        """What *factory* is annotated to return, where that cannot be evaluated and no type is said."""
        shape: Shape = self._read["shape"]
        if self.provides is not None or isinstance(self.factory, type):
            return ""
        try:
            evaluate(shape.returns, shape.names, shape.local_names)
        except UnresolvedError:
            return text_of_annotation(shape.returns)
        return ""

    def provides_type(self, wanted: Any) -> bool:
        """Whether it is found under the type *wanted*, which is compared exactly."""
        return wanted in self.types

    def may_be(self, wanted: Any) -> bool:
        """False if what it provides certainly is no *wanted*, although the names agree."""
        wanted = get_origin(wanted) or wanted
        known = [get_origin(item) or item for item in self.types]
        return not known or any(_related(item, wanted) for item in known)

    @property
    def is_manager(self) -> bool:
        """Whether the factory gives a context manager that has to be entered."""
        if _yields(inspect.unwrap(self.factory)) and not _yields(self.factory):
            return True
        return get_origin(self._annotated()) in (AbstractAsyncContextManager, AbstractContextManager)

    def _annotated(self) -> Any:
        """What the factory is annotated to return; a class returns itself."""
        if isinstance(self.factory, type):
            return self.factory
        shape: Shape = self._read["shape"]
        try:
            return evaluate(shape.returns, shape.names, shape.local_names)
        except UnresolvedError:
            return NOTHING

    def _returned(self) -> Any:
        """The type of the service itself, out of ``AsyncIterator[Database]`` and the like."""
        annotated, _ = unwrap(self._annotated())
        yields = _yields(inspect.unwrap(self.factory))
        origin = get_origin(annotated)
        name = getattr(origin, "__name__", "")
        if (yields and name in _YIELDING) or origin in (AbstractAsyncContextManager, AbstractContextManager):
            annotated = get_args(annotated)[0]
        elif yields or annotated is None or annotated is types.NoneType:
            return NOTHING
        annotated, _ = unwrap(annotated)
        return without_none(annotated)[0]


def _yields(function: Callable[..., Any]) -> bool:
    return inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)


def _related(known: Any, wanted: Any) -> bool:
    """Whether a *known* could be a *wanted*: a class of the same line, or something only a checker knows."""
    if not isinstance(known, type) or not isinstance(wanted, type):
        return True
    if getattr(known, "_is_protocol", False) or getattr(wanted, "_is_protocol", False):
        return True
    return issubclass(known, wanted) or issubclass(wanted, known)


def supplied(name: str) -> Callable[[], Any]:
    """The factory of a service that is not opened but handed in by whoever runs jobs."""

    def factory() -> Any:
        raise ServiceError(f"service `{name}` is not there: it exists while jobs run", code="JK401")

    return factory


@dataclass(frozen=True, eq=False)
class SuppliedSpec(ServiceSpec):
    """A service that whoever runs jobs hands in.

    *type_names* are its types as (package, name): comparing names, nobody imports them only to compare.
    """

    _: KW_ONLY
    type_names: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> tuple[Path | None, int | None]:
        return None, None

    def provides_type(self, wanted: Any) -> bool:
        wanted = get_origin(wanted) or wanted
        name, module = getattr(wanted, "__qualname__", ""), getattr(wanted, "__module__", "")
        return any(
            name == known and (module == package or module.startswith(f"{package}."))
            for package, known in self.type_names
        )

    def may_be(self, wanted: Any) -> bool:
        wanted = get_origin(wanted) or wanted
        if not isinstance(wanted, type) or getattr(wanted, "_is_protocol", False):
            return True
        packages = {package.partition(".")[0] for package, _ in self.type_names}
        return self.provides_type(wanted) or wanted.__module__.partition(".")[0] in packages


@dataclass(frozen=True, eq=False)
class GivenSpec(ServiceSpec):
    """An object that is open already; *like* is the service whose place it takes, found by its types too."""

    like: ServiceSpec | None = None

    @property
    def place(self) -> tuple[Path | None, int | None]:
        return None, None

    def provides_type(self, wanted: Any) -> bool:
        return wanted in self.types or (self.like is not None and self.like.provides_type(wanted))

    def may_be(self, wanted: Any) -> bool:
        return True  # whoever gives an object by name, a fake in a test say, is taken at their word
