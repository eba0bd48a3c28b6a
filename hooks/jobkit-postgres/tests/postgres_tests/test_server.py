"""The server of the tests."""

from __future__ import annotations

import importlib.util

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


def test_without_the_wheel_a_test_is_skipped(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is missing; tests/skips.toml does not allow it, so that CI is never without a server."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(pytest.skip.Exception, match="JOBKIT_TEST_POSTGRES_URL"):
        request.getfixturevalue("own_server")
