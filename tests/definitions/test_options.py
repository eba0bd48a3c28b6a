"""Options: what each takes, what it refuses, and how it says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from jobkit import Expect, JobSpec, Retry, submit_job
from jobkit.exceptions import CollectionError
from jobkit.options import OPTIONS, option_named

HOUR = timedelta(hours=1)


def accepted(option: str, value: object) -> Any:
    """What the specification holds for *value*."""
    return OPTIONS[option].decode(value)


def refusal(**options: Any) -> CollectionError:
    """The error of submitting a job with *options*."""

    async def work(ctx: object) -> None: ...

    with pytest.raises(CollectionError) as caught:
        submit_job(work, **options)
    return caught.value


ACCEPTED: list[tuple[str, object, object]] = [
    ("name", "cleanup-2_b", "cleanup-2_b"),
    ("name", "a" * 128, "a" * 128),
    ("description", "  two\n lines ", "two lines"),
    ("schedule", "", ()),
    ("schedule", [], ()),
    ("schedule", " 0 0 3 * * * ", ("0 0 3 * * *",)),
    ("schedule", ["@daily", "every 5m", "@daily"], ("@daily", "every 5m")),
    ("timezone", "Europe/Berlin", "Europe/Berlin"),
    ("timezone", None, None),
    ("run_on_startup", True, True),
    ("enabled", False, False),
    ("tags", ["b", "a", " b "], ("b", "a")),
    ("tags", ("a",), ("a",)),
    ("tags", {"b", "a"}, ("a", "b")),
    ("timeout", None, None),
    ("timeout", "none", None),
    ("timeout", "1h", HOUR),
    ("timeout", 3600, HOUR),
    ("timeout", HOUR, HOUR),
    ("retries", 3, Retry(3)),
    ("retries", Retry(2, delay="5s"), Retry(2, delay="5s")),
    ("retries", {"retries": 2, "delay": "5s"}, Retry(2, delay="5s")),
    ("overlap", "cancel", "cancel"),
    ("misfire", "all", "all"),
    ("misfire_grace", "auto", "auto"),
    ("misfire_grace", "1h", HOUR),
    ("jitter", 0, timedelta(0)),
    ("scope", "node", "node"),
    ("limits", ["db"], ("db",)),
    ("executor", "process", "process"),
    ("queue", "heavy.gpu", "heavy.gpu"),
    ("priority", -5, -5),
    ("expect", Expect(min_processed=1), Expect(min_processed=1)),
    ("expect", {"max_duration": "1h"}, Expect(max_duration="1h")),
    ("expect", None, None),
    ("owner", "ops@example.com", "ops@example.com"),
    ("plugins", {"webhook": {"url": "x"}}, {"webhook": {"url": "x"}}),
    ("enforce", True, True),
    ("parameters", {"days": 3}, {"days": 3}),
    ("extension", "web", "web"),
]


@pytest.mark.parametrize(("option", "value", "held"), ACCEPTED)
def test_a_right_value_is_held_in_one_form(option: str, value: object, held: object) -> None:
    """However it was written, the specification has one type for it."""
    assert accepted(option, value) == held


REFUSED: list[tuple[str, object, str]] = [
    ("name", None, "text is expected, not None"),
    ("name", "", "it is empty"),
    ("name", "Cleanup", "write 'cleanup'"),
    ("name", "Clean-Up_1", "write 'clean-up_1'"),
    ("name", "a__b", "write 'a_b'"),
    ("name", "a" * 129, "at most 128 characters, not 129"),
    ("name", "1st", "is not a name"),
    ("name", "_job", "is not a name"),
    ("name", "löschen", "is not a name"),
    ("name", "a b", "is not a name"),
    ("name", "job\n", "is not a name"),
    ("description", None, "text is expected, not None"),
    ("description", "x" * 1001, "at most 1000 characters"),
    ("description", "a\x1b[31m", "cannot be printed"),
    ("schedule", None, "text or a list of text is expected, not None"),
    ("schedule", 5, "text or a list of text is expected, not int"),
    ("schedule", ["@daily", 5], "in the list, text is expected, not int"),
    ("schedule", ["@daily", ""], "one text is empty"),
    ("schedule", "   ", "it is blank"),
    ("schedule", "x" * 257, "at most 256 characters"),
    ("schedule", ["@daily"] * 101, "at most 100 items, not 101"),
    ("timezone", "", "it is empty"),
    ("timezone", 5, "text is expected, not int"),
    ("timezone", "../../etc/passwd", "is not an IANA name"),
    ("run_on_startup", 1, "true or false is expected, not int"),
    ("enabled", "yes", "true or false is expected, not str"),
    ("enabled", None, "true or false is expected, not None"),
    ("tags", "content", "write `['content']`"),
    ("tags", None, "a list of text is expected, not None"),
    ("tags", ["a", 1], "in the list, text is expected, not int"),
    ("tags", [" "], "in the list, it is empty"),
    ("tags", ["a" * 129], "at most 128 characters"),
    ("tags", ["a\x00"], "cannot be printed"),
    ("tags", [str(number) for number in range(101)], "at most 100 items, not 101"),
    ("timeout", True, "not bool"),
    ("timeout", 0, "longer than nothing"),
    ("timeout", -1, "cannot be negative"),
    ("timeout", "soon", "'soon' is not a duration"),
    ("timeout", float("nan"), "finite"),
    ("retries", True, "not bool"),
    ("retries", -1, "between 0 and 1000"),
    ("retries", 10**9, "between 0 and 1000"),
    ("retries", "3", "not str"),
    ("retries", {"retry": 3}, "there is no key 'retry'"),
    ("overlap", "replace", "skip, queue, allow or cancel is expected, not 'replace'"),
    ("overlap", None, "is expected, not None"),
    ("misfire", "first", "latest, all or none is expected"),
    ("misfire_grace", "Auto", "is not a duration"),
    ("jitter", None, "not NoneType"),
    ("scope", "global", "cluster or node is expected"),
    ("limits", "db", "write `['db']`"),
    ("executor", "threads", "auto, async, thread or process is expected"),
    ("queue", "", "is not a word"),
    ("queue", "a b", "is not a word"),
    ("priority", 1.5, "a whole number is expected, not float"),
    ("priority", True, "a whole number is expected, not bool"),
    ("priority", 10**7, "lies between"),
    ("expect", 5, "Expect(...) or a table is expected, not int"),
    ("expect", {"min": 5}, "there is no key 'min'"),
    ("expect", {"min_processed": -1}, "cannot be negative"),
    ("owner", "", "it is empty"),
    ("owner", 5, "text is expected, not int"),
    ("plugins", [], "a table is expected, not list"),
    ("plugins", {"webhook": "x"}, "the settings of plugin 'webhook' are a table, not str"),
    ("plugins", {1: {}}, "its keys are text, not int"),
    ("plugins", {str(number): {} for number in range(101)}, "at most 100 entries, not 101"),
    ("enforce", 1, "true or false is expected, not int"),
]


@pytest.mark.parametrize(("option", "value", "reason"), REFUSED)
def test_a_wrong_value_is_refused_with_the_reason(option: str, value: object, reason: str) -> None:
    """TypeError or ValueError, worded so that it can be read after the option's name."""
    with pytest.raises((TypeError, ValueError)) as caught:
        accepted(option, value)
    assert reason in str(caught.value)


