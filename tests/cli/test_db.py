"""``db prune`` and ``db export``: what is forgotten, and what is taken out."""

from __future__ import annotations

import json

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked


def numbers(cli: CommandLine) -> list[int]:
    return [run.number for run in checked(cli("history", "--limit", "100", "--json")).data]


def test_prune_by_retention(shop: CommandLine) -> None:
    """Without --before, what [scheduler] retention no longer keeps goes; the rest stays."""
    everything = numbers(shop)
    kept = checked(shop("db", "prune", "--json")).data
    assert (kept.runs, kept.before) == (0, "2026-10-23T13:04:08Z")
    settings = (shop.root / "jobkit.toml").read_text(encoding="utf-8")
    shop.file("jobkit.toml", settings.replace("[scheduler]\n", '[scheduler]\nretention = "5d"\n'))
    planned = checked(shop("db", "prune", "--dry-run", "--json")).data
    assert planned.dry_run
    assert numbers(shop) == everything
    pruned = shop("db", "prune")
    assert pruned.code == 0
    assert f"deleted {planned.runs} runs that ended before" in pruned.out
    assert pruned.out.endswith("(retention 5d)\n")
    assert planned.runs == 7
    assert numbers(shop) == everything[: len(everything) - planned.runs]
    assert checked(shop("db", "prune", "--json")).data.runs == 0


def test_prune_before(shop: CommandLine) -> None:
    """--before takes what --since takes; what is not a time is refused, and nothing deleted."""
    everything = numbers(shop)
    assert shop("db", "prune", "--before", "last week").code == 4
    assert numbers(shop) == everything
    assert checked(shop("db", "prune", "--before", "now", "--json")).data.runs == len(everything)
    assert numbers(shop) == []


@pytest.mark.parametrize("line", ["db prune", "db prune --dry-run"])
def test_pruning_nothing_makes_no_store(cli: CommandLine, line: str) -> None:
    """Where nothing ever ran, nothing is made."""
    assert checked(cli(*line.split(), "--json")).data.runs == 0
    assert not (cli.root / ".jobkit/jobkit.db").exists()


def test_export_is_the_history(shop: CommandLine) -> None:
    """One JSON object per line, the same objects as ``history --json``, filters alike."""
    lines = shop("db", "export").out.splitlines()
    listed = shop("history", "--limit", "100", "--json").data
    assert [json.loads(line) for line in lines] == listed
    some = shop("db", "export", "--job", "ingest_content", "--since", "2h").out.splitlines()
    assert [json.loads(line)["number"] for line in some] == [
        run["number"] for run in shop("history", "--job", "ingest_content", "--since", "2h", "--json").data
    ]


def test_export_into_a_new_file(shop: CommandLine) -> None:
    """JK815: an existing file is kept to the byte; a new name, as its page says, works."""
    mine = shop.file("runs.jsonl", "mine\n")
    refused = shop("db", "export", "--output", "runs.jsonl")
    assert refused.code == 4
    assert "error[JK815]" in refused.err
    assert mine.read_text(encoding="utf-8") == "mine\n"
    answer = checked(shop("db", "export", "-o", "runs-2.jsonl", "--json")).data
    assert answer.path == "runs-2.jsonl"
    written = (shop.root / "runs-2.jsonl").read_text(encoding="ascii")
    assert written == shop("db", "export").out
    assert answer.runs == len(written.splitlines())


def test_a_failed_export_leaves_no_file(shop: CommandLine) -> None:
    """Half an export looks like a whole one: where the store cannot be read there is none."""
    (shop.root / ".jobkit/jobkit.db").write_bytes(b"not a database at all, whatever it is called")
    assert shop("db", "export", "-o", "runs.jsonl").code == 6
    assert not (shop.root / "runs.jsonl").exists()


def test_export_and_json_do_not_fit_on_one_stream(shop: CommandLine) -> None:
    """--json wants one object on stdout, and so do the lines: a usage error that says what to do."""
    ended = shop("db", "export", "--json")
    assert ended.code == 4
    assert checked(ended).errors[0].help == "leave --json away, or name a file with --output"


def test_an_address_of_an_unknown_kind(sound_shop: CommandLine) -> None:
    """JK604 is told once, with the line that holds the address; the jobs are listed all the same."""
    settings = (sound_shop.root / "jobkit.toml").read_text(encoding="utf-8")
    where = settings.splitlines().index("[scheduler]") + 2
    sound_shop.file(
        "jobkit.toml", settings.replace("[scheduler]\n", '[scheduler]\nstore = "mysql://u:secret@host/db"\n')
    )
    for verb in (["list"], ["show", "close_month"], ["history"], ["db", "status"], ["run", "close_month"]):
        ended = sound_shop(*verb)
        assert ended.code == 6, verb
        assert ended.err.count("JK604") == 1, verb
        assert f"jobkit.toml:{where}" in ended.err, verb
        assert "secret" not in ended.out + ended.err
    assert "close_month" in sound_shop("list").out
    answer = checked(sound_shop("list", "--json"))
    assert [(error.code, error.path, error.line) for error in answer.errors] == [
        ("JK604", "jobkit.toml", where)
    ]
    assert len(answer.data) == 5


def test_an_address_from_the_environment(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable has no line: it is named."""
    monkeypatch.setenv("JOBKIT__SCHEDULER__STORE", "mysql://host/db")
    [error] = checked(cli("history", "--json")).errors
    assert (error.code, error.path) == ("JK604", None)
    assert error.message.startswith("JOBKIT__SCHEDULER__STORE: ")


@pytest.mark.parametrize("line", ["--json db status", "db --json status", "db status --json"])
def test_global_options_before_between_and_behind(shop: CommandLine, line: str) -> None:
    """They are taken at every place of the line, also between a group and its verb."""
    answer = checked(shop(*line.split()))
    assert answer.data.pending == []
    folder = shop.root / "extensions"
    assert checked(shop("db", "-C", str(folder), "--json", "status")).data == answer.data
