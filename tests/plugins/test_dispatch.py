"""Calling hooks: each implementation in its own guard, and every failure named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import pytest

from jobkit import ServiceSpec
from jobkit.exceptions import PluginError, StoreError
from jobkit.plugin import CollectReport, Defer, Skip
from jobkit.plugins.provided import Provided
from jobkit.plugins.registry import PluginRegistry
from jobkit.plugins.tracing import HookCall
from jobkit.redaction import Redactor

if TYPE_CHECKING:
    from tests.plugins.conftest import Plugins

CONFIG: Any = SimpleNamespace()
PATH = Path("extensions/web/jobs/a.py")
REQUEST: Any = SimpleNamespace(extension="web")
RUN: Any = SimpleNamespace(extension="web", id="the-run")


def raising(error: BaseException) -> Callable[[Any], NoReturn]:
    def hook(config: Any) -> NoReturn:
        raise error

    return hook


def spec(name: str) -> ServiceSpec:
    return ServiceSpec(lambda: name, name=name)


# -- call ---------------------------------------------------------------------------------------------


def test_call_asks_the_last_registered_first(plugins: Plugins) -> None:
    """As pluggy does."""
    asked: list[str] = []
    plugins.add("a", jobkit_configure=lambda config: asked.append("a"))
    plugins.add("b", jobkit_configure=lambda config: asked.append("b"))
    plugins.hooks.configure(CONFIG)
    assert asked == ["b", "a"]


@pytest.mark.parametrize("error", [ValueError("no DSN"), SystemExit(2), ExceptionGroup("", [KeyError(1)])])
def test_call_unregisters_a_plugin_that_raises(plugins: Plugins, error: BaseException) -> None:
    """It is left out altogether, with a warning that names plugin, hook, reason and switch; others go on."""
    asked: list[str] = []
    plugins.add("good", jobkit_configure=lambda config: asked.append("good"))
    bad = plugins.add("bad", jobkit_configure=raising(error), jobkit_services=lambda config: [spec("x")])
    plugins.hooks.configure(CONFIG)
    assert asked == ["good"]
    assert (bad.status, bad.failures) == ("unregistered", 1)
    assert plugins.hooks.services(CONFIG) == []
    [warning] = plugins.warnings
    assert warning.code == "JK720"
    assert "plugin bad is left out: jobkit_configure failed" in warning.message
    assert warning.location() == f"{__file__}:{warning.line}"
    assert plugins.told[0][:2] == ("bad", "jobkit_configure")


def test_call_raises_for_a_required_plugin() -> None:
    """Nothing goes on without what somebody requires."""
    registry = PluginRegistry(strict=True)

    class Bad:
        from jobkit import hookimpl

        @hookimpl
        def jobkit_configure(self) -> None:
            raise ValueError("no DSN")

    registry.register(Bad, "bad", source="project")
    with pytest.raises(PluginError, match="no DSN"):
        registry.hooks.configure(CONFIG)


def test_an_answer_where_none_is_expected_is_a_failure_but_no_reason_to_leave_a_plugin_out(
    plugins: Plugins,
) -> None:
    """It did what it should, and something besides."""
    info = plugins.add("odd", jobkit_configure=lambda config: 42)
    plugins.hooks.configure(CONFIG)
    assert (info.status, info.failures) == ("active", 1)
    assert plugins.told == [("odd", "jobkit_configure", "it returned 42, and nothing is expected")]


def test_ctrl_c_passes(plugins: Plugins) -> None:
    """The user's wish to stop is not a plugin's failure."""
    plugins.add("bad", jobkit_configure=raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        plugins.hooks.configure(CONFIG)


# -- gather -------------------------------------------------------------------------------------------


def test_gather_says_who_provided_what(plugins: Plugins) -> None:
    """Lists and generators alike; None is nothing."""
    one, two, three = spec("one"), spec("two"), spec("three")

    def generated(config: Any) -> Iterator[ServiceSpec]:
        yield two
        yield three

    plugins.add("nothing", jobkit_services=lambda: None)
    plugins.add("listed", jobkit_services=lambda config: [one])
    plugins.add("web.hooks", extension="web", jobkit_services=generated)
    assert plugins.hooks.services(CONFIG) == [
        Provided(two, "web.hooks", "web"),
        Provided(three, "web.hooks", "web"),
        Provided(one, "listed"),
    ]


def _half(config: Any) -> Iterator[ServiceSpec]:
    yield spec("half")
    raise ValueError("no more")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (raising(ValueError("no")), "ValueError: no"),
        (raising(SystemExit(1)), "SystemExit: 1"),
        (_half, "ValueError: no more"),
        (lambda config: 42, "it gave 42, and a list is expected"),
        (lambda config: "db", "it gave 'db', and a list is expected"),
        (lambda config: [spec("x"), "db"], "it gave 'db', and a ServiceSpec is expected"),
        (
            lambda config: anyio.lowlevel.checkpoint(),
            "it returned something to be awaited, and this hook is synchronous",
        ),
        (lambda config: iter(lambda: spec("x"), None), "it gave more than 10,000 things"),
    ],
)
def test_gather_loses_only_what_a_failing_plugin_provides(
    plugins: Plugins, function: Any, message: str
) -> None:
    """The others' services are there; the fault is counted and told."""
    good = spec("good")
    bad = plugins.add("bad", jobkit_services=function)
    plugins.add("good", jobkit_services=lambda config: [good])
    assert plugins.hooks.services(CONFIG) == [Provided(good, "good")]
    assert (bad.status, bad.failures) == ("active", 1)
    assert plugins.told == [("bad", "jobkit_services", message)]


