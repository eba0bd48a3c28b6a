"""Elastic Common Schema, one JSON object per line."""

from __future__ import annotations

from typing import Any

import msgspec

from jobkit.logs.entry import Entry

ECS_VERSION = "8.11.0"

_RUN = ("run", "run_id", "job", "extension", "attempt")
_encode = msgspec.json.Encoder().encode


def render(entry: Entry) -> bytes:
    """Base fields first, as the schema's logging libraries write them; ours below ``jobkit``.

    Fields of the event are labels, whose values the schema wants to be text.
    """
    line: dict[str, Any] = {
        "@timestamp": entry.at,
        "log.level": entry.level,
        "message": entry.event,
        "ecs.version": ECS_VERSION,
    }
    fields = dict(entry.fields)
    if "logger" in fields:
        line["log.logger"] = fields.pop("logger")
    if entry.run is not None:
        line["jobkit"] = dict(entry.run)
    elif "run" in fields:  # one of our own events, which says itself what run it is about
        line["jobkit"] = {key: fields.pop(key) for key in _RUN if key in fields}
    if entry.source in ("stdout", "stderr"):
        line["labels"] = {"stream": entry.source}
    if fields:
        line.setdefault("labels", {}).update({_label(key): _text(value) for key, value in fields.items()})
    if entry.exception is not None:
        line["error.stack_trace"] = entry.exception
        line["error.message"] = entry.exception.rpartition("\n")[2]
    return _encode(line) + b"\n"


def _label(key: str) -> str:
    return key.replace(".", "_").replace("*", "_").replace("\\", "_")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else _encode(value).decode()
