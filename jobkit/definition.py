"""The options of one registration: read, completed from what is registered, refused with the line."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Protocol

from jobkit.exceptions import CollectionError
from jobkit.job import Job
from jobkit.options import LONGEST_LINE, OPTIONS, nearest_option
from jobkit.signature import Note
from jobkit.targets import is_job_object

_WORD_STARTS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Place(Protocol):
    """Where a registration was written."""

    @property
    def path(self) -> Path: ...
    @property
    def line(self) -> int: ...


def wrong(
    message: str, code: str, place: Place, help: str | None = None, *, job: str | None = None
) -> CollectionError:
    """The error of a registration, at its line."""
    jobs = (job,) if job is not None else ()
    return CollectionError(message, code=code, path=place.path, line=place.line, help=help, jobs=jobs)


def read_options(given: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """*given* as a specification holds it. CollectionError with all that is wrong with it."""
    read: dict[str, Any] = {}
    problems: list[CollectionError] = []
    for name, value in given.items():
        option = OPTIONS.get(name)
        if option is None:
            problems.append(_unknown(name, place))
        elif not option.in_code:
            problems.append(_configured(name, place))
        else:
            try:
                read[name] = option.decode(value)
            except (TypeError, ValueError) as error:
                code = "JK122" if name == "name" else "JK121"
                problems.append(wrong(f"`{name}`: {error}", code, place, _help(name, option.type)))
    if problems:
        raise _together(problems, place)
    return read


def _help(name: str, type_text: str) -> str:
    if name == "name":
        return "leave it out, and the job is called like its function or class"
    return f"`{name}` takes {type_text}"


def _unknown(name: str, place: Place) -> CollectionError:
    near = nearest_option(name)
    hint = f"; did you mean `{near}`?" if near else ""
    return wrong(
        f"there is no option `{name[:60]}`{hint}", "JK120", place, f"the options are {', '.join(_in_code())}"
    )


def _configured(name: str, place: Place) -> CollectionError:
    help = f"write it in jobkit.toml, below [jobs.NAME]: {name} = …"
    if name == "parameters":
        help += "; in code, give the arguments defaults"
    return wrong(f"`{name}` is set in configuration, not in code", "JK124", place, help)


def _in_code() -> list[str]:
    return [option.name for option in OPTIONS.values() if option.in_code]


def _together(problems: list[CollectionError], place: Place) -> CollectionError:
    if len(problems) == 1:
        return problems[0]
    helps = "\n".join(dict.fromkeys(problem.help for problem in problems if problem.help))
    message = "; ".join(problem.message for problem in problems)
    return wrong(message, problems[0].code, place, helps)


# -- what the registered object says itself -----------------------------------------------------------


def options_of(job: Any) -> dict[str, Any]:
    """The options that the attributes of a class, or of an instance of one, carry."""
    kind = job if isinstance(job, type) else type(job)
    said = {name for base in kind.__mro__ if base not in (Job, object) for name in vars(base)}
    said |= vars(job).keys() if job is not kind and hasattr(job, "__dict__") else set()
    return {name: getattr(job, name) for name in _in_code() if name in said}


def misspelt_attributes(job: Any) -> list[Note]:
    """Attributes that set nothing, and look as if they were meant to."""
    kind = job if isinstance(job, type) else type(job)
    notes = []
    for base in kind.__mro__:
        if base in (Job, object):
            continue
        for name, value in vars(base).items():
            if name.startswith("_") or not name.islower() or callable(value) or hasattr(value, "__get__"):
                continue
            option = OPTIONS.get(name)
            if option is None:
                near = nearest_option(name)
                if near is not None:
                    text = f"the attribute `{name}` is no option; did you mean `{near}`?"
                    notes.append(Note(text, "JK134", "rename it; if it is yours, start its name with `_`"))
            elif name == "enforce":
                text = "the attribute `enforce` sets nothing: consent is given in configuration, not in code"
                notes.append(
                    Note(text, "JK134", "write it in jobkit.toml, below [jobs.NAME]: enforce = true")
                )
    return notes


def defaults_of(job: Any, options: dict[str, Any], place: Place) -> None:
    """Add the name and the description that *job* has by itself, where *options* do not give them."""
    if "name" not in options:
        name = _own_name(job, place)
        try:
            options["name"] = OPTIONS["name"].decode(name)
        except ValueError as error:
            raise wrong(
                f"`name`: {error}",
                "JK122",
                place,
                f'it was taken from {name}; submit_job(…, name="…") gives another',
            ) from None
    if "description" not in options:
        options["description"] = _first_line(_docstring(job))


def _own_name(job: Any, place: Place) -> str:
    inner = job
    while isinstance(inner, functools.partial):
        inner = inner.func
    if isinstance(inner, type):
        return _snake_case(inner.__name__)
    name = None if is_job_object(inner) else getattr(inner, "__name__", None)
    if not isinstance(name, str):
        return _snake_case(type(inner).__name__)
    if name == "<lambda>":
        raise wrong(
            "a lambda has no name for the job", "JK123", place, 'give it one: submit_job(…, name="…")'
        )
    return name


def _snake_case(name: str) -> str:
    return _WORD_STARTS.sub("_", name).lower().strip("_")


def _docstring(job: Any) -> str | None:
    """The text that was written for this very object: not one that its type or a base has."""
    inner = job
    while isinstance(inner, functools.partial):
        inner = inner.func
    if not isinstance(inner, FunctionType | MethodType | type | staticmethod):
        inner = type(inner)
    doc = getattr(inner, "__doc__", None)
    if doc is None and isinstance(inner, type):
        doc = getattr(getattr(inner, "execute", None), "__doc__", None)
    return doc if isinstance(doc, str) else None


def _first_line(doc: str | None) -> str:
    if not doc:
        return ""
    line = " ".join(doc.lstrip().partition("\n")[0].split())
    if len(line) <= LONGEST_LINE and line.isprintable():
        return line
    from jobkit.sanitising import bounded

    return bounded(line, LONGEST_LINE, multiline=False)
