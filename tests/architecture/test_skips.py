"""In CI a test that did not run is a failure, unless tests/skips.toml says why it may be so."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

SUITE = """
import pytest

def test_runs():
    pass

@pytest.mark.parametrize("n", [1])
def test_skips(n):
    pytest.skip("no such device")
"""


@pytest.fixture
def guarded(pytester: pytest.Pytester, root: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A small suite below the project's own conftest.py, in CI."""
    monkeypatch.setenv("CI", "true")
    pytester.makeconftest((root / "tests" / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(test_suite=SUITE)
    pytester.plugins.append("no:jobkit")  # the guard stands without jobkit's own plugin
    return pytester


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_an_unlisted_skip_fails_the_run(guarded: pytest.Pytester, workers: list[str]) -> None:
    """Every test passed or was skipped, and still the run is red and names the skip, with workers too."""
    result = guarded.runpytest_subprocess(*workers)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*not listed in tests/skips.toml*", "test_suite.py::test_skips?1?: *no such device"]
    )


def test_a_listed_skip_passes(guarded: pytest.Pytester) -> None:
    """With its reason written down, the same skip is accepted."""
    guarded.path.joinpath("skips.toml").write_text(
        '[[skip]]\ntest = "test_suite.py::test_skips"\nreason = "the device is in the other building"\n'
    )
    assert guarded.runpytest_subprocess().ret == pytest.ExitCode.OK


def test_without_ci_a_skip_is_free(guarded: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a developer's machine nothing is demanded."""
    monkeypatch.delenv("CI")
    assert guarded.runpytest_subprocess().ret == pytest.ExitCode.OK


@pytest.mark.parametrize(
    "body", ["@pytest.mark.xfail\ndef test_x():\n    assert 0", "pytest.skip('x', allow_module_level=True)"]
)
def test_other_ways_not_to_run_count_too(guarded: pytest.Pytester, body: str) -> None:
    """An expected failure and a whole module left out are skips as well."""
    guarded.makepyfile(test_suite=f"import pytest\n{body}\n", test_other="def test_runs(): pass\n")
    result = guarded.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*not listed in tests/skips.toml*", "test_suite.py*"])


def test_an_entry_without_a_reason_is_refused(guarded: pytest.Pytester) -> None:
    """Silence is no reason."""
    guarded.path.joinpath("skips.toml").write_text(
        '[[skip]]\ntest = "test_suite.py::test_skips"\nreason = " "\n'
    )
    assert guarded.runpytest_subprocess().ret == pytest.ExitCode.USAGE_ERROR


def test_every_entry_names_a_test_that_exists(root: Path) -> None:
    """The list holds no test that was renamed or deleted."""
    entries = tomllib.loads((root / "tests" / "skips.toml").read_text(encoding="utf-8")).get("skip", [])
    for entry in entries:
        file, _, test = entry["test"].partition("::")
        function = test.rpartition("::")[2].partition("[")[0]
        assert f"def {function}" in (root / file).read_text(encoding="utf-8"), entry
