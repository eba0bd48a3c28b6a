"""Everything that can be submitted as a job, in the ways a job file does it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from jobkit import Job, JobSpec, submit_job
from jobkit.signature import bind, signature_of

Collected = Callable[[str], JobSpec]


async def call(target: Any, *services: object, **parameters: object) -> Any:
    """What *target* gives when it is run with the context "ctx"."""
    answer = bind(target)("ctx", *services, **parameters)
    return await answer if inspect.isawaitable(answer) else answer


# -- the forms ----------------------------------------------------------------------------------------


def test_a_function_is_registered_under_its_name(job: Collected) -> None:
    """The name is the function's, the description the first line of its docstring."""
    spec = job(
        """
from jobkit import submit_job
async def cleanup(ctx):
    '''Delete old records.

    And more.
    '''
submit_job(cleanup)
"""
    )
    assert (spec.name, spec.description, spec.line) == ("cleanup", "Delete old records.", 8)


def test_a_bare_decorator_registers(job: Collected) -> None:
    """``@submit_job`` alone is a registration at the decorator's line."""
    spec = job("from jobkit import submit_job\n@submit_job\ndef ingest(ctx): ...\n")
    assert (spec.name, spec.line, spec.signature.is_async) == ("ingest", 2, False)


def test_a_decorator_with_options_registers(job: Collected) -> None:
    """``@submit_job(...)`` is a registration with options, at the decorator's line."""
    spec = job("from jobkit import submit_job\n\n@submit_job(tags=['content'])\nasync def ingest(ctx): ...\n")
    assert (spec.name, spec.tags, spec.line) == ("ingest", ("content",), 3)


def test_a_decorator_without_options_but_called_registers(job: Collected) -> None:
    """``@submit_job()`` does what ``@submit_job`` does."""
    assert job("from jobkit import submit_job\n@submit_job()\ndef ingest(ctx): ...\n").name == "ingest"


def test_what_was_given_comes_back() -> None:
    """The module stays normal Python: both forms return the very object."""

    def plain(ctx: object) -> None: ...

    assert submit_job(plain) is plain
    assert submit_job(tags=["a"])(plain) is plain


def test_a_class_is_registered_in_snake_case(job: Collected) -> None:
    """The name comes from the class, the description from its docstring."""
    spec = job(
        """
from jobkit import Job, submit_job
class PublishHTMLSite(Job):
    '''Rebuild the site.'''
    async def execute(self, ctx): ...
submit_job(PublishHTMLSite)
"""
    )
    assert (spec.name, spec.description) == ("publish_html_site", "Rebuild the site.")
    assert (spec.signature.is_async, spec.signature.label) == (True, "PublishHTMLSite.execute")


def test_a_class_decorator_registers(job: Collected) -> None:
    """A class can be decorated like a function."""
    text = "@submit_job(timeout='5m')\nclass Sync:\n    def execute(self, ctx): ...\n"
    assert job("from jobkit import submit_job\n" + text).name == "sync"


async def test_a_class_gives_a_fresh_instance_for_each_attempt() -> None:
    """Nothing that one attempt leaves on ``self`` is seen by the next."""

    class Counting(Job):
        def __init__(self) -> None:
            self.count = 0

        async def execute(self, ctx: object) -> Any:
            self.count += 1
            return self.count

    assert [await call(Counting), await call(Counting)] == [1, 1]


async def test_an_instance_is_shared() -> None:
    """An instance that was submitted serves every attempt."""

    class Counting(Job):
        count = 0

        async def execute(self, ctx: object) -> Any:
            self.count += 1
            return self.count

    shared = Counting()
    assert [await call(shared), await call(shared)] == [1, 2]


async def test_a_partial_is_a_job() -> None:
    """What a partial has bound is no longer asked for."""

    async def sync(city: str, ctx: object, *, days: int = 1) -> Any:
        return (city, ctx, days)

    berlin = functools.partial(sync, "Berlin", days=7)
    signature = signature_of(berlin)
    assert (signature.context, signature.services, signature.is_async) == ("ctx", (), True)
    assert signature.parameters.describe() == "(days: int = 7)"
    assert await call(berlin, days=8) == ("Berlin", "ctx", 8)


async def test_a_partial_can_bind_a_service_by_keyword() -> None:
    """A service that is bound by keyword is gone, and the one behind it still arrives."""

    async def report(ctx: object, db: object, cache: object) -> Any:
        return (db, cache)

    bound = functools.partial(report, db="a database")
    assert [request.parameter for request in signature_of(bound).services] == ["cache"]
    assert await call(bound, "a cache") == ("a database", "a cache")


async def test_an_object_with_asynchronous_call_is_a_job() -> None:
    """An object with ``async def __call__`` is asynchronous."""

    class Caller:
        async def __call__(self, ctx: object, *, days: int = 1) -> Any:
            return (ctx, days)

    signature = signature_of(Caller())
    assert (signature.is_async, signature.parameters.describe()) == (True, "(days: int = 1)")
    assert await call(Caller(), days=2) == ("ctx", 2)


