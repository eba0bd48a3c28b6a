"""Markdown in, HTML and facts out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

from .site import address

_EXTERNAL = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


class BadPage(ValueError):
    """A page that cannot be published as it stands."""


@dataclass(frozen=True)
class Page:
    """One Markdown file, understood."""

    title: str
    description: str
    draft: bool
    html: str
    anchors: frozenset[str]
    links: tuple[str, ...]


def parser() -> MarkdownIt:
    """CommonMark with tables, front matter, and an anchor for every heading."""
    return (
        MarkdownIt("commonmark", {"typographer": False, "html": False})
        .enable(["table", "strikethrough"])
        .use(front_matter_plugin)
        .use(anchors_plugin, max_level=4)
    )


def read_page(text: str, fallback_title: str) -> Page:
    """Understand one page; raises BadPage when its front matter does not fit."""
    markdown = parser()
    tokens = markdown.parse(text)
    matter = _front_matter(tokens)
    links = tuple(_internal_links(tokens))
    for token in _links(tokens):
        token.attrSet("href", _published(str(token.attrGet("href") or "")))
    return Page(
        title=_text(matter, "title") or _first_heading(tokens) or fallback_title,
        description=_text(matter, "description") or _first_paragraph(tokens),
        draft=matter.get("draft") is True,
        html=markdown.renderer.render(tokens, markdown.options, {}),
        anchors=frozenset(str(token.attrGet("id")) for token in tokens if token.attrGet("id")),
        links=links,
    )


def _front_matter(tokens: list[Token]) -> dict[str, Any]:
    for token in tokens:
        if token.type == "front_matter":
            try:
                matter = yaml.safe_load(token.content)
            except yaml.YAMLError as error:
                raise BadPage(f"front matter is not YAML: {str(error).splitlines()[0]}") from error
            if matter is None:
                return {}
            if not isinstance(matter, dict):
                raise BadPage("front matter is a table of keys and values")
            return matter
    return {}


def _text(matter: dict[str, Any], key: str) -> str:
    value = matter.get(key, "")
    if not isinstance(value, str):
        raise BadPage(f"{key} in the front matter is text, not {type(value).__name__}")
    return value.strip()


def _first_heading(tokens: list[Token]) -> str:
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open" and token.tag == "h1":
            return _plain(following)
    return ""


def _first_paragraph(tokens: list[Token]) -> str:
    for token, following in itertools.pairwise(tokens):
        if token.type == "paragraph_open" and token.level == 0:
            words = _plain(following).split()
            return " ".join(words[:30]) + ("…" if len(words) > 30 else "")
    return ""


def _plain(token: Token) -> str:
    return "".join(child.content for child in token.children or () if child.type in ("text", "code_inline"))


def _links(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                yield child


def _internal_links(tokens: list[Token]) -> Iterator[str]:
    for token in _links(tokens):
        target = str(token.attrGet("href") or "")
        if target and not _EXTERNAL.match(target):
            yield target


def _published(target: str) -> str:
    """A link to a Markdown file becomes a link to its page; everything else stays."""
    path, mark, anchor = target.partition("#")
    if _EXTERNAL.match(target) or not path.endswith(".md"):
        return target
    return address(path) + mark + anchor
