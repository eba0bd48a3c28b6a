"""What every test stands on: no ``JOBKIT_*`` from outside, steady hypothesis, no silent skips."""

from __future__ import annotations

import compileall
import gc
import os
import sys
import tomllib
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import jobkit

#: As it was before any test: what one leaves behind is none of the next one's.
_PATH = tuple(sys.path)
IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}
SKIPS = Path(__file__).with_name("skips.toml")

# No deadlines: the machine may be busy, and a test does not assert time. In CI the examples are the
# same in every run, so that a red build is about the change.
settings.register_profile(
    "jobkit", deadline=None, derandomize=IN_CI, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("jobkit")


@pytest.fixture(scope="session", autouse=True)
def no_jobkit_environment() -> Iterator[None]:
    """Nothing of the developer's shell steers a test; ``JOBKIT_TEST_*`` is for the tests themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("JOBKIT_") and not name.startswith("JOBKIT_TEST_"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def nothing_installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that hides the distributions of hooks/: there they are installed, and bring no plugin."""
    folder = tmp_path_factory.mktemp("nothing-installed")
    for project in (Path(__file__).parents[1] / "hooks").glob("*/pyproject.toml"):
        name = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["name"]
        info = folder / f"{name.replace('-', '_')}-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0\n")
    return folder


@pytest.fixture(autouse=True)
def no_plugins_from_outside(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of jobkit sees the plugins that it brings itself, whatever is installed beside it."""
    monkeypatch.setattr(sys, "path", [str(nothing_installed), *_PATH])
    paths = [str(nothing_installed), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """The folder that hides plugins is gone with the test, whatever else puts ``sys.path`` back: those of the
    sample project, in the same process, need theirs."""
    result = yield
    hiding = item.funcargs.get("nothing_installed") if isinstance(item, pytest.Function) else None
    if str(hiding) in sys.path:
        sys.path.remove(str(hiding))
    return result


def allowed_skips(path: Path = SKIPS) -> dict[str, str]:
    """Test (node id, without its parameters, or file) → why it may be skipped."""
    entries = tomllib.loads(path.read_text(encoding="utf-8")).get("skip", []) if path.exists() else []
    allowed: dict[str, str] = {}
    for entry in entries:
        if set(entry) != {"test", "reason"} or not all(str(text).strip() for text in entry.values()):
            raise pytest.UsageError(f"{path.name}: every [[skip]] has a test and a reason, not {entry}")
        allowed[entry["test"]] = entry["reason"]
    return allowed


class SkipGuard:
    """Fails the run for each skip, and each expected failure, that ``skips.toml`` does not list."""

    def __init__(self, allowed: dict[str, str]) -> None:
        self.allowed = allowed
        self.unlisted: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._judge(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._judge(report)

    def _judge(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if not report.skipped:
            return
        known = any(
            report.nodeid == test or report.nodeid.startswith((f"{test}::", f"{test}["))
            for test in self.allowed
        )
        if not known:
            place = report.longrepr
            said = place[2] if isinstance(place, tuple) else getattr(report, "wasxfail", "")
            self.unlisted[report.nodeid] = str(said)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unlisted and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.unlisted:
            return
        terminalreporter.section("skipped, and not listed in tests/skips.toml", red=True)
        for test, said in sorted(self.unlisted.items()):
            terminalreporter.line(f"{test}: {said}")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected lives until the end, and is no garbage: to look through it again and again, at each
    of ten thousand tests, takes longer than the tests."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One of several workers waits while the others work: at the end they would all wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("waits") is None)


def pytest_configure(config: pytest.Config) -> None:
    if sys.dont_write_bytecode and not hasattr(config, "workerinput"):
        # Where the shell forbids bytecode, each of a thousand child processes would compile jobkit anew.
        compileall.compile_dir(Path(jobkit.__file__).parent, quiet=2)
    # Under xdist every report passes the controller; a worker would only count it twice.
    if IN_CI and not hasattr(config, "workerinput"):
        config.pluginmanager.register(SkipGuard(allowed_skips()), "skip-guard")
