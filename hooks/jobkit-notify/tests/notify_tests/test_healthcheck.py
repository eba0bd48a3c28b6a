"""Pings: which URL hears of which run, and how."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from jobkit_notify.answers import NotDelivered
from jobkit_notify.healthcheck import LARGEST_BODY, Healthcheck, HealthcheckSink, summary
from notify_tests import records
from notify_tests.projects import loaded, sinks
from notify_tests.receiver import Receiver, Reply

from jobkit import ConfigError, Project, RunRecord, RunStatus, Sink
from jobkit.plugin import Run

JOBS = """
@submit_job(tags=["nightly"])
def clean(ctx): ...

@submit_job
def other(ctx): ...
"""


@contextmanager
def checks(
    root: Path, table: str, jobs: str = JOBS, **more: Any
) -> Iterator[tuple[Project, HealthcheckSink]]:
    """A project with *table* below ``[plugins.healthcheck]``, and its sink."""
    configuration = f"[plugins.healthcheck]\nallow_private = true\n{table}"
    with loaded(root, configuration, jobs, **more) as project:
        sink = sinks(project)["healthcheck"]
        assert isinstance(sink, HealthcheckSink)
        yield project, sink


async def tell(sink: HealthcheckSink, run: RunRecord) -> None:
    """As the outbox does it."""
    if sink.accepts(run):
        await sink.emit(run)


def hook(project: Project) -> Healthcheck:
    """The plugin of *project*."""
    info = project.plugins.info("healthcheck")
    assert info is not None
    assert isinstance(info.plugin, Healthcheck)
    return info.plugin


# -- how a run ended ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "path"),
    [
        ("succeeded", "/ping/clean"),
        ("failed", "/ping/clean/fail"),
        ("timed_out", "/ping/clean/fail"),
        ("lost", "/ping/clean/fail"),
        ("cancelled", "/ping/clean/log"),
        ("skipped", "/ping/clean/log"),
    ],
)
async def test_each_end_has_its_ping(receiver: Receiver, tmp_path: Path, status: str, path: str) -> None:
    """Success, failure, or only a note; the run id tells overlapping runs apart."""
    with checks(tmp_path, f'base = "{receiver.url}/ping/{{job}}"') as (_, sink):
        await tell(sink, records.run(3, status))
    [request] = receiver.received
    assert (request.method, request.path) == ("POST", path)
    assert str(uuid.UUID(request.query["rid"][0])) == records.run(3).id


async def test_the_body_tells_what_happened(receiver: Receiver, tmp_path: Path) -> None:
    """For people who open the check's log."""
    failed = records.run(3, "failed", message="no space\x1b[2J left", processed=7, errors=1)
    with checks(tmp_path, f'base = "{receiver.url}/{{job}}"') as (_, sink):
        await tell(sink, failed)
    text = receiver.received[0].body.decode()
    assert text.splitlines()[0] == "run #3 of clean: failed"
    assert "took 12 s" in text
    assert "processed 7, errors 1" in text
    assert "no space\\x1b[2J left" in text


def test_the_body_is_bounded() -> None:
    """Whatever a job says, in whatever script."""
    text = "🎉" * 100_000
    body = summary(records.run(message=text, reason=text))
    assert len(body) <= LARGEST_BODY
    assert body.decode().startswith("run #1 of clean")


async def test_what_was_in_the_query_stays(receiver: Receiver, tmp_path: Path) -> None:
    """``?create=1`` has the service make checks that it does not know."""
    with checks(tmp_path, f'base = "{receiver.url}/key/{{job}}?create=1"') as (_, sink):
        await tell(sink, records.run(1, "failed"))
    assert receiver.received[0].path == "/key/clean/fail"
    assert receiver.received[0].query["create"] == ["1"]


async def test_a_service_that_is_down_is_tried_again(receiver: Receiver, tmp_path: Path) -> None:
    """The outbox keeps the ping."""
    receiver.usual = Reply(503)
    with checks(tmp_path, f'base = "{receiver.url}/{{job}}"') as (_, sink), pytest.raises(NotDelivered):
        await tell(sink, records.run())


