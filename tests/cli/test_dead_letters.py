"""``db dead-letters`` and the sinks in ``db status``: what was given up is seen, and ends."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from jobkit.processes import ProcessIdentity
from jobkit.statuses import RunStatus, Trigger
from jobkit.stores.base import LeaseRequest, NewRun, Outcome
from jobkit.stores.outbox import DeathReason, OutboxVerdict, SinkRegistration
from jobkit.stores.sqlite.store import SqliteStore
from tests.cli.golden import check_screen, each_form, environ_of
from tests.cli.harness import NOW, CommandLine
from tests.cli.shapes import checked

ERROR = "HTTP 422: what is a run?\x1b[31m"


async def _fill(root: Path) -> None:
    """Five runs; ``webhook`` has given up three of them, ``audit`` waits for all, ``gone`` nobody wants."""
    now = NOW - timedelta(days=9)
    store = SqliteStore(Path(".jobkit/jobkit.db"), project="shop", root=root, now=lambda: now)
    owner = ProcessIdentity("host-a", "boot", "namespace", 4711, "1")
    request = LeaseRequest(owner, "host-a")
    async with store:
        await store.register_sinks([SinkRegistration("gone", timedelta(days=7))])
        now = NOW - timedelta(hours=2)
        names = ("audit", "webhook")
        await store.register_sinks([SinkRegistration(name, timedelta(days=7)) for name in names])
        for number in range(5):
            now = NOW - timedelta(hours=1, minutes=number)
            new = NewRun(
                id=f"019aaaaa-0000-7000-8000-{number:012}", job="cleanup", extension="web",
                trigger=Trigger.SCHEDULE, actor="system",
            )  # fmt: skip
            _, lease = await store.add_and_start(new, request)
            await store.finish(lease, Outcome(status=RunStatus.SUCCEEDED, finished_at=now, duration_ms=12))
        now = NOW - timedelta(minutes=10)
        taken = await store.take_sink("webhook", owner, timedelta(minutes=1))
        assert taken is not None
        reasons: tuple[DeathReason, ...] = ("failures", "rejected", "max_age")
        entries = await store.outbox("webhook")
        verdicts = [
            OutboxVerdict(entry.id, "dead", error=ERROR if reason != "max_age" else None, reason=reason)
            for entry, reason in zip(entries, reasons, strict=False)
        ]
        verdicts.append(OutboxVerdict(entries[3].id, "delivered"))
        assert await store.settle_outbox(
            taken, verdicts, failures=5, suspended_until=NOW + timedelta(minutes=20), error="ConnectError: no"
        )


@pytest.fixture
def undelivered(cli: CommandLine) -> CommandLine:
    """A project whose store has sinks in all states."""
    anyio.run(_fill, cli.root)
    return cli


def ids(cli: CommandLine, *options: str) -> list[int]:
    return [letter.id for letter in checked(cli("db", "dead-letters", "--json", *options)).data.letters]


# -- looking ------------------------------------------------------------------------------------------


def test_status_tells_how_sinks_stand(undelivered: CommandLine) -> None:
    """What waits, since when, what is dead, and what is in the way."""
    sinks = {sink.name: sink for sink in checked(undelivered("db", "status", "--json")).data.sinks}
    webhook, audit = sinks["webhook"], sinks["audit"]
    assert (webhook.waiting, webhook.dead, webhook.failures) == (1, 3, 5)
    assert (webhook.suspended_until, webhook.error) == ("2026-11-22T13:24:08Z", "ConnectError: no")
    assert (webhook.owner, webhook.max_age) == ("host-a:4711", "7d")
    assert (audit.waiting, audit.dead, audit.oldest) == (5, 0, "2026-11-22T12:04:08Z")
    assert (audit.delivered_at, audit.owner) == (None, None)


async def _fail(root: Path) -> None:
    """One result of ``audit`` fails, others are taken."""
    store = SqliteStore(Path(".jobkit/jobkit.db"), project="shop", root=root, now=lambda: NOW)
    async with store:
        owner = ProcessIdentity("host-a", "boot", "namespace", 4711, "1")
        taken = await store.take_sink("audit", owner, timedelta(minutes=1))
        assert taken is not None
        first, second, *_ = await store.outbox("audit")
        verdicts = [
            OutboxVerdict(first.id, "failed", "HTTP 500: no", not_before=NOW + timedelta(minutes=1)),
            OutboxVerdict(second.id, "delivered"),
        ]
        assert await store.settle_outbox(taken, verdicts, failures=0, suspended_until=None, error=None)


def test_a_result_that_fails_while_others_are_taken_is_seen(undelivered: CommandLine) -> None:
    """In status and by doctor, with what was said last; else nobody would know before it is given up."""
    anyio.run(_fail, undelivered.root)
    sinks = {sink.name: sink for sink in checked(undelivered("db", "status", "--json")).data.sinks}
    assert (sinks["audit"].failing, sinks["audit"].failure) == (1, "HTTP 500: no")
    assert (sinks["webhook"].failing, sinks["webhook"].failure) == (0, None)
    shown = undelivered("db", "status").out
    assert "1 run failing" in shown
    assert "audit: HTTP 500: no" in shown
    [found] = [each for each in checked(undelivered("doctor", "--json")).data if "audit" in each.message]
    assert (found.status, found.message) == (
        "warn", "audit 1 run failing, 4 results waiting: HTTP 500: no",
    )  # fmt: skip


def test_dead_letters_are_listed_oldest_first(undelivered: CommandLine) -> None:
    """With the run, the reason and the last error; escaped on the screen only."""
    answer = checked(undelivered("db", "dead-letters", "--json")).data
    assert [(letter.sink, letter.number, letter.reason) for letter in answer.letters] == [
        ("webhook", 1, "failures"), ("webhook", 2, "rejected"), ("webhook", 3, "max_age"),
    ]  # fmt: skip
    assert answer.letters[0].died_at == "2026-11-22T12:54:08Z"
    assert not answer.more
    assert "\x1b" not in undelivered("db", "dead-letters").out


def test_a_limit_says_that_there_are_more(undelivered: CommandLine) -> None:
    """In both forms."""
    answer = checked(undelivered("db", "dead-letters", "--limit", "2", "--json")).data
    assert (len(answer.letters), answer.more) == (2, True)
    assert "the first 2 (--limit shows more)" in undelivered("db", "dead-letters", "-n", "2").out
    assert ids(undelivered, "-n", "3") == ids(undelivered)


def test_one_sink_can_be_looked_at(undelivered: CommandLine) -> None:
    """By its name; of another there are none."""
    assert ids(undelivered, "--sink", "webhook") == ids(undelivered)
    ended = undelivered("db", "dead-letters", "--sink", "audit")
    assert (ended.code, ended.out.splitlines()[-1]) == (0, "no dead letters of sink audit")


@pytest.mark.parametrize("line", ["db dead-letters", "db dead-letters --replay --all", "db status"])
def test_a_project_without_a_store_has_none(line: str, cli: CommandLine) -> None:
    """And none is made."""
    assert cli(*line.split()).code == 0
    assert not (cli.root / ".jobkit/jobkit.db").exists()


def test_doctor_warns_of_sinks_that_do_not_deliver(undelivered: CommandLine) -> None:
    """And says why; of others how much waits."""
    found = [each for each in checked(undelivered("doctor", "--json")).data if each.check == "sinks"]
    assert [(each.status, each.message) for each in found] == [
        ("ok", "audit, 5 results waiting"),
        ("ok", "gone, 0 results waiting"),
        ("warn", "webhook suspended until 13:24, 1 result waiting: ConnectError: no"),
    ]


# -- doing something about it -------------------------------------------------------------------------


def test_what_is_replayed_waits_again(undelivered: CommandLine) -> None:
    """Those that are named, no others; the run is behind what waited before."""
    first, second, third = ids(undelivered)
    ended = undelivered("db", "dead-letters", "--replay", str(first), str(third))
    assert (ended.code, ended.out) == (
        0, "2 results wait again: a scheduler (jobkit start) or the next `jobkit run` delivers them\n",
    )  # fmt: skip
    assert ids(undelivered) == [second]
    sinks = {sink.name: sink for sink in checked(undelivered("db", "status", "--json")).data.sinks}
    assert (sinks["webhook"].waiting, sinks["webhook"].dead) == (3, 1)


def test_all_of_a_sink_are_replayed(undelivered: CommandLine) -> None:
    """As data, the number."""
    answer = checked(undelivered("db", "dead-letters", "--replay", "--all", "--sink", "audit", "--json")).data
    assert (answer.replayed, answer.dropped) == (0, None)
    answer = checked(
        undelivered("db", "dead-letters", "--replay", "--all", "--sink", "webhook", "--json")
    ).data
    assert answer.replayed == 3
    assert ids(undelivered) == []


def test_what_is_dropped_is_gone_and_its_run_is_not(undelivered: CommandLine) -> None:
    """Nothing else changes."""
    first, *rest = ids(undelivered)
    assert undelivered("db", "dead-letters", "--drop", str(first)).out == "1 dead letter deleted\n"
    assert ids(undelivered) == rest
    answer = checked(undelivered("db", "dead-letters", "--drop", "--all", "--json")).data
    assert (answer.dropped, answer.replayed) == (2, None)
    assert ids(undelivered) == []
    assert len(checked(undelivered("history", "--json")).data) == 5


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("--replay", "or `--replay --all`"),
        ("--drop --sink webhook", "or `--drop --all`"),
        ("--all", "add --replay or --drop"),
        ("1", "add --replay or --drop"),
        ("--replay --drop --all", "give one of them"),
        ("--replay --all 1", "give either"),
        ("--replay 1 999", "`jobkit db dead-letters` lists them"),
        ("--drop 1 --sink audit", "`jobkit db dead-letters` lists them"),
        ("--drop abc", "`jobkit db dead-letters` lists them"),
        ("--replay 0", "`jobkit db dead-letters` lists them"),
        ("--sink webhok", "did you mean 'webhook'?"),
        ("--sink zzz --replay --all", "`jobkit db status` lists the sinks"),
        ("--sink zzz --drop --all", "`jobkit db status` lists the sinks"),
    ],
)
def test_what_is_not_clear_is_refused(line: str, help: str, undelivered: CommandLine) -> None:
    """And nothing has changed: a deletion by mistake could not be undone."""
    before = ids(undelivered)
    ended = undelivered("db", "dead-letters", *line.split(), "--json")
    assert ended.code == 4
    [error] = checked(ended).errors
    assert help in (error.help or "")
    assert ids(undelivered) == before


def test_a_sink_is_forgotten(undelivered: CommandLine) -> None:
    """With what waits for it; its runs can be pruned from then on, and other sinks keep what is theirs."""
    for name in ("audit", "webhook"):
        answer = checked(undelivered("db", "forget-sink", name, "--json")).data
        # What is dead goes with its run, which is pruned as soon as nothing waits for it.
        assert (answer.sink, answer.waiting, answer.dead) == (name, 5 if name == "audit" else 1, 0)
        left = {sink.name: sink for sink in checked(undelivered("db", "status", "--json")).data.sinks}
        assert name not in left
        pruned = checked(undelivered("db", "prune", "--before", "now", "--json")).data.runs
        assert pruned == (4 if name == "audit" else 1)
    ended = undelivered("db", "forget-sink", "gone")
    assert (ended.code, ended.out) == (0, "forgot sink gone: 0 waiting results and 0 dead letters deleted\n")


@pytest.mark.parametrize("name", ["webhok", "zzz"])
def test_an_unknown_sink_cannot_be_forgotten(name: str, undelivered: CommandLine) -> None:
    """Exit code 4, with the closest name or where to look."""
    ended = undelivered("db", "forget-sink", name, "--json")
    assert ended.code == 4
    [error] = checked(ended).errors
    assert error.help == (
        "did you mean 'webhook'?" if name == "webhok"
        else "`jobkit db status` lists the sinks that results are kept for"
    )  # fmt: skip


def test_where_nothing_ran_no_sink_is_forgotten(cli: CommandLine) -> None:
    """And no store is made."""
    assert cli("db", "forget-sink", "webhook").code == 4
    assert not (cli.root / ".jobkit/jobkit.db").exists()


PLUGIN = """\
from pathlib import Path

