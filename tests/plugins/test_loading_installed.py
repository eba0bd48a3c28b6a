"""Which plugins are installed: remembered, and yet never out of date."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
import zipfile
from importlib.metadata import DistributionFinder, PathDistribution, distributions, entry_points
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit.plugins.installed import (
    installed_plugins,
    remember_commands,
    remembered_commands,
)
from jobkit.plugins.remembered import Offered, PluginCommands
from tests.plugins.distributions import SitePackages

MEMORY = ".jobkit/installed.json"
TOP = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root of a project."""
    folder = tmp_path / "shop"
    folder.mkdir()
    return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SitePackages:
    """The only folder of ``sys.path``."""
    folder = SitePackages(tmp_path / "site")
    monkeypatch.setattr(sys, "path", [str(folder.folder)])
    return folder


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some seconds have gone by since the files were written."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


def found(root: Path | None = None) -> list[tuple[str, str, str, str]]:
    """Name, value, distribution and version of every plugin."""
    plugins = installed_plugins(root).plugins
    return [(item.name, item.value, item.distribution, item.version) for item in plugins]


def remembered(root: Path) -> dict[str, Any]:
    """What is kept: metadata folder → names of plugins."""
    records = json.loads((root / MEMORY).read_text())["distributions"]
    return {Path(path).name: [plugin[0] for plugin in plugins] for path, (_, plugins) in records.items()}


# -- without a memory -----------------------------------------------------------------------------------


def test_only_the_group_jobkit_counts(site: SitePackages) -> None:
    """Scripts and entry points of other groups are none of ours."""
    site.install("jobkit-notify", "1.2", {"webhook": "notify.hooks:plugin", "ping": "notify.ping"})
    site.install("library")
    other = site.install("others", plugins={})
    (other / "entry_points.txt").write_text("[pytest11]\njobkit = others\n")
    assert found() == [
        ("ping", "notify.ping", "jobkit-notify", "1.2"),
        ("webhook", "notify.hooks:plugin", "jobkit-notify", "1.2"),
    ]
    assert installed_plugins().distributions == {"jobkit-notify", "library", "others"}


def test_what_this_interpreter_has_is_what_python_says() -> None:
    """Here, without a temporary folder, the answer is that of importlib.metadata."""
    python = {(point.name, point.value) for point in entry_points(group="jobkit")}
    assert {(name, value) for name, value, _, _ in found()} == python
    names = {item.metadata["Name"].lower().replace("_", "-").replace(".", "-") for item in distributions()}
    assert installed_plugins().distributions == names


def test_leftovers_and_strange_entries_are_passed_over(
    site: SitePackages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What pip could not delete, folders that do not exist, and what is no text on sys.path."""
    info = site.install("alpha", plugins={"a": "alpha"})
    info.rename(info.with_name("~lpha-1.0.dist-info"))
    (site.folder / "plain.egg-info").write_text("Name: plain\n")
    monkeypatch.setattr(sys, "path", [*sys.path, "/nowhere", Path("/x"), "__editable__.finder.__path_hook__"])
    assert found() == []


def test_of_two_versions_in_one_folder_the_later_counts(site: SitePackages) -> None:
    """`pip install --upgrade --target` leaves the old metadata beside the new."""
    second = site.install("alpha", "10.0", {"a": "new"})
    first = site.folder / "alpha-9.0.dist-info"
    shutil.copytree(second, first)
    (first / "entry_points.txt").write_text("[jobkit]\na = old\n")
    os.utime(first, (1, 1))
    assert [value for _, value, _, _ in found()] == ["new"]
    os.utime(second, (0, 0))
    assert [value for _, value, _, _ in found()] == ["old"]


@pytest.mark.parametrize("damage", [b"[jobkit]\nno sign here\n", b"[jobkit]\na = \xff\n"])
def test_a_damaged_distribution_is_named(site: SitePackages, damage: bytes) -> None:
    """The others are found all the same."""
    info = site.install("broken", plugins={"b": "broken"})
    (info / "entry_points.txt").write_bytes(damage)
    site.install("alpha", plugins={"a": "alpha"})
    installed = installed_plugins()
    assert [item.name for item in installed.plugins] == ["a"]
    assert [*installed.unreadable] == [info / "entry_points.txt"]


def test_old_forms_of_metadata(site: SitePackages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder in development with its egg-info, an unpacked egg, and an archive."""
    legacy = tmp_path / "src/legacy.egg-info"
    legacy.mkdir(parents=True)
    (legacy / "PKG-INFO").write_text("Name: legacy\nVersion: 3.0\n")
    (legacy / "entry_points.txt").write_text("[jobkit]\nlegacy = legacy\n")
    egg = tmp_path / "packed-4.0-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO/PKG-INFO").write_text("Name: packed\nVersion: 4.0\n")
    (egg / "EGG-INFO/entry_points.txt").write_text("[jobkit]\npacked = packed\n")
    archive = tmp_path / "app.pyz"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-5.0.dist-info/METADATA", "Name: zipped\nVersion: 5.0\n")
        file.writestr("zipped-5.0.dist-info/entry_points.txt", "[jobkit]\nzipped = zipped\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "src"), str(egg), str(archive)])
    for _ in range(2):
        assert [(name, version) for name, _, _, version in found(tmp_path)] == [
            ("legacy", "3.0"),
            ("packed", "4.0"),
            ("zipped", "5.0"),
        ]


def test_damage_to_what_is_no_plugin_is_not_our_affair(site: SitePackages) -> None:
    """A distribution of others may write what it likes into its files."""
    info = site.install("others", plugins={})
    (info / "entry_points.txt").write_bytes(b"[other]\nno sign\n\xff\n")
    assert installed_plugins().unreadable == {}


def test_a_working_directory_that_is_gone(
    site: SitePackages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`python -m jobkit` puts it on sys.path."""
    site.install("alpha", plugins={"a": "alpha"})
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert [name for name, *_ in found()] == ["a"]


def test_distributions_of_other_finders(
    site: SitePackages, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Frozen programs keep theirs where no folder is."""
    elsewhere = SitePackages(tmp_path / "elsewhere")
    frozen = PathDistribution(elsewhere.install("frozen", plugins={"cold": "frozen"}))

    class Finder(DistributionFinder):
        def find_distributions(self, context: object = None) -> Any:
            return [frozen]

    class Stranger:
        def find_distributions(self) -> None:
            """Something else by the same name."""

    site.install("alpha", plugins={"a": "alpha"})
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder(), Stranger()])
    assert [name for name, *_ in found()] == ["a", "cold"]


