"""The sink of webhooks: what receivers get, and what their answers mean."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import anyio
import jobkit_notify
import pytest
from jobkit_notify.answers import NotDelivered
from jobkit_notify.webhook import Receiver, WebhookSink, WebhookTable
from notify_tests import records
from notify_tests.receiver import Receiver as Server
from notify_tests.receiver import Reply

from jobkit import JobSpec, RunRecord, Secret, Sink
from jobkit.plugin import PluginError


def sink(
    server: Server | str, *, path: str = "/hook", known: dict[str, Any] | None = None, **more: Any
) -> WebhookSink:
    """A sink that sends to *server*; *known* are the jobs of the project."""
    base = server if isinstance(server, str) else server.url
    receiver = Receiver(url=Secret(base + path), **{"allow_private": True, **more})
    return WebhookSink(
        "webhook",
        receiver,
        project="shop",
        environment="production",
        find=(known or {}).get,
        now=lambda: 1_800_000_000.0,
    )


# -- what is sent -------------------------------------------------------------------------------------


async def test_a_run_arrives_as_json(receiver: Server) -> None:
    """In an envelope that says what it is, of which project, of which environment."""
    run = records.run(7, "failed", message="no space left", data={"left": 3})
    await sink(receiver).emit(run)
    [request] = receiver.received
    assert (request.method, request.target) == ("POST", "/hook")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["jobkit-event"] == "run.failed"
    assert request.json == {
        "schema": "jobkit.webhook/1",
        "event": "run.failed",
        "project": "shop",
        "environment": "production",
        "run": run.to_json(),
    }


async def test_the_run_id_is_the_key_against_doubles(receiver: Server) -> None:
    """A run that is delivered twice has the same key, and another one another."""
    hook = sink(receiver)
    for number in (1, 1, 2):
        await hook.emit(records.run(number))
    first, again, other = (request.headers["idempotency-key"] for request in receiver.received)
    assert first == again == records.run(1).id != other


async def test_any_text_of_a_job_can_be_sent(receiver: Server) -> None:
    """Control characters, emoji, lone surrogates: JSON has an escape for each."""
    text = "\x1b[31m\x00 \udcff 🎉 \u2028"
    await sink(receiver).emit(records.run(message=text))
    assert receiver.received[0].json["run"]["message"] == text


async def test_it_is_signed(receiver: Server) -> None:
    """Receivers who know the secret can verify the body as it came."""
    await sink(receiver, secret=Secret("first")).emit(records.run())
    [request] = receiver.received
    header = request.headers["jobkit-signature"]
    assert jobkit_notify.verify("first", header, request.body, now=1_800_000_100)
    assert not jobkit_notify.verify("first", header, request.body + b" ", now=1_800_000_100)


async def test_while_secrets_change_it_is_signed_with_both(receiver: Server) -> None:
    """The new one and the previous one: receivers change over when they like."""
    await sink(receiver, secret=Secret("new"), previous_secret=Secret("old")).emit(records.run())
    [request] = receiver.received
    for secret in ("new", "old"):
        assert jobkit_notify.verify(
            secret, request.headers["jobkit-signature"], request.body, now=1_800_000_000
        )


async def test_without_a_secret_there_is_no_signature(receiver: Server) -> None:
    """A signature that proves nothing would only look like one."""
    await sink(receiver).emit(records.run())
    assert "jobkit-signature" not in receiver.received[0].headers


async def test_further_headers_are_sent(receiver: Server) -> None:
    """For receivers with a token of their own."""
    await sink(receiver, headers={"Authorization": Secret("Bearer abc")}).emit(records.run())
    assert receiver.received[0].headers["authorization"] == "Bearer abc"


# -- what the answer means ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_2xx_is_delivered(receiver: Server, status: int) -> None:
    """Whatever else is in the answer: nothing is raised, so the outbox has done with the run."""
    receiver.usual = Reply(status)
    await sink(receiver).emit(records.run())
    assert len(receiver.received) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
async def test_4xx_is_never(receiver: Server, status: int) -> None:
    """The receiver has understood, and does not want it: a dead letter at once."""
    receiver.usual = Reply(status, body=b"no such thing")
    with pytest.raises(Sink.Reject, match=f"answered {status}: no such thing"):
        await sink(receiver).emit(records.run())


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_other_refusals_are_tried_again(receiver: Server, status: int) -> None:
    """It may work later: the outbox keeps the run."""
    receiver.usual = Reply(status)
    with pytest.raises(NotDelivered, match=f"answered {status}"):
        await sink(receiver).emit(records.run())


async def test_a_redirect_is_told_and_not_followed(receiver: Server) -> None:
    """Nothing is lost, and the error says which host to write down; not which path, which may be a key."""
    receiver.usual = Reply(301, {"Location": "https://new.example.org/KEY"})
    with pytest.raises(NotDelivered) as error:
        await sink(receiver).emit(records.run())
    assert "redirect to https://new.example.org;" in str(error.value)
    assert "KEY" not in str(error.value)
    assert len(receiver.received) == 1


async def test_nobody_there_is_tried_again(receiver: Server) -> None:
    """A server that is down says nothing about the run."""
    with pytest.raises(NotDelivered):
        await sink("http://127.0.0.1:1").emit(records.run())


@pytest.mark.parametrize("status", [429, 503])
async def test_a_receiver_is_left_alone_for_as_long_as_it_asks(receiver: Server, status: int) -> None:
    """Until then nothing is sent to it, whatever is due."""
    receiver.replies = [Reply(status, {"Retry-After": "120"})]
    hook = sink(receiver)
    with pytest.raises(NotDelivered):
        await hook.emit(records.run(1))
    with pytest.raises(NotDelivered, match="left alone for another"):
        await hook.emit(records.run(2))
    assert len(receiver.received) == 1


@pytest.mark.parametrize(
    "asked", ["0", "-5", "soon", "", "1e3", "Fri, 01 Jan 2021 00:00:00 GMT", "9" * 400, "²"]
)
async def test_nonsense_is_not_waited_for(receiver: Server, asked: str) -> None:
    """What is no time, or is over, delays nothing."""
    receiver.replies = [Reply(503, {"Retry-After": asked.encode().decode("latin-1")})]
    hook = sink(receiver)
    with pytest.raises(NotDelivered):
        await hook.emit(records.run(1))
    await hook.emit(records.run(1))


async def test_nobody_is_left_alone_for_ever(receiver: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year of silence is not granted: after five minutes it is asked again."""
    receiver.replies = [Reply(503, {"Retry-After": "Fri, 01 Jan 2126 00:00:00 GMT"})]
    hook = sink(receiver)
    with pytest.raises(NotDelivered):
        await hook.emit(records.run(1))
    now = anyio.current_time()
    monkeypatch.setattr("jobkit_notify.answers._now", lambda: now + 301)
    await hook.emit(records.run(1))


