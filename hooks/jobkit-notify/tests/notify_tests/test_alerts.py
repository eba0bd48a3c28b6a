"""Alerts: who is told of what, once, by a real apprise to a real server."""

from __future__ import annotations

import json
import logging
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jobkit_notify.alerts.rules import AlertsTable, Rule
from jobkit_notify.alerts.sink import AlertSink
from jobkit_notify.alerts.state import RuleState
from jobkit_notify.answers import NotDelivered
from notify_tests import records
from notify_tests.receiver import Receiver, Reply

from jobkit import RunRecord, Secret
from jobkit.plugin import PluginError

# Its modules import what later versions of Python do not have.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class People:
    """A rule, the people that it tells, and the time. *restarted* is what a new process begins with."""

    def __init__(self, receiver: Receiver, folder: Path, *, to: list[str] | None = None, **rule: Any) -> None:
        self.receiver = receiver
        self.file = folder / ".jobkit" / "alerts" / "ops.json"
        self.now = datetime(2027, 3, 1, 3, 0, tzinfo=UTC)
        urls = to or [f"json://127.0.0.1:{receiver.port}/ops"]
        self.rule = Rule(to=[*map(Secret, urls)], **rule)
        self.sink = self.restarted()

    def restarted(self) -> AlertSink:
        self.sink = AlertSink(
            "ops",
            self.rule,
            project="shop",
            environment="production",
            find=lambda _: None,
            state=RuleState(self.file),
            now=lambda: self.now,
        )
        return self.sink

    def hear(self, *runs: RunRecord) -> list[str]:
        """Give the sink *runs*, as the outbox does; the titles of what people are told of them."""
        before = len(self.receiver.received)
        for run in runs:
            if self.sink.accepts(run):
                self.sink.emit(run)
        return [title(request.json) for request in self.receiver.received[before:]]

    @property
    def last(self) -> str:
        """The text of the last message."""
        message: str = self.receiver.received[-1].json["message"]
        return message

    def wait(self, **time: float) -> None:
        """Let time pass."""
        self.now += timedelta(**time)


def title(message: Any) -> str:
    """Without project and environment."""
    text: str = message["title"]
    return text.removeprefix("[shop/production] ")


@pytest.fixture
def people(receiver: Receiver, tmp_path: Path) -> People:
    """Told of everything that a rule tells if it says nothing."""
    return People(receiver, tmp_path)


# -- what is told -------------------------------------------------------------------------------------


def test_a_failure_is_told(people: People) -> None:
    """With what somebody needs to know who is not at a desk."""
    failed = records.run(
        7,
        "failed",
        message="no space left",
        attempt=3,
        attempts=3,
        trigger="api",
        processed=10,
        errors=2,
        reason="expectation",
    )
    assert people.hear(failed) == ["clean failed"]
    [request] = people.receiver.received
    assert request.path == "/ops"
    assert request.json["type"] == "failure"
    assert request.json["title"] == "[shop/production] clean failed"
    assert people.last.splitlines() == [
        "run #7, trigger api, attempt 3 of 3, started 2027-03-01 03:06:48 UTC, took 12 s, reason expectation",
        "no space left",
        "processed 10, errors 2",
    ]


@pytest.mark.parametrize(
    ("status", "told", "kind"),
    [
        ("failed", "clean failed", "failure"),
        ("timed_out", "clean timed out", "failure"),
        ("lost", "clean lost", "failure"),
        ("cancelled", "clean cancelled", "warning"),
        ("succeeded", "clean succeeded", "success"),
        ("skipped", "clean skipped", "info"),
    ],
)
def test_each_end_can_be_told(receiver: Receiver, tmp_path: Path, status: str, told: str, kind: str) -> None:
    """If the rule says so."""
    people = People(receiver, tmp_path, on=[status])
    assert people.hear(records.run(1, status)) == [told]
    assert receiver.received[0].json["type"] == kind


def test_what_is_usual_is_not_told(people: People) -> None:
    """A rule that says nothing is about problems and their ends."""
    assert people.hear(records.run(1), records.run(2, "skipped"), records.run(3, "cancelled")) == []


