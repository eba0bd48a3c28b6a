"""The file of overrides: nothing in it is lost, nobody sees half of it, and no other file is touched."""

from __future__ import annotations

import fcntl
import os
import stat
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from jobkit.config.overrides import Change, override, overrides_path, remove_override
from jobkit.exceptions import ConfigError
from jobkit.options import OPTIONS

if TYPE_CHECKING:
    from tests.config.conftest import Tree

WHO = Change("ada@host-a", datetime(2026, 11, 22, 13, 4, 8, tzinfo=UTC), "mail is down")


def names() -> st.SearchStrategy[str]:
    """Names that jobs may have."""

    def allowed(name: str) -> bool:
        try:
            OPTIONS["name"].decode(name)
        except ValueError:
            return False
        return True

    return st.from_regex(r"[a-z][a-z0-9_-]{0,12}", fullmatch=True).filter(allowed)


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "description": st.text("abc xyz '\"\\", max_size=20),
        "tags": st.lists(st.text("abc", min_size=1), max_size=3),
        "parameters": st.dictionaries(st.text("ab.c\"'ä", min_size=1), st.integers(0, 9) | st.text("a\n\t")),
        "changed": st.fixed_dictionaries({"by": st.text("a@b"), "reason": st.text("xyz")}),
    },
)


def read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


