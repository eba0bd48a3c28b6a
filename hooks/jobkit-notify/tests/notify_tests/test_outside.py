"""The distribution stands outside of jobkit, as anybody's would."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jobkit_notify

SOURCE = Path(jobkit_notify.__file__).parent


def imported(path: Path) -> Iterator[str]:
    """The modules that the file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_only_public_modules_are_imported() -> None:
    """What it needs of jobkit, everybody can have."""
    modules = {name for path in SOURCE.rglob("*.py") for name in imported(path)}
    assert {name for name in modules if name.split(".")[0] == "jobkit"} <= {"jobkit", "jobkit.plugin"}


def test_being_installed_costs_little() -> None:
    """What only sending needs is not imported by every verb."""
    heavy = "anyio", "apprise", "asyncio", "h11", "ssl"
    code = (
        "import sys, jobkit_notify.webhook, jobkit_notify.healthcheck, jobkit_notify.alerts\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
