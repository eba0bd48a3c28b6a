"""The names for building a run store: what its methods are given and give back, and rules all stores share.

The promise itself is :class:`jobkit.plugin.Store`; ``jobkit.testing.conformance`` puts a store through it.
A store on an SQL database finds its column lists, and records made of rows, in :mod:`jobkit.plugin.rows`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jobkit.exceptions import RunInTheWay as RunInTheWay
    from jobkit.exceptions import RunNotFound as RunNotFound
    from jobkit.exceptions import StoreError as StoreError
    from jobkit.exceptions import StoreUnavailable as StoreUnavailable
    from jobkit.processes import ProcessIdentity as ProcessIdentity
    from jobkit.records import AttemptRecord as AttemptRecord
    from jobkit.records import LogLine as LogLine
    from jobkit.records import Progress as Progress
    from jobkit.records import RunFailure as RunFailure
    from jobkit.records import RunRecord as RunRecord
    from jobkit.records import TickSpan as TickSpan
    from jobkit.records import new_run_id as new_run_id
    from jobkit.statuses import Reason as Reason
    from jobkit.statuses import RunStatus as RunStatus
    from jobkit.statuses import Trigger as Trigger
    from jobkit.stores.base import Lease as Lease
    from jobkit.stores.base import LeaseRequest as LeaseRequest
    from jobkit.stores.base import NewRun as NewRun
    from jobkit.stores.base import OpenLease as OpenLease
    from jobkit.stores.base import Outcome as Outcome
    from jobkit.stores.base import RunPage as RunPage
    from jobkit.stores.base import RunQuery as RunQuery
    from jobkit.stores.base import SchemaStatus as SchemaStatus
    from jobkit.stores.base import Store as Store
    from jobkit.stores.control import CancelRequest as CancelRequest
    from jobkit.stores.control import Pause as Pause
    from jobkit.stores.control import paused_event as paused_event
    from jobkit.stores.ledger import Claim as Claim
    from jobkit.stores.ledger import Claimed as Claimed
    from jobkit.stores.ledger import JobKey as JobKey
    from jobkit.stores.ledger import JobRegistration as JobRegistration
    from jobkit.stores.ledger import JobState as JobState
    from jobkit.stores.ledger import Punctuality as Punctuality
    from jobkit.stores.ledger import Span as Span
    from jobkit.stores.ledger import SpanPage as SpanPage
    from jobkit.stores.ledger import SpanQuery as SpanQuery
    from jobkit.stores.ledger import SpanRecord as SpanRecord
    from jobkit.stores.ledger import ninety_fifth as ninety_fifth
    from jobkit.stores.ledger_store import EARLIEST as EARLIEST
    from jobkit.stores.ledger_store import MEASURED_RUNS as MEASURED_RUNS
    from jobkit.stores.ledger_store import ClaimKind as ClaimKind
    from jobkit.stores.ledger_store import Overlap as Overlap
    from jobkit.stores.ledger_store import SpanReason as SpanReason
    from jobkit.stores.ledger_store import check_overlap as check_overlap
    from jobkit.stores.ledger_store import check_page as check_page
    from jobkit.stores.migrations import Applied as Applied
    from jobkit.stores.migrations import Migration as Migration
    from jobkit.stores.migrations import Migrations as Migrations
    from jobkit.stores.outbox import DeadLetter as DeadLetter
    from jobkit.stores.outbox import OutboxEntry as OutboxEntry
    from jobkit.stores.outbox import OutboxVerdict as OutboxVerdict
    from jobkit.stores.outbox import SinkLease as SinkLease
    from jobkit.stores.outbox import SinkRegistration as SinkRegistration
    from jobkit.stores.outbox import SinkState as SinkState
    from jobkit.stores.outbox_store import ERROR_LIMIT as ERROR_LIMIT
    from jobkit.stores.outbox_store import FORGOTTEN_AFTER as FORGOTTEN_AFTER
    from jobkit.stores.outbox_store import check_limit as check_limit
    from jobkit.stores.overlaps import OpenRun as OpenRun
    from jobkit.stores.overlaps import Verdict as Verdict
    from jobkit.stores.overlaps import judge as judge
    from jobkit.stores.overlaps import out_of_turn as out_of_turn
    from jobkit.stores.paging import Position as Position
    from jobkit.stores.paging import read_position as read_position
    from jobkit.stores.paging import write_position as write_position
    from jobkit.stores.plain import clean_text as clean_text
    from jobkit.stores.plain import plain as plain
    from jobkit.stores.refusals import id_taken as id_taken
    from jobkit.stores.refusals import no_position as no_position
    from jobkit.stores.refusals import not_found as not_found
    from jobkit.stores.refusals import not_open as not_open
    from jobkit.stores.refusals import open_already as open_already
    from jobkit.stores.refusals import other_project as other_project
    from jobkit.stores.remarks import Remark as Remark
    from jobkit.stores.replica_store import MISSED_HEARTBEATS as MISSED_HEARTBEATS
    from jobkit.stores.replicas import Event as Event
    from jobkit.stores.replicas import EventPage as EventPage
    from jobkit.stores.replicas import EventQuery as EventQuery
    from jobkit.stores.replicas import EventRecord as EventRecord
    from jobkit.stores.replicas import Replica as Replica
    from jobkit.stores.replicas import ReplicaKind as ReplicaKind
    from jobkit.stores.replicas import ReplicaState as ReplicaState
    from jobkit.stores.replicas import check_interval as check_interval
    from jobkit.stores.values import FORGOTTEN_MICROS as FORGOTTEN_MICROS
    from jobkit.stores.values import brief_error as brief_error
    from jobkit.stores.values import cancelled_message as cancelled_message
    from jobkit.stores.values import clean_caps as clean_caps
    from jobkit.stores.values import clean_count as clean_count
    from jobkit.stores.values import clean_duration as clean_duration
    from jobkit.stores.values import clean_failure as clean_failure
    from jobkit.stores.values import clean_hashes as clean_hashes
    from jobkit.stores.values import clean_limits as clean_limits
    from jobkit.stores.values import clean_outcome as clean_outcome
    from jobkit.stores.values import clean_progress as clean_progress
    from jobkit.stores.values import decode as decode
    from jobkit.stores.values import decode_failure as decode_failure
    from jobkit.stores.values import decode_failures as decode_failures
    from jobkit.stores.values import decode_outcome as decode_outcome
    from jobkit.stores.values import decode_owner as decode_owner
    from jobkit.stores.values import decode_progress as decode_progress
    from jobkit.stores.values import duration_micros as duration_micros
    from jobkit.stores.values import encode as encode
    from jobkit.stores.values import encode_failure as encode_failure
    from jobkit.stores.values import encode_failures as encode_failures
    from jobkit.stores.values import encode_hashes as encode_hashes
    from jobkit.stores.values import encode_outcome as encode_outcome
    from jobkit.stores.values import encode_owner as encode_owner
    from jobkit.stores.values import encode_progress as encode_progress
    from jobkit.stores.values import from_micros as from_micros
    from jobkit.stores.values import lost_message as lost_message
    from jobkit.stores.values import optional_count as optional_count
    from jobkit.stores.values import optional_instant as optional_instant
    from jobkit.stores.values import optional_micros as optional_micros
    from jobkit.stores.values import optional_text as optional_text
    from jobkit.stores.values import superseded_message as superseded_message
    from jobkit.stores.values import to_micros as to_micros
    from jobkit.stores.waking import POLL as POLL

_ROOMS: Final = {
    "exceptions": "RunInTheWay RunNotFound StoreError StoreUnavailable",
    "processes": "ProcessIdentity",
    "records": "AttemptRecord LogLine Progress RunFailure RunRecord TickSpan new_run_id",
    "statuses": "Reason RunStatus Trigger",
    "stores.base": "Lease LeaseRequest NewRun OpenLease Outcome RunPage RunQuery SchemaStatus Store",
    "stores.control": "CancelRequest Pause paused_event",
    "stores.ledger": (
        "Claim Claimed JobKey JobRegistration JobState Punctuality Span SpanPage SpanQuery SpanRecord "
        "ninety_fifth"
    ),
    "stores.ledger_store": "EARLIEST MEASURED_RUNS ClaimKind Overlap SpanReason check_overlap check_page",
    "stores.migrations": "Applied Migration Migrations",
    "stores.outbox": "DeadLetter OutboxEntry OutboxVerdict SinkLease SinkRegistration SinkState",
    "stores.outbox_store": "ERROR_LIMIT FORGOTTEN_AFTER check_limit",
    "stores.overlaps": "OpenRun Verdict judge out_of_turn",
    "stores.paging": "Position read_position write_position",
    "stores.plain": "clean_text plain",
    "stores.refusals": "id_taken no_position not_found not_open open_already other_project",
    "stores.remarks": "Remark",
    "stores.replica_store": "MISSED_HEARTBEATS",
    "stores.replicas": (
        "Event EventPage EventQuery EventRecord Replica ReplicaKind ReplicaState check_interval"
    ),
    "stores.values": (
        "FORGOTTEN_MICROS brief_error cancelled_message clean_caps clean_count clean_duration "
        "clean_failure clean_hashes clean_limits clean_outcome clean_progress decode decode_failure "
        "decode_failures decode_outcome decode_owner decode_progress duration_micros encode "
        "encode_failure encode_failures encode_hashes encode_outcome encode_owner encode_progress "
        "from_micros lost_message optional_count optional_instant optional_micros optional_text "
        "superseded_message to_micros"
    ),
    "stores.waking": "POLL",
}

_HOMES: Final = {name: room for room, names in _ROOMS.items() for name in names.split()}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"jobkit.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
