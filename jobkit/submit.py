"""``submit_job``: how a file says that something in it is a job.

A call is validated where it stands, so that an error has its line. While a project is loaded it is credited
to the module whose body is executing; at any other time nothing happens.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType, FunctionType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypedDict, TypeVar, Unpack, overload

from jobkit.definition import defaults_of, misspelt_attributes, options_of, read_options, wrong
from jobkit.exceptions import CollectionError, JobkitWarning
from jobkit.job import JobSpec
from jobkit.origin import Origin
from jobkit.registration import Collecting, Registration, current
from jobkit.signature import Note, RefusedError, signature_of
from jobkit.targets import is_job_object

if TYPE_CHECKING:
    from jobkit.expect import Expect
    from jobkit.retry import Retry
    from jobkit.schedules.base import Schedule

__all__ = ["submit_job", "to_spec"]

_keys = itertools.count()
_LOADER = "jobkit.collection.loader"


class _Executable(Protocol):
    @property
    def execute(self) -> Callable[..., Any]: ...


J = TypeVar("J", bound="Callable[..., Any] | _Executable")


class Options(TypedDict, total=False):
    """The options of ``submit_job`` as type checkers see them."""

    name: str
    description: str
    schedule: str | list[str] | tuple[str, ...]
    timezone: str | None
    run_on_startup: bool
    enabled: bool
    tags: list[str] | tuple[str, ...] | set[str] | frozenset[str]
    timeout: timedelta | float | str | None
    retries: int | Retry
    overlap: Literal["skip", "queue", "allow", "cancel"]
    misfire: Literal["latest", "all", "none"]
    misfire_grace: timedelta | float | str
    jitter: timedelta | float | str
    scope: Literal["cluster", "node"]
    limits: list[str] | tuple[str, ...] | set[str] | frozenset[str]
    executor: Literal["auto", "async", "thread", "process"]
    queue: str
    priority: int
    expect: Expect | None
    owner: str
    plugins: Mapping[str, Mapping[str, Any]]


_NOT_GIVEN: Any = object()


@overload
def submit_job(job: J, /, **options: Unpack[Options]) -> J: ...


@overload
def submit_job(**options: Unpack[Options]) -> Callable[[J], J]: ...


def submit_job(job: Any = _NOT_GIVEN, /, **options: Any) -> Any:
    """Register *job* – a function, a class with ``execute``, an instance, another callable – and return it.

    Options say how it is named, when and how it runs; for a class its attributes say so too, and options
    given here win. Without *job* it is a decorator. Raises CollectionError, with the line of the call, for
    anything that is not right. Outside of collection (a test, ``python file.py``) nothing is registered.
    """
    place = _place_of(sys._getframe(1))
    if job is _NOT_GIVEN:
        return _Decorator(options, place)
    _submit(job, options, place)
    return job


def to_spec(registration: Registration, extension: str, module: str) -> JobSpec:
    """The specification of a job as its code has it, before configuration is laid over it."""
    if registration.signature is None:
        raise ValueError("a decorator that was not applied yet registers no job")
    origin = Origin("code", registration.path, registration.line)
    return JobSpec(
        extension=extension,
        path=registration.path,
        line=registration.line,
        module=module,
        target=registration.target,
        signature=registration.signature,
        times=registration.times,
        origins=dict.fromkeys(registration.given, origin),
        warnings=registration.warnings,
        **registration.options,
    )


# -- where a call stands ------------------------------------------------------------------------------


class _Place(NamedTuple):
    """File and line of a call, and whose registration it is: None if nothing is being collected."""

    path: Path
    line: int
    collecting: Collecting | None = None


def _place_of(frame: FrameType) -> _Place:
    """The place of the call that *frame* makes."""
    collecting = current()
    if collecting is None:
        return _Place(Path(frame.f_code.co_filename), frame.f_lineno)
    module = frame.f_globals.get("__name__")
    if module == collecting.module and frame.f_code.co_name == "<module>":
        return _Place(collecting.path, frame.f_lineno, collecting)
    return _place_by_stack(frame, collecting)


def _place_by_stack(caller: FrameType, collecting: Collecting) -> _Place:
    """The call is made in a function: whose body is executing decides, and its line is shown.

    That body may be of a module which the loader did not load, on its way in because a job file
    imports it. Nothing in it is a job file's own. A plugin that collects a file says the line itself.
    """
    line = collecting.line
    frame: FrameType | None = caller
    while frame is not None:
        names = frame.f_globals
        if names.get("__name__") == _LOADER:
            break  # what called the loader has no part in this file
        ours = names.get("__name__") == collecting.module
        if ours and line is None:
            line = frame.f_lineno
        if frame.f_code.co_name == "<module>":
            if not ours and getattr(names.get("__spec__"), "_initializing", False):
                return _outsider(caller, frame)
            break
        frame = frame.f_back
    if line is None:
        return _Place(collecting.path, caller.f_lineno, collecting)
    return _Place(collecting.path, line, collecting)


def _outsider(caller: FrameType, body: FrameType) -> _Place:
    name = body.f_globals.get("__name__", "?")
    warnings.warn_explicit(
        f"submit_job was called while {name} was imported, which is no job file: nothing is registered. "
        "Call it in a file below extensions/<extension>/jobs/ [JK132]",
        JobkitWarning,
        body.f_code.co_filename,
        body.f_lineno,
        module=name,
    )
    return _Place(Path(caller.f_code.co_filename), caller.f_lineno)


# -- registering --------------------------------------------------------------------------------------


class _Decorator:
    """What ``submit_job(...)`` without a job gives; the loader looks for those that were not applied."""

    def __init__(self, options: dict[str, Any], place: _Place) -> None:
        self._options = options
        self._place = place
        self._key = next(_keys)
        if place.collecting is not None:
            _check_accepts(place)
            place.collecting.pending[self._key] = Registration(None, options, place.path, place.line)

    def __call__(self, job: Any, /) -> Any:
        place = self._place
        if place.collecting is not None:
            place.collecting.pending.pop(self._key, None)
        if place.collecting is not current():  # made by one module, applied by another, or at another time
            place = _place_of(sys._getframe(1))
        _submit(job, self._options, place)
        return job

    def __repr__(self) -> str:
        return f"<submit_job(...) of {self._place.path}:{self._place.line}, to be applied to a job>"


def _submit(job: Any, given: dict[str, Any], place: _Place) -> None:
    if place.collecting is not None:
        _check_accepts(place)
    if isinstance(job, _Decorator):
        raise wrong("submit_job(...) was given to submit_job", "JK110", place, "apply it to a job, once")
    try:
        signature = signature_of(job)
    except RefusedError as error:
        raise wrong(str(error), error.code, place, error.help) from None
    has_attributes = type(job) is not FunctionType and (isinstance(job, type) or is_job_object(job))
    said = {**options_of(job), **given} if has_attributes else given
    options = read_options(said, place)
    defaults_of(job, options, place)
    if place.collecting is None:
        return
    notes = (*signature.notes, *misspelt_attributes(job)) if has_attributes else signature.notes
    times = _times(options, place) if "schedule" in options or "timezone" in options else None
    place.collecting.registrations.append(
        Registration(
            job,
            options,
            place.path,
            place.line,
            signature,
            frozenset(said),
            times,
            _warnings(notes, options["name"], place),
        )
    )


def _check_accepts(place: _Place) -> None:
    if place.collecting is not None and not place.collecting.accepts:
        raise wrong(
            f"{place.path.name} is a helper that job files import, and registers no jobs itself",
            "JK131",
            place,
            "call submit_job in the job file, or rename the helper so that it does not start with `_`",
        )


def _times(options: Mapping[str, Any], place: _Place) -> Schedule | None:
    """The schedule, if its zone is known here; else it is only looked at, and read with the scheduler's."""
    from jobkit.exceptions import ScheduleError
    from jobkit.schedules import BUILTIN_KINDS, parse_schedule
    from jobkit.schedules.zones import find_zone

    zone = options.get("timezone")
    kinds = place.collecting.kinds if place.collecting is not None else None
    try:
        find_zone(zone or "UTC")
        times = parse_schedule(
            options.get("schedule", ()),
            timezone=zone or "UTC",
            name=options["name"],
            kinds=BUILTIN_KINDS if kinds is None else kinds,
        )
    except ScheduleError as error:
        absent: object = getattr(kinds, "absent", ())
        if error.code == "JK315" or (error.code == "JK312" and absent):
            # A plugin is to blame, not the file: the job alone gets the error, when it is read again.
            return None
        option = "timezone" if error.code == "JK309" else "schedule"
        message = f"`{option}` of job {options['name']}: {error.message}"
        raise wrong(message, error.code, place, error.help, job=options["name"]) from None
    return times if zone is not None else None


def _warnings(notes: Sequence[Note], name: str, place: _Place) -> tuple[CollectionError, ...]:
    return tuple(
        [
            CollectionError(
                f"job {name}: {note.text}",
                code=note.code,
                path=place.path,
                line=place.line,
                help=note.help,
                jobs=(name,),
            )
            for note in notes
        ]
    )
