"""What text, numbers, instants and JSON become on their way into a store.

Every store keeps the same values (rules in :mod:`jobkit.stores.base`), whatever its database would
make of a NUL, a lone surrogate or a NaN. What a job hands over may be of any class, so nothing here
asks such a value for its ``str`` or ``repr``: they run code of others, and may show a secret.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from jobkit.processes import ProcessIdentity
from jobkit.records import Progress, RunFailure, format_instant
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, Outcome

DEPTH: Final = 64
"""Values nested deeper than this are replaced by their type's name."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")
_LARGEST: Final = 2**63 - 1


def to_micros(instant: datetime) -> int:
    """Microseconds since 1970 of an aware datetime, exactly. TypeError for a naive one."""
    return (instant - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of :func:`to_micros`."""
    return _EPOCH + timedelta(microseconds=micros)


def optional_micros(instant: datetime | None) -> int | None:
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


def optional_instant(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def duration_micros(duration: timedelta) -> int:
    return duration // _MICROSECOND


def clean_text(text: str) -> str:
    """*text* without what databases refuse: NUL and lone surrogates become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSAFE.sub("\ufffd", text)


def optional_text(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def clean_count(number: int) -> int:
    """*number* within 64 bits, which is what databases hold."""
    return max(-_LARGEST, min(number, _LARGEST))


def optional_count(number: int | None) -> int | None:
    return None if number is None else clean_count(number)


def plain(value: Any, _around: tuple[int, ...] = ()) -> Any:
    """*value* as JSON holds it, by the rules of :mod:`jobkit.stores.base`. Never raises."""
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if kind is str:
        return clean_text(value)
    if kind is int:
        # Larger ones have no decimal text within the interpreter's limit.
        return value if value.bit_length() < 4096 else _named(value)
    if kind is float:
        return value if math.isfinite(value) else None
    try:
        return _plain_other(value, _around)
    except Exception:
        # Iterating or reading a value of somebody else's class ran their code, and it failed.
        return _named(value)


def _plain_other(value: Any, around: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping | list | tuple):
        # A container inside itself would never end, and JSON readers give up on deep nesting.
        if id(value) in around or len(around) >= DEPTH:
            return _named(value)
        around = (*around, id(value))
        if isinstance(value, Mapping):
            return {_key(key): plain(item, around) for key, item in value.items()}
        return [plain(item, around) for item in value]
    if isinstance(value, Enum):
        return plain(value.value, around)
    # The classes' own methods make plain values of those derived from them, whatever these override.
    if isinstance(value, str):
        return plain(str.__str__(value), around)
    if isinstance(value, int):
        return plain(int.__int__(value), around)
    if isinstance(value, float):
        return plain(float.__float__(value), around)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return format_instant(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return clean_text(str(value)) if isinstance(value, PurePath | UUID | Decimal) else _named(value)


def _key(key: Any) -> str:
    made = plain(key)
    return made if isinstance(made, str) else _dump(made)


def _named(value: Any) -> str:
    kind = type(value)
    return clean_text(f"<{kind.__module__}.{kind.__qualname__}>")


def encode(value: Mapping[str, Any]) -> str:
    """*value* as the text of a JSON object. Never raises."""
    if type(value) is dict and not value:
        return "{}"
    made = plain(value)
    return _dump(made) if isinstance(made, dict) and made else "{}"


def decode(text: str) -> dict[str, Any]:
    """The object of :func:`encode`, new each time."""
    if text == "{}":
        return {}
    found: dict[str, Any] = json.loads(text)
    return found


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


# -- records inside other records -----------------------------------------------------------------


def clean_failure(error: RunFailure) -> RunFailure:
    return RunFailure(clean_text(error.type), clean_text(error.message), optional_text(error.traceback))


def encode_failure(error: RunFailure | None) -> str | None:
    return None if error is None else _dump(asdict(clean_failure(error)))


def decode_failure(text: str | None) -> RunFailure | None:
    return None if text is None else RunFailure(**json.loads(text))


def encode_failures(errors: tuple[RunFailure, ...]) -> str:
    return _dump([asdict(clean_failure(error)) for error in errors]) if errors else "[]"


def decode_failures(text: str) -> tuple[RunFailure, ...]:
    return () if text == "[]" else tuple(RunFailure(**item) for item in json.loads(text))


def clean_progress(progress: Progress) -> Progress:
    """*progress* with numbers that can be shown: what is not finite is unknown, for ``done`` 0."""
    done, total = progress.done, progress.total
    return Progress(
        done if _finite(done) else 0,
        total if total is not None and _finite(total) else None,
        optional_text(progress.message),
    )


def _finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False  # an integer that is larger than any float


def encode_progress(progress: Progress) -> str:
    return _dump(asdict(clean_progress(progress)))


def decode_progress(text: str | None) -> Progress | None:
    return None if text is None else Progress(**json.loads(text))


@functools.lru_cache(maxsize=256)
def encode_owner(owner: ProcessIdentity) -> str:
    """The same text for the same process, so that two can be compared inside a database."""
    return _dump({key: plain(value) for key, value in owner.to_json().items()})


@functools.lru_cache(maxsize=256)
def decode_owner(text: str) -> ProcessIdentity:
    return ProcessIdentity.from_json(json.loads(text))


def clean_outcome(outcome: Outcome) -> Outcome:
    """*outcome* as a store gives it back."""
    return Outcome(
        status=outcome.status,
        finished_at=from_micros(to_micros(outcome.finished_at)),
        duration_ms=clean_count(outcome.duration_ms),
        message=optional_text(outcome.message),
        processed=optional_count(outcome.processed),
        errors=optional_count(outcome.errors),
        data=decode(encode(outcome.data)),
        reason=optional_text(outcome.reason),
        error=None if outcome.error is None else clean_failure(outcome.error),
        cleanup_errors=tuple(clean_failure(error) for error in outcome.cleanup_errors),
    )


def encode_outcome(outcome: Outcome) -> str:
    clean = clean_outcome(outcome)
    members = {
        "status": clean.status.value,
        "finished_at": to_micros(clean.finished_at),
        "duration_ms": clean.duration_ms,
        "message": clean.message,
        "processed": clean.processed,
        "errors": clean.errors,
        "data": clean.data,
        "reason": clean.reason,
        "error": None if clean.error is None else asdict(clean.error),
        "cleanup_errors": [asdict(error) for error in clean.cleanup_errors],
    }
    return _dump(members)


def decode_outcome(text: str) -> Outcome:
    members = json.loads(text)
    error = members.pop("error")
    return Outcome(
        status=RunStatus(members.pop("status")),
        finished_at=from_micros(members.pop("finished_at")),
        error=None if error is None else RunFailure(**error),
        cleanup_errors=tuple(RunFailure(**item) for item in members.pop("cleanup_errors")),
        **members,
    )


def lost_message(lease: Lease, *, dead: bool) -> str:
    """Why a run whose lease was settled has no result, in words for its history."""
    who = f"process {lease.owner.pid} on {lease.node or lease.owner.host}"
    if dead:
        return clean_text(f"{who} ended without recording a result")
    return clean_text(f"{who} stopped renewing its lease")