# -- with one -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("later")
def test_it_is_remembered_for_its_owner_only(site: SitePackages, root: Path) -> None:
    """Each distribution that has entry points, with what it offers; mode 0600."""
    site.install("alpha", plugins={"a": "alpha"})
    site.install("scripts", plugins={})
    site.install("library")
    first = found(root)
    assert remembered(root) == {"alpha-1.0.dist-info": ["a"], "scripts-1.0.dist-info": []}
    assert stat.S_IMODE((root / MEMORY).stat().st_mode) == 0o600
    assert found(root) == first


def test_the_memory_spares_asking(tmp_path: Path, root: Path) -> None:
    """A process that finds everything remembered does not import what the other way needs."""
    site = SitePackages(tmp_path / "site")
    site.install("alpha", plugins={"a": "alpha"})
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from jobkit.plugins.installed import installed_plugins\n"
        "assert 'importlib.metadata' not in sys.modules\n"
        "now = time.time_ns; time.time_ns = lambda: now() + 10**10\n"
        f"sys.path.insert(0, {str(site.folder)!r})\n"
        f"print([item.name for item in installed_plugins(Path({str(root)!r})).plugins])\n"
        "print('importlib.metadata' in sys.modules)\n"
    )
    command = [sys.executable, "-S", "-c", program]
    environ = {"PYTHONPATH": str(TOP)}
    answers = [
        subprocess.run(command, env=environ, capture_output=True, text=True, check=True) for _ in range(2)
    ]
    assert [answer.stdout.split() for answer in answers] == [["['a']", "True"], ["['a']", "False"]]


@pytest.mark.usefixtures("later")
def test_changes_are_noticed_at_once(site: SitePackages, root: Path) -> None:
    """Installed, upgraded, installed anew in place, removed: each in the very next look."""
    assert found(root) == []
    site.install("alpha", "1.0", {"a": "alpha"})
    assert found(root) == [("a", "alpha", "alpha", "1.0")]
    site.install("alpha", "1.1", {"a": "alpha"})
    assert found(root) == [("a", "alpha", "alpha", "1.1")]
    info = site.install("alpha", "1.1", {"b": "alpha"})
    assert found(root) == [("b", "alpha", "alpha", "1.1")]
    site.promise(info, {"c": "alpha"})
    assert found(root) == [("c", "alpha", "alpha", "1.1")]
    (info / "entry_points.txt").unlink()
    assert found(root) == []
    site.install("beta", plugins={"b": "beta"})
    assert found(root) == [("b", "beta", "beta", "1.0")]
    site.uninstall("beta")
    assert found(root) == []
    assert "beta-1.0.dist-info" not in remembered(root) or site.install("beta")


def test_a_change_that_no_time_stamp_tells(site: SitePackages, root: Path) -> None:
    """A second change within one tick of the clock, of equal size: young files are not believed."""
    info = site.install("alpha", plugins={"a": "alpha"})
    assert found(root) == [("a", "alpha", "alpha", "1.0")]
    site.promise(info, {"b": "alpha"})
    assert found(root) == [("b", "alpha", "alpha", "1.0")]
    assert not (root / MEMORY).exists()


