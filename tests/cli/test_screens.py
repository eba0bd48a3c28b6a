"""Whole screens of a project with a past, through the command line, kept to the letter."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.golden import FORMS, check_screen, each_form, environ_of
from tests.cli.harness import CommandLine

SCREENS = {
    "list": (["list"], 0),
    "list-nightly": (["list", "--tag", "nightly"], 0),
    "show-cleanup": (["show", "cleanup_old_records"], 0),
    "show-invoices": (["show", "send_invoices"], 0),
    "check": (["check"], 2),
    "config-show": (["config", "show"], 0),
    "config-explain": (["config", "explain", "cleanup_old_records"], 0),
    "history": (["history"], 0),
    "history-failed": (["history", "--status", "failed", "--since", "2d"], 0),
    "history-none": (["history", "--job", "close_month"], 0),
    "logs": (["logs", "last"], 0),
    "retry-unknown": (["retry", "9999"], 4),
    "queue-conflict": (["run", "cleanup_old_records", "--queue", "-x"], 4),
    "dry-run": (["run", "--ext", "web", "--tag", "nightly", "--dry-run"], 0),
    "unknown-job": (["run", "cleanup_old_record"], 4),
    "db-status": (["db", "status"], 0),
    "stats": (["stats"], 0),
    "stats-none": (["stats", "close_month", "--since", "2d"], 0),
    "db-prune": (["db", "prune", "--before", "2026-11-15", "--dry-run"], 0),
    "init": (["init", "demo", "--dry-run"], 0),
    "new-job": (["new", "job", "extensions/web/jobs/sessions.py", "--dry-run"], 0),
    "hooks": (["hooks"], 0),
    "hook": (["hooks", "run_admit"], 0),
    "plugins": (["plugins"], 0),
    "services": (["services", "-v"], 0),
    "explain": (["explain", "JK802"], 0),
    "help": (["help"], 0),
    "help-environments": (["help", "environments"], 0),
    "help-exit-codes": (["help", "exit-codes"], 0),
    "help-schedules": (["help", "schedules"], 0),
    "help-selection": (["help", "selection"], 0),
}


@pytest.fixture(scope="module")
def shop(shops: dict[bool, Path]) -> Path:
    """One project for all screens: nothing that is shown here writes anything."""
    return shops[True]


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, form: str, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command shows in this form, stdout first, and its exit code."""
    arguments, code = SCREENS[name]
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    # Versions of any length would break lines elsewhere: every machine shows the same ones.
    monkeypatch.setattr("jobkit.cli.verbs.check.version", lambda: "1.2.3")
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    encoding = "utf-8" if FORMS[form].unicode else "ascii"
    ended = CommandLine(shop, monkeypatch)(*arguments, encoding=encoding)
    assert ended.code == code

    def normalise(text: str) -> str:
        text = text.replace(str(shop), "/srv/shop")
        text = re.sub(r"in \d+\.\d\ds( ?)", r"in 0.12s\1", text)
        return re.sub(r"^(\W*(?:bytes|sqlite)\W+)[\d.]+$", r"\1…", text, flags=re.MULTILINE)

    check_screen(name, form, ended.out + ("---- stderr\n" + ended.err if ended.err else ""), normalise)


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_the_terminal(name: str, form: str) -> None:
    """Tables and texts fit; what may be wider is what people have to copy whole."""
    width = FORMS[form].width
    if width is None:
        return
    file = Path(__file__).with_name("screens") / f"{name}.{form}.txt"
    lines = re.sub(r"␛\[[\d;]*m", "", file.read_text(encoding="utf-8")).splitlines()
    wide = [
        line for line in lines if len(line) > width and not re.match(r"error|note|  (help|-->|\S+ +)", line)
    ]
    assert wide == []
