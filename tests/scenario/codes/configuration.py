"""JK2xx: configuration that cannot be read, does not say what it should, or speaks of nothing there is."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

PROJECT = "jobkit.toml"
OPERATORS = "services/scheduler/config.toml"
JOB = '''from jobkit import JobContext, submit_job


@submit_job({options})
def cleanup(ctx: JobContext) -> None:
    """Clean up."""
'''


def _job(cli: CommandLine, options: str = "") -> None:
    """A project with one job, cleanup of the extension web."""
    cli.file("extensions/web/jobs/cleanup.py", JOB.format(options=options))


def _written(path: str, text: str) -> Callable[[CommandLine], Ended]:
    """With that text in the file, and a job to speak of, everything is checked."""

    def look(cli: CommandLine) -> Ended:
        _job(cli)
        cli.file(path, text)
        return cli("check")

    return look


def _edit(code: str, path: str, wrong: str, hint: str, right: str) -> Walk:
    """A walk that is mended by another text in the file that is wrong."""
    return Walk(code, _written(path, wrong), hint, _written(path, right))


def _no_project(cli: CommandLine) -> Ended:
    (cli.root / PROJECT).unlink()
    return cli("list")


def _init(cli: CommandLine) -> Ended:
    begun = cli("init")
    assert begun.code == 0, begun.err
    return cli("list")


def _not_utf8(cli: CommandLine) -> Ended:
    (cli.root / PROJECT).write_bytes('# Läden\n[project]\nname = "shop"\n'.encode("latin-1"))
    return cli("list")


def _save_as_utf8(cli: CommandLine) -> Ended:
    text = (cli.root / PROJECT).read_text(encoding="latin-1")
    cli.file(PROJECT, text)
    return cli("list")


def _configured_twice(cli: CommandLine) -> Ended:
    cli.file("pyproject.toml", '[tool.jobkit.scheduler]\ntimezone = "Europe/Berlin"\n')
    return cli("list")


def _move_into_one(cli: CommandLine) -> Ended:
    cli.file("pyproject.toml", "")
    cli.file(PROJECT, '[project]\nname = "shop"\n\n[scheduler]\ntimezone = "Europe/Berlin"\n')
    return cli("list")


def _variable_not_set(cli: CommandLine) -> Ended:
    cli.file(OPERATORS, '[scheduler]\nstore = "${STORE_URL}"\n')
    return cli("list")


def _set_the_variable(cli: CommandLine) -> Ended:
    return cli.process("list", environ={"STORE_URL": "sqlite:///runs.db"})


def _world_writable(cli: CommandLine) -> Ended:
    cli.file(OPERATORS, "[scheduler]\n").chmod(0o666)
    return cli("list")


def _chmod(cli: CommandLine) -> Ended:
    (cli.root / OPERATORS).chmod(0o664)
    return cli("list")


def _misspelt_environment(cli: CommandLine) -> Ended:
    cli.file("services/scheduler/config.production.toml", "")
    return cli("--env", "prodution", "list")


def _read_only(cli: CommandLine) -> Ended:
    _job(cli)
    cli.file(OPERATORS, "").parent.chmod(0o500)
    return cli.process("disable", "cleanup", unprivileged=True)


def _set_or_make_writable(cli: CommandLine) -> Ended:
    """Both that the hint offers: the variable switches the job off, too."""
    elsewhere = {"JOBKIT__JOBS__CLEANUP__ENABLED": "false"}
    [job] = cli.process("list", "--json", environ=elsewhere, unprivileged=True).data
    assert job["enabled"] is False
    (cli.root / OPERATORS).parent.chmod(0o700)
    return cli.process("disable", "cleanup", unprivileged=True)


def _startup_by_configuration(cli: CommandLine) -> Ended:
    return _written(OPERATORS, "[jobs.cleanup]\nenabled = true\nrun_on_startup = true\n")(cli)


def _startup_by_code(cli: CommandLine) -> Ended:
    _job(cli, "run_on_startup=True")
    cli.file(OPERATORS, "[jobs.cleanup]\nenabled = true\n")
    return cli("check")


WALKS: list[Walk] = [
    _edit(
        "JK201",
        PROJECT,
        "[project]\nname = shop\n",
        'text stands in quotes: name = "shop"',
        '[project]\nname = "shop"\n',
    ),
    Walk("JK202", _no_project, "`jobkit init` makes one here", _init),
    Walk("JK203", _not_utf8, "save it as UTF-8", _save_as_utf8),
    _edit(
        "JK204",
        OPERATORS,
        "[jobs.cleanup]\nenabeld = true\n",
        "did you mean `enabled`?",
        "[jobs.cleanup]\nenabled = true\n",
    ),
    _edit(
        "JK205",
        OPERATORS,
        '[scheduler]\nmax_concurrent_runs = "50"\n',
        "a whole number is expected, not text",
        "[scheduler]\nmax_concurrent_runs = 50\n",
    ),
    _edit(
        "JK206",
        OPERATORS,
        '[scheduler]\nunlisted = "ignored"\n',
        'did you mean "ignore"?',
        '[scheduler]\nunlisted = "ignore"\n',
    ),
    Walk("JK207", _configured_twice, "move everything into one of them", _move_into_one),
    Walk("JK208", _variable_not_set, "set STORE_URL", _set_the_variable),
    Walk("JK209", _world_writable, "chmod o-w ", _chmod),
    _edit(
        "JK210",
        OPERATORS,
        "[jobs.clenup]\nenabled = true\n",
        "did you mean 'cleanup'?",
        "[jobs.cleanup]\nenabled = true\n",
    ),
    Walk(
        "JK211",
        _misspelt_environment,
        "did you mean 'production'?",
        lambda cli: cli("--env", "production", "list"),
    ),
    Walk(
        "JK212",
        lambda cli: cli.process("list", environ={"JOBKIT__scheduler__timezone": "UTC"}),
        "write JOBKIT__SCHEDULER__TIMEZONE",
        lambda cli: cli.process("list", environ={"JOBKIT__SCHEDULER__TIMEZONE": "UTC"}),
    ),
    _edit(
        "JK213",
        OPERATORS,
        '[jobs.cleanup]\ntimeout = "ten minutes"\n',
        "write it like '300ms', '90s', '5m'",
        '[jobs.cleanup]\ntimeout = "10m"\n',
    ),
    _edit(
        "JK214",
        OPERATORS,
        '[jobs.cleanup]\nextension = "shop"\n',
        'write extension = "web" if this job is meant',
        '[jobs.cleanup]\nextension = "web"\n',
    ),
    Walk(
        "JK215",
        _startup_by_configuration,
        "write `run_on_startup=True` in the code, and `enabled = true` here",
        _startup_by_code,
    ),
    _edit(
        "JK217",
        OPERATORS,
        '[scheduler]\nengine = "locl"\n',
        "did you mean 'local'?",
        '[scheduler]\nengine = "local"\n',
    ),
    Walk("JK216", _read_only, "make its folder writable, or ", _set_or_make_writable),
]

#: What no command can show: the test that provokes and mends it.
ELSEWHERE: dict[str, str] = {}