@pytest.mark.usefixtures("later")
def test_equal_time_stamps_deceive_nobody(site: SitePackages, root: Path) -> None:
    """Some installers give every file the same time."""
    info = site.install("alpha", plugins={"a": "alpha"})
    for name in ("a", "b"):
        site.promise(info, {name: "alpha"})
        os.utime(info / "entry_points.txt", (1, 1))
        assert [item[0] for item in found(root)] == [name]


@pytest.mark.usefixtures("later")
def test_two_ways_to_start_share_the_memory(
    site: SitePackages, root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another sys.path adds to it; it does not take turns being overwritten."""
    second = SitePackages(tmp_path / "second")
    site.install("alpha", plugins={"a": "alpha"})
    second.install("beta", plugins={"b": "beta"})
    found(root)
    monkeypatch.setattr(sys, "path", [str(second.folder)])
    assert [item[0] for item in found(root)] == ["b"]
    assert remembered(root).keys() == {"alpha-1.0.dist-info", "beta-1.0.dist-info"}
    site.uninstall("alpha")
    second.install("gamma", plugins={})
    found(root)
    assert remembered(root).keys() == {"beta-1.0.dist-info", "gamma-1.0.dist-info"}


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": 0, "distributions": {}}',
        b'{"format": 1, "distributions": []}',
        b'{"format": 1, "distributions": {"FOLDER": 7}}',
        b'{"format": 1, "distributions": {"FOLDER": [SIGNATURE, [["a"]]]}}',
        b'{"format": 1, "distributions": {"FOLDER": [SIGNATURE, [["a", 1, "x", "y"]]]}, "commands": 1}',
        b'{"format": 1, "distributions": {"FOLDER": [SIGNATURE, {}]}}',
    ],
)
def test_a_damaged_memory_is_made_anew(site: SitePackages, root: Path, content: bytes) -> None:
    """It is a hint: whatever stands there, the answer is right, and then remembered."""
    info = site.install("alpha", plugins={"a": "alpha"})
    status = (info / "entry_points.txt").stat()
    signature = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
    (root / ".jobkit").mkdir()
    content = content.replace(b"FOLDER", str(info).encode()).replace(b"SIGNATURE", str(signature).encode())
    (root / MEMORY).write_bytes(content)
    (root / MEMORY).chmod(0o600)
    assert found(root) == [("a", "alpha", "alpha", "1.0")]
    assert remembered(root) == {"alpha-1.0.dist-info": ["a"]}
    assert remembered_commands(root) == []


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize("target", [".jobkit", MEMORY])
def test_a_memory_that_others_may_write_is_not_believed(site: SitePackages, root: Path, target: str) -> None:
    """It names what will be imported: nobody else may say that."""
    site.install("alpha", plugins={"a": "alpha"})
    found(root)
    memory = root / MEMORY
    forged = memory.read_text().replace('"alpha"', '"antigravity"')
    memory.write_text(forged)
    assert found(root)[0][1] == "antigravity"  # as long as only the owner can have written it
    mode = (root / target).stat().st_mode
    (root / target).chmod(mode | 0o002)
    assert found(root)[0][1] == "alpha"


@pytest.mark.usefixtures("later")
def test_a_memory_is_never_waited_for(site: SitePackages, root: Path) -> None:
    """A pipe or a link in its place is not opened."""
    site.install("alpha", plugins={"a": "alpha"})
    (root / ".jobkit").mkdir()
    os.mkfifo(root / MEMORY)
    assert [item[0] for item in found(root)] == ["a"]


@pytest.mark.usefixtures("later")
def test_nothing_is_written_unless_it_may(site: SitePackages, root: Path) -> None:
    """Without a project, without `remember`, and where the folder cannot be made."""
    site.install("alpha", plugins={"a": "alpha"})
    assert [item[0] for item in found(None)] == ["a"]
    assert len(installed_plugins(root, remember=False).plugins) == 1
    remember_commands(root, [], remember=False)
    assert list(root.iterdir()) == []
    (root / ".jobkit").write_text("in the way")
    assert [item[0] for item in found(root)] == ["a"]
    assert (root / ".jobkit").read_text() == "in the way"


@pytest.mark.usefixtures("later")
def test_an_unchanged_memory_is_not_written_again(site: SitePackages, root: Path) -> None:
    """The file stays the same file."""
    site.install("alpha", plugins={"a": "alpha"})
    found(root)
    before = (root / MEMORY).stat()
    found(root)
    assert (root / MEMORY).stat() == before


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["install", "promise", "uninstall", "look"]),
        st.sampled_from(["alpha", "beta"]),
        st.sampled_from(["1.0", "2.0"]),
        st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["m", "m:x"]), max_size=2),
    ),
    max_size=8,
)


@given(steps=STEPS)
def test_with_and_without_a_memory_the_answer_is_the_same(
    steps: list[tuple[str, str, str, dict[str, str]]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Law: whatever is done to the installed distributions, and whenever somebody looks."""
    folder = tmp_path_factory.mktemp("law")
    site = SitePackages(folder / "site")
    now = time.time_ns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(site.folder)])
        patch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)
        for step, name, version, plugins in steps:
            infos = sorted(site.folder.glob(f"{name}-*"))
            if step == "install":
                site.install(name, version, plugins)
            elif step == "promise" and infos:
                site.promise(infos[0], plugins)
            elif step == "uninstall":
                site.uninstall(name)
            else:
                found(folder)
            assert found(folder) == found(None)