def test_texts_of_jobs_are_harmless(people: People) -> None:
    """Control characters are escaped, lengths have bounds, nothing is taken for markup of ours."""
    people.hear(records.run(1, "failed", message="\x1b[2J{secret} %s \u202e" + "x" * 50_000))
    assert "\x1b" not in people.last
    assert "\u202e" not in people.last
    assert "\\x1b[2J{secret} %s" in people.last
    assert len(people.last) < 1500


# -- recovered ----------------------------------------------------------------------------------------


def test_the_first_success_after_a_problem_is_a_recovery(people: People) -> None:
    """And the second is nothing."""
    runs = [records.run(1), records.run(2, "failed"), records.run(3), records.run(4)]
    assert people.hear(*runs) == ["clean failed", "clean recovered"]


@pytest.mark.parametrize("problem", ["failed", "timed_out", "lost"])
def test_every_problem_can_end(receiver: Receiver, tmp_path: Path, problem: str) -> None:
    """Also if the rule is about recoveries only."""
    people = People(receiver, tmp_path, on=["recovered"])
    assert people.hear(records.run(1, problem), records.run(2)) == ["clean recovered"]
    assert receiver.received[0].json["type"] == "success"


def test_what_did_not_happen_ends_no_problem(people: People) -> None:
    """A run that was cancelled or skipped says nothing about the job."""
    runs = [records.run(1, "failed"), records.run(2, "skipped"), records.run(3, "cancelled"), records.run(4)]
    assert people.hear(*runs) == ["clean failed", "clean recovered"]


def test_each_job_has_its_own_problems(people: People) -> None:
    """One that succeeds does not end those of another."""
    runs = [records.run(1, "failed"), records.run(2, job="other"), records.run(3)]
    assert people.hear(*runs) == ["clean failed", "clean recovered"]


def test_a_recovery_says_more_than_a_success(receiver: Receiver, tmp_path: Path) -> None:
    """A rule about both tells one of them."""
    people = People(receiver, tmp_path, on=["succeeded", "recovered"])
    runs = [records.run(1), records.run(2, "failed"), records.run(3), records.run(4)]
    assert people.hear(*runs) == ["clean succeeded", "clean recovered", "clean succeeded"]


def test_a_restart_forgets_no_problem(people: People) -> None:
    """The recovery is told by a process that has not seen the failure."""
    people.hear(records.run(1, "failed"))
    people.restarted()
    assert people.hear(records.run(2)) == ["clean recovered"]
    people.restarted()
    assert people.hear(records.run(3)) == []


def test_two_processes_take_turns(people: People) -> None:
    """The one that delivers now knows what the other has told, without a restart of either."""
    first = people.sink
    second = people.restarted()
    people.sink = first
    people.hear(records.run(1), records.run(2, "failed"))
    people.sink = second
    assert people.hear(records.run(3)) == ["clean recovered"]
    people.sink = first
    assert people.hear(records.run(4)) == []


def test_what_is_delivered_late_changes_nothing(people: People) -> None:
    """A dead letter that is sent again tells its run, and is no news about the job."""
    people.hear(records.run(1, "failed"), records.run(5))
    assert people.hear(records.run(3, "failed")) == ["clean failed"]
    assert people.hear(records.run(6)) == []


def test_what_is_delivered_twice_is_told_once(people: People) -> None:
    """Whoever dies after sending and before saying so has it delivered again."""
    assert people.hear(records.run(1, "failed"), records.run(1, "failed")) == ["clean failed"]
    people.restarted()
    assert people.hear(records.run(1, "failed")) == []


# -- throttle -----------------------------------------------------------------------------------------


@pytest.fixture
def throttled(receiver: Receiver, tmp_path: Path) -> People:
    """Told once an hour of each job."""
    return People(receiver, tmp_path, throttle=timedelta(hours=1))


def failures(first: int, count: int, job: str = "clean") -> list[RunRecord]:
    """That many failed runs."""
    return [records.run(number, "failed", job) for number in range(first, first + count)]


