"""The site's templates; everything they are given is escaped."""

from __future__ import annotations

import functools
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_FOLDER = Path(__file__).parent.parent / "templates"


@functools.cache
def templates() -> Environment:
    """The template environment: autoescape on, and a name that is not there is an error."""
    return Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


def render(name: str, **values: object) -> str:
    """The template *name* filled with *values*."""
    return templates().get_template(name).render(**values)
