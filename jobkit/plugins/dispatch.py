"""Calling hooks: the verbs of HookRule, each implementation in its own guard. Nothing else calls hooks.

pluggy keeps the implementations in order; it is not asked to call them, because its calls are synchronous,
end at the first error and do not say who answered what.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from jobkit.exceptions import JobkitError, PluginError
from jobkit.hookspecs import RULES
from jobkit.plugins.failures import NonsenseError, PluginFailure, place_of
from jobkit.plugins.guards import (
    expect_nothing,
    is_ours_to_pass,
    refuse_awaitable,
    told_as_interruption,
    wrong,
)
from jobkit.plugins.provided import Provided
from jobkit.plugins.tracing import Traced
from jobkit.plugins.watchdog import Watchdog
from jobkit.sanitising import safe_text

if TYPE_CHECKING:
    from jobkit.plugins.implementations import Implementation
    from jobkit.plugins.registry import PluginInfo, PluginRegistry

T = TypeVar("T")
Given = Mapping[str, Any]

#: More things than this from one hook of one plugin are taken for a mistake.
MOST_ITEMS = 10_000


class Dispatch:
    """Calls the implementations that *registry* holds, and keeps their failures apart.

    *extension* arguments name the extension that a call is about: the ``hooks.py`` of others is left out.
    """

    def __init__(self, registry: PluginRegistry, watchdog: Watchdog | None = None) -> None:
        self._registry = registry
        self._watchdog = watchdog or Watchdog()
        self._state = _Telling()

    def implementations(self, hook: str, extension: str | None = None) -> list[Implementation]:
        """Those that a call about *extension* concerns."""
        found = self._registry.implementations(hook)
        return [item for item in found if item.plugin.extension in (None, extension)]

    # -- the verbs --------------------------------------------------------------------------------------

    def call(self, hook: str, given: Callable[[PluginInfo], Given]) -> None:
        """Each in turn; one that raises is unregistered (PluginError if it is required, or when strict)."""
        for item in self.implementations(hook):
            self.call_one(item, given(item.plugin))

    def call_one(self, item: Implementation, given: Given, judge: Callable[[], object] | None = None) -> bool:
        """The same for one; whether it went well. *judge* raises for what it has done wrong."""
        try:
            answer = self._plainly(item, given)
            if judge is not None:
                judge()
        except BaseException as error:
            if is_ours_to_pass(error):
                raise
            self.failed(item.plugin, item.hook, error, function=item.function)
            self._registry.unregister(item.plugin, _unregistered(item, error))
            return False
        self._check(item, lambda: expect_nothing(answer))
        return True

    def gather(
        self, hook: str, given: Given, check: Callable[[Any], T], *, isolated: bool = False
    ) -> list[Provided[T]]:
        """What all of them provide, and who; one that fails loses only its own.

        PluginError if it is required, or when strict, unless *isolated*.
        """
        tell = self.failed if isolated else self.refused
        found: list[Provided[T]] = []
        for item in self._registry.implementations(hook):
            try:
                items = self._items(item, given, check)
            except BaseException as error:
                if is_ours_to_pass(error):
                    raise
                tell(item.plugin, hook, error, function=item.function)
                continue
            found += [Provided(value, item.plugin.name, item.plugin.extension) for value in items]
        return found

    def first(
        self,
        hook: str,
        given: Given,
        check: Callable[[Any], T],
        *,
        extension: str | None = None,
        begin: Callable[[], object] | None = None,
        judge: Callable[[T | None], object] | None = None,
        answers: tuple[type[JobkitError], ...] = (),
    ) -> Provided[T] | None:
        """The first answer that is not None; a failure is none.

        *begin* is called before each implementation, *judge* with its answer: what that raises is a failure
        of the plugin. Errors in *answers* pass: they are answers to the user.
        """
        for item in self.implementations(hook, extension):
            if begin is not None:
                begin()
            answer = self._guarded(
                item,
                lambda item=item: self._judged(item, given, check, judge),  # type: ignore[misc]
                passes=answers,
            )
            if answer is not None:
                return Provided(answer, item.plugin.name, item.plugin.extension)
        return None

    def _judged(
        self,
        item: Implementation,
        given: Given,
        check: Callable[[Any], T],
        judge: Callable[[T | None], object] | None,
    ) -> T | None:
        answer = self._answer(item, given, check)
        if judge is not None:
            judge(answer)
        return answer

    async def first_async(
        self,
        hook: str,
        given: Given,
        check: Callable[[Any], T],
        *,
        extension: str | None,
        instead: Callable[[Implementation, BaseException], T],
    ) -> Provided[T] | None:
        """The same for an asynchronous hook; *instead* is what counts as the answer of one that fails."""
        for item in self.implementations(hook, extension):
            try:
                answer = await self._awaited(item, given)
                result = None if answer is None else check(answer)
            except BaseException as error:
                if self.passes(error):
                    raise
                self.failed(item.plugin, hook, error, function=item.function)
                result = instead(item, error)
            if result is not None:
                return Provided(result, item.plugin.name, item.plugin.extension)
        return None

    def notify(self, hook: str, given: Given, *, extension: str | None = None) -> None:
        """Tell each, synchronously; never raises."""
        for item in self.implementations(hook, extension):
            self._guarded(item, lambda item=item: expect_nothing(self._plainly(item, given)))  # type: ignore[misc]

    async def notify_async(self, hook: str, given: Given, *, extension: str, run: str) -> None:
        """Tell each, one after the other and each in its time; raises nothing but a cancellation."""
        for item in self.implementations(hook, extension):
            try:
                expect_nothing(await self._awaited(item, given))
            except BaseException as error:
                if self.passes(error):
                    raise
                self.failed(item.plugin, hook, error, function=item.function, run=run)

    # -- one implementation -----------------------------------------------------------------------------

    def manager(self, item: Implementation, given: Given) -> Any:
        """What an implementation of the verb *around* returns, a coroutine included."""
        return self._called(item, given)

    def passes(self, error: BaseException) -> bool:
        """Whether *error* ends more than the plugin that it came from, on the event loop.

        KeyboardInterrupt is made the signal that it stands for, where somebody sees to that: what runs is
        then cancelled and recorded.
        """
        return is_ours_to_pass(error) and not told_as_interruption(error)

    def watched(self, item: Implementation) -> AbstractContextManager[None]:
        """To be entered around a synchronous call of *item*, or of something that it has given.

        jobkit's own plugins are not watched: the thread that watches is started for others only.
        """
        if item.plugin.source == "built-in":
            return nullcontext()
        return self._watchdog.watch(lambda: _named(item))

    def traced(self, item: Implementation, part: str = "") -> Traced:
        """To be entered around a call, or a *part* of one: whoever traces calls is told how it went."""
        return Traced(self._registry.trace, item.hook + part, item.plugin.name)

    def _guarded(
        self, item: Implementation, ask: Callable[[], T | None], passes: tuple[type[BaseException], ...] = ()
    ) -> T | None:
        try:
            return ask()
        except BaseException as error:
            if is_ours_to_pass(error) or isinstance(error, passes):
                raise
            self.failed(item.plugin, item.hook, error, function=item.function)
            return None

    def _check(self, item: Implementation, check: Callable[[], object]) -> None:
        try:
            check()
        except NonsenseError as error:
            self.failed(item.plugin, item.hook, error, function=item.function)

    def _plainly(self, item: Implementation, given: Given) -> Any:
        with self.traced(item) as told:
            answer = told.answer = self._called(item, given)
        return answer

    def _called(self, item: Implementation, given: Given) -> Any:
        with self.watched(item):
            return item(given)

    async def _awaited(self, item: Implementation, given: Given) -> Any:
        from jobkit.plugins.own_task import in_own_task

        async def call() -> Any:
            answer = self._called(item, given)
            return await answer if inspect.isawaitable(answer) else answer

        with self.traced(item) as told:
            answer = told.answer = await in_own_task(call, RULES[item.hook].timeout)
        return answer

    async def in_time(self, item: Implementation, awaitable: Awaitable[T]) -> T:
        """What *awaitable* gives, in the task that asks; TimeoutError if that takes too long."""
        import anyio

        timeout = RULES[item.hook].timeout
        with anyio.move_on_after(timeout) as scope:
            answer = await awaitable
        if scope.cancel_called:  # whether or not the plugin has let the cancellation through
            raise TimeoutError(f"it did not end within {timeout:g} s")
        return answer

    def _items(self, item: Implementation, given: Given, check: Callable[[Any], T]) -> list[T]:
        answer = self._plainly(item, given)
        refuse_awaitable(answer)
        if answer is None:
            return []
        if not isinstance(answer, Iterable) or isinstance(answer, (str, bytes)):
            raise wrong(answer, "a list")
        found: list[T] = []
        with self.watched(item):
            for value in answer:
                found.append(check(value))
                if len(found) > MOST_ITEMS:
                    raise NonsenseError(f"it gave more than {MOST_ITEMS:,} things")
        return found

    def _answer(self, item: Implementation, given: Given, check: Callable[[Any], T]) -> T | None:
        answer = self._plainly(item, given)
        refuse_awaitable(answer)
        return None if answer is None else check(answer)

    # -- failures ---------------------------------------------------------------------------------------

    def refused(self, info: PluginInfo, hook: str, error: BaseException, *, function: Any = None) -> None:
        """The same as :meth:`failed` for what a plugin should have provided, and has not.

        Raises PluginError if the plugin is required, or when strict: it would be missing all the time.
        """
        self.failed(info, hook, error, function=function)
        if info.required or self._registry.strict:
            raise _missing(info, hook, self._registry.shown(_words(error)), error, function)

    def failed(
        self,
        info: PluginInfo,
        hook: str,
        error: BaseException,
        *,
        function: Any = None,
        run: str | None = None,
    ) -> None:
        """Count, log and tell a failure that was isolated. Never raises."""
        path, line = place_of(error, function)
        message = self._registry.shown(_words(error))
        failure = PluginFailure(
            plugin=info.name, hook=hook, error=error, message=message, at=datetime.now(UTC),
            path=path, line=line, run=run,
        )  # fmt: skip
        if self._registry.relay is not None:
            self._registry.relay(failure)
        else:
            self.note(info, failure)

    def note(self, info: PluginInfo, failure: PluginFailure) -> None:
        """Count, log and tell a failure, wherever it has happened. Never raises."""
        from jobkit.logs import get_logger

        hook, message, path, line = failure.hook, failure.message, failure.path, failure.line
        cause = failure.error
        known = cause if isinstance(cause, PluginError) and cause.code != PluginError.default_code else None
        shown = PluginError(
            f"plugin {info.name} has failed: {hook}: {message}",
            code=known.code if known is not None else "JK721",
            path=path,
            line=line,
            help=(known and known.help) or f"{info.switch} leaves it out",
        )
        info.count(hook, message, shown)
        place = {"place": f"{path}:{line}"} if path is not None else {}
        get_logger().error(
            "plugin.failed",
            plugin=info.name,
            hook=hook,
            error=message,
            **place,
            **({"run_id": failure.run} if failure.run else {}),
        )
        if self._state.telling:
            return  # it came from the hook that is told of failures
        self._state.telling = True
        try:
            self.notify("jobkit_plugin_error", {"error": failure})
        finally:
            self._state.telling = False


class _Telling(threading.local):
    """Whether this thread is telling plugins of a failure just now."""

    telling = False


def _named(item: Implementation) -> str:
    code = getattr(inspect.unwrap(item.function), "__code__", None)
    place = f" ({code.co_filename}:{code.co_firstlineno})" if code is not None else ""
    return f"plugin {item.plugin.name}: {item.hook}{place}"


def _words(error: BaseException) -> str:
    text = safe_text(error, 2000)
    kind = type(error).__name__
    if isinstance(error, NonsenseError | TimeoutError | PluginError) or text == kind:
        return text
    return f"{kind}: {text}"


def _missing(info: PluginInfo, hook: str, message: str, error: BaseException, function: Any) -> PluginError:
    path, line = place_of(error, function)
    known = error if isinstance(error, PluginError) and error.code != PluginError.default_code else None
    why, instead = ("takes part", f"leave it out ({info.switch}), or --strict away")
    if info.required:
        why, instead = "is required", f"take {info.distribution or info.name} out of required_plugins"
    result = PluginError(
        f"plugin {info.name} {why}, and has failed: {hook}: {message}",
        code=known.code if known is not None else "JK721",
        path=path,
        line=line,
        help=f"{(known and known.help) or 'mend it'}; or {instead}",
    )
    result.__cause__ = error
    return result


def _unregistered(item: Implementation, error: BaseException) -> PluginError:
    path, line = place_of(error, item.function)
    if isinstance(error, PluginError):  # it says itself what is wrong, and how to mend it
        said = PluginError(
            f"plugin {item.plugin.name} is left out: {error.message}",
            code=error.code,
            path=error.path or path,
            line=error.line if error.path is not None else line,
            help=f"{error.help or 'mend it'}; or leave the plugin out: {item.plugin.switch}",
        )
        said.__cause__ = error
        return said
    result = PluginError(
        f"plugin {item.plugin.name} is left out: {item.hook} failed: {_words(error)}",
        code="JK720",
        path=path,
        line=line,
        help=f"mend it, or leave it out: {item.plugin.switch}",
    )
    result.__cause__ = error
    return result
