"""Wrappers around the attempts of runs: each entered and left in a guard of its own."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from jobkit.hookspecs import RULES
from jobkit.plugins.guards import wrong
from jobkit.plugins.own_task import OwnCancellations

if TYPE_CHECKING:
    from jobkit.plugins.dispatch import Dispatch
    from jobkit.plugins.implementations import Implementation

_HOOK = "jobkit_run_context"
#: What stands behind the hook's name where calls are traced.
_ENTER, _LEAVE = " enter", " leave"


class RunContext:
    """The wrappers of one attempt; enter it with ``async with`` in the attempt's task, and leave it there.

    A wrapper that fails on entry is skipped; one that fails on leaving is reported, and never replaces what
    the body raised. Nothing that a wrapper does swallows the body's exception. With *threaded*, plain context
    managers are left for :meth:`in_thread`.
    """

    def __init__(
        self, dispatch: Dispatch, given: dict[str, Any], *, extension: str, run: str, threaded: bool
    ) -> None:
        self._dispatch = dispatch
        self._given = given
        self._extension = extension
        self._run = run
        self._threaded = threaded
        self._entered: list[_Asynchronous | _Plain] = []
        self._for_thread: list[_Plain] = []
        self._at_work: _Plain | None = None
        self._until = math.inf
        self._being_left: _Asynchronous | None = None

    @property
    def has_plain(self) -> bool:
        """Whether :meth:`in_thread` has anything to do; once entered."""
        return bool(self._for_thread)

    async def __aenter__(self) -> Self:
        for item in self._dispatch.implementations(_HOOK, self._extension):
            own = OwnCancellations()
            trouble: BaseException | None = None
            try:
                await self._enter(item)
            except BaseException as error:
                trouble = error
            trouble = await own.taken_back() or trouble
            if trouble is not None and self._dispatch.passes(trouble):
                await self._leave(trouble)
                raise trouble
            if trouble is not None:
                self.failed(item, trouble)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._leave(error)

    async def _enter(self, item: Implementation) -> None:
        with self._dispatch.traced(item, _ENTER) as told:
            wrapper = told.answer = await self._wrapper(item)
            if isinstance(wrapper, _Plain) and self._threaded:
                self._for_thread.append(wrapper)
                told.forget()  # it is entered in its thread
            elif wrapper is not None:
                await wrapper.enter()
                self._entered.append(wrapper)

    @contextmanager
    def in_thread(self) -> Iterator[None]:
        """The plain wrappers of a thread job, in its thread: around the call and nothing else."""
        entered: list[_Plain] = []
        for wrapper in self._for_thread:
            self._at_work = wrapper
            try:
                with self._dispatch.traced(wrapper.item, _ENTER) as told:
                    told.answer = wrapper
                    wrapper.enter_plainly()
                entered.append(wrapper)
            except (Exception, SystemExit, BaseExceptionGroup) as error:
                self.failed(wrapper.item, error)
        self._at_work = None
        raised: BaseException | None = None
        try:
            yield
        except BaseException as error:
            raised = error
            raise
        finally:
            for wrapper in reversed(entered):
                self._at_work = wrapper
                try:
                    with self._leaving(wrapper, raised):
                        wrapper.leave_plainly(raised)
                except (Exception, SystemExit, BaseExceptionGroup) as error:
                    self.failed(wrapper.item, error)
            self._at_work = None

    def hurry(self, until: float) -> None:
        """Have all that is left end by *until*, on the clock of the event loop: somebody wants to stop."""
        self._until = min(self._until, until)
        if self._being_left is not None:
            self._being_left.hurry(until)

    def overdue(self) -> None:
        """Report the plain wrapper that is entered or left in its thread now: nobody waits for it."""
        if (late := self._at_work) is not None:
            self.failed(late.item, TimeoutError(f"it did not come back within {_limit():g} s"))

    def failed(self, item: Implementation, error: BaseException) -> None:
        """Report what a wrapper did wrong."""
        self._dispatch.failed(item.plugin, _HOOK, error, function=item.function, run=self._run)

    async def _wrapper(self, item: Implementation) -> _Asynchronous | _Plain | None:
        manager = self._dispatch.manager(item, self._given)
        if inspect.isawaitable(manager):
            manager = await self._dispatch.in_time(item, manager)
        if manager is None:
            return None
        if hasattr(type(manager), "__aenter__") and hasattr(type(manager), "__aexit__"):
            return _Asynchronous(item, manager)
        if hasattr(type(manager), "__enter__") and hasattr(type(manager), "__exit__"):
            return _Plain(item, manager, self._dispatch)
        raise wrong(manager, "a context manager, or None,")

    async def _leave(self, error: BaseException | None) -> None:
        passing: BaseException | None = None
        while self._entered:
            wrapper = self._entered.pop()
            own = OwnCancellations()
            trouble: BaseException | None = None
            try:
                with self._leaving(wrapper, error):
                    self._being_left = wrapper if isinstance(wrapper, _Asynchronous) else None
                    await wrapper.leave(error, self._until)
            except BaseException as raised:
                trouble = raised
            self._being_left = None
            trouble = await own.taken_back() or trouble
            if trouble is not None and self._dispatch.passes(trouble):
                passing = trouble
            elif trouble is not None:
                self.failed(wrapper.item, trouble)
        if passing is not None and error is None:
            raise passing

    @contextmanager
    def _leaving(self, wrapper: _Asynchronous | _Plain, error: BaseException | None) -> Iterator[None]:
        """Around leaving one: to raise *error* again is what most context managers do, and no failure."""
        with self._dispatch.traced(wrapper.item, _LEAVE) as told:
            told.answer = wrapper
            try:
                yield
            except BaseException as raised:
                if not _same(raised, error):
                    raise


class _Asynchronous:
    """An asynchronous context manager. A cancel scope around all of it limits entering and leaving.

    The scope stays open in between, because the manager may hold scopes of its own: they have to nest.
    """

    def __init__(self, item: Implementation, manager: Any) -> None:
        self.item = item
        self._manager = manager
        self._scope = anyio.CancelScope()

    async def enter(self) -> None:
        scope = self._scope
        scope.__enter__()
        scope.deadline = anyio.current_time() + _limit()
        try:
            await self._manager.__aenter__()
        except BaseException as error:
            if not scope.__exit__(type(error), error, error.__traceback__):
                raise
        else:
            if not scope.cancel_called:
                scope.deadline = float("inf")
                return
            # It has caught the cancellation, and the body would be cancelled in its place.
            await self.leave(None)
        raise TimeoutError(f"entering it did not end within {_limit():g} s")

    def hurry(self, until: float) -> None:
        self._scope.deadline = min(self._scope.deadline, until)

    async def leave(self, error: BaseException | None, until: float = math.inf) -> None:
        scope = self._scope
        # The attempt may have been cancelled: that must not hit what has to be closed.
        scope.shield = True
        scope.deadline = min(anyio.current_time() + _limit(), until)
        began = anyio.current_time()
        try:
            await self._manager.__aexit__(*_facts(error))
        except BaseException as raised:
            if not scope.__exit__(type(raised), raised, raised.__traceback__):
                raise
        else:
            scope.__exit__(None, None, None)
            return
        raise TimeoutError(f"leaving it did not end within {anyio.current_time() - began:.0f} s")


class _Plain:
    """A plain context manager."""

    def __init__(self, item: Implementation, manager: Any, dispatch: Dispatch) -> None:
        self.item = item
        self._manager = manager
        self._dispatch = dispatch

    async def enter(self) -> None:
        self.enter_plainly()

    async def leave(self, error: BaseException | None, until: float = math.inf) -> None:
        self.leave_plainly(error)

    def enter_plainly(self) -> None:
        with self._dispatch.watched(self.item):
            self._manager.__enter__()

    def leave_plainly(self, error: BaseException | None) -> None:
        with self._dispatch.watched(self.item):
            self._manager.__exit__(*_facts(error))


def _same(raised: BaseException, error: BaseException | None) -> bool:
    """Whether a wrapper has raised no more than what it was given; a task group puts that into a group."""
    if isinstance(raised, BaseExceptionGroup) and raised is not error:
        return all(_same(inner, error) for inner in raised.exceptions)
    return raised is error


def _limit() -> float:
    return RULES[_HOOK].timeout or float("inf")


def _facts(
    error: BaseException | None,
) -> tuple[type[BaseException] | None, BaseException | None, TracebackType | None]:
    return (type(error), error, error.__traceback__) if error is not None else (None, None, None)
