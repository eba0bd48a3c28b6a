"""``list``, ``show``, ``check``: what they answer, and that broken files harm nobody else."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.shop import BROKEN, JOBS


def test_list_as_data(shop: CommandLine) -> None:
    """Every job, with what is in force, when it runs next, how it ran last; broken files in errors."""
    answer = checked(shop("list", "--json"))
    jobs = {job.name: job for job in answer.data}
    assert [job.name for job in answer.data] == sorted(jobs)
    assert len(jobs) == 5

    cleanup = jobs["cleanup_old_records"]
    assert cleanup.schedule == "0 0 3 * * *"
    assert cleanup.timezone == "Europe/Berlin"
    assert cleanup.scheduled
    assert cleanup.next_run_at == "2026-11-23T02:00:00Z"
    assert cleanup.source == "extensions/web/jobs/cleanup.py:9"
    assert cleanup.tags == ["nightly", "retention"]
    assert cleanup.last_run.number == 12
    assert cleanup.error is None

    invoices = jobs["send_invoices"]
    assert (invoices.enabled, invoices.scheduled, invoices.next_run_at) == (False, False, None)
    assert invoices.enabled_by.endswith("jobkit.toml:8")

    prerender = jobs["prerender_site"]
    assert (prerender.schedule, prerender.scheduled, prerender.enabled) == ("", False, True)
    assert prerender.enabled_by.endswith(prerender.source)
    assert jobs["close_month"].last_run is None

    assert sorted((error.path, error.line) for error in answer.errors) == [
        ("extensions/billing/jobs/export.py", 7),
        ("extensions/web/jobs/sitemap.py", 3),
    ]


@pytest.mark.parametrize(
    ("selection", "names"),
    [
        (["close_month"], {"close_month"}),
        (["close_month", "send_*"], {"close_month", "send_invoices"}),
        (["extensions/web"], {"cleanup_old_records", "ingest_content", "prerender_site"}),
        (["extensions/web/jobs/ingest.py"], {"ingest_content"}),
        (["extensions/web/jobs/ingest.py::ingest_content"], {"ingest_content"}),
        (["--tag", "content"], {"ingest_content", "prerender_site"}),
        (["--tag", "content and not slow"], {"ingest_content"}),
        (["--ext", "billing"], {"close_month", "send_invoices"}),
        (
            ["--ext", "billing", "--ext", "web", "-k", "CLEAN or month"],
            {"cleanup_old_records", "close_month"},
        ),
        (["-k", "invoices.py"], {"send_invoices"}),
        (["extensions/web", "--tag", "slow"], {"prerender_site"}),
    ],
)
def test_selection(shop: CommandLine, selection: list[str], names: set[str]) -> None:
    """Terms add up, options narrow down."""
    assert {job.name for job in checked(shop("list", *selection, "--json")).data} == names


@pytest.mark.parametrize("selection", [["--tag", "nightli"], ["--ext", "wep"], ["no_*"], ["-k", "xyz"]])
def test_nothing_selected(shop: CommandLine, selection: list[str]) -> None:
    """JK803: exit code 5, and the closest word where one was mistyped."""
    ended = shop("list", *selection, "--json")
    assert ended.code == 5
    answer = checked(ended)
    assert answer.data == []
    assert answer.errors[-1].code == "JK803"
    if "nightli" in selection:
        assert answer.errors[-1].help == "did you mean 'nightly'?"
        assert shop("list", "--tag", "nightly").code == 0


def test_a_bad_expression_is_usage(shop: CommandLine) -> None:
    """JK805 comes through the command line with exit code 4; as its page says, it is mended."""
    ended = shop("list", "--tag", "nightly retention")
    assert ended.code == 4
    assert "JK805" in ended.err
    assert shop("list", "--tag", "nightly and retention").code == 0


@pytest.mark.parametrize("verb", ["show", "list", "run"])
def test_an_unknown_job_names_the_closest(shop: CommandLine, verb: str) -> None:
    """JK802 with exit code 4; the name that is offered exists."""
    ended = shop(verb, "close_mont")
    assert ended.code == 4
    assert "error[JK802]: there is no job 'close_mont'" in ended.err
    assert "did you mean 'close_month'?" in ended.err
    assert ended.out == ""
    assert shop("show", "close_month").code == 0


def test_a_path_that_does_not_exist_is_usage(shop: CommandLine) -> None:
    """A file or folder must be there; a job named with a path must be in it."""
    assert shop("list", "extensions/web/jobs/nowhere.py").code == 4
    wrong = shop("list", "extensions/web::close_month")
    assert wrong.code == 4
    assert "extensions/billing/jobs/month.py" in wrong.err


def test_a_broken_file_that_is_selected_is_what_is_wrong(shop: CommandLine) -> None:
    """Asked for the broken file itself, its error is the answer, with exit code 2."""
    ended = shop("list", "extensions/web/jobs/sitemap.py")
    assert ended.code == 2
    assert "ModuleNotFoundError" in ended.err


def test_a_job_that_a_broken_file_held_is_not_unknown(shop: CommandLine) -> None:
    """Once collected, then broken: the file's error is shown instead, with exit code 2."""
    assert shop("list").code == 0
    shop.file("extensions/billing/jobs/month.py", "import nothing_like_this\n")
    for verb in ("show", "run"):
        ended = shop(verb, "close_month")
        assert "nothing_like_this" in ended.err
        assert ended.code == 2


