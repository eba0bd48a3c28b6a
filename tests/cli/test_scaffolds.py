"""``init`` and ``new``: what they write works at once, and what was there stays as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked

FILES = [
    "extensions/example/jobs/hello.py",
    "tests/test_hello.py",
    "services/scheduler/config.toml",
    "jobkit.schema.json",
    ".gitignore",
    "jobkit.toml",
]


def pytest_in(cli: CommandLine, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the project's own tests as a process, as its developer would."""
    installed = any(entry.name == "jobkit" for entry in entry_points(group="pytest11"))
    plugin = [] if installed else ["-p", "jobkit.testing.plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin],
        cwd=folder,
        env=cli.environ(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def everything(root: Path) -> list[Path]:
    """Files and folders below *root*, but for what Python keeps of its own."""
    return sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts)


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in everything(root) if path.is_file()}


def test_from_an_empty_folder_to_a_tested_job(anywhere: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """init, check --strict, run, new job, and the generated tests: all as processes, all with success."""
    made = anywhere.process("init", "demo")
    assert (made.code, made.err) == (0, "")
    assert made.out.endswith("Next:\n  cd demo\n  jobkit check\n  jobkit run hello\n  python -m pytest\n")
    demo = CommandLine(anywhere.root / "demo", monkeypatch)
    for line in (
        ["check", "--strict"],
        ["run", "hello"],
        ["new", "job", "extensions/web/jobs/cleanup.py", "--schedule", "0 0 3 * * *"],
        ["new", "job", "extensions/web/jobs/submit_job.py"],
        ["check", "--strict"],
        ["run", "cleanup", "submit_job", "-p", "limit=4"],
    ):
        ended = demo.process(*line)
        assert ended.code == 0, ended.err
    assert [run.processed for run in checked(demo("history", "--json")).data] == [4, 4, 1]
    tested = pytest_in(demo, demo.root)
    assert tested.returncode == 0, tested.stdout
    assert "3 passed" in tested.stdout


@pytest.mark.parametrize("folder", ["demo", ".", "deep/er", "it's «ours»", 'a"b\\c'])
def test_any_folder_will_do(anywhere: CommandLine, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is called after its folder, whatever that is called, and is sound."""
    answer = checked(anywhere("init", folder, "--json")).data
    root = (anywhere.root / folder).resolve()
    assert answer.root == str(root)
    assert [(file.path, file.state) for file in answer.files] == [(name, "created") for name in FILES]
    there = CommandLine(root, monkeypatch)
    assert there("check", "--strict").code == 0
    assert there("db", "status").out.startswith(root.name)


def test_generated_files_refer_to_the_schema(anywhere: CommandLine) -> None:
    """The first line of each configuration file leads an editor to the schema, as it is printed now."""
    anywhere("init", "demo")
    root = anywhere.root / "demo"
    for name in ("jobkit.toml", "services/scheduler/config.toml"):
        mark, _, target = (root / name).read_text(encoding="utf-8").splitlines()[0].partition(" ")
        assert mark == "#:schema"
        schema = ((root / name).parent / target).resolve()
        assert schema.read_text(encoding="utf-8") == anywhere("-C", "demo", "config", "schema").out


def test_the_folder_may_be_named_by_the_global_option(anywhere: CommandLine, tmp_path: Path) -> None:
    """``-C DIR init NAME`` is the same as going there first."""
    (tmp_path / "there").mkdir()
    assert anywhere("-C", "there", "init", "demo").code == 0
    assert (tmp_path / "there/demo/jobkit.toml").exists()


def test_nothing_is_overwritten(anywhere: CommandLine) -> None:
    """What is there is kept to the byte, links included; the rest is made around it."""
    anywhere.file("tests/test_hello.py", "# mine\n")
    anywhere.file(".gitignore", "*.log\n")
    (anywhere.root / "services/scheduler").mkdir(parents=True)
    (anywhere.root / "services/scheduler/config.toml").symlink_to("nowhere.toml")
    before = contents(anywhere.root)
    answer = checked(anywhere("init", "--json")).data
    assert [file.path for file in answer.files if file.state == "kept"] == [*FILES[1:3], FILES[4]]
    assert answer.next[-1] == "echo .jobkit/ >> .gitignore"
    after = contents(anywhere.root)
    assert {name: after[name] for name in before} == before
    assert not (anywhere.root / "services/scheduler/nowhere.toml").exists()


def test_dry_run_writes_nothing(anywhere: CommandLine) -> None:
    """``--dry-run`` lists what would come, and what is there."""
    anywhere.file(".gitignore", ".jobkit/\n")
    before = everything(anywhere.root)
    answer = checked(anywhere("init", "--dry-run", "--json")).data
    assert answer.dry_run
    assert [file.state for file in answer.files] == [
        "planned",
        "planned",
        "planned",
        "planned",
        "kept",
        "planned",
    ]
    assert everything(anywhere.root) == before
    assert anywhere("init").code == 0
    before = everything(anywhere.root)
    planned = checked(anywhere("new", "job", "extensions/web/jobs/x.py", "--dry-run", "--json")).data
    assert [file.state for file in planned.files] == ["planned", "planned"]
    assert everything(anywhere.root) == before


@pytest.mark.parametrize(
    ("marker", "text"), [("jobkit.toml", "not [ toml"), ("pyproject.toml", "[tool.jobkit.project]\nname = 1")]
)
def test_a_project_is_not_made_twice(anywhere: CommandLine, marker: str, text: str) -> None:
    """JK810: a project's root is refused, broken or not; elsewhere below it a project can be made."""
    anywhere.file(marker, text)
    ended = anywhere("init")
    assert ended.code == 4
    assert f"error[JK810]: there is a project already: {anywhere.root} has a {marker}" in ended.err
    assert [path.name for path in anywhere.root.iterdir()] == [marker]
    assert anywhere("init", "demo").code == 0


def test_new_job_instead_of_a_second_init(anywhere: CommandLine) -> None:
    """The advice of JK810 works."""
    assert anywhere("init").code == 0
    assert "JK810" in anywhere("init").err
    assert anywhere("new", "job", "extensions/web/jobs/cleanup.py").code == 0


def test_what_the_system_refuses(anywhere: CommandLine) -> None:
    """JK813: one clear error; mended as its page says, the same command goes on."""
    blocker = anywhere.file("demo", "a file")
    ended = anywhere("init", "demo")
    assert ended.code == 4
    assert "error[JK813]: cannot be written: a file stands where a folder is needed" in ended.err
    blocker.rename(anywhere.root / "demo.txt")
    assert anywhere("init", "demo").code == 0


def test_a_read_only_folder(anywhere: CommandLine) -> None:
    """JK813 where nothing may be written, without a trace left."""
    locked = anywhere.root / "locked"
    locked.mkdir(mode=0o555)
    ended = anywhere.process("init", "locked/demo", unprivileged=True)
    assert ended.code == 4
    assert "Permission denied" in ended.err
    assert "Traceback" not in ended.err
    locked.chmod(0o755)
    assert anywhere.process("init", "locked/demo", unprivileged=True).code == 0


def test_a_generous_mask_makes_no_unsafe_files(anywhere: CommandLine) -> None:
    """Job files that everybody may write to are not executed, so none is made."""
    before = os.umask(0)
    try:
        assert anywhere("init", "demo").code == 0
    finally:
        os.umask(before)
    assert anywhere("-C", "demo", "check", "--strict").code == 0


@pytest.mark.parametrize(
    "path",
    ["web/jobs/x.py", "x", "extensions/x.py", "extensions/web/jobs/deep/x.py", "../x.py", "/x.py", "/"],
)
def test_only_where_jobs_are_found(cli: CommandLine, path: str) -> None:
    """JK812: a file that would never be collected is not made; the path that is offered works."""
    ended = cli("new", "job", path)
    assert ended.code == 4
    assert "error[JK812]" in ended.err
    [advice] = [line for line in ended.err.splitlines() if "help:" in line]
    assert cli(*advice.partition("jobkit ")[2].split()).code == 0
    assert cli("check", "--strict").code == 0


@pytest.mark.parametrize("name", ["import", "Cleanup", "2nd", "_private", "conftest", "a__b", "grün", "a b"])
def test_names_are_checked_first(cli: CommandLine, name: str) -> None:
    """JK814 (or JK812, for a file that is no job file): nothing is written for a name that does not do."""
    ended = cli("new", "job", f"extensions/web/jobs/{name}.py")
    assert ended.code == 4
    assert "error[JK814]" in ended.err or "error[JK812]" in ended.err
    assert not (cli.root / "extensions").exists()
    assert cli("new", "job", "extensions/web/jobs/import_job.py").code == 0


def test_a_name_that_is_taken(shop: CommandLine) -> None:
    """JK814: by a job of another file, or by one that a broken file used to hold."""
    for name in ("close_month", "prerender-site"):
        ended = shop("new", "job", f"extensions/shop/jobs/{name}.py")
        assert ended.code == 4
        assert "error[JK814]: there is a job called" in ended.err
    assert shop("list").code == 0
    shop.file("extensions/web/jobs/prerender.py", "import nonsense_that_is_not_there\n")
    assert "JK814" in shop("new", "job", "extensions/shop/jobs/prerender_site.py").err
    assert shop("new", "job", "extensions/shop/jobs/prerender.py").code == 0


def test_an_existing_job_file_is_kept(cli: CommandLine) -> None:
    """JK811: neither the job nor its test is overwritten, and not one of them made alone."""
    cli.file("tests/test_cleanup.py", "# mine\n")
    ended = cli("new", "job", "extensions/web/jobs/cleanup.py")
    assert ended.code == 4
    assert "error[JK811]: tests/test_cleanup.py exists already" in ended.err
    assert not (cli.root / "extensions").exists()
    assert cli("new", "job", "extensions/web/jobs/cleanup_sessions.py").code == 0
    assert "JK811" in cli("new", "job", "extensions/web/jobs/cleanup_sessions").err


@pytest.mark.parametrize("schedule", ["every 5m", "@daily", "at 2027-01-01T00:00:00Z", "0 0 H * * *"])
def test_every_kind_of_schedule(cli: CommandLine, schedule: str) -> None:
    """The schedule that was asked for is the one of the job."""
    assert cli("new", "job", "extensions/web/jobs/x.py", "--schedule", schedule).code == 0
    [job] = checked(cli("list", "--json")).data
    assert (job.name, job.schedule, job.error) == ("x", schedule, None)


def test_a_wrong_schedule_is_refused_first(cli: CommandLine) -> None:
    """A schedule that does not parse is usage, and nothing is written."""
    ended = cli("new", "job", "extensions/web/jobs/x.py", "--schedule", "0 3 * * *")
    assert ended.code == 4
    assert "error[JK302]" in ended.err
    assert not (cli.root / "extensions").exists()


def test_names_with_control_characters_reach_no_terminal(anywhere: CommandLine) -> None:
    """A folder's name is shown with its controls escaped, as everything else is."""
    made = anywhere("init", "odd\x1b[31m\nname")
    assert made.code == 0
    job = anywhere("-C", "odd\x1b[31m\nname", "new", "job", "extensions/a\x1bb/jobs/x.py")
    assert job.code == 0
    refused = anywhere("init", "odd\x1b[31m\nname")
    assert refused.code == 4
    for ended in (made, job, refused):
        assert "\x1b" not in ended.out + ended.err
    assert "\\x1b" in made.out


def test_paths_from_inside_the_project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may start at the root or at the folder that one is in."""
    inside = cli.root / "extensions/web/jobs"
    inside.mkdir(parents=True)
    here = CommandLine(inside, monkeypatch)
    assert here("new", "job", "one.py").code == 0
    assert here("new", "job", "extensions/web/jobs/two.py").code == 0
    assert sorted(path.name for path in inside.iterdir() if path.is_file()) == ["one.py", "two.py"]
    assert (cli.root / "tests/test_one.py").exists()
