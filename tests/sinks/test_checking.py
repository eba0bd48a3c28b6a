"""A sink that cannot be used is reported under its plugin's name, and only that one is left out."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from jobkit import Sink as PublicSink
from jobkit.exceptions import PluginError
from jobkit.plugins.provided import Provided
from jobkit.records import RunRecord
from jobkit.sinks.base import Sink
from jobkit.sinks.checking import checked_sinks
from jobkit.stores.base import Store
from tests.sinks.conftest import Delivering, Hooks, Server, finish, provided, settled


async def emit(run: RunRecord) -> None:
    """Takes everything."""


def sink(**members: Any) -> Any:
    return SimpleNamespace(**{"name": "it", "emit": emit, **members})


def refused(given: Any) -> PluginError:
    """The one error that is reported of *given*, beside a sink that is right."""
    hooks = Hooks()
    found = checked_sinks(provided(given, sink(name="right")), hooks)
    assert [one.name for one in found] == ["right"]
    [(plugin, hook, error, _)] = hooks.failures
    assert (plugin, hook) == ("shop", "jobkit_result_sinks")
    assert isinstance(error, PluginError)
    return error


def test_two_members_are_enough() -> None:
    """Any object with a name and emit; what is missing is as in the base class."""
    hooks = Hooks()
    [found] = checked_sinks(provided(sink()), hooks)
    assert (found.max_age, found.timeout, found.local) == (timedelta(days=7), 10.0, False)
    assert found.accepts is None
    assert found.manager is None
    assert not hooks.failures


def test_the_base_class_adds_nothing_to_call() -> None:
    """A subclass without further methods is neither entered nor asked."""

    class Least(Sink):
        name = "least"

        async def emit(self, run: RunRecord) -> None: ...

    [found] = checked_sinks(provided(Least()), Hooks())
    assert found.accepts is None
    assert found.manager is None
    assert PublicSink is Sink


@pytest.mark.parametrize("name", [None, "", 7, "two words", "a\nb", "-x", "x" * 129, b"bytes"])
def test_a_name_is_needed(name: Any) -> None:
    """JK730: without one nothing can be kept for it; with one it is used."""
    wrong = sink(name=name)
    if name is None:
        del wrong.name
    error = refused(wrong)
    assert error.code == "JK730"
    assert "plugin shop" in str(error)
    assert 'name = "webhook"' in (error.help or "")
    wrong.name = "webhook"
    hooks = Hooks()
    assert checked_sinks(provided(wrong), hooks)
    assert not hooks.failures


def test_a_name_belongs_to_one() -> None:
    """JK731: the first keeps it, and the second is told whose it is; renamed, both are used."""
    hooks = Hooks()
    second = sink()
    both = [Provided(sink(), "one"), Provided(second, "two")]
    [found] = checked_sinks(both, hooks)
    assert found.plugin == "one"
    [(plugin, _, error, _)] = hooks.failures
    assert plugin == "two"
    assert isinstance(error, PluginError)
    assert error.code == "JK731"
    assert str(error) == "sink `it` of plugin two is left out: there is one of that name, of plugin one too"
    second.name = "other"
    assert len(checked_sinks(both, Hooks())) == 2


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "emit is no function": ({"emit": 7}, "emit is 7, which cannot be called"),
    "emit takes nothing": ({"emit": lambda: None}, "emit cannot be called with a run alone"),
    "emit takes more": ({"emit": lambda run, more: None}, "emit cannot be called with a run alone"),
    "accepts is no function": ({"accepts": True}, "accepts is True, which cannot be called"),
    "no time": ({"timeout": 0}, "timeout is 0, not a number of seconds above zero"),
    "negative time": ({"timeout": -1.5}, "timeout is -1.5, not a number"),
    "endless time": ({"timeout": float("inf")}, "timeout is inf, not a number"),
    "not a time": ({"timeout": float("nan")}, "timeout is nan, not a number"),
    "time as text": ({"timeout": "10s"}, "timeout is '10s', not a number"),
    "time as a switch": ({"timeout": True}, "timeout is True, not a number"),
    "age as a number": ({"max_age": 7}, "max_age is 7, not a timedelta above zero"),
    "no age": ({"max_age": timedelta(0)}, "max_age is datetime.timedelta(0), not"),
    "local as text": ({"local": "yes"}, "local is 'yes', not True or False"),
    "two at once": (
        {"timeout": 0, "local": 1},
        "not a number of seconds above zero; local is 1",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_members_are_checked(what: str) -> None:
    """JK732 says all that is wrong with it; with those members right it is used."""
    members, words = WRONG[what]
    wrong = sink(**members)
    error = refused(wrong)
    assert error.code == "JK732"
    assert words in str(error)
    assert "derive it from jobkit.Sink" in (error.help or "")
    for member in members:
        delattr(wrong, member)
    wrong.emit = emit
    assert checked_sinks(provided(wrong), Hooks())


def test_emit_is_needed() -> None:
    """JK732 too."""
    error = refused(SimpleNamespace(name="it"))
    assert error.code == "JK732"
    assert "it has no emit" in str(error)


def test_a_class_is_no_sink() -> None:
    """JK732: what is to be returned is an object."""
    error = refused(Server)
    assert error.code == "JK732"
    assert error.help == "return objects: [Server()]"


def test_half_a_context_manager_is_refused() -> None:
    """JK732: what is entered has to be left."""

    class Half:
        name = "half"
        emit = staticmethod(emit)

        async def __aenter__(self) -> None: ...

    assert "only one of __aenter__ and __aexit__" in str(refused(Half()))


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(2)])
def test_a_member_that_raises_is_reported(error: BaseException) -> None:
    """Reading it runs somebody's code."""

    class Raising:
        emit = staticmethod(emit)

        @property
        def name(self) -> str:
            raise error

    hooks = Hooks()
    assert [found.name for found in checked_sinks(provided(Raising(), sink()), hooks)] == ["it"]
    assert hooks.failures[0][2] is error


async def test_the_others_are_delivered_to(memory: Store, serving: Delivering, hooks: Hooks) -> None:
    """A delivery with a wrong sink among its sinks works, and says so once."""
    server = Server()
    async with serving(memory, sink(timeout=0), server) as it:
        it.finished(await finish(memory))
        await server.until_given(1)
        await settled(memory)
    assert len(hooks.failures) == 1
    assert [state.name for state in await memory.sinks()] == ["server"]