# -- first --------------------------------------------------------------------------------------------


def test_first_stops_at_an_answer(plugins: Plugins) -> None:
    """None is no opinion; False is one."""
    asked: list[str] = []
    plugins.add("never", jobkit_ignore_collect=lambda path: asked.append("never"))
    plugins.add("force", jobkit_ignore_collect=lambda path: False)
    plugins.add("silent", jobkit_ignore_collect=lambda path: None)
    assert plugins.hooks.ignore_collect(PATH, CONFIG, extension="web") is False
    assert asked == []


@pytest.mark.parametrize("answer", ["yes", 1, [True]])
def test_first_takes_nonsense_for_no_answer(plugins: Plugins, answer: object) -> None:
    """And asks the next."""
    plugins.add("next", jobkit_ignore_collect=lambda path: True)
    plugins.add("odd", jobkit_ignore_collect=lambda path: answer)
    assert plugins.hooks.ignore_collect(PATH, CONFIG, extension="web") is True
    assert plugins.told[0][:2] == ("odd", "jobkit_ignore_collect")


def test_a_store_error_is_an_answer_to_the_user(plugins: Plugins) -> None:
    """A wrong password is not for the next plugin to overlook."""

    def store(url: str) -> NoReturn:
        raise StoreError("wrong password")

    plugins.add("postgres", jobkit_store=store)
    with pytest.raises(StoreError, match="wrong password"):
        plugins.hooks.store("postgresql://", CONFIG)


def test_an_extension_is_asked_about_its_own_files_only(plugins: Plugins) -> None:
    """Like a conftest.py."""
    plugins.add("web.hooks", extension="web", jobkit_ignore_collect=lambda path: True)
    assert plugins.hooks.ignore_collect(PATH, CONFIG, extension="shop") is None
    assert plugins.hooks.ignore_collect(PATH, CONFIG, extension="web") is True


# -- modifyjobs ---------------------------------------------------------------------------------------


def job(name: str, extension: str = "web") -> Any:
    return SimpleNamespace(name=name, extension=extension)


def test_a_failing_modifyjobs_has_changed_nothing(plugins: Plugins) -> None:
    """Half of a change would be worse than none."""

    def clear(jobs: list[Any]) -> None:
        jobs.clear()
        raise ValueError("oops")

    plugins.add("bad", jobkit_collection_modifyjobs=clear)
    jobs = [job("a")]
    plugins.hooks.collection_modifyjobs(jobs, CONFIG)
    assert [item.name for item in jobs] == ["a"]


