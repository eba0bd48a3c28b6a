"""JK7xx: plugins that are missing, cannot be loaded, or are not what their hooks expect."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

PROJECT = '[project]\nname = "shop"\n'
HOOKS = "hooks/audit.py"
IMPORT = "from jobkit import hookimpl\n"
SOUND = f"{IMPORT}\n\n@hookimpl\ndef jobkit_services(config):\n    return []\n"

Step = Callable[[CommandLine], Ended]


def written(text: str, path: str = HOOKS) -> Step:
    """With that text in a file of hooks, everything is checked."""

    def look(cli: CommandLine) -> Ended:
        cli.file(path, text)
        return cli("check")

    return look


def _edit(code: str, wrong: str, hint: str, right: str = SOUND, path: str = HOOKS) -> Walk:
    """A walk that is mended by another text in the file of hooks."""
    return Walk(code, written(wrong, path), hint, written(right, path))


def hook(head: str, mark: str = "@hookimpl") -> str:
    """A file with one function."""
    return f"{IMPORT}\n\n{mark}\n{head}\n    return None\n"


def _listed(text: str) -> Step:
    def look(cli: CommandLine) -> Ended:
        cli.file(HOOKS, text)
        return cli("plugins")

    return look


def with_options(*options: str) -> Step:
    """Checked with *options*, where one plugin is a file of the project."""

    def look(cli: CommandLine) -> Ended:
        cli.file(HOOKS, SOUND)
        return cli(*options, "check")

    return look


def installed(text: str, entry: str, *, file: str = "shop_plugin.py") -> Step:
    """Checked by a program of its own, where a distribution with that module and entry point is installed."""

    def look(cli: CommandLine) -> Ended:
        cli.file(file, text)
        info = "jobkit_shop-1.0.dist-info"  # beside the project's own packages: that is on sys.path
        cli.file(f"{info}/METADATA", "Metadata-Version: 2.1\nName: jobkit-shop\nVersion: 1.0\n")
        cli.file(f"{info}/entry_points.txt", f"[jobkit]\n{entry}\n")
        return cli.process("check")

    return look


def _required(name: str) -> Step:
    def look(cli: CommandLine) -> Ended:
        cli.file("jobkit.toml", f'{PROJECT}required_plugins = ["{name}"]\n')
        return installed(SOUND, "shop = shop_plugin")(cli)

    return look


def _one_name(cli: CommandLine) -> Ended:
    cli.file("hooks/shop.py", SOUND)
    return installed(SOUND, "shop = shop_plugin")(cli)


def _another_name(cli: CommandLine) -> Ended:
    (cli.root / "hooks/shop.py").rename(cli.root / "hooks/shop_local.py")
    return cli.process("check")


def _moved_to_the_project(cli: CommandLine) -> Ended:
    (cli.root / "extensions/web/hooks.py").rename(cli.root / "engines.py")
    return written((cli.root / "engines.py").read_text(encoding="utf-8"))(cli)


NEEDS_A_DSN = f"{IMPORT}\n\nclass Shop:\n    def __init__(self, dsn):\n        self.dsn = dsn\n"
READS_IT = f"{IMPORT}\n\nclass Shop:\n    @hookimpl\n    def jobkit_configure(self, config): ...\n"
REFUSES = (
    "from jobkit.exceptions import PluginError\n\n"
    "raise PluginError('a newer shop is needed', help='install shop 2')\n"
)
CONTEXT = "async def jobkit_run_context(run, ctx):\n    yield"
MANAGER = (
    f"from contextlib import asynccontextmanager\n\n{IMPORT}\n\n@hookimpl\n@asynccontextmanager\n{CONTEXT}\n"
)

VERB = """\
import click

from jobkit import hookimpl


@click.command()
@click.argument("amount")
def pay(amount):
    AMOUNT


@hookimpl
def jobkit_commands(config):
    return [pay]
