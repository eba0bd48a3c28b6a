"""Registering a plugin: what is wrong with it is said at once, and harms nobody else."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from jobkit import hookimpl, hookspecs
from jobkit.exceptions import PluginError
from jobkit.hookspecs import RULES
from jobkit.plugins.facade import Hooks
from jobkit.plugins.registry import PluginRegistry

if TYPE_CHECKING:
    from tests.plugins.conftest import Plugins


class Misspelt:
    @hookimpl
    def jobkit_servces(self, config: Any) -> None: ...


class Wrapper:
    @hookimpl(wrapper=True)
    def jobkit_services(self, config: Any) -> Iterator[None]:
        yield


class OldWrapper:
    @hookimpl(hookwrapper=True)
    def jobkit_services(self, config: Any) -> Iterator[None]:
        yield


class Coroutine:
    @hookimpl
    async def jobkit_services(self, config: Any) -> None: ...


class Generator:
    @hookimpl
    def jobkit_configure(self, config: Any) -> Iterator[None]:
        yield


class BareContext:
    @hookimpl
    async def jobkit_run_context(self, run: Any) -> AsyncIterator[None]:
        yield


class WrongArgument:
    @hookimpl
    def jobkit_services(self, confg: Any) -> None: ...


class KeywordOnly:
    @hookimpl
    def jobkit_services(self, *, config: Any) -> None: ...


class Unmarked:
    def jobkit_services(self, config: Any) -> None: ...


FAULTS = [
    (Misspelt, "JK702", "no hook jobkit_servces", "did you mean jobkit_services?"),
    (Wrapper, "JK704", "pluggy wrapper", "jobkit_run_context"),
    (OldWrapper, "JK704", "pluggy wrapper", "jobkit_run_context"),
    (Coroutine, "JK705", "coroutine function", "`def` instead of `async def`"),
    (Generator, "JK705", "generator function", "instead of yielding"),
    (BareContext, "JK705", "not one that returns a context manager", "@asynccontextmanager"),
    (WrongArgument, "JK703", "'confg'", "did you mean 'config'? the hook is jobkit_services(config)"),
    (KeywordOnly, "JK703", "by keyword only", "leave out the `*`"),
    (Unmarked, "JK708", "not marked", "@hookimpl"),
]


@pytest.mark.parametrize(
    ("kind", "code", "what", "advice"), FAULTS, ids=lambda item: getattr(item, "__name__", None)
)
def test_a_faulty_implementation_is_named_with_place_and_advice(
    kind: type, code: str, what: str, advice: str
) -> None:
    """The plugin is broken, with code, file, line, reason, fix and the switch that turns it off."""
    registry = PluginRegistry()
    info = registry.register(kind, "shop", source="project")
    [error] = registry.warnings
    assert (info.status, info.error, error.code) == ("broken", error, code)
    assert what in error.message
    assert error.help is not None
    assert advice in error.help
    assert "--plugin no:shop" in error.help
    assert str(error.path) == __file__
    first = inspect.getsourcelines(kind)[1]
    assert error.line is not None
    assert first < error.line <= first + 4


@pytest.mark.parametrize("strict", [True, False])
def test_a_fault_is_raised_where_the_plugin_is_required_or_strictness_is_asked_for(strict: bool) -> None:
    """Then nothing goes on without it."""
    registry = PluginRegistry(strict=strict)
    with pytest.raises(PluginError, match="no hook jobkit_servces"):
        registry.register(Misspelt(), "shop", source="project", required=not strict)


def test_all_faults_of_a_plugin_are_told_at_once() -> None:
    """One round of mending is enough."""

    class Both(Misspelt, Coroutine):
        pass

    registry = PluginRegistry()
    registry.register(Both(), "shop", source="project")
    assert "jobkit_servces" in registry.warnings[0].message
    assert "coroutine function" in registry.warnings[0].message


def test_a_faulty_plugin_leaves_the_others_alone(plugins: Plugins) -> None:
    """The rest is registered, before and after it."""
    plugins.register(Misspelt, "shop", source="project")
    plugins.add("good", jobkit_run_admit=lambda request: None)
    assert plugins.hooks.implemented("run_admit")
    assert [info.status for info in plugins.infos] == ["active", "broken", "active"]


def test_a_hook_of_a_newer_jobkit_may_be_optional() -> None:
    """With ``optionalhook=True`` an unknown hook is no fault."""

    class Modern:
        @hookimpl(optionalhook=True)
        def jobkit_of_next_year(self) -> None: ...

    registry = PluginRegistry()
    assert registry.register(Modern, "modern", source="project").status == "active"


def test_specname_gives_a_function_another_name() -> None:
    """As pluggy has it."""

    class Named:
        @hookimpl(specname="jobkit_run_admit")
        def no_runs_on_fridays(self, request: Any) -> None: ...

    registry = PluginRegistry()
    assert registry.register(Named, "named", source="project").hooks == ("jobkit_run_admit",)


def test_the_second_plugin_of_a_name_is_left_out_and_both_are_named(plugins: Plugins) -> None:
    """The first is used; the message says where each comes from."""
    first = plugins.add("shop")
    second = plugins.register(object(), "shop", source="entry point", distribution="shop-tools")
    assert (first.status, second.status) == ("active", "broken")
    assert "shop-tools (entry point)" in plugins.warnings[0].message
    assert plugins.info("shop") is first


def test_the_same_object_twice_is_one_plugin(plugins: Plugins) -> None:
    """Named on the command line and found by its entry point, say."""
    thing = object()
    first = plugins.register(thing, "shop", source="option")
    assert plugins.register(thing, "shop", source="entry point") is first
    assert not plugins.warnings


def test_a_plugin_whose_attributes_raise_is_broken(plugins: Plugins) -> None:
    """Reading a stranger's object is guarded too."""

    class Nasty:
        def __getattribute__(self, name: str) -> Any:
            if name == "jobkit_services":
                raise SystemExit(3)
            return super().__getattribute__(name)

        def jobkit_services(self) -> None: ...

    assert plugins.register(Nasty(), "nasty", source="project").status == "broken"
    assert plugins.warnings[0].code == "JK701"


