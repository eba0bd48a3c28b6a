"""The pages of ``jobkit help TOPIC``: Markdown files beside this one, named after the topic."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent


def all_topics() -> dict[str, str]:
    """Topic → title, in order."""
    return {page.stem: _title(page) for page in sorted(_FOLDER.glob("*.md"))}


def topic(name: str) -> str | None:
    """The Markdown page of a topic, or None if there is no such topic."""
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8") if name in all_topics() else None


def _title(page: Path) -> str:
    with page.open(encoding="utf-8") as file:
        return file.readline().removeprefix("# ").strip()
