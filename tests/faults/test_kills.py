"""A scheduler that is killed at any moment, again and again."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from tests.faults.accounts import ran_twice, read_books
from tests.faults.conftest import PATIENCE, Place
from tests.faults.project import executions

pytestmark = pytest.mark.waits

KILLS = [
    pytest.param(3, id="three"),
    pytest.param(100, id="a hundred", marks=[pytest.mark.faults, pytest.mark.timeout(1200)]),
]


def killed_again_and_again(place: Place, kills: int) -> None:
    moments = random.Random(kills)
    for _ in range(kills):
        process = place.start()
        time.sleep(moments.uniform(0.0, 3.0))
        process.kill()
        process.wait(PATIENCE)
        time.sleep(moments.choice([0.0, 0.5, 3.5]))
    process = place.start()
    time.sleep(4)
    assert place.stop(process) == 0, place.log.read_text()


@pytest.mark.parametrize("kills", KILLS)
def test_a_killed_scheduler_repeats_nothing_and_loses_nothing(place: Place, kills: int) -> None:
    """No tick ran twice, each has its row, and nothing is running that is not."""
    killed_again_and_again(place, kills)
    books = read_books(place.root)
    assert books.complaints() == []
    assert books.unended() == []
    assert ran_twice(executions(place.witness)) == []


def test_without_marks_the_accounts_do_not_add_up(place: Place) -> None:
    """The control of the test above: a store that forgets its marks is found out."""
    place.program = (str(Path(__file__).with_name("without_marks.py")),)
    killed_again_and_again(place, 1)
    assert read_books(place.root).complaints() != []


def test_what_was_running_is_lost_at_once(place: Place) -> None:
    """The next command says so: nothing stays ``running``."""
    process = place.start()
    process.kill()
    process.wait(PATIENCE)
    answer = json.loads(place.jobkit("history", "--limit", "1000", "--json").stdout)
    assert {run["status"] for run in answer["data"]}.isdisjoint({"running"})
