"""Screens of what explains the schedule, kept to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import anyio
import pytest

from jobkit.records import RunFailure
from jobkit.statuses import RunStatus
from tests.cli.accounts import Account, utc
from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import CommandLine, FixedClock
from tests.cli.shop import make_shop

SCREENS = {
    "why-failed": ["why", "ingest_content"],
    "why-missed": ["why", "cleanup_old_records", "--at", "03:00"],
    "why-disabled": ["why", "send_invoices"],
    "why-paused": ["why", "ingest_content", "--at", "12:15"],
    "why-no-tick": ["why", "cleanup_old_records", "--at", "03:30"],
    "next-jobs": ["next", "-n", "6"],
    "next-named": ["next", "cleanup_old_records", "send_invoices", "-n", "2"],
    "timeline": ["timeline", "--until", "18h"],
    "history-spans": ["history", "--since", "8h"],
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, without its past: another, in which a night was missed and a noon paused."""
    folder = tmp_path_factory.mktemp("shop")
    make_shop(folder, broken=False)
    for file in (folder / ".jobkit").glob("jobkit.db*"):
        file.unlink()
    anyio.run(_fill, folder)
    return folder


async def _fill(root: Path) -> None:
    async with Account(root) as account:
        await account.scheduler("2026-11-10T00:00:00", "2026-11-22T01:12:40", vanishes=True)
        for job in ("cleanup_old_records", "ingest_content"):
            await account.scheduled(job, "2026-11-10T00:00:00")
        await account.changed(
            "send_invoices", "2026-11-10T00:00:00", scheduled=False, enabled=False, layer="project",
            why="disabled (project jobkit.toml:8)", place="jobkit.toml:8", schedule="0 0 7 * * 1-5",
        )  # fmt: skip
        await account.ran("cleanup_old_records", "2026-11-21T02:00:00", took=2.1)
        await account.scheduler("06:30:00", pid=5151)
        await account.skipped("cleanup_old_records", "02:00:00", noticed="06:30:01")
        await account.ran("ingest_content", "10:45:00", took=320)
        account.at("10:58:00")
        await account.store.pause(
            "ingest_content", until=utc("12:00:00"), by="ada@host-a", reason="the articles move"
        )
        await account.skipped(
            "ingest_content", "11:00:00", "11:45:00", reason="paused", cause="paused by ada@host-a", count=4
        )
        await account.ran("ingest_content", "12:30:00", took=900, covers=("12:00:00", 3))
        error = RunFailure("builtins.KeyError", "'published_at'")
        await account.ran(
            "ingest_content", "13:00:00", took=0.4, status=RunStatus.FAILED, outcome={"error": error}
        )


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, form: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command shows in this form; no line is wider than the terminal."""
    monkeypatch.setattr("jobkit.stores.sqlite.store.SystemClock", FixedClock)
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    ended = CommandLine(root, monkeypatch)(*SCREENS[name], encoding=encoding)
    assert (ended.code, ended.err) == (0, "")
    check_screen(name, form, ended.out)
    width = FORMS[form].width or 1000
    assert all(len(re.sub(r"\x1b\[[\d;]*m", "", line)) <= width for line in ended.out.splitlines())
