"""JK730 to JK735: sinks that cannot be used, or do not do what they should."""

from __future__ import annotations

from tests.scenario.codes.walk import Walk

WALKS: tuple[Walk, ...] = ()

# A sink harms nothing but itself: what is wrong with it is logged and counted, and commands go on.
ELSEWHERE: dict[str, str] = {
    "JK730": "tests/sinks/test_checking.py::test_a_name_is_needed",
    "JK731": "tests/sinks/test_checking.py::test_a_name_belongs_to_one",
    "JK732": "tests/sinks/test_checking.py::test_members_are_checked",
    "JK733": "tests/sinks/test_harm.py::test_a_call_that_takes_too_long_says_so",
    "JK734": "tests/sinks/test_local.py::test_a_slow_one_is_not_waited_for",
    "JK735": "tests/sinks/test_builtin_sinks.py::test_a_file_that_cannot_be_written",
}