def test_decoding_twice_changes_nothing() -> None:
    """What a specification holds is itself a right value: layers can be merged."""
    for option, value, held in ACCEPTED:
        again = accepted(option, value)
        assert accepted(option, list(again) if isinstance(again, tuple) else again) == held


def test_every_default_is_what_a_specification_has() -> None:
    """The table and JobSpec agree about jobs that say nothing."""
    defaults = {}
    for field in dataclasses.fields(JobSpec):
        if field.default is not dataclasses.MISSING:
            defaults[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            defaults[field.name] = field.default_factory()
    of_the_job_itself = {"name", "description", "extension"}
    assert {name: option.default for name, option in OPTIONS.items() if name not in of_the_job_itself} == {
        name: defaults[name] for name in OPTIONS if name not in of_the_job_itself
    }


def test_an_unknown_option_is_refused_with_the_closest() -> None:
    """A typing error, or the word that another scheduler uses."""
    assert refusal(schedul="@daily").message == "there is no option `schedul`; did you mean `schedule`?"
    assert "did you mean `schedule`?" in refusal(cron="@daily").message
    assert refusal(zzz=1).code == "JK120"
    with pytest.raises(LookupError, match=r"no option `time_out`; did you mean `timeout`\?"):
        option_named("time_out")


def test_a_wrong_option_names_itself() -> None:
    """The error starts with the option and says what it takes."""
    error = refusal(run_on_startup=1)
    assert (error.code, error.message) == ("JK121", "`run_on_startup`: true or false is expected, not int")
    assert error.help == "`run_on_startup` takes bool"


def test_all_wrong_options_are_reported_at_once() -> None:
    """One call, one error, every mistake in it."""
    error = refusal(tags="a", timeout=0, nam="x")
    assert all(part in error.message for part in ("`tags`", "`timeout`", "`nam`"))


def test_an_option_of_the_configuration_is_refused_in_code() -> None:
    """``enforce`` is the operators' word; the error says where it is written."""
    error = refusal(enforce=True)
    assert (error.code, error.message) == ("JK124", "`enforce` is set in configuration, not in code")
    assert error.help is not None
    assert "[jobs.NAME]" in error.help


def test_name_none_is_an_error() -> None:
    """An explicit None is a mistake, not the default."""
    error = refusal(name=None)
    assert (error.code, error.message) == ("JK122", "`name`: text is expected, not None")


def test_a_name_taken_from_a_function_is_checked(refused: Callable[[str], CollectionError]) -> None:
    """Upper case is refused with the lower-case spelling; the help says how to give another."""
    error = refused("from jobkit import submit_job\n\ndef CleanUp(ctx): ...\nsubmit_job(CleanUp)\n")
    assert (error.code, error.line) == ("JK122", 4)
    assert "write 'cleanup'" in error.message
    assert error.help == 'it was taken from CleanUp; submit_job(…, name="…") gives another'


def test_a_lambda_needs_a_name(job: Callable[[str], JobSpec]) -> None:
    """Without one there is nothing to call the job (JK123); with one it is a job."""
    with pytest.raises(CollectionError) as caught:
        submit_job(lambda ctx: None)
    assert caught.value.code == "JK123"
    assert job("from jobkit import submit_job\nsubmit_job(lambda ctx: None, name='idle')\n").name == "idle"


def test_the_error_of_a_wrong_value_never_repeats_a_long_text() -> None:
    """A megabyte of schedule does not come back as a megabyte of error."""
    for option in ("schedule", "name", "timezone", "timeout", "queue", "owner", "description", "tags"):
        assert len(refusal(**{option: "x" * 1_000_000}).message) < 300
