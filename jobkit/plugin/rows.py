"""Rows of SQL tables as records, and back: for stores that keep runs in such tables.

Constants are lists of columns, in the order in which functions of a like name take or give their values.
Times are microseconds since the epoch, durations microseconds, and JSON is text. The tables are the store's
own affair: ``jobkit/stores/migrations`` shows those for SQLite.
"""

from __future__ import annotations

from jobkit.stores.rows import ATTEMPT as ATTEMPT
from jobkit.stores.rows import DEAD_LETTER as DEAD_LETTER
from jobkit.stores.rows import ENDED as ENDED
from jobkit.stores.rows import ENTRY as ENTRY
from jobkit.stores.rows import LEASE as LEASE
from jobkit.stores.rows import LINE as LINE
from jobkit.stores.rows import NEW_LEASE as NEW_LEASE
from jobkit.stores.rows import NEW_RUN as NEW_RUN
from jobkit.stores.rows import OUTCOME as OUTCOME
from jobkit.stores.rows import RUN as RUN
from jobkit.stores.rows import SINK as SINK
from jobkit.stores.rows import Row as Row
from jobkit.stores.rows import attempt_record as attempt_record
from jobkit.stores.rows import dead_letter as dead_letter
from jobkit.stores.rows import ended_values as ended_values
from jobkit.stores.rows import lease as lease
from jobkit.stores.rows import lease_values as lease_values
from jobkit.stores.rows import line_values as line_values
from jobkit.stores.rows import log_line as log_line
from jobkit.stores.rows import new_run_values as new_run_values
from jobkit.stores.rows import open_lease as open_lease
from jobkit.stores.rows import outbox_entry as outbox_entry
from jobkit.stores.rows import outcome_values as outcome_values
from jobkit.stores.rows import queued_run as queued_run
from jobkit.stores.rows import run_record as run_record
from jobkit.stores.rows import sink_state as sink_state
from jobkit.stores.rows import started_run as started_run
from jobkit.stores.rows import verdict_values as verdict_values