"""
NO_AMOUNT = "    raise click.UsageError('an amount is a number')"
NUMBER = f"if not amount.isdigit():\n    {NO_AMOUNT}\n    print(int(amount))"


def _verb(text: str, *arguments: str) -> Step:
    """The verb of the plugin, with *arguments*."""

    def call(cli: CommandLine) -> Ended:
        cli.file(HOOKS, VERB.replace("AMOUNT", text))
        return cli("pay", *arguments)

    return call


def _hook(name: str) -> Step:
    return lambda cli: cli("hooks", name)


WALKS = [
    Walk("JK750", _hook("run_finshed"), "did you mean jobkit_run_finished?", _hook("run_finished")),
    # Whoever types it, or whoever has written it: either can mend it.
    Walk("JK751", _verb("print(int(amount))", "ten"), "hooks/audit.py:9", _verb("print(int(amount))", "10")),
    Walk("JK751", _verb("print(1 / 0)", "10"), "-vv shows the whole traceback", _verb(NUMBER, "10")),
    _edit("JK700", REFUSES, "install shop 2; or leave it out: --plugin no:audit"),
    Walk("JK700", written(REFUSES), "--plugin no:audit", with_options("--plugin", "no:audit")),
    Walk(
        "JK701",
        installed(NEEDS_A_DSN, "shop = shop_plugin:Shop"),
        "missing 1 required positional argument: 'dsn'",
        installed(READS_IT, "shop = shop_plugin:Shop"),
    ),
    _edit("JK702", hook("def jobkit_servces(config):"), "did you mean jobkit_services?"),
    _edit("JK703", hook("def jobkit_services(cfg):"), "the hook is jobkit_services(config)"),
    _edit(
        "JK704",
        hook(CONTEXT, "@hookimpl(wrapper=True)").replace("    return None\n", ""),
        "what goes around a run is jobkit_run_context",
        MANAGER,
    ),
    _edit("JK705", hook("async def jobkit_services(config):"), "write `def` instead of `async def`"),
    Walk(
        "JK706",
        written(hook("def jobkit_engines(config):").replace("None", "[]"), "extensions/web/hooks.py"),
        "move it to the project's hooks/ folder",
        _moved_to_the_project,
    ),
    Walk("JK707", _one_name, "rename hooks/shop.py", _another_name),
    _edit("JK708", SOUND.replace("@hookimpl\n", ""), "write @hookimpl above it"),
    _edit("JK709", "RATES = open('rates.json').read()\n", "work belongs into a hook"),
    _edit(
        "JK709",
        f"import sys\nsys.exit(main())\n{SOUND}".replace("main()", "0"),
        "a plugin is imported, not run",
    ),
    Walk("JK710", _required("jobkit-shpo"), "did you mean 'jobkit-shop'?", _required("jobkit-shop")),
    Walk(
        "JK711",
        with_options("--plugin", "jobkit.plugn"),
        "there is no module jobkit.plugn",
        with_options("--plugin", "jobkit.plugin"),
    ),
    Walk(
        "JK712",
        installed(SOUND, "shop = shop_plugin:jobkit_service"),
        "shop_plugin has no attribute jobkit_service; did you mean jobkit_services?",
        installed(SOUND, "shop = shop_plugin"),
    ),
    Walk(
        "JK713",
        with_options("--plugin", "no:audti"),
        "did you mean no:audit?",
        with_options("--plugin", "no:audit"),
    ),
    _edit("JK714", "class Audit:\n    pass\n", "mark functions with @hookimpl"),
    _edit(
        "JK720",
        hook("def jobkit_configure(config):").replace("return None", "1 / 0"),
        "leave it out: --plugin no:audit",
        hook("def jobkit_configure(config):"),
    ),
    Walk(
        "JK721",
        _listed(SOUND.replace("return []", "1 / 0")),
        "--plugin no:audit leaves it out",
        _listed(SOUND),
    ),
]

#: What no command can show: the test that provokes and mends it.
ELSEWHERE: dict[str, str] = {}
