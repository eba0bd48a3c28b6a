"""What pausing, resuming and cancelling show, and what is shown of them, kept to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from jobkit.records import new_run_id
from jobkit.statuses import Trigger
from jobkit.stores.base import NewRun, Store
from tests.cli.deployment import DAY, HOUR, MINUTE, Deployment
from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import NOW, CommandLine

JOB = "cleanup_old_records"
WHO = ["--as", "ada@host-a"]
SCREENS = {
    "pause": ["pause", JOB, "--for", "2h", "--reason", "the mail server moves", *WHO],
    "pause-all": ["pause", "--reason", "month-end freeze", *WHO],
    "resume": ["resume", "ingest_content", "close_month"],
    "paused-list": ["list"],
    "paused-show": ["show", "ingest_content"],
    "cancel": ["cancel", "31", "30", "--reason", "wrong month", *WHO],
}


@pytest.fixture
def deployment(sound_shop: CommandLine, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """A served project with one paused job, and one run that waits."""
    made = Deployment.of(sound_shop, monkeypatch)
    made.replica()
    made.at(
        NOW - HOUR,
        lambda store: store.pause("ingest_content", until=NOW + DAY, by="bob@host-b", reason="no articles"),
    )

    async def wait(store: Store) -> None:
        new = NewRun(
            id=new_run_id(NOW - MINUTE), job="close_month", extension="billing", trigger=Trigger.MANUAL
        )
        await store.add_run(new)

    made.at(NOW - MINUTE, wait)
    return made


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, form: str, deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command shows in this form, stdout first."""
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    ended = deployment.cli(*SCREENS[name], encoding=encoding)
    assert ended.code == 0, ended.err
    check_screen(name, form, ended.out + ("---- stderr\n" + ended.err if ended.err else ""))


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_the_terminal(name: str, form: str) -> None:
    """Tables and texts fit."""
    width = FORMS[form].width
    if width is None:
        return
    file = Path(__file__).with_name("screens") / f"{name}.{form}.txt"
    lines = re.sub(r"␛\[[\d;]*m", "", file.read_text(encoding="utf-8")).splitlines()
    assert [line for line in lines if len(line) > width] == []