async def test_a_lambda_that_returns_a_coroutine_is_a_job() -> None:
    """It looks like a plain function; its call gives something to await."""

    async def work(ctx: object) -> Any:
        return ctx

    assert await call(lambda ctx: work(ctx)) == "ctx"


async def test_a_bound_method_is_a_job() -> None:
    """``self`` is bound: the argument after it is the context."""

    class Site:
        async def publish(self, ctx: object, db: object) -> Any:
            return (ctx, db)

    signature = signature_of(Site().publish)
    assert (signature.context, signature.is_async) == ("ctx", True)
    assert await call(Site().publish, "a database") == ("ctx", "a database")


async def test_a_class_method_and_a_static_method_are_jobs() -> None:
    """Taken from the class, both are callables like any other."""

    class Site:
        @classmethod
        async def of_class(cls, ctx: object) -> Any:
            return (cls.__name__, ctx)

        @staticmethod
        async def free(ctx: object) -> Any:
            return ctx

    assert await call(Site.of_class) == ("Site", "ctx")
    assert await call(Site.free) == "ctx"


async def test_execute_may_be_a_static_or_class_method() -> None:
    """A class job need not use ``self``."""

    class Static(Job):
        @staticmethod
        async def execute(ctx: object, *, days: int = 1) -> Any:
            return (ctx, days)

    class OfClass(Job):
        @classmethod
        async def execute(cls, ctx: object) -> Any:
            return (cls.__name__, ctx)

    assert signature_of(Static).parameters.describe() == "(days: int = 1)"
    assert await call(Static, days=3) == ("ctx", 3)
    assert await call(OfClass()) == ("OfClass", "ctx")


async def test_execute_may_be_a_partial_method() -> None:
    """What it has bound is no longer asked for."""

    class Partial(Job):
        async def work(self, ctx: object, kind: str, *, days: int = 1) -> Any:
            return (ctx, kind, days)

        execute = functools.partialmethod(work, kind="full", days=7)

    signature = signature_of(Partial)
    assert (signature.services, signature.parameters.describe(), signature.is_async) == (
        (),
        "(days: int = 7)",
        True,
    )
    assert await call(Partial) == ("ctx", "full", 7)


def test_a_class_need_not_derive_from_job() -> None:
    """What makes a class a job is ``execute``."""

    class Plain:
        def execute(self, ctx: object) -> None: ...

    assert signature_of(Plain).is_async is False
    assert signature_of(Plain()).is_async is False


def test_a_wrapped_function_takes_what_it_wraps() -> None:
    """A decorator made with ``functools.wraps`` does not hide services and parameters."""

    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await function(*args, **kwargs)

        return wrapper

    @logged
    async def report(ctx: object, db: object, *, days: int = 1) -> None: ...

    signature = signature_of(report)
    assert [request.parameter for request in signature.services] == ["db"]
    assert signature.parameters.describe() == "(days: int = 1)"


def test_the_context_may_have_any_name_and_form() -> None:
    """First positional argument, positional-only, or the first of ``*args``."""

    def named(whatever: object) -> None: ...
    def placed(ctx: object, /) -> None: ...
    def spread(*args: object) -> None: ...

    contexts = [signature_of(target).context for target in (named, placed, spread)]
    assert contexts == ["whatever", "ctx", "args"]


async def test_positional_only_services_arrive() -> None:
    """Services are passed by position, so that ``/`` is no obstacle, in partials neither."""

    async def report(prefix: str, ctx: object, db: object, /, cache: object) -> Any:
        return (prefix, db, cache)

    assert await call(functools.partial(report, ">"), 1, 2) == (">", 1, 2)


def test_one_function_can_be_several_jobs(load: Any) -> None:
    """Each call is a registration of its own."""
    collected = load(
        """
from jobkit import submit_job
async def sync(ctx, *, city): ...
for city in ("berlin", "hamburg"):
    submit_job(sync, name=f"sync_{city}")
"""
    )
    assert [item.options["name"] for item in collected.registrations] == ["sync_berlin", "sync_hamburg"]


def test_a_mock_is_a_job() -> None:
    """Tests submit mocks: they take anything."""
    from unittest.mock import AsyncMock, Mock

    assert signature_of(Mock()).context == "args"
    assert signature_of(AsyncMock()).context == "args"


# -- what the arguments mean --------------------------------------------------------------------------


def test_positional_arguments_are_services_and_keyword_only_ones_parameters(job: Collected) -> None:
    """The ``*`` divides them."""
    spec = job(
        """
from __future__ import annotations
from jobkit import JobContext, submit_job
class Database: ...
@submit_job
async def report(ctx: JobContext, db: Database, cache, *, days: int = 30, since: date, **more): ...
"""
    )
    assert [request.describe() for request in spec.signature.services] == ["db: Database", "cache"]
    assert spec.signature.parameters.describe() == "(days: int = 30, since: date, **parameters)"


def test_a_missing_execute_in_a_job_class_fails_the_run() -> None:
    """Whoever calls the base class's method gets told what is missing."""
    with pytest.raises(TypeError, match="does not define execute"):
        Job().execute(None)
