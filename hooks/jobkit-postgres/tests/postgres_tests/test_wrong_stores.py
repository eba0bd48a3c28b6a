"""The conformance suite finds what is wrong with a store on PostgreSQL, at the cases that are about it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from postgres_tests.server import GIVEN, Server

_SUITE = """
from dataclasses import replace
from jobkit_postgres import claims, leases, outbox, schema
from postgres_tests.test_conformance import TestPostgresStore

def changed(module, name, right, wrong):
    text = getattr(module, name)
    assert right in text, text
    setattr(module, name, text.replace(right, wrong))

{wrong}
"""


@dataclass(frozen=True)
class Wrong:
    """What is changed, and cases that notice it."""

    code: str
    noticed: frozenset[str]


WRONG = {
    "a finish needs no lease": Wrong(
        'changed(leases, "_FINISH", "AND fence = g_fence AND lease_owner IS NOT NULL", "")',
        frozenset(
            {
                "test_a_fenced_owner_changes_nothing",
                "test_a_fenced_finish_makes_nothing_wait",
                "test_a_fenced_finish_is_kept_as_late_outcome",
                "test_the_same_finish_again_is_the_same_finish",
                "test_a_lease_that_was_let_go_ends_nothing",
            }
        ),
    ),
    "leases that live are settled": Wrong(
        'changed(leases, "_TO_SETTLE", "OR lease_expires_at <= %s", "OR lease_expires_at > %s - 1e15")',
        frozenset({"test_a_living_lease_is_left_alone"}),
    ),
    "a tick has no key": Wrong(
        """
changed(claims, "_TAKEN", "USING (job, home, tick)", "USING (job, home, tick) WHERE false")
known = schema.known
schema.known = lambda: tuple(
    replace(step, sql=step.sql.replace("CREATE UNIQUE INDEX", "CREATE INDEX")) for step in known()
)
""",
        frozenset({"test_a_tick_that_has_a_run_gets_no_second"}),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_found(server: Server, tmp_path: Path, name: str) -> None:
    """And most other cases pass."""
    wrong = WRONG[name]
    (tmp_path / "test_wrong.py").write_text(_SUITE.format(wrong=wrong.code), encoding="utf-8")
    options = "-q -rf --import-mode=importlib -o anyio_mode=auto -p no:cacheprovider"
    chosen = "(claim or tick or lease or fence or settle or finish) and not trio"
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options.split(),
            "-p",
            "postgres_tests.conftest",
            "-k",
            chosen,
            ".",
        ],
        cwd=tmp_path,
        env=os.environ | {GIVEN: server.url, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = {
        line.rpartition("::")[2].split(" - ")[0].partition("[")[0]
        for line in ended.stdout.splitlines()
        if line.startswith("FAILED ")
    }
    assert failed >= wrong.noticed, ended.stdout
    assert len(failed) < 15, failed
