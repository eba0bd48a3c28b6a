"""The service: what jobs ask for instead of making it themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator

from jobkit.plugin import Config

from jobkit_hello.settings import Settings


class Greeter:
    """Greets. A real one would hold a connection, or a client."""

    def __init__(self, greeting: str) -> None:
        self.greeting = greeting
        self.closed = False

    def greet(self, name: str) -> str:
        """A greeting for *name*. Raises RuntimeError once it is closed."""
        if self.closed:
            raise RuntimeError("the greeter is closed")
        return f"{self.greeting}, {name}!"


async def open_greeter(config: Config) -> AsyncIterator[Greeter]:
    """Opened when a job first asks for it; what follows the ``yield`` closes it when the process ends."""
    settings: Settings = config.plugin("hello")
    greeter = Greeter(settings.greeting)
    try:
        yield greeter
    finally:
        greeter.closed = True


def check_greeter(greeter: Greeter) -> None:
    """``jobkit doctor`` asks whether the service is well. Raises whatever is wrong with it."""
    greeter.greet("doctor")