async def test_a_check_that_does_not_exist_is_told_once(receiver: Receiver, tmp_path: Path) -> None:
    """It becomes a dead letter, which somebody looks at; the key in the URL is not told."""
    receiver.usual = Reply(404, body=b"not found")
    base = f'base = "{receiver.url}/0123456789abcdef/{{job}}"'
    with checks(tmp_path, base) as (_, sink), pytest.raises(Sink.Reject) as error:
        await tell(sink, records.run())
    assert "404" in str(error.value)
    assert "0123456789abcdef" not in str(error.value)


# -- whose check --------------------------------------------------------------------------------------


async def test_a_job_may_have_a_url_of_its_own(receiver: Receiver, tmp_path: Path) -> None:
    """Written in configuration; it comes before the one for all."""
    table = f"""
        base = "{receiver.url}/all/{{job}}"
        [jobs.other.plugins.healthcheck]
        url = "{receiver.url}/own"
    """
    with checks(tmp_path, table) as (_, sink):
        for job in ("clean", "other"):
            await tell(sink, records.run(job=job))
    assert [request.path for request in receiver.received] == ["/all/clean", "/own"]


async def test_code_may_give_a_url(receiver: Receiver, tmp_path: Path) -> None:
    """A developer proposes it, configuration may say otherwise."""
    jobs = f"""
        @submit_job(plugins={{"healthcheck": {{"url": "{receiver.url}/code"}}}})
        def clean(ctx): ...
    """
    with checks(tmp_path, "", jobs) as (_, sink):
        await tell(sink, records.run())
    with checks(tmp_path, f'[jobs.clean.plugins.healthcheck]\nurl = "{receiver.url}/conf"', jobs) as (
        _,
        sink,
    ):
        await tell(sink, records.run())
    assert [request.path for request in receiver.received] == ["/code", "/conf"]


async def test_a_job_may_have_none(receiver: Receiver, tmp_path: Path) -> None:
    """One that runs now and then only."""
    table = f'base = "{receiver.url}/{{job}}"\n[jobs.other.plugins.healthcheck]\nenabled = false'
    with checks(tmp_path, table) as (_, sink):
        assert not sink.accepts(records.run(job="other"))
        assert sink.accepts(records.run(job="clean"))


@pytest.mark.parametrize("rule", ['jobs = ["cl*"]', 'tags = ["nightly"]'])
def test_the_one_for_all_may_be_for_some(tmp_path: Path, rule: str) -> None:
    """By name, extension or tag."""
    with checks(tmp_path, f'base = "https://hc.example/{{job}}"\n{rule}') as (_, sink):
        assert sink.accepts(records.run(job="clean"))
        assert not sink.accepts(records.run(job="other"))


def test_nobody_asked_for_pings(tmp_path: Path) -> None:
    """Installed and not used: the outbox keeps nothing for it."""
    with loaded(tmp_path, "", JOBS) as project:
        assert "healthcheck" not in sinks(project)


def test_code_alone_is_enough(tmp_path: Path) -> None:
    """Without any table the job's own URL counts."""
    jobs = '@submit_job(plugins={"healthcheck": {"url": "https://hc.example/x"}})\ndef clean(ctx): ...\n'
    with loaded(tmp_path, "", jobs) as project:
        assert sinks(project)["healthcheck"].accepts(records.run())


def test_a_job_that_was_not_imported_is_known(tmp_path: Path) -> None:
    """`jobkit run` imports one file, and may deliver what runs of other jobs have left."""
    table = 'base = "https://hc.example/{job}"\ntags = ["nightly"]'
    (tmp_path / "extensions/shop/jobs").mkdir(parents=True)
    second = tmp_path / "extensions/shop/jobs/second.py"
    second.write_text("from jobkit import submit_job\n\n@submit_job\ndef second(ctx): ...\n")
    with checks(tmp_path, table):
        pass  # the index is written
    with Project.load(tmp_path, only="second") as project:
        sink = sinks(project)["healthcheck"]
        assert not project.complete
        assert sink.accepts(records.run(job="clean"))
        assert not sink.accepts(records.run(job="second"))


