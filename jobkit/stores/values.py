"""What text, numbers, instants and JSON become on their way into a store.

Every store keeps the same values (rules in :mod:`jobkit.stores.base`), whatever its database would
make of a NUL, a lone surrogate or a NaN.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from jobkit.processes import ProcessIdentity
from jobkit.records import Progress, RunFailure
from jobkit.sanitising import shorten
from jobkit.statuses import RunStatus
from jobkit.stores.base import Lease, Outcome
from jobkit.stores.outbox_store import ERROR_LIMIT, FORGOTTEN_AFTER
from jobkit.stores.plain import clean_text, dump, plain

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LARGEST: Final = 2**63 - 1

FORGOTTEN_MICROS: Final = FORGOTTEN_AFTER // _MICROSECOND


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


def clean_duration(duration: timedelta) -> timedelta:
    """*duration* within 64 bits of microseconds, which is what databases hold."""
    return timedelta(microseconds=clean_count(duration_micros(duration)))


def optional_text(text: str | None) -> str | None:
    return None if text is None else clean_text(text)


def brief_error(text: str | None) -> str | None:
    """What is kept of the error of a sink, or of an entry."""
    return None if text is None else clean_text(shorten(text, ERROR_LIMIT))


def clean_count(number: int) -> int:
    """*number* within 64 bits, which is what databases hold."""
    return max(-_LARGEST, min(number, _LARGEST))


def optional_count(number: int | None) -> int | None:
    return None if number is None else clean_count(number)


def clean_limits(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of limits, each once."""
    return tuple(dict.fromkeys(clean_text(name) for name in names)) if names else ()


def clean_caps(limits: Mapping[str, int] | None) -> dict[str, int]:
    """How many may hold each limit at a time."""
    return {clean_text(name): most for name, most in limits.items()} if limits else {}


def encode(value: Mapping[str, Any]) -> str:
    """*value* as the text of a JSON object. Never raises."""
    if type(value) is dict and not value:
        return "{}"
    made = plain(value)
    return dump(made) if isinstance(made, dict) and made else "{}"


def encode_hashes(hashes: Mapping[str, str]) -> str:
    """Texts by text, however many, as :func:`encode` writes them: nothing is cut off."""
    return dump(clean_hashes(hashes)) if hashes else "{}"


def clean_hashes(hashes: Mapping[str, str]) -> dict[str, str]:
    """*hashes* as a store gives them back."""
    return {clean_text(name): clean_text(hash) for name, hash in hashes.items()}


def decode(text: str) -> dict[str, Any]:
    """The object of :func:`encode`, new each time."""
    if text == "{}":
        return {}
    found: dict[str, Any] = json.loads(text)
    return found


# -- records inside other records -----------------------------------------------------------------


def clean_failure(error: RunFailure) -> RunFailure:
    return RunFailure(
        clean_text(error.type),
        clean_text(error.message),
        optional_text(error.traceback),
        optional_text(error.code),
        optional_text(error.help),
    )


def encode_failure(error: RunFailure | None) -> str | None:
    return None if error is None else dump(asdict(clean_failure(error)))


def decode_failure(text: str | None) -> RunFailure | None:
    return None if text is None else RunFailure(**json.loads(text))


def encode_failures(errors: tuple[RunFailure, ...]) -> str:
    return dump([asdict(clean_failure(error)) for error in errors]) if errors else "[]"


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
    return dump(asdict(clean_progress(progress)))


def decode_progress(text: str | None) -> Progress | None:
    return None if text is None else Progress(**json.loads(text))


@functools.lru_cache(maxsize=256)
def encode_owner(owner: ProcessIdentity) -> str:
    """The same text for the same process, so that two can be compared inside a database."""
    return dump({key: plain(value) for key, value in owner.to_json().items()})


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
    return dump(members)


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


def superseded_message(number: int | None) -> str:
    """Why a run that was waiting has not been executed."""
    return f"run {number} took its place"


def cancelled_message(by: str, reason: str | None) -> str:
    """Why a run that was waiting has ended."""
    return clean_text(f"cancelled by {by}: {reason}" if reason else f"cancelled by {by}")
