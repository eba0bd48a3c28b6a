"""The server of the tests."""

from __future__ import annotations

import psycopg
import pytest
from postgres_tests.server import Server


def test_it_answers(server: Server) -> None:
    """There is a real server, whether or not one was given."""
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_one_of_its_own_can_be_restarted(own_server: Server) -> None:
    """At once, as after a crash; it is reached at the same address again."""
    with psycopg.connect(own_server.url) as connection:
        own_server.restart("immediate")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with psycopg.connect(own_server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