from jobkit import Sink, hookimpl


class Picky(Sink):
    name = "picky"

    async def emit(self, run):
        if not Path("mended").exists():
            raise Sink.Reject("not like this")
        with Path("delivered.txt").open("a") as file:
            print(run.number, file=file)


@hookimpl
def jobkit_result_sinks(config):
    return [Picky()]
"""


def test_the_way_of_a_result_that_was_refused(cli: CommandLine) -> None:
    """A sink rejects it, somebody mends the sink and replays it, and the next run delivers both."""
    cli.file("hooks/picky.py", PLUGIN)
    cli.file(
        "extensions/web/jobs/work.py", "from jobkit import submit_job\n\n\n@submit_job\ndef work(ctx): ...\n"
    )
    assert cli("run", "work", fixed=False).code == 0
    [letter] = checked(cli("db", "dead-letters", "--json")).data.letters
    assert (letter.sink, letter.reason, letter.number) == ("picky", "rejected", 1)
    cli.file("mended", "")
    [found] = [each for each in checked(cli("doctor", "--json")).data if each.check == "sinks"]
    assert (found.status, found.message) == ("warn", "picky would not take 1 result")
    assert cli(*(found.help or "").split()[1:], "--replay", "--all").code == 0
    assert cli("run", "work", fixed=False).code == 0
    assert (cli.root / "delivered.txt").read_text() == "1\n2\n"
    assert ids(cli) == []


# -- screens ------------------------------------------------------------------------------------------

SCREENS = {"db-status-sinks": ["db", "status"], "db-dead-letters": ["db", "dead-letters"]}


@each_form
@pytest.mark.parametrize("name", SCREENS)
def test_screen(name: str, form: str, undelivered: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is shown in this form."""
    for variable, value in environ_of(form):
        monkeypatch.setenv(variable, value)
    encoding = "ascii" if "ascii" in form else "utf-8"
    ended = undelivered(*SCREENS[name], encoding=encoding)
    assert (ended.code, ended.err) == (0, "")

    def normalise(text: str) -> str:
        text = text.replace(str(undelivered.root), "/srv/shop")
        return re.sub(r"^(\W*(?:bytes|sqlite)\W+)[\d.]+$", r"\1…", text, flags=re.MULTILINE)

    check_screen(name, form, ended.out, normalise)
