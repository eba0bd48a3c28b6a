"""The codes of the database service (JK412 to JK419): places that do not do, others who write, misuse."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobkit.stores.sqlite import mounts
from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.running import explained
from tests.scenario.codes.walk import Walk

ELSEWHERE: dict[str, str] = {}

_JOB = """
from jobkit import JobContext, submit_job
from jobkit.sqlite import Database

@submit_job()
async def tidy(ctx: JobContext, db: Database) -> None:
    {body}
"""
_READ = 'await db.fetch_value("select count(*) from sqlite_schema")'
_WRITE = 'await db.script("create table if not exists t (n); insert into t values (1)")'
_CLEAR = 'await db.execute("delete from t")'


def _settings(cli: CommandLine, url: str = "sqlite:///data/shop.db", more: str = "") -> None:
    cli.file("jobkit.toml", f'[project]\nname = "shop"\n[plugins.sqlite]\nurl = "{url}"\n{more}')


def _run(cli: CommandLine, body: str = _READ) -> Ended:
    cli.file("extensions/web/jobs/tidy.py", _JOB.format(body=body))
    return cli.process("run", "tidy")


def _made(cli: CommandLine) -> Path:
    """A database with one row; its file."""
    _settings(cli)
    ended = _run(cli, _WRITE)
    assert ended.code == 0, ended.err
    return cli.root / "data" / "shop.db"


# -- places --------------------------------------------------------------------------------------------


def _meet_missing_folder(cli: CommandLine) -> Ended:
    _settings(cli, "sqlite:///data/shop/shop.db")
    return _run(cli)


def _mend_missing_folder(cli: CommandLine) -> Ended:
    (cli.root / "data" / "shop").mkdir(parents=True)
    return _run(cli)


@contextlib.contextmanager
def _network(folder: Path) -> Iterator[None]:
    """A list of mounts that says that *folder* lies on a server, for want of one."""
    table = folder / "mounts"
    table.write_text(f"server:/export {folder.resolve()}/data nfs4 rw 0 0\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mounts, "MOUNTS", table)
        yield


def _on_network(url: str) -> Callable[[CommandLine], Ended]:
    def act(cli: CommandLine) -> Ended:
        _settings(cli, url)
        cli.file("extensions/web/jobs/tidy.py", _JOB.format(body=_READ))
        with _network(cli.root):
            return cli("run", "tidy", fixed=False)

    return act


def _meet_open_folder(cli: CommandLine) -> Ended:
    _made(cli).parent.chmod(0o777)
    return _run(cli)


def _mend_open_folder(cli: CommandLine) -> Ended:
    subprocess.run(["chmod", "o-w", "data"], cwd=cli.root, check=True)
    return _run(cli)


def _meet_damaged(cli: CommandLine) -> Ended:
    path = _made(cli)
    path.with_name("backup.db").write_bytes(path.read_bytes())
    path.write_text("overwritten by mistake\n" * 100, encoding="utf-8")
    return _run(cli)


def _mend_damaged(cli: CommandLine) -> Ended:
    (cli.root / "aside").mkdir()
    for path in (cli.root / "data").glob("shop.db*"):
        path.rename(cli.root / "aside" / path.name)
    (cli.root / "data" / "backup.db").rename(cli.root / "data" / "shop.db")
    return _run(cli, _CLEAR)


# -- others who write, and a system that says no --------------------------------------------------------


def _locked() -> Walk:
    """Another process is in the middle of a change: one that a database tool would be."""
    tools: list[subprocess.Popen[str]] = []
    script = "import sqlite3, sys\nheld = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    script += "held.execute('BEGIN IMMEDIATE')\nprint('held', flush=True)\nsys.stdin.read()\n"

    def meet(cli: CommandLine) -> Ended:
        path = _made(cli)
        _settings(cli, more='busy_timeout = "50ms"\n')
        tool = subprocess.Popen(
            [sys.executable, "-c", script, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        tools.append(tool)
        assert tool.stdout is not None
        assert tool.stdout.readline() == "held\n"
        return _run(cli, _CLEAR)

    def mend(cli: CommandLine) -> Ended:
        tools.pop().communicate(timeout=10)
        return _run(cli, _CLEAR)

    return Walk("JK416", meet, "close database tools", mend)


def _meet_read_only_folder(cli: CommandLine) -> Ended:
    _made(cli).parent.chmod(0o500)
    return cli.process("run", "tidy", unprivileged=True)


def _mend_read_only_folder(cli: CommandLine) -> Ended:
    (cli.root / "data").chmod(0o700)
    return cli.process("run", "tidy", unprivileged=True)


_MOVED = """from pathlib import Path
    before = Path("data/shop.db")
    before.rename("shop.db.old")
    await db.execute("delete from t")"""


def _meet_replaced(cli: CommandLine) -> Ended:
    _made(cli)
    return _run(cli, _MOVED)


def _mend_replaced(cli: CommandLine) -> Ended:
    (cli.root / "shop.db.old").rename(cli.root / "data" / "shop.db")
    return _run(cli, _CLEAR)


def _misused(cli: CommandLine) -> Ended:
    _made(cli)
    return _run(cli, 'await db.execute("BEGIN")')


def _used(cli: CommandLine) -> Ended:
    return _run(cli, 'async with db.transaction() as tx:\n        await tx.execute("delete from t")')


WALKS: list[Walk] = [
    Walk("JK412", explained(_meet_missing_folder, "JK412"), "mkdir -p data/shop", _mend_missing_folder),
    Walk(
        "JK413",
        explained(_on_network("sqlite:///data/shop.db"), "JK413"),
        'url = "sqlite:///data/shop.db?allow-network-fs=1"',
        _on_network("sqlite:///data/shop.db?allow-network-fs=1"),
    ),
    Walk("JK414", explained(_meet_open_folder, "JK414"), "chmod o-w data", _mend_open_folder),
    Walk("JK415", explained(_meet_damaged, "JK415"), "put a backup in its place", _mend_damaged),
    _locked(),
    Walk(
        "JK417",
        explained(_meet_read_only_folder, "JK417"),
        "let this user write to the file and the folder",
        _mend_read_only_folder,
    ),
    Walk("JK418", _misused, "write `async with db.transaction():`", _used),
    Walk("JK419", _meet_replaced, "put the file back", _mend_replaced),
]