def test_an_extension_modifies_its_own_jobs_only(plugins: Plugins) -> None:
    """It does not even see the others."""
    plugins.add("web.hooks", extension="web", jobkit_collection_modifyjobs=lambda jobs: jobs.clear())
    jobs = [job("a"), job("b", "shop")]
    plugins.hooks.collection_modifyjobs(jobs, CONFIG)
    assert [item.name for item in jobs] == ["b"]


# -- notify -------------------------------------------------------------------------------------------


def test_notify_tells_everybody_whatever_one_does(plugins: Plugins) -> None:
    """Synchronously."""
    heard: list[Any] = []
    plugins.add("after", jobkit_collectreport=lambda report: heard.append(report))
    plugins.add("bad", jobkit_collectreport=lambda report: 1 / 0)
    report = CollectReport(path=PATH, extension="web", module="m")
    plugins.hooks.collectreport(report)
    assert heard == [report]
    assert plugins.told == [("bad", "jobkit_collectreport", "ZeroDivisionError: division by zero")]


def test_a_failure_of_the_hook_for_failures_is_counted_and_not_told_again(plugins: Plugins) -> None:
    """Otherwise it would never end."""

    def worse(error: Any) -> NoReturn:
        raise ValueError("worse")

    info = plugins.add("worse", jobkit_plugin_error=worse)
    plugins.add("bad", jobkit_collectreport=lambda report: 1 / 0)
    plugins.hooks.collectreport(CollectReport(path=PATH, extension="web", module="m"))
    assert info.failures == 1
    assert [plugin for plugin, _, _ in plugins.told] == ["bad"]


async def test_asynchronous_hooks_may_be_of_both_kinds(plugins: Plugins) -> None:
    """``def`` and ``async def``."""
    heard: list[str] = []

    async def awaited(run: Any) -> None:
        await anyio.lowlevel.checkpoint()
        heard.append("awaited")

    plugins.add("awaited", jobkit_run_started=awaited)
    plugins.add("plain", jobkit_run_started=lambda run: heard.append("plain"))
    await plugins.hooks.run_started(RUN)
    assert heard == ["plain", "awaited"]


async def test_an_asynchronous_hook_that_hangs_is_left_behind(plugins: Plugins, short_timeout: None) -> None:
    """After its time the next is told."""
    heard: list[str] = []

    async def hang(run: Any) -> None:
        await anyio.sleep_forever()

    plugins.add("after", jobkit_run_finished=lambda run: heard.append("after"))
    plugins.add("hangs", jobkit_run_finished=hang)
    await plugins.hooks.run_finished(RUN)
    assert heard == ["after"]
    assert plugins.told == [("hangs", "jobkit_run_finished", "it did not end within 0.05 s")]
    assert plugins.listener.failures[0].run == "the-run"


async def test_a_cancellation_from_outside_passes(plugins: Plugins) -> None:
    """It is not the plugin's failure."""

    async def hang(run: Any) -> None:
        await anyio.sleep_forever()

    plugins.add("hangs", jobkit_run_started=hang)
    with anyio.move_on_after(0.02) as scope:
        await plugins.hooks.run_started(RUN)
    assert scope.cancelled_caught
    assert plugins.told == []


async def test_a_cancellation_that_a_plugin_raises_itself_is_its_failure(plugins: Plugins) -> None:
    """It would look like the end of the run."""
    cancelled = anyio.get_cancelled_exc_class()

    async def cancel(run: Any) -> None:
        raise cancelled.__new__(cancelled)

    plugins.add("odd", jobkit_run_started=cancel)
    await plugins.hooks.run_started(RUN)
    assert plugins.told[0][:2] == ("odd", "jobkit_run_started")


# -- admission ----------------------------------------------------------------------------------------


async def test_the_first_skip_or_defer_wins(plugins: Plugins) -> None:
    """And says whose it is."""
    plugins.add("never", jobkit_run_admit=lambda request: Skip("never asked"))
    plugins.add("freeze", jobkit_run_admit=lambda request: Skip("freeze"))
    plugins.add("silent", jobkit_run_admit=lambda request: None)
    assert await plugins.hooks.run_admit(REQUEST) == Provided(Skip("freeze"), "freeze")


async def _hangs(request: Any) -> None:
    await anyio.sleep_forever()


def _exits(request: Any) -> NoReturn:
    raise SystemExit(0)


