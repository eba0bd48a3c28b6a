"""A plugin of jobkit: a service, a sink, a hook and a command."""

from __future__ import annotations

from jobkit_hello.greeter import Greeter

__all__ = ["Greeter"]
