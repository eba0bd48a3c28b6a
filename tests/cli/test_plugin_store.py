"""A run store that a plugin provides: every verb reads and writes the same runs there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

PLUGIN = """\
import dataclasses

from jobkit import hookimpl
from jobkit.exceptions import StoreError
from jobkit.stores.opening import store_of


class Proxy:
    \"\"\"The store behind the address, under another one.\"\"\"

    def __init__(self, store):
        self._store = store

    @property
    def url(self):
        return "proxy:" + self._store.url

    async def __aenter__(self):
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *facts):
        return await self._store.__aexit__(*facts)

    def __getattr__(self, name):
        return getattr(self._store, name)


for name in ("add_run", "finish", "runs"):  # what a store must have is looked for at the object

    def forward(self, *given, _name=name, **named):
        return getattr(self._store, _name)(*given, **named)

    setattr(Proxy, name, forward)


@hookimpl
def jobkit_store(url, config):
    kind, _, address = url.partition(":")
    if kind != "proxy":
        return None
    if "wrong" in address:
        raise StoreError("the proxy does not answer", help="start the proxy")
    inner = dataclasses.replace(
        config, scheduler=dataclasses.replace(config.scheduler, store=address)
    )
    return Proxy(store_of(inner, read_only=config.read_only))
"""
SETTINGS = '[project]\nname = "shop"\n\n[scheduler]\nstore = "proxy:sqlite:///data/runs.db"\n'
JOB = """\
from jobkit import submit_job


@submit_job(schedule="0 0 3 * * *", tags=["nightly"])
def work(ctx):
    ctx.log.info("at work")


@submit_job
def fail(ctx):
    raise ValueError("no luck")
"""


@pytest.fixture
def proxied(cli: CommandLine) -> CommandLine:
    """A project whose runs are kept by a plugin's store; two have ended."""
    cli.file("jobkit.toml", SETTINGS)
    cli.file("hooks/proxy.py", PLUGIN)
    cli.file("extensions/web/jobs/work.py", JOB)
    assert cli("run", "work", "--json").code == 0, cli("run", "work").err
    assert cli("run", "fail", "--json").code == 1
    return cli


def test_runs_are_written_there(proxied: CommandLine) -> None:
    """And nowhere else."""
    assert (proxied.root / "data/runs.db").exists()
    assert not (proxied.root / ".jobkit/jobkit.db").exists()


def test_history_and_statistics_read_there(proxied: CommandLine) -> None:
    """The same runs, whichever verb shows them."""
    history = checked(proxied("history", "--json")).data
    assert [(run.number, run.job, run.status) for run in history] == [
        (2, "fail", "failed"), (1, "work", "succeeded"),
    ]  # fmt: skip
    assert {each.job: each.runs for each in checked(proxied("stats", "--json")).data} == {
        "fail": 1,
        "work": 1,
    }
    failed = checked(proxied("history", "--status", "failed", "--json")).data
    assert [run.number for run in failed] == [2]


def test_logs_read_there(proxied: CommandLine) -> None:
    """Lines, and the run that they belong to."""
    logs = checked(proxied("logs", "1", "--json")).data
    assert (logs.run.number, [line.event for line in logs.lines]) == (1, ["at work"])
    assert checked(proxied("logs", "last", "--json")).data.run.number == 2


def test_list_and_show_read_there(proxied: CommandLine) -> None:
    """The last run of each job."""
    jobs = {job.name: job for job in checked(proxied("list", "--json")).data}
    assert {name: job.last_run.number for name, job in jobs.items()} == {"work": 1, "fail": 2}
    shown = checked(proxied("show", "fail", "--json")).data
    assert [run.number for run in shown.runs] == [2]


def test_run_failed_reads_there(proxied: CommandLine) -> None:
    """What failed last is chosen from it."""
    ended = proxied("run", "--failed", "--json")
    assert [(run.job, run.number) for run in checked(ended).data] == [("fail", 3)]


def test_db_looks_after_it(proxied: CommandLine) -> None:
    """Status, upgrade, export, prune and dead letters."""
    for verb in ("status", "upgrade"):
        answer = checked(proxied("db", verb, "--json")).data
        assert answer.store.startswith("proxy:sqlite:"), verb
        assert (answer.pending, answer.sinks) == ([], [])
    assert len(proxied("db", "export").out.splitlines()) == 2
    assert checked(proxied("db", "dead-letters", "--json")).data.letters == []
    pruned = checked(proxied("db", "prune", "--before", "2030-01-01", "--json")).data
    assert pruned.runs == 2
    assert checked(proxied("history", "--json")).data == []


def test_doctor_looks_at_it(proxied: CommandLine) -> None:
    """By its own address, and nothing about it fails."""
    findings = checked(proxied("doctor", "--json", fixed=False)).data
    assert [each.message for each in findings if each.status == "fail"] == []
    stores = [each.message for each in findings if each.check == "store"]
    assert stores[0].startswith("proxy:sqlite:")
    assert "its tables are current" in stores[0]


