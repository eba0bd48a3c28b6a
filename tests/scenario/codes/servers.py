"""What a database server refuses: the tests of its plugin have one to ask."""

from __future__ import annotations

from typing import Final

from tests.scenario.codes.walk import Walk

WALKS: Final[list[Walk]] = []

_TESTS: Final = "hooks/jobkit-postgres/tests/postgres_tests"

ELSEWHERE: Final[dict[str, str]] = {
    "JK622": f"{_TESTS}/test_connecting.py::test_a_wrong_password",
    "JK623": f"{_TESTS}/test_refusals.py::test_no_such_database",
    "JK624": f"{_TESTS}/test_connecting.py::test_a_server_that_is_too_old",
    "JK625": f"{_TESTS}/test_connecting.py::test_a_role_that_may_not_connect",
    "JK626": f"{_TESTS}/test_refusals.py::test_trio_is_refused",
    "JK627": f"{_TESTS}/test_connecting.py::test_tls_that_the_server_does_not_have",
    "JK628": f"{_TESTS}/test_connecting.py::test_no_connection_is_left",
    "JK629": f"{_TESTS}/test_no_writes.py::test_it_is_away_until_it_can_be_written_to",
    "JK630": f"{_TESTS}/test_no_writes.py::test_a_lock_of_somebody_else_is_named",
}
