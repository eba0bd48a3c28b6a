"""``new service``, ``new sink``, ``new plugin``: what they write works at once, what was there stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.harness import CommandLine
from tests.cli.shapes import checked
from tests.cli.test_scaffolds import contents as everything_in
from tests.cli.test_scaffolds import pytest_in

ROOT = Path(__file__).parents[2]

JOB = """
from jobkit import JobResult, submit_job

@submit_job
def says(ctx, {name}):
    return JobResult.success({name}.answer("ready?"))
"""

FILES = [
    "src/jobkit_acme/plugin.py",
    "src/jobkit_acme/greeter.py",
    "src/jobkit_acme/guestbook.py",
    "src/jobkit_acme/settings.py",
    "src/jobkit_acme/__init__.py",
    "src/jobkit_acme/py.typed",
    "tests/test_plugin.py",
    "README.md",
    "pyproject.toml",
]


def contents(root: Path) -> dict[str, bytes]:
    """The files below *root*, but for what jobkit remembers there."""
    return {name: data for name, data in everything_in(root).items() if not name.startswith(".jobkit/")}


def tool(folder: Path, *words: str) -> None:
    """Assert that a tool has nothing to say about *folder*, whatever the project around is set to."""
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def types(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An option of mypy: what it has found out about jobkit and the library is kept for the next test."""
    return f"--cache-dir={tmp_path_factory.mktemp('types')}"


# -- files of a project -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "path", "name", "plugin"),
    [
        ("service", "hooks/stock.py", "stock", "stock"),
        ("service", "hooks/order-mail", "order_mail", "order-mail"),
        ("service", "extensions/web/hooks.py", "web", "web.hooks"),
        ("sink", "hooks/audit.py", "audit", "audit"),
        ("sink", "extensions/web/hooks.py", "web", "web.hooks"),
    ],
)
def test_it_works_at_once(cli: CommandLine, kind: str, path: str, name: str, plugin: str, types: str) -> None:
    """The project is sound with it, its test passes, and so do style and types."""
    cli.file(
        "extensions/web/jobs/clean.py",
        "from jobkit import submit_job\n\n\n@submit_job\ndef clean(ctx): ...\n",
    )
    answer = checked(cli("new", kind, path, "--json")).data
    assert (getattr(answer, kind), answer.plugin) == (name, plugin)
    file = path if path.endswith(".py") else f"{path}.py"
    assert [each.path for each in answer.files] == [file, f"tests/test_{name}_{kind}.py"]
    assert cli("check", "--strict").code == 0
    listed = {info["name"]: info["hooks"] for info in cli("plugins", "--json").data}
    assert listed[plugin] == ["jobkit_services" if kind == "service" else "jobkit_result_sinks"]
    tested = pytest_in(cli, cli.root)
    assert tested.returncode == 0, tested.stdout
    tool(cli.root, "ruff", "check", "--isolated", "--select", "E,F,W,I,B,UP", "--line-length", "110")
    tool(cli.root, "ruff", "format", "--isolated", "--check", "--line-length", "110")
    tool(cli.root, "mypy", "--strict", "--config-file=", types, file)


@pytest.mark.parametrize(("path", "name"), [("hooks/stock.py", "stock"), ("extensions/web/hooks.py", "web")])
def test_jobs_get_the_new_service(cli: CommandLine, path: str, name: str) -> None:
    """By name, in a real run."""
    assert cli("new", "service", path).code == 0
    cli.file("extensions/web/jobs/says.py", JOB.format(name=name))
    assert cli("run", "says").code == 0
    [run] = checked(cli("history", "--json")).data
    assert run.message == f"{name} was asked: ready?"


