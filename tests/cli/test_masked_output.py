"""Secrets of the configuration in what a process writes outside of runs: never."""

from __future__ import annotations

import pytest

from tests.cli.harness import CommandLine

#: Neither the variable's name nor the key looks like a secret's.
SECRET = "canary-7c1e55"
PLUGIN = '''\
from __future__ import annotations

import logging
import sys

import click
import msgspec
import structlog

from jobkit import Secret, ServiceSpec, hookimpl


class Chat(msgspec.Struct, frozen=True):
    pin: Secret = Secret("")
    room: str = ""


class Client:
    def __init__(self, pin):
        self.pin = pin


def tell(pin):
    print("printed", pin)
    print("piece", end=" ")
    print(pin[:6], end="")
    print(pin[6:])
    print("flushed", pin, end="", flush=True)
    print()
    sys.stdout.buffer.write(f"bytes {pin}\\n".encode())
    print("error", pin, file=sys.stderr)
    logging.getLogger("chat").warning("stdlib %s", pin)
    structlog.get_logger().warning("structured", given=pin)


def client(chat: Chat) -> Client:
    tell(str(chat.pin))
    tell(chat.room)
    return Client(chat.pin)


@hookimpl
def jobkit_addoption(parser):
    parser.table(Chat)
    parser.option("--loud", is_flag=True)


@hookimpl
def jobkit_configure(config):
    tell(str(config.plugin("chat").pin))


@hookimpl
def jobkit_services(config):
    return [ServiceSpec(client, name="client")]


@hookimpl
async def jobkit_run_finished(run):
    tell("canary-7c1e55")
    raise ValueError("canary-7c1e55")


@hookimpl
def jobkit_commands(config):
    @click.command()
    @click.argument("how", default="")
    def greet(how):
        """Greet."""
        tell(str(config.plugin("chat").pin))
        if how:
            raise ValueError(str(config.plugin("chat").pin))

    return [greet]
'''
JOBS = """\
from jobkit import submit_job


@submit_job
async def sell(ctx, client):
    print("body", client.pin)
    ctx.log.info("body", given=str(client.pin))


@submit_job(executor="process")
async def apart(ctx, client):
    print("body", client.pin)
"""


@pytest.fixture
def cli(cli: CommandLine) -> CommandLine:
    """A project with a plugin that tells everybody its secrets."""
    cli.file("jobkit.toml", '[project]\nname = "shop"\n[plugins.chat]\npin = "${PIN}"\nroom = "${PIN}"\n')
    cli.file("hooks/chat.py", PLUGIN)
    cli.file("extensions/web/jobs/jobs.py", JOBS)
    return cli


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "sell"],
        ["run", "sell", "--loud"],
        ["--json", "run", "sell"],
        ["run", "apart"],
        ["list"],
        ["services"],
        ["doctor"],
        ["greet"],
        ["greet", "failing"],
        ["-vv", "greet", "failing"],
        ["--json", "greet", "failing"],
    ],
    ids=" ".join,
)
def test_no_secret_is_shown_by_whoever_prints_it(cli: CommandLine, arguments: list[str]) -> None:
    """Service factories, hooks, verbs and bodies of jobs; print, bytes, logging, structlog, errors."""
    ended = cli.process(*arguments, environ={"PIN": SECRET})
    said = ended.out + ended.err
    assert "printed ***" in said
    assert "piece ***" in said
    assert "bytes ***" in said
    assert SECRET not in said


def test_no_secret_is_kept_with_a_run(cli: CommandLine) -> None:
    """What the body of a job prints is masked in the store, in one process or another."""
    for number, job in enumerate(("sell", "apart"), 1):
        assert cli.process("run", job, environ={"PIN": SECRET}).code == 0
        kept = cli.process("logs", str(number), environ={"PIN": "x"}).out
        assert "body ***" in kept
    for path in cli.root.joinpath(".jobkit").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes()


def test_text_without_an_end_of_line_is_not_lost(cli: CommandLine) -> None:
    """It is written when the command ends; other text stays as it is."""
    cli.file("hooks/chat.py", "from jobkit import hookimpl\n\n\n@hookimpl\ndef jobkit_configure(config):\n"
             "    print('first\\rsecond', 'ünd', end='')\n")  # fmt: skip
    cli.file("jobkit.toml", '[project]\nname = "shop"\n')
    assert "first\rsecond ünd" in cli("list").err