async def test_errors_hold_no_secrets(receiver: Server) -> None:
    """Neither the path of the URL nor what a receiver repeats of what it was sent."""
    receiver.usual = Reply(
        403, body=b"who is topsecret1, and Bearer verysecret?\x1b[2J\r\n/services/T0KEN123"
    )
    hook = sink(
        receiver,
        path="/services/T0KEN123",
        secret=Secret("topsecret1"),
        headers={"Authorization": Secret("Bearer verysecret")},
    )
    with pytest.raises(Sink.Reject) as error:
        await hook.emit(records.run())
    said = str(error.value)
    assert not {"topsecret1", "verysecret", "T0KEN123"} & set(
        said.replace("/", " ").replace(",", " ").split()
    )
    assert "\x1b" not in said
    assert "\n" not in said


# -- which runs ---------------------------------------------------------------------------------------


class Job:
    """As much of a job as a rule asks for."""

    def __init__(self, *tags: str) -> None:
        self.tags = tags


def accepted(run: RunRecord, known: dict[str, Any] | None = None, **rules: Any) -> bool:
    """Whether a receiver with those *rules* wants *run*."""
    return sink("http://127.0.0.1", known=known, **rules).accepts(run)


@pytest.mark.parametrize("status", ["succeeded", "failed", "timed_out", "cancelled", "skipped", "lost"])
def test_every_end_is_wanted(status: str) -> None:
    """Unless rules say less."""
    assert accepted(records.run(status=status))