@pytest.mark.parametrize(
    "words",
    [("config", "show"), ("config", "explain", "scheduler.store"), ("config", "explain", "work")],
    ids=" ".join,
)
def test_the_configuration_is_shown_beside_tables_of_plugins(
    proxied: CommandLine, words: tuple[str, ...]
) -> None:
    """The plugins are loaded for their tables once, and not for the store besides, which nobody opens."""
    proxied.file("jobkit.toml", SETTINGS + '\n[plugins.sqlite]\nurl = "sqlite:///data/shop.db"\n')
    shown = proxied(*words)
    assert shown.code == 0, shown.err


def test_jobs_are_switched_as_ever(proxied: CommandLine) -> None:
    """That is kept in a file, whichever store there is."""
    assert proxied("disable", "work").code == 0
    [work] = [job for job in checked(proxied("list", "--json")).data if job.name == "work"]
    assert not work.enabled
    assert proxied("enable", "work").code == 0


def test_reading_makes_nothing(cli: CommandLine) -> None:
    """The plugin is told so: ``config.read_only``."""
    cli.file("jobkit.toml", SETTINGS)
    cli.file("hooks/proxy.py", PLUGIN)
    for line in ("history", "list", "db status", "db dead-letters", "doctor", "stats"):
        assert cli(*line.split()).code == 0, line
    assert not (cli.root / "data").exists()


@pytest.mark.parametrize(
    "line", ["history", "logs last", "stats", "db status", "db dead-letters", "run work"]
)
def test_an_error_of_the_plugins_store_is_the_users_to_see(line: str, proxied: CommandLine) -> None:
    """Exit code 6, in the plugin's own words."""
    proxied.file("jobkit.toml", SETTINGS.replace("sqlite:", "wrong:"))
    ended = proxied(*line.split())
    assert ended.code == 6
    assert "the proxy does not answer" in ended.err
    assert "start the proxy" in ended.err


@pytest.mark.parametrize("line", ["history", "db status", "doctor", "list", "run work"])
def test_without_its_plugin_the_store_is_unknown(line: str, proxied: CommandLine) -> None:
    """Which is said, not hidden behind an empty history."""
    ended = proxied(*line.split(), "--plugin", "no:proxy")
    assert ended.code == (1 if line == "doctor" else 6)
    assert "there is no kind of run store called 'proxy'" in ended.err + ended.out


def test_programs_of_their_own_read_there(proxied: CommandLine, tmp_path: Path) -> None:
    """Not only what shares this process."""
    ended = proxied.process("history", "--json")
    assert (ended.code, [run["number"] for run in ended.data]) == (0, [2, 1]), ended.err


REMARKS = """
    async def remarks(self):
        from jobkit.plugin.stores import Remark

        return [
            Remark("server", "it is well"),
            Remark("waking", "nobody is heard", "warning", "unplug the pooler"),
            Remark("rights", "nothing can be written", "error", "ask the owner"),
        ]

    async def schema(self):
        return dataclasses.replace(await self._store.schema(), by_hand=True)

    def __getattr__"""


def test_what_a_store_says_of_its_surroundings(cli: CommandLine) -> None:
    """Doctor and `db status` show it; tables that wait for an upgrade by hand are a failure."""
    cli.file("hooks/proxy.py", PLUGIN.replace("\n    def __getattr__", REMARKS, 1))
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[scheduler]\nstore = "proxy:sqlite:///runs.db"\n')
    for expected in ("has no tables yet", "its tables are current"):
        ended = cli("doctor", "--json")
        assert ended.code == 1
        found = {(each.check, each.status): each for each in checked(ended).data}
        assert found["server", "ok"].message == "it is well"
        assert found["waking", "warn"].help == "unplug the pooler"
        assert found["rights", "fail"].message == "nothing can be written"
        state = "fail" if expected == "has no tables yet" else "ok"
        said = [each.message for each in checked(ended).data if (each.check, each.status) == ("store", state)]
        assert any(expected in message for message in said)
        status = cli("db", "status")
        assert "nobody is heard" in status.out
        assert "help: unplug the pooler" in status.out
        assert cli("db", "upgrade").code == 0


def test_doctor_does_not_blame_the_store_for_the_plugins(proxied: CommandLine) -> None:
    """A table of a plugin that is misspelt keeps all plugins from being loaded: that is the cause."""
    proxied.file("jobkit.toml", f"{SETTINGS}\n[plugins.proxi]\nsize = 1\n")
    findings = checked(proxied("doctor", "--json")).data
    assert any("proxi" in each.message and each.status == "fail" for each in findings)
    [store] = [each for each in findings if each.check == "store"]
    assert store.status == "warn"
    assert "the plugins could not be loaded" in store.message
