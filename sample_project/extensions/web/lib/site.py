"""Where the site lives, and what its pages are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class Site:
    """The folders of one site, all below the project's ``build/``."""

    root: Path

    @classmethod
    def of(cls, project: Path) -> Site:
        """The site of the project at *project*."""
        return cls(project / "build")

    @property
    def output(self) -> Path:
        return self.root / "site"

    def write(self, name: str, content: str | bytes) -> bool:
        """Write *content* as the page or file *name*; False if it already is just that."""
        target = self.output / name
        content = content.encode() if isinstance(content, str) else content
        if target.is_file() and target.read_bytes() == content:
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(target.name + ".new")
        draft.write_bytes(content)
        draft.replace(target)
        return True


def address(source: str) -> str:
    """The page that the Markdown file *source* becomes: ``tutorial.md`` → ``tutorial.html``."""
    return str(PurePosixPath(source).with_suffix(".html"))


def way_up(source: str) -> str:
    """The relative way from the page of *source* to the top of the site: ``""``, ``"../"``, …"""
    return "../" * (len(PurePosixPath(source).parts) - 1)
