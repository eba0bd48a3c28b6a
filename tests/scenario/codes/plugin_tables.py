"""JK74x: what plugins declare, and what configuration says to them."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

PROJECT = '[project]\nname = "shop"\n'
HOOKS = "hooks/notify.py"
PLUGIN = '''"""Tells people."""

from __future__ import annotations

import msgspec

from jobkit import hookimpl


class Table(msgspec.Struct, frozen=True):
    {fields}


@hookimpl
def jobkit_addoption(parser):
    {declares}
'''
JOB = '''from jobkit import JobContext, submit_job


@submit_job
def cleanup(ctx: JobContext) -> None:
    """Clean up."""
'''
CHANNEL = 'channel: str = "ops"'
TABLE = "parser.table(Table)"

Step = Callable[[CommandLine], Ended]


def _plugin(text: str = "", *arguments: str, fields: str = CHANNEL, declares: str = TABLE) -> Step:
    """With the plugin ``notify``, a job, and *text* in the project's file, ``jobkit *arguments*``."""

    def look(cli: CommandLine) -> Ended:
        cli.file(HOOKS, PLUGIN.format(fields=fields, declares=declares))
        cli.file("extensions/web/jobs/cleanup.py", JOB)
        cli.file("jobkit.toml", PROJECT + text)
        return cli(*(arguments or ("check",)))

    return look


def _low_and_high(text: str) -> Step:
    check = (
        "low: int = 0\n    high: int = 10\n\n    def __post_init__(self) -> None:\n"
        "        if self.low > self.high:\n            raise ValueError('low lies above high')"
    )
    return _plugin(text, fields=check)


LIMIT = 'parser.option("--{}", type=int, default=10)'
SETTINGS = "parser.job_settings(Table)"

WALKS: list[Walk] = [
    Walk(
        "JK740",
        _plugin(declares="parser.table(dict)"),
        "write `class dict(msgspec.Struct, frozen=True):`",
        _plugin(),
    ),
    Walk(
        "JK741",
        _plugin(declares=LIMIT.format("limit")),
        "put its own name in front: --notify-limit",
        _plugin(declares=LIMIT.format("notify-limit")),
    ),
    Walk(
        "JK742",
        _plugin('[plugins.notfy]\nchannel = "dev"\n'),
        "did you mean [plugins.notify]?",
        _plugin('[plugins.notify]\nchannel = "dev"\n'),
    ),
    Walk(
        "JK743",
        _plugin(fields="channel: str"),
        'write `channel = "…"` into [plugins.notify]',
        _plugin('[plugins.notify]\nchannel = "dev"\n', fields="channel: str"),
    ),
    Walk(
        "JK744",
        _plugin('[jobs.cleanup.plugins.notify]\nchanel = "dev"\n', declares=SETTINGS),
        "did you mean `channel`?",
        _plugin('[jobs.cleanup.plugins.notify]\nchannel = "dev"\n', declares=SETTINGS),
    ),
    Walk(
        "JK745",
        _low_and_high("[plugins.notify]\nlow = 20\n"),
        "[plugins.notify]: low lies above high",
        _low_and_high("[plugins.notify]\nlow = 2\n"),
    ),
    Walk(
        "JK746",
        _plugin("", "list", "--notify-limit", "many", declares=LIMIT.format("notify-limit")),
        "--notify-limit VALUE",
        _plugin("", "list", "--notify-limit", "20", declares=LIMIT.format("notify-limit")),
    ),
    Walk(
        "JK747",
        _plugin('[plugins.notify]\nchannel = "dev"\n', "--plugin", "no:notify", "check"),
        "if that is as it should be, remove the table",
        _plugin("", "--plugin", "no:notify", "check"),
    ),
]

#: Code → the test, outside of these walks, that provokes it and follows its page.
ELSEWHERE: dict[str, str] = {}
