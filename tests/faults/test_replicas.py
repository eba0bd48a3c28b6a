"""Several schedulers on one store, which are killed in turn: others go on, and the accounts stay right."""

from __future__ import annotations

import random
import time

import pytest

from tests.faults.accounts import ran_twice, read_books
from tests.faults.conftest import PATIENCE, Place
from tests.faults.project import executions

pytestmark = pytest.mark.waits

KILLS = [
    pytest.param(2, 3, id="two, three kills"),
    pytest.param(3, 20, id="three, twenty kills", marks=[pytest.mark.faults, pytest.mark.timeout(600)]),
]


@pytest.mark.parametrize(("replicas", "kills"), KILLS)
def test_replicas_that_are_killed_at_random(place: Place, replicas: int, kills: int) -> None:
    """No tick ran twice, each has its row, and while one of them lives none waits for another to start."""
    moments = random.Random(kills)
    living = [place.start() for _ in range(replicas)]
    for _ in range(kills):
        time.sleep(moments.uniform(0.0, 3.0))
        killed = living.pop(moments.randrange(replicas))
        killed.kill()
        killed.wait(PATIENCE)
        time.sleep(moments.choice([0.0, 0.5, 3.5]))
        living.append(place.start())
    time.sleep(4)
    place.codes += [place.stop(process) for process in living]
    assert place.codes == [0] * replicas, place.log.read_text()
    books, executed = read_books(place.root), executions(place.witness)
    assert books.complaints() == []
    assert books.unended() == []
    assert ran_twice(executed) == []
    # Somebody was always there: what was due is not made up late, but for what was in hand.
    missed = [each for each in books.spans if each.span.reason == "misfire" and each.span.count > 3]
    assert missed == []