def test_the_new_sink_gets_every_result(cli: CommandLine) -> None:
    """A line for each run, from the first one on."""
    assert cli("new", "sink", "hooks/audit.py").code == 0
    assert cli("new", "job", "extensions/web/jobs/cleanup.py").code == 0
    for _ in range(2):
        assert cli("run", "cleanup").code == 0
    lines = (cli.root / ".jobkit/audit.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["job"] for line in lines] == ["cleanup", "cleanup"]


@pytest.mark.parametrize("kind", ["service", "sink"])
@pytest.mark.parametrize(
    "path",
    ["stock.py", "hooks/deep/stock.py", "hooks/_stock.py", "extensions/web/stock.py", "../hooks/a.py", "/"],
)
def test_only_where_plugins_are_found(cli: CommandLine, kind: str, path: str) -> None:
    """JK812: a file that would never be loaded is not made; the path that is offered is a right one."""
    before = contents(cli.root)
    ended = cli("new", kind, path)
    assert ended.code == 4
    assert "error[JK812]: a plugin's file is hooks/<file>.py or" in ended.err
    assert contents(cli.root) == before


def test_the_advice_of_a_wrong_place_works(cli: CommandLine) -> None:
    """The line behind ``help`` can be typed as it stands."""
    ended = cli("new", "service", "services/stock.py")
    [advice] = [line for line in ended.err.splitlines() if "help:" in line]
    assert cli(*advice.partition("jobkit ")[2].split()).code == 0


@pytest.mark.parametrize("name", ["import", "Stock", "2nd", "a__b", "grün", "a b", "x" * 60])
def test_names_are_checked_first(cli: CommandLine, name: str) -> None:
    """JK814: nothing is written for a name that a parameter, or a class, could not have."""
    before = contents(cli.root)
    ended = cli("new", "service", f"hooks/{name}.py")
    assert ended.code == 4
    assert "error[JK814]" in ended.err
    assert contents(cli.root) == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["service", "hooks/clock.py"], "there is a service called 'clock' already"),
        (["service", "hooks/local.py"], "there is a plugin called 'local' already"),
    ],
)
def test_a_name_that_is_taken(cli: CommandLine, line: list[str], told: str) -> None:
    """JK814: by a service, or by a plugin, of jobkit too; another name will do."""
    ended = cli("new", *line)
    assert ended.code == 4
    assert told in ended.err
    assert cli("new", "service", "hooks/other.py").code == 0


def test_a_sink_that_is_there(cli: CommandLine) -> None:
    """JK814: what waits for two sinks of one name could not be told apart."""
    assert cli("new", "sink", "hooks/web.py").code == 0
    (cli.root / "tests/test_web_sink.py").unlink()
    ended = cli("new", "sink", "extensions/web/hooks.py")
    assert ended.code == 4
    assert "there is a sink called 'web' already" in ended.err


@pytest.mark.parametrize("kind", ["service", "sink"])
@pytest.mark.parametrize("kept", ["hooks/stock.py", "tests/test_stock_{kind}.py"])
def test_what_exists_is_kept(cli: CommandLine, kind: str, kept: str) -> None:
    """JK811: neither of the two files is overwritten, and none made alone."""
    cli.file(kept.format(kind=kind), "# mine\n")
    before = contents(cli.root)
    ended = cli("new", kind, "hooks/stock.py")
    assert ended.code == 4
    assert "exists already, and is kept as it is" in ended.err
    assert contents(cli.root) == before


@pytest.mark.parametrize("line", [["service", "hooks/a.py"], ["sink", "hooks/a.py"], ["plugin", "jobkit-a"]])
def test_dry_run_writes_nothing(cli: CommandLine, line: list[str]) -> None:
    """It lists what would come."""
    before = contents(cli.root)
    answer = checked(cli("new", *line, "--dry-run", "--json")).data
    assert answer.dry_run
    assert {file.state for file in answer.files} == {"planned"}
    assert contents(cli.root) == before
    assert f"would make the {line[0]} a" in cli("new", *line, "--dry-run").out


