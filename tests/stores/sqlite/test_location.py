"""Where the database lies: what is made, with which permissions, and what is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobkit.records import RunRecord
from jobkit.stores.base import NewRun
from jobkit.stores.sqlite import mounts
from jobkit.stores.sqlite.mounts import network_file_system
from jobkit.stores.sqlite.store import SqliteStore

Open = Callable[..., SqliteStore]
Refused = Callable[..., Any]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def loose_umask() -> Any:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("loose_umask")
async def test_what_is_made_is_private(open_store: Open, new: Callable[..., NewRun], database: Path) -> None:
    """Folder and files belong to this user alone, and version control is told to look away."""
    async with open_store() as store:
        await store.add_run(new())
        modes = {path.name: _mode(path) for path in database.parent.iterdir() if path.name != ".gitignore"}
        assert modes == {"jobkit.db": 0o600, "jobkit.db-wal": 0o600, "jobkit.db-shm": 0o600}
    assert _mode(database.parent) == 0o700
    assert (database.parent / ".gitignore").read_text() == "*\n"


async def test_closing_leaves_one_file(open_store: Open, made: RunRecord, database: Path) -> None:
    """The journal is folded in, so that the file can be copied."""
    async with open_store() as store:
        assert await store.run(made.id) == made
    assert _names(database.parent) == [".gitignore", "jobkit.db"]


async def test_only_its_own_folder_is_told_to_be_ignored(open_store: Open, tmp_path: Path) -> None:
    """Another folder may be meant to be kept; and one that exists gets what it lacks."""
    async with open_store(tmp_path / "data" / "runs.db"):
        pass
    assert _names(tmp_path / "data") == ["runs.db"]
    (tmp_path / ".jobkit").mkdir()
    async with open_store():
        pass
    assert (tmp_path / ".jobkit" / ".gitignore").exists()


async def test_one_missing_folder_is_made(refused: Refused, open_store: Open, tmp_path: Path) -> None:
    """Two are not: a path with a typing error would grow a tree."""
    deep = tmp_path / "a" / "b" / "runs.db"
    error = await refused("JK611", deep)
    assert f"mkdir -p {tmp_path / 'a'}" in error.help
    assert _names(tmp_path) == []
    (tmp_path / "a").mkdir()
    async with open_store(deep):
        assert deep.is_file()


async def test_a_folder_is_no_database(refused: Refused, database: Path) -> None:
    """And it stays as it is."""
    database.mkdir(parents=True)
    assert "is a folder" in (await refused("JK611")).message
    assert _names(database) == []


async def test_a_file_is_no_folder(refused: Refused, database: Path) -> None:
    """The error names it."""
    database.parent.write_text("not a folder")
    await refused("JK611")
    assert database.parent.read_text() == "not a folder"


async def test_a_pipe_is_not_opened(refused: Refused, database: Path) -> None:
    """Opening one would wait for ever."""
    database.parent.mkdir()
    os.mkfifo(database)
    assert "not a regular file" in (await refused("JK611")).message


async def test_a_linked_database_is_refused(
    refused: Refused, open_store: Open, made: RunRecord, database: Path, tmp_path: Path
) -> None:
    """What it points to can be named instead."""
    target = database.rename(tmp_path / "elsewhere.db")
    database.symlink_to(target)
    assert "symbolic link" in (await refused("JK613")).message
    async with open_store(target) as store:
        assert await store.run(made.id) == made


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("ending", ["-wal", "-shm", "-journal"])
async def test_a_linked_journal_is_refused(refused: Refused, database: Path, ending: str) -> None:
    """It would be written wherever somebody wants."""
    victim = database.with_name("victim")
    victim.write_text("keep me")
    database.with_name(database.name + ending).symlink_to(victim)
    await refused("JK613")
    assert victim.read_text() == "keep me"


async def test_a_linked_folder_is_fine(open_store: Open, tmp_path: Path) -> None:
    """Releases that share one state folder are common."""
    (tmp_path / "shared").mkdir()
    (tmp_path / ".jobkit").symlink_to(tmp_path / "shared")
    async with open_store():
        assert (tmp_path / "shared" / "jobkit.db").is_file()


@pytest.mark.parametrize("which", ["", ".jobkit", ".jobkit/jobkit.db"])
async def test_what_everybody_may_write_to_is_refused(
    refused: Refused, open_store: Open, made: RunRecord, tmp_path: Path, which: str
) -> None:
    """From the project's root down, until the advice is followed."""
    place = tmp_path / which
    before = _mode(place)
    place.chmod(before | 0o002)
    error = await refused("JK613")
    assert error.help == f"chmod o-w {place}"
    async with open_store(trust_permissions=True) as store:
        assert await store.run(made.id) == made
    place.chmod(_mode(place) & ~0o002)
    async with open_store() as store:
        assert await store.run(made.id) == made