def test_rules_about_ends() -> None:
    """Only those that are listed."""
    assert accepted(records.run(status="failed"), on=["failed", "lost"])
    assert not accepted(records.run(status="succeeded"), on=["failed", "lost"])


@pytest.mark.parametrize(
    ("rules", "wanted"),
    [
        ({"jobs": ["clean"]}, True),
        ({"jobs": ["cl*", "other"]}, True),
        ({"jobs": ["CLEAN"]}, False),
        ({"jobs": ["other"]}, False),
        ({"extensions": ["shop"]}, True),
        ({"extensions": ["s?op"], "jobs": ["clean"]}, True),
        ({"extensions": ["web"], "jobs": ["clean"]}, False),
        ({"tags": ["nightly", "money"]}, True),
        ({"tags": ["weekly"]}, False),
        ({"tags": ["nightly"], "jobs": ["other"]}, False),
    ],
)
def test_rules_about_jobs(rules: dict[str, Any], wanted: bool) -> None:
    """All that are given have to hold; of several values one is enough."""
    assert accepted(records.run(), {"clean": Job("nightly")}, **rules) == wanted


def test_a_job_that_is_gone_has_no_tags() -> None:
    """It cannot be asked any more."""
    assert not accepted(records.run(), {}, tags=["nightly"])


# -- the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"url": "hooks.example.org"}, "url: the URL has to begin with https://"),
        ({"url": "http://127.0.0.1/x"}, "allow_private = true"),
        ({"url": "http://169.254.169.254/", "allow_private": True}, "link-local"),
        ({"url": "https://h/", "secret": ""}, "secret is empty"),
        ({"url": "https://h/", "secret": "  "}, "secret is empty"),
        ({"url": "https://h/", "previous_secret": "old"}, "secret is missing"),
        ({"url": "https://h/", "timeout": timedelta(0)}, "timeout"),
        ({"url": "https://h/", "timeout": timedelta(hours=1)}, "at most 5m"),
        ({"url": "https://h/", "max_age": timedelta(0)}, "max_age"),
        ({"url": "https://h/", "on": []}, "on is empty"),
        ({"url": "https://h/", "tags": [""]}, "tags"),
        ({"url": "https://h/", "headers": {"X Y": "1"}}, "no name of a header"),
        ({"url": "https://h/", "headers": {"X": "a\r\nY: b"}}, "cannot hold"),
        ({"url": "https://h/", "headers": {"Content-length": "1"}}, "jobkit-notify itself"),
        ({"secret": "key"}, "url is missing"),
        ({"receivers": {"A b": {"url": "https://h/"}}}, "'A b' is no name"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_read(given: dict[str, Any], told: str) -> None:
    """With a text that says what to write instead, and repeats no secret."""
    receivers = {name: Receiver(**one) for name, one in given.pop("receivers", {}).items()}
    with pytest.raises(PluginError) as error:
        WebhookTable(**given, receivers=receivers)
    assert told in str(error.value)


def test_nothing_configured_is_no_mistake() -> None:
    """Installed and not used: there is no sink."""
    assert WebhookTable().own() is None


def test_jobs_are_asked_for_tags_only_if_rules_need_them() -> None:
    """Finding a job may mean to import it."""

    def find(name: str) -> JobSpec | None:
        raise AssertionError(name)

    hook = WebhookSink(
        "webhook", Receiver(url=Secret("https://h/"), jobs=["clean"]), project="", environment=None, find=find
    )
    assert hook.accepts(records.run())