def test_what_a_broken_file_says_is_not_made_up(sound_shop: CommandLine) -> None:
    """Parameters and services are not known while it is broken; the file and its job are one error."""
    assert sound_shop("list").code == 0
    sound_shop.file("extensions/billing/jobs/month.py", "import nothing_like_this\n")
    listed = sound_shop("list")
    assert "close_month" in listed.out
    assert "1 error" in listed.out
    assert "2 errors" not in listed.out
    shown = sound_shop("show", "close_month")
    assert shown.out.count("not known while the file is broken") == 2
    assert "**parameters" not in shown.out


def test_show_as_data(shop: CommandLine) -> None:
    """Everything about a job: parameters, policies, who decided what, recent runs."""
    job = checked(shop("show", "cleanup_old_records", "--json")).data
    assert [
        (each.name, each.type, each.default, each.required, each.configured) for each in job.parameters
    ] == [
        ("retention_days", "int", 30, False, 60),
        ("table", "str", "logs", False, None),
    ]
    assert (job.policies.timeout, job.policies.retries, job.policies.retry_delay) == ("10m", 2, "30s")
    assert job.origins["schedule"].path == "extensions/web/jobs/cleanup.py"
    assert [run.number for run in job.runs] == list(range(12, 0, -1))
    required = checked(shop("show", "prerender_site", "--json")).data.parameters[0]
    assert (required.name, required.required, required.default) == ("pages", True, None)


def test_show_of_a_secret_parameter_tells_nothing(cli: CommandLine) -> None:
    """Neither default nor configured value of a secret is shown anywhere."""
    cli.file(
        "extensions/a/jobs/a.py",
        "from jobkit import submit_job\n@submit_job\ndef call(ctx, *, api_key: str = 'k-default-1'): ...\n",
    )
    cli.file("jobkit.toml", '[jobs.call]\nparameters = { api_key = "k-configured-2" }\n')
    for arguments in (["show", "call"], ["show", "call", "--json"], ["run", "call", "--dry-run", "--json"]):
        ended = cli(*arguments)
        assert ended.code == 0, ended.err
        assert "k-default-1" not in ended.out + ended.err
        assert "k-configured-2" not in ended.out + ended.err
    checked(cli("show", "call", "--json"))


