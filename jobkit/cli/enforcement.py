"""Jobs that ask for consent (``ctx.enforce``) and never get it: they only ever observe and report."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

from jobkit.cli.paging import all_runs
from jobkit.exceptions import JobkitError, StoreError
from jobkit.stores.base import RunQuery

if TYPE_CHECKING:
    from jobkit.job import JobSpec
    from jobkit.project import Project
    from jobkit.stores.base import Store

#: Who has observed for so long has seen what would happen.
LONG_ENOUGH = timedelta(days=7)

_WORD = "enforce"


def observers(project: Project, now: datetime) -> list[JobkitError]:
    """A warning (JK550) for each job that reads ``ctx.enforce``, has run for a week, and never with consent.

    Nothing is written; a store that is missing or cannot be read has nothing to tell. StoreError never.
    """
    import anyio

    aware = [spec for spec in project.jobs.values() if _asks(spec)]
    if not aware:
        return []

    async def look() -> list[JobkitError]:
        store = project.open_store(read_only=True)
        if not (await store.schema()).applied:
            return []
        async with store:
            return [warning for spec in aware if (warning := await _judge(spec, store, now)) is not None]

    try:
        return anyio.run(look)
    except StoreError:
        return []  # what is wrong with a store is for `db status` and `doctor` to say


def _asks(spec: JobSpec) -> bool:
    return spec.error is None and spec.enabled and not spec.enforce and reads_enforce(spec.target)


async def _judge(spec: JobSpec, store: Store, now: datetime) -> JobkitError | None:
    number, first = 0, now
    async for runs in all_runs(store.runs, RunQuery(jobs=(spec.name,))):
        for run in runs:
            if run.enforce:
                return None
            if run.started_at is not None:
                number += 1
                first = min(first, run.started_at)
    if now - first < LONG_ENOUGH:
        return None
    return JobkitError(
        f"job {spec.name} has run {number} times since {first:%Y-%m-%d}, and only ever observed: its code"
        " asks for `ctx.enforce`, which nobody has given",
        code="JK550",
        path=spec.path,
        line=spec.line,
        help=f"if what it reports is right, write `enforce = true` under [jobs.{spec.name}] in"
        " services/scheduler/config.toml",
    )


def reads_enforce(target: Any) -> bool:
    """Whether the code of a job, or a function beside it that it uses, has an attribute ``enforce``."""
    waiting = [*_functions(target)]
    seen: set[CodeType] = set()
    while waiting:
        function = waiting.pop()
        if function.__code__ in seen:
            continue
        seen.add(function.__code__)
        names = {name for code in _nested(function.__code__) for name in code.co_names}
        if _WORD in names:
            return True
        waiting += _neighbours(names, function.__globals__)
    return False


def _functions(target: Any) -> Iterator[FunctionType]:
    if isinstance(target, functools.partial):
        yield from _functions(target.func)
    elif isinstance(target, MethodType):
        yield from _functions(target.__self__)
    elif isinstance(target, FunctionType):
        function = inspect.unwrap(target)
        yield from (each for each in (target, function) if isinstance(each, FunctionType))
    else:
        owner = target if isinstance(target, type) else type(target)
        # What all classes have is not theirs; `Job` of ours asks for nothing.
        for cls in owner.__mro__[:-1]:
            yield from _methods(vars(cls).values())


def _methods(members: Iterable[Any]) -> Iterator[FunctionType]:
    for member in members:
        function = getattr(member, "__func__", member)
        if isinstance(function, FunctionType):
            yield function


def _nested(code: CodeType) -> Iterator[CodeType]:
    """*code*, and what is defined inside of it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _neighbours(names: Iterable[str], module: Mapping[str, Any]) -> Iterator[FunctionType]:
    """The functions of the same module that are used by *names*."""
    for name in names:
        found = module.get(name)
        if isinstance(found, FunctionType) and found.__globals__ is module:
            yield found