@pytest.mark.parametrize("function", [lambda request: 1 / 0, lambda request: "no", _hangs, _exits])
async def test_what_cannot_be_asked_does_not_agree(
    plugins: Plugins, function: Any, short_timeout: None
) -> None:
    """An error, nonsense and a hang all mean Skip, loudly."""
    plugins.add("bad", jobkit_run_admit=function)
    answer = await plugins.hooks.run_admit(REQUEST)
    assert answer is not None
    assert isinstance(answer.value, Skip)
    assert "plugin bad could not be asked" in answer.value.reason
    assert plugins.told[0][:2] == ("bad", "jobkit_run_admit")


def test_an_answer_without_sense_is_refused_when_it_is_made() -> None:
    """A Skip says why; a Defer has a zone."""
    with pytest.raises(ValueError, match="say in a few words why"):
        Skip(" ")
    with pytest.raises(ValueError, match="an aware datetime"):
        Defer(datetime(2026, 1, 1))


# -- what is told -------------------------------------------------------------------------------------


def test_secrets_in_a_plugins_error_are_masked(plugins: Plugins) -> None:
    """A driver's error may repeat the address with its password."""
    plugins.redactor = Redactor(["hunter2hunter2"])
    plugins.add("bad", jobkit_services=raising(ValueError("cannot reach hunter2hunter2")))
    plugins.hooks.services(CONFIG)
    assert plugins.told[0][2] == "ValueError: cannot reach ***"


def test_every_call_can_be_traced(plugins: Plugins) -> None:
    """Hook, plugin, duration and outcome."""
    calls: list[HookCall] = []
    plugins.trace = calls.append
    plugins.add("good", jobkit_services=lambda config: [])
    plugins.add("bad", jobkit_services=raising(ValueError("no")))
    plugins.hooks.services(CONFIG)
    assert [(call.hook, call.plugin, call.outcome) for call in calls[:1]] == [
        ("jobkit_services", "bad", "ValueError")
    ]
    assert [call.outcome for call in calls if call.plugin == "good"] == ["ok"]
    assert all(call.seconds >= 0 for call in calls)


def test_a_failure_of_something_that_a_plugin_gave_counts_as_the_plugins(plugins: Plugins) -> None:
    """A sink's emit, say."""
    info = plugins.add("shop")
    plugins.hooks.failed("shop", "sink webhook", ValueError("refused"), run="7")
    assert info.failures == 1
    assert plugins.told == [("shop", "sink webhook", "ValueError: refused")]


async def test_an_asynchronous_hook_has_one_line_with_its_whole_duration(
    plugins: Plugins, short_timeout: None
) -> None:
    """And says how it ended."""
    calls: list[HookCall] = []
    plugins.trace = calls.append

    async def slow(run: Any) -> None:
        await anyio.sleep(0.01)

    async def hangs(run: Any) -> None:
        await anyio.sleep(10)

    async def fails(run: Any) -> None:
        raise ValueError("no")

    plugins.add("fails", jobkit_run_started=fails)
    plugins.add("hangs", jobkit_run_started=hangs)
    plugins.add("slow", jobkit_run_started=slow)
    await plugins.hooks.run_started(RUN)
    assert [(call.plugin, call.outcome) for call in calls if call.plugin != "listener"] == [
        ("slow", "-"),
        ("hangs", "timeout"),
        ("fails", "ValueError"),
    ]
    assert calls[0].seconds >= 0.009


@pytest.mark.parametrize("required", [True, False])
def test_a_provider_that_fails_is_an_error_if_required_or_strict(required: bool, plugins: Plugins) -> None:
    """It is counted and told of first; a hook that is only told of something ends nothing."""
    info = plugins.add("bad", jobkit_services=raising(ValueError("no")), jobkit_collectreport=lambda: 1 / 0)
    info.required, plugins.strict = required, not required
    plugins.hooks.collectreport(SimpleNamespace(extension="web"))  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="jobkit_services: ValueError: no") as caught:
        plugins.hooks.services(CONFIG)
    assert (caught.value.code, info.failures) == ("JK721", 2)
    assert [hook for _, hook, _ in plugins.told] == ["jobkit_collectreport", "jobkit_services"]