@settings(max_examples=60, deadline=None)
@given(before=st.dictionaries(names(), ENTRIES, max_size=4), name=names(), enabled=st.booleans())
def test_only_what_was_said_changes(
    before: dict[str, Any], name: str, enabled: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """After disable and enable, in any order, all else is as it was: other entries, and other options."""
    path = tmp_path_factory.mktemp("project") / "overrides.toml"
    path.write_text(tomli_w.dumps({"jobs": before}), encoding="utf-8")
    override(path, name, enabled=not enabled, change=WHO)
    override(path, name, enabled=enabled, change=Change("bob"))
    after = read(path)["jobs"]
    assert after.pop(name) == {**before.get(name, {}), "enabled": enabled, "changed": {"by": "bob"}}
    assert after == {key: entry for key, entry in before.items() if key != name}


@settings(max_examples=60, deadline=None)
@given(
    reason=st.text(max_size=700),
    by=st.text(max_size=30),
    at=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
)
def test_who_when_and_why_come_back(
    reason: str, by: str, at: datetime, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever text a person gives: the file can be read, and says it – controls escaped, cut when long."""
    path = tmp_path_factory.mktemp("project") / "overrides.toml"
    override(path, "cleanup", enabled=False, change=Change(by, at, reason))
    found = Change.of(read(path)["jobs"]["cleanup"]["changed"])
    assert found is not None
    assert found.at == at.replace(microsecond=0)
    assert len(found.reason or "") <= 500
    if reason.isprintable() and len(reason) < 500:
        assert (found.reason or "") == " ".join(reason.split())


def test_the_file_and_its_folder_are_made(tree: Tree) -> None:
    """The first change makes both; the file is its owner's alone, and says who, when, why."""
    path = overrides_path(tree.root, "production")
    override(path, "cleanup", enabled=False, change=WHO)
    assert path == tree.root / "services/scheduler/overrides.production.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(path) == {
        "jobs": {
            "cleanup": {
                "enabled": False,
                "changed": {"by": "ada@host-a", "at": "2026-11-22T13:04:08Z", "reason": "mail is down"},
            }
        }
    }
    setting = tree.load("production").job("cleanup")["enabled"]
    assert (setting.value, setting.origin.layer, setting.origin.line) == (False, "overrides", 4)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_file_that_a_group_shares_stays_shared(tree: Tree) -> None:
    """Its mode is kept when it is replaced, and a link to it stays a link."""
    real = tree.write("services/scheduler/real.toml", "")
    real.chmod(0o640)
    path = overrides_path(tree.root, None)
    path.symlink_to("real.toml")
    override(path, "cleanup", enabled=True, change=WHO)
    assert path.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert read(real)["jobs"]["cleanup"]["enabled"] is True


def test_an_entry_is_removed(tree: Tree) -> None:
    """The others stay; a second time there is nothing to remove, and without a file none is made."""
    path = overrides_path(tree.root, None)
    assert not remove_override(path, "gone")
    assert not path.exists()
    for name in ("gone", "kept"):
        override(path, name, enabled=False, change=WHO)
    assert remove_override(path, "gone")
    assert list(read(path)["jobs"]) == ["kept"]
    assert not remove_override(path, "gone")


@pytest.mark.parametrize("text", ["[jobs.a\n", "[jobs.a]\nenabld = true\n", "[jobs]\na = 1\n", "\xff"])
def test_a_broken_file_is_not_overwritten(text: str, tree: Tree) -> None:
    """What cannot be understood is left alone, byte for byte; mended, it is written."""
    path = tree.write("services/scheduler/overrides.toml", text.encode("latin-1"))
    for change in (lambda: override(path, "b", enabled=True, change=WHO), lambda: remove_override(path, "a")):
        with pytest.raises(ConfigError):
            change()
        assert path.read_bytes() == text.encode("latin-1")
    path.write_text("")
    override(path, "b", enabled=True, change=WHO)


def test_what_cannot_be_written_is_one_error(tree: Tree) -> None:
    """JK216 with the reason, nothing half-done; with the folder writable, as the page says, it is written."""
    folder = tree.root / "services"
    folder.write_text("a file where the folder should be")
    path = overrides_path(tree.root, None)
    with pytest.raises(ConfigError, match=r"overrides\.toml cannot be written: ") as caught:
        override(path, "cleanup", enabled=False, change=WHO)
    assert caught.value.code == "JK216"
    folder.unlink()
    override(path, "cleanup", enabled=False, change=WHO)
    assert read(path)["jobs"]["cleanup"]["enabled"] is False


def test_a_draft_that_fails_is_removed(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk the old file stands, and nothing is left beside it."""
    path = overrides_path(tree.root, None)
    override(path, "cleanup", enabled=False, change=WHO)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ConfigError, match="no space left on device"):
            override(path, "cleanup", enabled=True, change=WHO)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_what_root_writes_belongs_to_the_owner(tree: Tree) -> None:
    """A new file goes to the folder's owner, a replaced one stays its owner's: their scheduler reads it."""
    folder = tree.root / "services/scheduler"
    folder.mkdir(parents=True)
    owner, other = (12_345, 23_456) if os.geteuid() == 0 else (os.geteuid(), os.geteuid())
    os.chown(folder, owner, -1)
    path = overrides_path(tree.root, None)
    override(path, "cleanup", enabled=False, change=WHO)
    assert path.stat().st_uid == owner
    os.chown(path, other, -1)
    override(path, "cleanup", enabled=True, change=WHO)
    assert path.stat().st_uid == other


def test_a_folder_that_stays_locked_is_one_error(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """JK216 when the other writer does not come to an end; when it has, the change is made."""
    path = overrides_path(tree.root, None)
    override(path, "cleanup", enabled=False, change=WHO)
    monkeypatch.setattr("jobkit.config.overrides._PATIENCE", 0.0)
    holder = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        with pytest.raises(ConfigError, match="another process has been writing it"):
            override(path, "cleanup", enabled=True, change=WHO)
    finally:
        os.close(holder)
    override(path, "cleanup", enabled=True, change=WHO)
    assert read(path)["jobs"]["cleanup"]["enabled"] is True


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, None),
        ("ada", None),
        ({}, Change()),
        ({"by": 7, "at": "soon", "reason": ["x"]}, Change()),
        ({"by": "a\x1b[31m", "at": "2026-11-22T13:04:08"}, Change("a\\x1b[31m")),
        ({"at": datetime(2026, 11, 22, tzinfo=UTC)}, Change(at=datetime(2026, 11, 22, tzinfo=UTC))),
    ],
)
def test_an_entry_by_another_hand_is_read_with_care(value: object, found: Change | None) -> None:
    """What is not as we write it counts as not known; control characters are made visible."""
    assert Change.of(value) == found


WRITER = """
import sys
from pathlib import Path
from jobkit.config.overrides import Change, override

for number in range(20):
    override(Path(sys.argv[1]), f"job-{sys.argv[2]}-{number}", enabled=False, change=Change("ada"))
"""


def test_writers_at_the_same_time_lose_nothing(tree: Tree) -> None:
    """Four processes make twenty changes each: all eighty are there."""
    path = overrides_path(tree.root, None)
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)]) for number in range(4)
    ]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert len(read(path)["jobs"]) == 80
