"""One JSON object per line."""

from __future__ import annotations

from typing import Any

import msgspec

from jobkit.logs.entry import Entry

_encode = msgspec.json.Encoder().encode

_STREAMS = frozenset(("stdout", "stderr"))
#: Keys that belong to the format: a field of the same name gets an underscore.
_OWN = frozenset(("timestamp", "level", "event", "stream", "exception"))


def render(entry: Entry) -> bytes:
    """``{"timestamp": …, "level": …, "event": …, run fields, fields, "exception": …}``."""
    at, level, event, fields, run, source, exception = entry
    line: dict[str, Any] = {"timestamp": at, "level": level, "event": event}
    if source in _STREAMS:
        line["stream"] = source
    if run is not None:
        line.update(run)
    if _OWN.isdisjoint(fields) and (run is None or run.keys().isdisjoint(fields)):
        line.update(fields)
    else:
        line.update({f"{key}_" if key in line or key in _OWN else key: fields[key] for key in fields})
    if exception is not None:
        line["exception"] = exception
    return _encode(line) + b"\n"
