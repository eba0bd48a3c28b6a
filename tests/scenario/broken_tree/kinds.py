"""What a kind of broken job file is: its content, and the one error that is expected of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: Stands for "somewhere in the file": which line a compiler blames differs between Pythons.
ANYWHERE = -1
#: The import limit of the tree, as configuration and messages have it.
LIMIT = "500ms"


@dataclass(frozen=True)
class Kind:
    """A broken file ``extensions/broken/jobs/<name>.py``.

    *content* is its text or bytes, or makes the file (and whatever it needs) at the path it is given.
    *line* None means that no line can be named. *words* stand in the message.
    """

    name: str
    content: str | bytes | Callable[[Path], None]
    code: str
    line: int | None
    words: str = ""

    def write(self, path: Path) -> None:
        """Make the file at *path*."""
        if callable(self.content):
            self.content(path)
        else:
            path.write_bytes(self.content.encode() if isinstance(self.content, str) else self.content)


@dataclass(frozen=True)
class Healthy:
    """A file that looks or behaves oddly and whose job ``healthy_<number>`` works all the same."""

    path: str
    before: str | bytes = ""
    after: str = ""