def test_repetitions_are_held_back_and_counted(throttled: People) -> None:
    """The next message tells how many there were."""
    assert throttled.hear(*failures(1, 4)) == ["clean failed"]
    throttled.wait(minutes=59)
    assert throttled.hear(*failures(5, 1), records.run(6, "timed_out")) == []
    throttled.wait(minutes=1)
    assert throttled.hear(*failures(7, 1)) == ["clean failed"]
    assert "Held back since 2027-03-01 03:00:00 UTC: 4 failed, 1 timed out" in throttled.last
    throttled.wait(hours=1)
    throttled.hear(*failures(8, 1))
    assert "Held back" not in throttled.last


def test_each_job_has_its_own_hour(throttled: People) -> None:
    """One that fails all the time does not hide another."""
    assert throttled.hear(*failures(1, 2), *failures(3, 2, "other")) == ["clean failed", "other failed"]


def test_the_end_of_what_was_told_is_told(throttled: People) -> None:
    """Whoever was told that it is broken is told that it is not; a job that flickers is told once an hour."""
    flicker = [records.run(number, "failed" if number % 2 else "succeeded") for number in range(1, 9)]
    assert throttled.hear(*flicker) == ["clean failed", "clean recovered"]
    throttled.wait(hours=1)
    assert throttled.hear(*failures(9, 1)) == ["clean failed"]
    assert "3 failed, 3 recovered" in throttled.last


def test_a_restart_throttles_on(throttled: People) -> None:
    """Counts survive, too."""
    throttled.hear(*failures(1, 3))
    throttled.restarted()
    assert throttled.hear(*failures(4, 1)) == []
    throttled.wait(hours=2)
    throttled.restarted()
    assert throttled.hear(*failures(5, 1)) == ["clean failed"]
    assert "3 failed" in throttled.last


def test_a_clock_that_went_back_silences_nobody(throttled: People) -> None:
    """What was told in the future does not count."""
    throttled.hear(*failures(1, 1))
    throttled.wait(days=-2)
    assert throttled.hear(*failures(2, 1)) == ["clean failed"]


# -- when it does not arrive --------------------------------------------------------------------------


def test_what_did_not_arrive_is_told_later(people: People) -> None:
    """Nothing counts as told."""
    people.receiver.replies = [Reply(500)]
    with pytest.raises(NotDelivered):
        people.hear(records.run(1, "failed"))
    assert people.hear(records.run(1, "failed")) == ["clean failed"]
    assert people.hear(records.run(2)) == ["clean recovered"]


def test_who_was_told_is_not_told_again(receiver: Receiver, tmp_path: Path) -> None:
    """Of several receivers only those get it again that have not got it, after a restart too."""
    urls = [f"json://127.0.0.1:{receiver.port}/{name}" for name in ("first", "second", "third")]
    people = People(receiver, tmp_path, to=urls)
    receiver.replies = [Reply(200), Reply(500), Reply(200)]
    with pytest.raises(NotDelivered, match=r"to\[1\]"):
        people.hear(records.run(1, "failed"))
    people.restarted()
    people.hear(records.run(1, "failed"))
    assert [request.path for request in receiver.received] == ["/first", "/second", "/third", "/second"]


def test_errors_hold_no_keys(receiver: Receiver, tmp_path: Path) -> None:
    """Which of the receivers, of which kind, and why: no more of its URL."""
    url = f"json://someuser:passw0rd@127.0.0.1:{receiver.port}/T0KEN123?+X-Key=headerkey"
    people = People(receiver, tmp_path, to=[url])
    receiver.usual = Reply(403)
    with pytest.raises(NotDelivered) as error:
        people.hear(records.run(1, "failed"))
    said = str(error.value)
    assert said.startswith("to[0] (json://***) did not take it")
    assert "403" in said
    for key in ("someuser", "passw0rd", "T0KEN123", "headerkey"):
        assert key not in said