async def test_a_folder_that_is_to_be_made_is_judged_by_its_parent(
    refused: Refused, tmp_path: Path, database: Path
) -> None:
    """Nothing is put where everybody may replace it."""
    tmp_path.chmod(0o777)
    await refused("JK613")
    assert not database.parent.exists()


async def test_the_sticky_bit_is_enough(open_store: Open, made: RunRecord, database: Path) -> None:
    """In a folder like /tmp nobody touches the files of others."""
    database.parent.chmod(0o1777)
    async with open_store() as store:
        assert await store.run(made.id) == made


@pytest.mark.usefixtures("made")
async def test_above_the_root_nothing_is_judged(open_store: Open, tmp_path: Path) -> None:
    """Outside the project only the folder of the database counts."""
    project = tmp_path / "project"
    project.mkdir()
    tmp_path.chmod(0o777)
    async with open_store(root=project):
        pass


TABLE = r"""
/dev/vda / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /mnt/nfs nfs4 rw,vers=4.2 0 0
//nas/share /mnt/with\040blank cifs rw 0 0
host:/home /mnt/ssh fuse.sshfs rw 0 0
/dev/sdb1 /mnt/ntfs fuseblk rw 0 0
portal /run/user/1000/doc fuse.portal rw 0 0
hostshare /mnt/c 9p rw 0 0
tmpfs /mnt/nfs/local tmpfs rw 0 0
server:/hidden /mnt/over nfs rw 0 0
/dev/sdc1 /mnt/over ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", None),
        ("/home/me", None),
        ("/mnt/nfs", "nfs4"),
        ("/mnt/nfs/deep/down", "nfs4"),
        ("/mnt/nfs/local/x", None),
        ("/mnt/nfsx", None),
        ("/mnt/with blank/x", "cifs"),
        ("/mnt/ssh/x", "fuse.sshfs"),
        ("/mnt/ntfs/x", None),
        ("/run/user/1000/doc/x", None),
        ("/mnt/c/project", "9p"),
        ("/mnt/over/x", None),
    ],
)
def test_network_file_systems_are_known(tmp_path: Path, folder: str, kind: str | None) -> None:
    """By the mount that a folder lies on: the longest, and of equal ones the last."""
    table = tmp_path / "mounts"
    table.write_text(TABLE)
    assert network_file_system(Path(folder), table) == kind


def test_a_system_that_does_not_tell_has_none(tmp_path: Path) -> None:
    """Without a list of mounts nothing is refused."""
    assert network_file_system(tmp_path, tmp_path / "no such list") is None


async def test_a_network_file_system_is_refused_unless_allowed(
    refused: Refused,
    open_store: Open,
    made: RunRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A list of mounts says so here, for want of a server."""
    table = tmp_path / "mounts"
    table.write_text(f"server:/export {tmp_path.resolve()} nfs4 rw 0 0\n")
    monkeypatch.setattr(mounts, "MOUNTS", table)
    error = await refused("JK610")
    assert "(nfs4)" in error.message
    assert "?allow-network-fs=1" in error.help
    async with open_store(allow_network=True) as store:
        assert await store.run(made.id) == made
