"""The JSON shapes of the command line: every member is there, none is unknown, types are strict."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec

from tests.cli.harness import Ended

Status = Literal["queued", "running", "succeeded", "failed", "timed_out", "cancelled", "skipped", "lost"]
Trigger = Literal["schedule", "catchup", "startup", "manual", "retry", "child", "api"]
#: RFC 3339 in UTC with ``Z``.
Instant = str

T = TypeVar("T")


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """An object with exactly these members."""


class Error(Shape):
    code: str
    message: str
    path: str | None
    line: int | None
    help: str | None


class Envelope(Shape, Generic[T]):
    schema: str
    data: T
    errors: list[Error]


class Failure(Shape):
    type: str
    message: str
    traceback: str | None


class Ticks(Shape):
    first: Instant
    last: Instant
    count: int


class Progress(Shape):
    done: float
    total: float | None
    message: str | None


class Run(Shape):
    id: str | None
    number: int | None
    job: str
    extension: str
    status: Status
    trigger: Trigger
    scheduled_at: Instant | None
    queued_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None
    duration_ms: int | None
    attempt: int
    attempts: int
    actor: str
    node: str
    enforce: bool
    parameters: dict[str, Any]
    message: str | None
    processed: int | None
    errors: int | None
    data: dict[str, Any]
    progress: Progress | None
    window: list[Instant] | None
    covers: Ticks | None
    reason: str | None
    error: Failure | None
    cleanup_errors: list[Failure]
    parent: str | None
    retry_of: str | None
    ticks: Ticks | None


class Pause(Shape):
    job: str | None
    since: Instant
    until: Instant | None
    by: str
    reason: str | None


class PausingScheduler(Shape):
    id: str
    node: str
    host: str
    pid: int
    heartbeat_at: Instant


class Paused(Shape):
    paused: list[Pause]
    schedulers: list[PausingScheduler]


class Resumed(Shape):
    resumed: list[Pause]
    not_paused: list[str | None]
    still: list[Pause]


class Cancelled(Shape):
    became: Literal["cancelled", "asked", "ended", "over"]
    was: Status
    run: Run


class Job(Shape):
    name: str
    extension: str
    description: str
    schedule: str
    timezone: str
    enabled: bool
    enabled_by: str
    scheduled: bool
    why: str
    tags: list[str]
    source: str
    error: Error | None
    late: bool
    differs: bool
    paused: Pause | None
    next_run_at: Instant | None
    last_run: Run | None


class Parameter(Shape):
    name: str
    type: str
    default: Any
    required: bool
    configured: Any
    secret: bool


class Service(Shape):
    parameter: str
    type: str
    required: bool


class Origin(Shape):
    layer: str
    path: str | None
    line: int | None
    name: str | None


class Expectations(Shape):
    min_processed: int | None
    max_error_ratio: float | None
    max_duration: str | None


class Policies(Shape):
    timeout: str | None
    retries: int
    retry_delay: str
    retry_backoff: float
    retry_max_delay: str
    overlap: Literal["skip", "queue", "allow", "cancel"]
    misfire: Literal["latest", "all", "none"]
    misfire_grace: str
    jitter: str
    scope: Literal["cluster", "node"]
    limits: list[str]
    executor: Literal["auto", "async", "thread", "process"]
    queue: str
    priority: int
    expect: Expectations | None


class FullJob(Job):
    module: str
    owner: str
    enforce: bool
    run_on_startup: bool
    parameters: list[Parameter]
    accepts_any: bool
    services: list[Service]
    policies: Policies
    origins: dict[str, Origin]
    runs: list[Run]
    lateness: LateJob | None
    changed: Changed | None
    startup: Startup


class Changed(Shape):
    by: str | None
    at: Instant | None
    reason: str | None


class LateJob(Shape):
    job: str
    node: str
    tick: Instant
    since: Instant
    succeeded: Instant | None


class HealthFinding(Shape):
    level: Literal["ok", "warning", "error"]
    code: str
    message: str
    help: str | None
    jobs: list[str]
    nodes: list[str]


class Replica(Shape):
    id: str
    kind: Literal["scheduler", "worker"]
    node: str
    host: str
    pid: int
    since: Instant
    heartbeat_at: Instant
    jobs: int
    details: dict[str, Any]


class Differing(Shape):
    job: str
    sides: list[list[str]]
    absent: list[str]


class Health(Shape):
    healthy: bool
    at: Instant
    store: str
    findings: list[HealthFinding]
    replicas: list[Replica]
    late: list[LateJob]
    differs: list[Differing]


class Startup(Shape):
    on: bool
    why: str
    place: int | None


class Switched(Shape):
    name: str
    asked: bool
    file: str
    changed: Changed | None
    removed: bool
    elsewhere: list[str]
    enabled: bool | None
    enabled_by: str | None
    overruled: bool
    scheduled: bool | None
    why: str
    startup: bool | None
    next_run_at: Instant | None


class Check(Shape):
    ok: bool
    jobs: int
    warnings: list[Error]
    notes: list[str]


class Value(Origin):
    value: Any


class KeyedValue(Value):
    key: str


class Said(Value):
    winner: bool


class Stack(KeyedValue):
    stack: list[Said]


class ConfigShow(Shape):
    env: str | None
    files: list[str]
    values: list[KeyedValue]


class ConfigExplain(Shape):
    name: str
    env: str | None
    options: list[Stack]


class Difference(Shape):
    key: str
    left: Value | None
    right: Value | None


class ConfigDiff(Shape):
    left: str | None
    right: str | None
    differences: list[Difference]


class Line(Shape):
    sequence: int
    at: Instant
    level: str
    event: str
    attempt: int
    source: str
    fields: dict[str, Any]


class FollowedLine(Line):
    run: int


class Logs(Shape):
    run: Run
    lines: list[Line]


class Store(Shape):
    store: str
    read_only: bool
    applied: list[str]
    pending: list[str]
    details: dict[str, Any]
    remarks: list[Remark]
    sinks: list[SinkState]


class Remark(Shape):
    subject: str
    level: Literal["ok", "warning", "error"]
    message: str
    help: str | None


class SinkState(Shape):
    name: str
    waiting: int
    oldest: Instant | None
    dead: int
    failures: int
    suspended_until: Instant | None
    error: str | None
    failing: int
    failure: str | None
    delivered_at: Instant | None
    seen_at: Instant
    max_age: str
    owner: str | None


class DeadLetter(Shape):
    id: int
    sink: str
    run_id: str
    number: int
    job: str
    added_at: Instant
    died_at: Instant
    failures: int
    reason: Literal["failures", "rejected", "max_age"]
    error: str | None


class ForgottenSink(Shape):
    sink: str
    waiting: int
    dead: int


class DeadLetters(Shape):
    letters: list[DeadLetter]
    more: bool
    replayed: int | None
    dropped: int | None


class Page(Shape):
    code: str
    title: str
    text: str


class Fire(Shape):
    job: str | None
    at: Instant
    local: str
    timezone: str
    note: str | None


class Topic(Shape):
    topic: str
    title: str


class Durations(Shape):
    p50: int
    p95: int
    max: int


class Statistics(Shape):
    job: str
    extension: str
    runs: int
    success_rate: float | None
    succeeded: int
    failed: int
    timed_out: int
    cancelled: int
    lost: int
    skipped: int
    duration_ms: Durations | None
    processed: int
    errors: int
    first_at: Instant | None
    last_at: Instant | None


class Pruned(Shape):
    store: str
    before: Instant
    runs: int
    dry_run: bool


class Exported(Shape):
    path: str
    runs: int


class Finding(Shape):
    check: str
    status: Literal["ok", "warn", "fail"]
    message: str
    help: str | None
    code: str | None


class Script(Shape):
    shell: str
    script: str


class ScaffoldFile(Shape):
    path: str
    state: Literal["created", "planned", "kept"]
    purpose: str


class Scaffold(Shape):
    root: str
    dry_run: bool
    files: list[ScaffoldFile]
    next: list[str]


class JobScaffold(Scaffold):
    job: str


class ServiceScaffold(Scaffold):
    service: str
    plugin: str


class SinkScaffold(Scaffold):
    sink: str
    plugin: str


class PluginScaffold(Scaffold):
    plugin: str
    distribution: str


class Plugin(Shape):
    name: str
    version: str | None
    distribution: str | None
    source: str
    place: str | None
    extension: str | None
    required: bool
    status: Literal["active", "blocked", "broken", "unregistered"]
    hooks: list[str]
    failures: int
    failed: list[Error]
    error: Error | None


class Hook(Shape):
    name: str
    signature: str
    verb: Literal["call", "gather", "first", "notify", "around"]
    asynchronous: bool
    timeout: float | None
    extension: bool
    summary: str
    plugins: list[str]


class ListedService(Shape):
    name: str
    types: list[str]
    scope: Literal["scheduler", "run"]
    plugin: str
    extension: str | None
    source: str | None
    description: str
    autouse: bool
    replaces: bool
    ping: bool
    needs: list[str]
    jobs: list[str]


class Fact(Shape):
    code: str
    text: str


class Span(Shape):
    reason: Literal["overlap", "paused", "misfire", "admission"]
    cause: str | None
    node: str
    first: Instant
    last: Instant
    count: int
    recorded_at: Instant


class WhyPause(Shape):
    job: str | None
    since: Instant
    until: Instant | None
    by: str
    reason: str | None
    resumed_at: Instant | None
    resumed_by: str | None


class WhyEvent(Shape):
    kind: str
    at: Instant
    job: str | None
    actor: str | None
    data: dict[str, Any]


class Minute(Shape):
    ticks: int
    ran: int
    skipped: int


class Why(Shape):
    job: str
    at: Instant | None
    local: str | None
    timezone: str
    code: str
    text: str
    facts: list[Fact]
    run: Run | None
    span: Span | None
    pause: WhyPause | None
    events: list[WhyEvent]
    previous: Instant | None
    next: Instant | None
    minute: Minute | None


class TimelineRun(Shape):
    number: int
    status: Status
    trigger: Trigger
    scheduled_at: Instant | None
    queued_at: Instant | None
    started_at: Instant | None
    finished_at: Instant | None


class TimelineSpan(Shape):
    reason: str
    cause: str | None
    first: Instant
    last: Instant
    count: int


class ComingTick(Shape):
    at: Instant
    paused: bool


class TimelineRow(Shape):
    job: str
    runs: list[TimelineRun]
    spans: list[TimelineSpan]
    coming: list[ComingTick]
    coming_count: int


class Timeline(Shape):
    since: Instant
    until: Instant
    now: Instant
    rows: list[TimelineRow]
    idle: int
    complete_since: Instant | None


class LockedFire(Shape):
    at: Instant
    local: str
    note: str | None


class LockedJob(Shape):
    name: str
    schedule: str
    timezone: str
    scheduled: bool
    why: str | None
    fires: list[LockedFire]


class Locked(Shape):
    path: str
    written: bool
    from_: Instant = msgspec.field(name="from")
    fires: int
    zone_data: str
    env: str | None
    jobs: list[LockedJob]


class FieldDifference(Shape):
    field: Literal["schedule", "timezone", "scheduled", "why"]
    locked: str | bool | None
    now: str | bool | None


class FireDifference(Shape):
    change: Literal["added", "removed", "moved", "reworded"]
    locked: LockedFire | None
    now: LockedFire | None


class JobDifference(Shape):
    job: str
    change: Literal["added", "removed", "changed"]
    fields: list[FieldDifference]
    fires: list[FireDifference]


class LockDiff(Shape):
    path: str
    from_: Instant = msgspec.field(name="from")
    fires: int
    jobs: int
    differences: list[JobDifference]
    notes: list[str]


_DATA: dict[str, Any] = {
    "schedule.lock": Locked | None,
    "schedule.diff": LockDiff | None,
    "timeline": Timeline | None,
    "why": Why | None,
    "plugins": list[Plugin],
    "hooks": list[Hook],
    "services": list[ListedService],
    "completion": Script | None,
    "doctor": list[Finding],
    "health": Health | None,
    "stats": list[Statistics],
    "db.prune": Pruned | None,
    "db.export": Exported | None,
    "db.dead-letters": DeadLetters | None,
    "db.forget-sink": ForgottenSink | None,
    "init": Scaffold | None,
    "new.job": JobScaffold | None,
    "new.service": ServiceScaffold | None,
    "new.sink": SinkScaffold | None,
    "new.plugin": PluginScaffold | None,
    "list": list[Job],
    "show": FullJob | None,
    "check": Check | None,
    "config.show": ConfigShow | None,
    "config.explain": ConfigExplain | None,
    "config.diff": ConfigDiff | None,
    "config.schema": dict[str, Any] | None,
    "enable": Switched | None,
    "disable": Switched | None,
    "retry": list[Run],
    "pause": Paused,
    "resume": Resumed,
    "cancel": list[Cancelled],
    "run": list[Run],
    "history": list[Run],
    "logs": Logs | None,
    "db.status": Store | None,
    "db.upgrade": Store | None,
    "next": list[Fire],
    "explain": Page | None,
    "help": list[Topic],
}


def checked(ended: Ended) -> Any:
    """The envelope on stdout, after its shape was found to be that of its verb."""
    schema: str = ended.json["schema"]
    name, slash, version = schema.removeprefix("jobkit.").partition("/")
    assert (slash, version) == ("/", "1"), schema
    shape: Any = Envelope
    return msgspec.json.decode(ended.out, type=shape[_DATA[name]], strict=True)
