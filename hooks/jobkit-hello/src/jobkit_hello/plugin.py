"""The plugin: it says to jobkit what there is."""

from __future__ import annotations

import click
from jobkit import ServiceSpec, Sink, hookimpl
from jobkit.plugin import Config, Parser, Run

from jobkit_hello.greeter import Greeter, check_greeter, open_greeter
from jobkit_hello.guestbook import Guestbook
from jobkit_hello.settings import Settings


class Hello:
    """One object for each project that is loaded; `jobkit hooks` lists what else it could implement."""

    def __init__(self) -> None:
        #: How many runs have ended in this process.
        self.finished = 0

    @hookimpl
    def jobkit_addoption(self, parser: Parser) -> None:
        """Declare ``[plugins.hello]``: a key that is none is an error with its line."""
        parser.table(Settings)

    @hookimpl
    def jobkit_services(self) -> list[ServiceSpec]:
        """Nothing is opened yet."""
        return [ServiceSpec(open_greeter, name="hello", ping=check_greeter)]

    @hookimpl
    def jobkit_result_sinks(self, config: Config) -> list[Sink]:
        """Be idle until somebody asks for it: being installed is not asking."""
        settings: Settings = config.plugin("hello")
        return [Guestbook(settings.guestbook)] if settings.guestbook is not None else []

    @hookimpl
    async def jobkit_run_finished(self, run: Run) -> None:
        """Count; for results that must arrive there is the sink."""
        self.finished += 1

    @hookimpl
    def jobkit_commands(self, config: Config) -> list[click.Command]:
        """Add the verb ``jobkit hello``."""

        @click.command("hello", help="Greet somebody.")
        @click.argument("name", default="world")
        def greet(name: str) -> None:
            settings: Settings = config.plugin("hello")
            click.echo(Greeter(settings.greeting).greet(name))

        return [greet]