def test_check_finds_what_is_wrong(shop: CommandLine) -> None:
    """Exit code 2, every error with its place, in text and as data."""
    ended = shop("check")
    assert ended.code == 2
    assert "extensions/billing/jobs/export.py:7" in ended.out
    assert "extensions/web/jobs/sitemap.py:3" in ended.out
    assert "5 jobs, 2 errors in" in ended.out
    answer = checked(shop("check", "--json"))
    assert answer.data.ok is False
    assert len(answer.errors) == 2


def test_check_of_a_sound_project(sound_shop: CommandLine) -> None:
    """Exit code 0."""
    ended = sound_shop("check")
    assert ended.code == 0, ended.out
    assert "5 jobs, no errors in" in ended.out
    assert checked(sound_shop("check", "--json")).data.ok


def test_check_touches_nothing(cli: CommandLine) -> None:
    """Not a file, not a folder is made, not even the store."""
    cli.file("extensions/web/jobs/ingest.py", JOBS["web/jobs/ingest.py"])
    before = {path for path in cli.root.rglob("*") if "__pycache__" not in path.parts}
    assert cli("check").code == 0
    assert {path for path in cli.root.rglob("*") if "__pycache__" not in path.parts} == before


def doubtful(cli: CommandLine) -> None:
    """A project with one warning: a file that registers nothing."""
    cli.file("extensions/web/jobs/ingest.py", JOBS["web/jobs/ingest.py"])
    cli.file("extensions/web/jobs/helper.py", "x = 1\n")


def test_strict_makes_warnings_errors(cli: CommandLine) -> None:
    """``check`` tells of a warning and passes; with --strict it fails, before the verb or after it."""
    doubtful(cli)
    loose = cli("check")
    assert loose.code == 0
    assert "warning[JK" in loose.out
    assert cli("check", "--strict").code == cli("--strict", "check").code == 2
    assert len(checked(cli("check", "--strict", "--json")).errors) == 1


def test_a_schedule_with_both_day_fields_is_remarked_on(cli: CommandLine) -> None:
    """JK317 quotes both fields and the rule that holds; with `*` in one, as its page says, it is gone."""
    job = "from jobkit import submit_job\n\n@submit_job(schedule='0 0 6 {day} * 1')\ndef report(ctx): ...\n"
    cli.file("extensions/web/jobs/report.py", job.format(day="1"))
    ended = cli("check")
    assert ended.code == 0
    assert "warning[JK317]" in ended.out
    assert "either may match" in ended.out
    cli.file("extensions/web/jobs/report.py", job.format(day="*"))
    assert "JK317" not in cli("check").out


def test_strict_stops_other_verbs(cli: CommandLine) -> None:
    """JK807: with --strict nothing is done while anything is wrong; mended, or without it, it is."""
    doubtful(cli)
    ended = cli("list", "--strict")
    assert ended.code == 2
    assert "error[JK807]: --strict: 1 problem" in ended.err
    assert cli("list").code == 0
    (cli.root / "extensions/web/jobs/helper.py").rename(cli.root / "extensions/web/jobs/_helper.py")
    assert cli("list", "--strict").code == 0


def test_configuration_errors_are_all_shown(shop: CommandLine) -> None:
    """Exit code 6, one block for each, and one object with each."""
    shop.file("jobkit.toml", '[project]\nnam = "x"\n\n[scheduler]\nunlisted = "sometimes"\n')
    for verb in ("check", "list", "history"):
        ended = shop(verb)
        assert ended.code == 6
        assert ended.err.count("error[JK2") == 2
        answer = json.loads(shop(verb, "--json").out)
        assert [(error["path"], error["line"]) for error in answer["errors"]] == [
            ("jobkit.toml", 2),
            ("jobkit.toml", 5),
        ]


def test_an_empty_project_says_what_to_do(cli: CommandLine) -> None:
    """No jobs is no error."""
    ended = cli("list")
    assert ended.code == 0
    assert "extensions/<name>/jobs/" in ended.out
    assert checked(cli("list", "--json")).data == []