def test_a_property_is_not_read(plugins: Plugins) -> None:
    """A property cannot be an implementation, and reading it may do anything."""

    class Costly:
        @property
        def connection(self) -> None:
            raise AssertionError("somebody asked")

    assert plugins.register(Costly(), "costly", source="project").status == "active"


@pytest.mark.parametrize("hook", [name for name, rule in RULES.items() if not rule.extension])
def test_an_extension_cannot_implement_what_concerns_the_project(hook: str, plugins: Plugins) -> None:
    """Such an implementation is a fault of the extension's hooks.py."""
    info = plugins.add("web.hooks", extension="web", **{hook: lambda: None})
    assert info.status == "broken"
    assert plugins.warnings[-1].code == "JK706"


@pytest.mark.parametrize("hook", [name for name, rule in RULES.items() if rule.extension])
def test_an_extension_may_implement_what_concerns_itself(hook: str, plugins: Plugins) -> None:
    """These are the hooks of HookRule.extension."""
    assert plugins.add("web.hooks", extension="web", **{hook: lambda: None}).status == "active"


def test_there_are_twenty_hooks_and_the_facade_has_a_method_for_each() -> None:
    """A hook without a method would never be called."""
    assert len(RULES) == 20
    for hook in RULES:
        assert callable(getattr(Hooks, hook.removeprefix("jobkit_")))


@pytest.mark.parametrize("hook", RULES)
def test_every_spec_says_all_that_an_author_must_know(hook: str) -> None:
    """The docstrings have the same parts, and name the verb that the rule has."""
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""
    parts = ["Called:", "Returns:", "Verb:", "On failure:", "Extension:", "Example:"]
    assert [part for part in parts if f"\n{part}" not in text] == []
    rule = RULES[hook]
    words = text.split("\nVerb: ")[1]
    assert words.startswith(rule.verb)
    if rule.timeout is not None:
        assert f"{rule.timeout:g} seconds" in words
    assert text.split("\nExtension: ")[1].startswith("yes" if rule.extension else "no")


def test_the_fingerprint_differs_with_the_plugins(plugins: Plugins) -> None:
    """An index that was made with other plugins must not be believed."""
    assert plugins.fingerprint == ""
    plugins.add("one")
    with_one = plugins.fingerprint
    plugins.add("two")
    assert len({"", with_one, plugins.fingerprint}) == 3