# -- real installers ------------------------------------------------------------------------------------

PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "jobkit-tiny"
version = "{version}"

[project.entry-points.jobkit]
{entry}

[tool.hatch.build.targets.wheel]
only-include = ["jobkit_tiny.py"]
"""


def pip(*arguments: str) -> None:
    """Install without an index."""
    lead = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    alone = ["--no-index", "--no-build-isolation", "--no-deps", "--no-compile"]
    done = subprocess.run([*lead, *alone, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The source of a distribution with one plugin."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT.format(version="1.0", entry='tiny = "jobkit_tiny"'))
    (folder / "jobkit_tiny.py").write_text("")
    return folder


@pytest.mark.usefixtures("later")
def test_what_pip_installs_is_noticed(site: SitePackages, root: Path, package: Path) -> None:
    """A real installation, and a newer version over it."""
    assert found(root) == []
    pip("--target", str(site.folder), str(package))
    assert found(root) == [("tiny", "jobkit_tiny", "jobkit-tiny", "1.0")]
    (package / "pyproject.toml").write_text(
        PYPROJECT.format(version="1.1", entry='tiny = "jobkit_tiny:plugin"')
    )
    pip("--upgrade", "--target", str(site.folder), str(package))
    assert found(root) == [("tiny", "jobkit_tiny:plugin", "jobkit-tiny", "1.1")]


@pytest.mark.usefixtures("later")
def test_what_pip_installs_as_editable_is_noticed(root: Path, package: Path, tmp_path: Path) -> None:
    """And once more after its entry points have changed, under the same version."""
    prefix = tmp_path / "prefix"
    for entry in ('tiny = "jobkit_tiny"', 'other = "jobkit_tiny"'):
        (package / "pyproject.toml").write_text(PYPROJECT.format(version="1.0", entry=entry))
        pip("--force-reinstall", "--prefix", str(prefix), "--editable", str(package))
        [folder] = prefix.rglob("site-packages")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", [str(folder)])
            assert [name for name, *_ in found(root)] == [entry.partition(" ")[0]]


# -- verbs and options ----------------------------------------------------------------------------------


def test_commands_are_remembered_until_their_plugin_changes(site: SitePackages, root: Path) -> None:
    """Name and help of verbs and options; a changed or uninstalled plugin is left out."""
    site.install("jobkit-hello", plugins={"hello": "hello"}, modules={"hello.py": ""})
    (root / "audit.py").write_text("")
    hello = PluginCommands(
        "hello",
        verbs=(Offered("greet", "Say hello."),),
        options=(Offered("--loud", "Say it loudly."),),
        distribution="jobkit-hello",
        path=str(site.folder / "hello.py"),
    )
    audit = PluginCommands("audit", verbs=(Offered("audit", "Look «closely»."),), path=str(root / "audit.py"))
    nowhere = PluginCommands("object", verbs=(Offered("x"),))
    assert remembered_commands(root) == []
    remember_commands(root, [hello, audit, nowhere])
    assert remembered_commands(root) == [hello, audit]
    (root / "audit.py").write_text("# changed\n")
    assert remembered_commands(root) == [hello]
    site.uninstall("jobkit-hello")
    assert remembered_commands(root) == []
    remember_commands(root, [audit])
    assert remembered_commands(root) == [audit]


@pytest.mark.usefixtures("later")
def test_commands_and_distributions_live_together(site: SitePackages, root: Path) -> None:
    """Remembering the one does not forget the other."""
    module = site.folder / "alpha.py"
    module.write_text("")
    commands = PluginCommands("a", verbs=(Offered("x", "Do x."),), distribution="alpha", path=str(module))
    site.install("alpha", plugins={"a": "alpha"})
    found(root)
    remember_commands(root, [commands])
    site.install("beta", plugins={"b": "beta"})
    found(root)
    assert remembered_commands(root) == [commands]
    assert remembered(root).keys() == {"alpha-1.0.dist-info", "beta-1.0.dist-info"}