def test_a_job_with_an_error_is_listed_with_it(sound_shop: CommandLine) -> None:
    """A bad value in configuration harms its own job: listed, not scheduled, the reason below the table."""
    cli = sound_shop
    cli.file("jobkit.toml", '[jobs.close_month]\nschedule = "0 3 * * *"\n')
    [job] = [job for job in checked(cli("list", "--json")).data if job.error is not None]
    assert (job.name, job.scheduled, job.next_run_at) == ("close_month", False, None)
    assert (job.error.path, job.error.line) == ("jobkit.toml", 2)
    shown = cli("list")
    assert shown.code == 0
    assert "jobkit.toml:2" in shown.out
    assert cli("check").code == 2
    assert "jobkit.toml:2" in cli("show", "close_month").out


def test_a_read_only_project_can_be_looked_at(shop: CommandLine) -> None:
    """Nothing has to be writable for list, show, check, history, logs."""
    folders = [shop.root, *(path for path in shop.root.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        for verb in (["list"], ["show", "close_month"], ["check"], ["history"], ["logs", "last"]):
            ended = shop.process(*verb, unprivileged=True)
            assert ended.code == (2 if verb == ["check"] else 0), ended.err
        assert shop.process("run", "close_month", unprivileged=True).code == 6
    finally:
        for folder in folders:
            folder.chmod(stat.S_IRWXU)


def test_a_store_that_cannot_be_used_still_lets_jobs_be_listed(shop: CommandLine) -> None:
    """The jobs are shown, the store's error is told, and the exit code is 6; nothing is said of what ran."""
    (shop.root / ".jobkit" / "jobkit.db").write_bytes(b"this is no database, and never was" * 100)
    for stray in Path(shop.root / ".jobkit").glob("jobkit.db-*"):
        stray.unlink()
    ended = shop("list", "--json")
    assert ended.code == 6
    answer = checked(ended)
    assert len(answer.data) == 5
    assert any(error.code.startswith("JK6") for error in answer.errors)
    assert shop("history").code == 6
    assert "never" not in shop("list").out
    assert "not known: the store cannot be used" in shop("show", "close_month").out
    assert "Nothing ran" not in shop("timeline").out


def test_what_job_files_print_is_not_the_answer(cli: CommandLine) -> None:
    """print, descriptor 1, a closed stdout: with --json there is one object, without it the table."""
    for number, line in enumerate(
        ["print('{}')", "import os; os.write(1, b'{}')", "import sys; sys.stdout.close()",
         "import sys; sys.stdout = None", "import os; os.close(1)",
         "import subprocess as s; s.run(['echo', '{}'])"]
    ):  # fmt: skip
        cli.file(
            f"extensions/a/jobs/job{number}.py",
            f"{line}\nfrom jobkit import submit_job\n@submit_job\ndef job{number}(ctx): ...\n",
        )
    ended = cli.process("list", "--json")
    assert ended.code == 0, ended.err
    assert len(checked(ended).data) == 6
    assert "{}" not in cli.process("list").out


def test_no_name_can_steer_the_terminal(cli: CommandLine) -> None:
    """A file's name may hold anything; on a screen it is only text, coloured or not."""
    text = "from jobkit import submit_job\n@submit_job\ndef job(ctx): ...\n"
    cli.file("extensions/a/jobs/x\x1b[31m\x07\u202ey.py", text)
    for arguments in (["show", "job"], ["check"], ["list"], ["run", "job"]):
        for tty in (False, True):
            ended = cli(*arguments, tty=tty)
            shown = re.sub(r"\x1b\[[\d;]*[mK]", "", ended.out + ended.err) if tty else ended.out + ended.err
            assert not any(sign in shown for sign in "\x1b\x07\u202e"), arguments


def test_broken_files_are_those_of_the_shop() -> None:
    """The fixture is what the tests above say it is."""
    assert len(BROKEN) == 2
