"""What a service is: its forms, its types, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from typing import Annotated, Any, Generic, Protocol, TypeVar

import pytest

from jobkit import Service, ServiceSpec
from jobkit.exceptions import ServiceError

T = TypeVar("T")


class Database: ...


class Replica(Database): ...


class Pool(Generic[T]): ...


class Reads(Protocol):
    def read(self) -> int: ...


def plain() -> Database:
    return Database()


async def coroutine() -> Database | None:
    return Database()


def generator() -> Iterator[Database]:
    yield Database()


def long_generator() -> Generator[Database, None, None]:
    yield Database()


async def async_generator() -> AsyncIterator[Database]:
    yield Database()


async def long_async_generator() -> AsyncGenerator[Annotated[Database, "x"], None]:
    yield Database()


@contextmanager
def manager() -> Iterator[Database]:
    yield Database()


@asynccontextmanager
async def async_manager() -> AsyncIterator[Database]:
    yield Database()


def returns_manager() -> AbstractAsyncContextManager[Database]:
    return async_manager()


FORMS: list[Any] = [
    plain,
    coroutine,
    generator,
    long_generator,
    async_generator,
    long_async_generator,
    manager,
    async_manager,
    returns_manager,
    Database,
]


@pytest.mark.parametrize("factory", FORMS)
def test_the_type_is_what_the_factory_is_annotated_to_give(factory: Any) -> None:
    """Whatever its form."""
    assert ServiceSpec(factory, name="db").types == (Database,)


def test_only_managers_are_entered() -> None:
    """A service that happens to be a context manager is not."""
    assert [
        ServiceSpec(form, name="db").is_manager for form in (manager, async_manager, returns_manager)
    ] == [True] * 3
    assert not any(ServiceSpec(form, name="db").is_manager for form in (plain, async_generator, Database))


def test_a_type_can_be_given_instead() -> None:
    """One or several; nothing is known about a factory without an annotation."""
    assert ServiceSpec(plain, name="db", provides=Replica).types == (Replica,)
    assert ServiceSpec(plain, name="db", provides=(Replica, Database)).types == (Replica, Database)
    assert ServiceSpec(lambda: 5, name="db").types == ()


def test_an_annotation_that_cannot_be_evaluated_is_no_type() -> None:
    """Then the name finds it."""

    def factory() -> Unknown:  # type: ignore[name-defined]  # noqa: F821 - that is what is tested
        ...

    assert ServiceSpec(factory, name="db").types == ()


def test_what_a_name_stands_for_may_contradict_an_annotation() -> None:
    """Classes of another line do; protocols and unknown types do not."""
    spec = ServiceSpec(plain, name="db")
    assert [spec.may_be(wanted) for wanted in (Database, Replica, Reads, Pool[int], "text")] == [
        True,
        True,
        True,
        False,
        True,
    ]
    assert ServiceSpec(lambda: 5, name="db").may_be(Pool)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": ""}, "is not a word"),
    ({"name": None}, "is not a word"),
    ({"name": "a b"}, "is not a word"),
    ({"name": "x" * 129}, "is not a word"),
    ({"factory": "plain"}, "its factory is a function, not str"),
    ({"factory": iter}, "cannot tell what its factory takes"),
    ({"scope": "session"}, "its scope is `scheduler` or `run`, not 'session'"),
    ({"autouse": 1}, "autouse is true or false, not int"),
    ({"replaces": "yes"}, "replaces is true or false, not str"),
    ({"ping": 5}, "its ping is a function, not int"),
]


@pytest.mark.parametrize(("wrong", "reason"), WRONG)
def test_a_wrong_specification_is_refused_where_it_is_made(wrong: dict[str, Any], reason: str) -> None:
    """With the place of the factory (JK406)."""
    given: dict[str, Any] = {"factory": plain, "name": "db", **wrong}
    with pytest.raises(ServiceError) as caught:
        ServiceSpec(given.pop("factory"), **given)
    assert (caught.value.code, reason in caught.value.message) == ("JK406", True), caught.value.message


def test_the_error_leads_to_the_factory() -> None:
    """File and line; following the reason mends it (JK406)."""
    with pytest.raises(ServiceError) as caught:
        ServiceSpec(plain, name="my db")
    assert caught.value.path is not None
    assert caught.value.path.name == "test_specs.py"
    assert caught.value.line == plain.__code__.co_firstlineno
    assert ServiceSpec(plain, name="my_db").name == "my_db"


def test_a_marker_needs_a_name() -> None:
    """An empty one would name nothing."""
    for name in ("", None):
        with pytest.raises(TypeError, match="marked by its name"):
            Service(name)  # type: ignore[arg-type]  # that is what is tested


def test_a_factory_that_is_marked_wrongly_is_refused() -> None:
    """``Annotated[T, Service]`` lacks the name."""

    def factory(db: Annotated[Database, Service]) -> int:
        return 5

    with pytest.raises(ServiceError, match="Service needs the name"):
        assert ServiceSpec(factory, name="x").requests