def test_paths_from_inside_the_project(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path may start at the root or at the folder that one is in."""
    inside = cli.root / "hooks"
    inside.mkdir()
    here = CommandLine(inside, monkeypatch)
    assert here("new", "service", "one.py").code == 0
    assert here("new", "sink", "hooks/two").code == 0
    assert sorted(path.name for path in inside.iterdir() if path.is_file()) == ["one.py", "two.py"]


# -- a distribution -----------------------------------------------------------------------------------


def test_the_template_is_the_distribution(anywhere: CommandLine) -> None:
    """``jobkit new plugin jobkit-hello`` writes hooks/jobkit-hello, byte for byte.

    After a change of the template: ``rm -r hooks/jobkit-hello && jobkit new plugin hooks/jobkit-hello``.
    """
    assert anywhere("new", "plugin", "jobkit-hello").code == 0
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."]
    own = ROOT / "hooks/jobkit-hello"
    listed = subprocess.run(command, cwd=own, capture_output=True, text=True, check=False)
    names = listed.stdout.splitlines() if listed.returncode == 0 else [*contents(own)]
    committed = {
        name: (own / name).read_bytes()
        for name in names
        if "__pycache__" not in name and (own / name).is_file()
    }
    assert contents(anywhere.root / "jobkit-hello") == committed


def test_a_plugin_needs_no_project(anywhere: CommandLine) -> None:
    """It is made beside projects, and says what to type next."""
    answer = checked(anywhere("new", "plugin", "./jobkit-acme", "--json")).data
    assert (answer.plugin, answer.distribution) == ("acme", "jobkit-acme")
    assert answer.root == str(anywhere.root / "jobkit-acme")
    assert [(file.path, file.state) for file in answer.files] == [(name, "created") for name in FILES]
    assert answer.next == ["cd jobkit-acme", "pip install -e .", "python -m pytest", "jobkit plugins"]


@pytest.mark.parametrize(
    ("folder", "package", "name", "title"),
    [
        ("jobkit-acme", "jobkit_acme", "acme", "Acme"),
        ("acme", "acme", "acme", "Acme"),
        ("deep/er/jobkit-month-end", "jobkit_month_end", "month-end", "MonthEnd"),
        (
            "jobkit-warehouse-stock-level-pro",
            "jobkit_warehouse_stock_level_pro",
            "warehouse-stock-level-pro",
            "",
        ),
    ],
)
def test_whatever_it_is_called(
    anywhere: CommandLine, folder: str, package: str, name: str, title: str, types: str
) -> None:
    """Names follow the folder's, everywhere; style and types are right for short ones and long ones."""
    assert anywhere("new", "plugin", folder).code == 0
    root = anywhere.root / folder
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    assert f'{name} = "{package}.plugin:{title}' in text
    everything = b"\n".join(contents(root).values())
    assert b"{{" not in everything
    assert b"hello" not in everything.lower()
    tool(root, "ruff", "check")
    tool(root, "ruff", "format", "--check")
    tool(root, "mypy", types)


@pytest.mark.parametrize(
    ("folder", "told"),
    [
        ("jobkit-list", "`jobkit list` is a verb of jobkit"),
        *((f"jobkit-{name}", "of jobkit itself is called") for name in ("clock", "log", "project", "stores")),
        *((f"jobkit-{name}", "is a verb of jobkit") for name in ("config", "db")),
        ("jobkit-ctx", "jobs call their context 'ctx'"),
        ("jobkit-sqlite", "a plugin of jobkit itself is called 'sqlite'"),
        ("jobkit", "there is a package called 'jobkit' already"),
        ("json", "there is a package called 'json' already"),
        ("jobkit-import", "is a word of Python itself"),
        ("jobkit-2nd", "does not begin with a letter"),
        ("Jobkit-Acme", "lower-case letters"),
        ("jobkit_acme", "lower-case letters"),
        ("jobkit-acme-", "lower-case letters"),
        ("grün", "lower-case letters"),
        ("jobkit-" + "x" * 40, "lower-case letters"),
        ("/", "lower-case letters"),
    ],
)
def test_names_that_do_not_do(anywhere: CommandLine, folder: str, told: str) -> None:
    """JK814, before anything is written; the name that is offered works."""
    ended = anywhere("new", "plugin", folder)
    assert ended.code == 4
    assert "error[JK814]" in ended.err
    assert told in ended.err
    assert not [*anywhere.root.iterdir()]
    [advice] = [line for line in ended.err.splitlines() if "help:" in line]
    assert anywhere(*advice.partition("jobkit ")[2].split()).code == 0


def test_a_plugin_goes_around_what_is_there(anywhere: CommandLine) -> None:
    """JK811 for a file that it would overwrite; a clone with other files in it is just the place."""
    anywhere.file("jobkit-acme/LICENSE", "mine\n")
    mine = anywhere.file("jobkit-acme/README.md", "# mine\n")
    ended = anywhere("new", "plugin", "jobkit-acme")
    assert ended.code == 4
    assert "error[JK811]: jobkit-acme/README.md exists already" in ended.err
    assert sorted(contents(anywhere.root)) == ["jobkit-acme/LICENSE", "jobkit-acme/README.md"]
    mine.unlink()
    assert anywhere("new", "plugin", "jobkit-acme").code == 0
    assert "JK811" in anywhere("new", "plugin", "jobkit-acme").err


def test_a_file_in_the_way(anywhere: CommandLine) -> None:
    """JK813: a clear error, and nothing broken."""
    anywhere.file("jobkit-acme", "a file\n")
    ended = anywhere("new", "plugin", "jobkit-acme")
    assert ended.code == 4
    assert "error[JK813]" in ended.err
