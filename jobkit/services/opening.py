"""Opening one service: a factory of any form, as one asynchronous context manager."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from typing import Any

from jobkit.exceptions import JobkitError, ServiceError
from jobkit.sanitising import safe_text
from jobkit.services.graph import ServiceNode

#: Something to enter around a synchronous call into a factory; what is given says what is called.
Watch = Callable[[Callable[[], str]], AbstractContextManager[None]]


def unwatched(words: Callable[[], str]) -> AbstractContextManager[None]:
    """What watches nothing."""
    return nullcontext()


def manager_for(
    node: ServiceNode, values: dict[str, Any], watch: Watch
) -> AbstractAsyncContextManager[Any] | AbstractContextManager[Any]:
    """The context manager that opens *node* on entry and closes it on exit; *values* are its services."""
    factory = node.spec.factory
    placed = [values[request.parameter] for request, _ in node.arguments if request.positional_only]
    named = {
        request.parameter: values[request.parameter]
        for request, _ in node.arguments
        if not request.positional_only
    }
    if inspect.isasyncgenfunction(factory):
        return asynccontextmanager(factory)(*placed, **named)
    if inspect.isgeneratorfunction(factory):
        return contextmanager(factory)(*placed, **named)
    if node.spec.is_manager:
        manager: AbstractAsyncContextManager[Any] = factory(*placed, **named)
        return manager
    return _called(node, placed, named, watch)


@asynccontextmanager
async def _called(
    node: ServiceNode, placed: list[Any], named: dict[str, Any], watch: Watch
) -> AsyncIterator[Any]:
    """A service that only opens: there is nothing to close."""
    with watch(lambda: _words(node, "opening")):
        value = node.spec.factory(*placed, **named)
    yield await value if inspect.isawaitable(value) else value


class OpenService:
    """One entered service, to be left in the task that entered it."""

    def __init__(self, node: ServiceNode, values: dict[str, Any], watch: Watch = unwatched) -> None:
        self.node = node
        self.value: Any = None
        self._watch = watch
        self._values = values
        self._manager: Any = None

    async def enter(self) -> Any:
        """Open it and give the service. Raises what the factory raises."""
        manager = manager_for(self.node, self._values, self._watch)
        if hasattr(manager, "__aenter__"):
            self.value = await manager.__aenter__()
        else:
            with self._watch(lambda: _words(self.node, "opening")):
                self.value = manager.__enter__()
        self._manager = manager
        return self.value

    async def leave(self, error: BaseException | None) -> BaseException | None:
        """Close it, with *error* thrown in; what went wrong in closing, which *error* itself is not.

        The service sees *error* and cannot swallow it. Never raises, not even a cancellation: it is given
        back like everything else.
        """
        manager = self._manager
        details = (type(error), error, error.__traceback__) if error is not None else (None, None, None)
        try:
            if hasattr(manager, "__aexit__"):
                await manager.__aexit__(*details)
            else:
                with self._watch(lambda: _words(self.node, "closing")):
                    manager.__exit__(*details)
        except BaseException as raised:  # whatever closing raises belongs to the record of the run
            return None if error is not None and _repeats(raised, error) else raised
        return None


def _words(node: ServiceNode, what: str) -> str:
    return f"{what} service `{node.spec.name}`" + (f" ({node.place})" if node.place else "")


def _repeats(raised: BaseException, error: BaseException) -> bool:
    """Whether *raised* is *error* coming through: itself, or alone in groups that a task group made."""
    return raised is error or _innermost(raised) is error


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def described(error: BaseException) -> str:
    """Class and text of *error*; of the one inside, if a task group has put a group around it."""
    inner = _innermost(error)
    return f"{type(inner).__name__}: {safe_text(inner, 500)}"


def not_opened(node: ServiceNode, error: BaseException) -> ServiceError:
    """The error for the run that asked: which service, and what its factory raised."""
    path, line = node.spec.place
    hints = [error.help] if isinstance(error, JobkitError) and error.help else []
    place = f"look at its factory, {node.place}, and at what it opens; " if node.place else ""
    failure = ServiceError(
        f"service `{node.spec.name}` could not be opened: {described(error)}",
        code="JK401",
        path=path,
        line=line,
        help="\n".join([*hints, f"{place}the next run that asks for it tries again"]),
    )
    failure.__cause__ = error
    return failure