def test_a_host_that_is_a_key_is_not_told(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Many services of apprise have a token where others have a host; neither errors nor logs repeat it."""
    people = People(receiver, tmp_path, to=["json://s3cr3tt0ken.invalid/"])
    with pytest.raises(NotDelivered) as error:
        people.hear(records.run(1, "failed"))
    assert "s3cr3tt0ken" not in str(error.value) + caplog.text


def test_what_apprise_does_not_understand_is_told(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run waits until somebody has mended the URL."""
    people = People(receiver, tmp_path, to=["nosuchservice://s3cr3tt0ken/"])
    with pytest.raises(NotDelivered, match="no URL that apprise understands") as error:
        people.hear(records.run(1, "failed"))
    assert "s3cr3tt0ken" not in str(error.value) + caplog.text


# -- what is remembered -------------------------------------------------------------------------------


def test_only_the_owner_reads_it(people: People) -> None:
    """File and folder."""
    people.hear(records.run(1, "failed"))
    assert stat.S_IMODE(people.file.stat().st_mode) == 0o600
    assert stat.S_IMODE(people.file.parent.stat().st_mode) == 0o700
    assert [*people.file.parent.iterdir()] == [people.file]


@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b'{"format": 1, "jobs": []}', b"\xff" * 10, b"[" * 100_000]
)
def test_a_damaged_memory_begins_anew(
    people: People, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """And says so; alerts go on."""
    people.file.parent.mkdir(parents=True)
    people.file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert people.hear(records.run(1, "failed"), records.run(2)) == ["clean failed", "clean recovered"]
    assert "begin anew" in caplog.text


def test_a_link_is_not_followed(people: People, tmp_path: Path) -> None:
    """Neither for reading nor for writing: it is replaced."""
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text("{}")
    people.file.parent.mkdir(parents=True)
    people.file.symlink_to(elsewhere)
    assert people.hear(records.run(1, "failed"), records.run(2)) == ["clean failed", "clean recovered"]
    assert elsewhere.read_text() == "{}"
    assert not people.file.is_symlink()


def test_where_nothing_can_be_written_alerts_go_on(people: People, caplog: pytest.LogCaptureFixture) -> None:
    """Without a memory that outlives the process, which is said once."""
    people.file.parent.parent.mkdir()
    people.file.parent.write_text("a file in the place of the folder")
    with caplog.at_level(logging.WARNING):
        runs = [records.run(1, "failed"), records.run(2), records.run(3, "failed")]
        assert people.hear(*runs) == ["clean failed", "clean recovered", "clean failed"]
    assert caplog.text.count("cannot remember") == 1


def test_what_says_nothing_any_more_is_forgotten(people: People) -> None:
    """Jobs come and go; the file does not grow for ever."""
    people.hear(records.run(1, "failed", "old"), records.run(2, job="old"))
    people.wait(days=40)
    people.hear(records.run(3, "failed"))
    assert [*json.loads(people.file.read_text())["jobs"]] == ["clean"]


def test_jobs_that_go_on_succeeding_are_not_written_down(people: People) -> None:
    """Most runs succeed: that costs no write."""
    people.hear(records.run(1), records.run(2))
    assert not people.file.exists()


# -- the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"to": []}, "to is empty"),
        ({"to": ["ops@example.org"]}, "to[0] is no URL of apprise"),
        ({"to": ["mailto://ok", " "]}, "to[1] is no URL of apprise"),
        ({"on": []}, "on is empty"),
        ({"jobs": [""]}, "jobs holds an empty text"),
        ({"timeout": timedelta(0)}, "timeout"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_read(rule: dict[str, Any], told: str) -> None:
    """With a text that repeats no URL."""
    with pytest.raises(PluginError) as error:
        Rule(**{"to": [Secret("json://h/")], **rule})
    assert told in str(error.value)


def test_names_of_rules_are_names(people: People) -> None:
    """The outbox keeps messages under them, and files are called like them."""
    with pytest.raises(PluginError, match="is no name"):
        AlertsTable(rules={"../ops": people.rule})