# -- that a run begins --------------------------------------------------------------------------------


def begun(project: Project, job: str = "clean") -> Run:
    """A run of *job* that has just begun."""
    record = replace(records.run(job=job), status=RunStatus.RUNNING, finished_at=None, duration_ms=None)
    return Run(record, project.jobs[job])


async def test_the_beginning_is_told(receiver: Receiver, tmp_path: Path) -> None:
    """With the same run id as the end, so that the service measures the time between."""
    with checks(tmp_path, f'base = "{receiver.url}/{{job}}"') as (project, sink):
        await hook(project).jobkit_run_started(begun(project))
        await tell(sink, records.run())
    start, end = receiver.received
    assert (start.path, end.path) == ("/clean/start", "/clean")
    assert start.query == end.query


async def test_the_beginning_need_not_be_told(receiver: Receiver, tmp_path: Path) -> None:
    """``start = false``."""
    with checks(tmp_path, f'base = "{receiver.url}/{{job}}"\nstart = false') as (project, _):
        await hook(project).jobkit_run_started(begun(project))
    assert not receiver.received


async def test_a_service_that_hangs_delays_one_run(receiver: Receiver, tmp_path: Path) -> None:
    """After that it is not told of beginnings for a minute."""
    receiver.hangs.set()
    with checks(tmp_path, f'base = "{receiver.url}/{{job}}"\ntimeout = "50ms"') as (project, _):
        with pytest.raises(NotDelivered):
            await hook(project).jobkit_run_started(begun(project))
        began = time.monotonic()
        await hook(project).jobkit_run_started(begun(project))
        assert time.monotonic() - began < 0.05
        assert len(receiver.received) == 1

        receiver.hangs.clear()
        hook(project)._silent_until = anyio.current_time() - 1
        await hook(project).jobkit_run_started(begun(project))
    assert len(receiver.received) == 2


async def test_a_job_without_a_check_is_not_told_of(receiver: Receiver, tmp_path: Path) -> None:
    """Its runs begin and end unseen."""
    with checks(tmp_path, f'base = "{receiver.url}/{{job}}"\njobs = ["other"]') as (project, sink):
        await hook(project).jobkit_run_started(begun(project))
        await tell(sink, records.run())
    assert not receiver.received


# -- the table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('base = "https://hc.example/key"', "{job}"),
        ('base = "https://{job}.example/"', "behind the host"),
        ('base = "hc.example/{job}"', "https://"),
        ('base = "http://10.0.0.1/{job}"\nallow_private = false', "allow_private"),
        ('base = "https://hc.example/{job}"\ntimeout = "0s"', "timeout"),
        ('bas = "https://hc.example/{job}"', "base"),
        ('base = "https://hc.example/{job}"\nextensions = [" "]', "extensions"),
    ],
)
def test_a_mistake_is_told_when_it_is_read(tmp_path: Path, table: str, told: str) -> None:
    """As an error of configuration, before anything runs."""
    private = "" if "allow_private" in table else "allow_private = true\n"
    with pytest.raises(ConfigError) as error, loaded(tmp_path, f"[plugins.healthcheck]\n{private}{table}"):
        raise AssertionError("it was loaded")
    assert told in f"{error.value} {error.value.help}"


def test_a_mistake_about_one_job_is_that_jobs(tmp_path: Path) -> None:
    """It is listed with the error; others have their checks."""
    table = 'base = "https://hc.example/{job}"\n[jobs.other.plugins.healthcheck]\nurl = "nonsense"'
    with checks(tmp_path, table) as (project, sink):
        assert project.jobs["other"].error is not None
        assert project.jobs["clean"].error is None
        assert sink.accepts(records.run(job="clean"))
