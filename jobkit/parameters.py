"""The parameters of a job: declared by its keyword-only arguments, filled by people and configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobkit.annotations import NOTHING, text_of_annotation
from jobkit.exceptions import ParameterError
from jobkit.values.secret import Secret

if TYPE_CHECKING:
    from jobkit.values.base import Kind, MisfitError

__all__ = ["Parameter", "ParameterSchema", "Secret", "decode_value", "is_reference"]

MOST_PARAMETERS = 1000
_SHOWN = 60

#: The key of what stands in history for a value that is not kept there.
REFERENCE = "secret"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One declared parameter.

    *annotation* is its type as evaluated (NOTHING if there is none), *type_text* the type as people read
    it, *default* NOTHING if it is *required*. A *secret* one is never stored or shown: it was annotated
    ``Secret``, or its name says so.
    """

    name: str
    annotation: Any
    type_text: str
    default: Any
    required: bool
    secret: bool
    kind: Kind

    @classmethod
    def declared(
        cls, name: str, annotation: Any, default: Any = NOTHING, type_text: str | None = None
    ) -> Parameter:
        """A parameter from its declaration. TypeError if values of its type cannot be written down."""
        from jobkit.redaction import looks_secret
        from jobkit.values.types import kind_for

        kind = kind_for(annotation)
        return cls(
            name,
            annotation,
            text_of_annotation(annotation) if type_text is None else type_text,
            default,
            default is NOTHING,
            kind.secret or looks_secret(name),
            kind,
        )

    def describe(self) -> str:
        """``days: int = 30``, as in the job's own source, without secrets."""
        text = f"{self.name}: {self.type_text}" if self.type_text else self.name
        if self.required:
            return text
        default = "***" if self.secret and self.default is not None else _shown_default(self.default)
        return f"{text} = {default}" if self.type_text else f"{text}={default}"


@dataclass(frozen=True, slots=True)
class ParameterSchema:
    """The declared parameters of a job; with *accepts_any* it takes others too, as they are given.

    Frozen, safe to share. *job* is the job's name for errors, which are ParameterError, all that is wrong
    in one.
    """

    parameters: tuple[Parameter, ...] = ()
    accepts_any: bool = False

    def from_text(self, given: Mapping[str, str], *, job: str) -> dict[str, Any]:
        """Values that people wrote as text (``-p key=value``); defaults are not filled in."""
        return self._read(given, job, lambda kind, text: kind.read_text(text))

    def from_values(self, given: Mapping[str, Any], *, job: str) -> dict[str, Any]:
        """Values from TOML, JSON, history or Python code; defaults are not filled in.

        A reference to a secret (see :meth:`to_plain`) is left out: what it stands for has to come from
        elsewhere, and :meth:`complete` says so if it does not.
        """
        secret = {parameter.name for parameter in self.parameters if parameter.secret}
        kept = {name: value for name, value in given.items() if name not in secret or not is_reference(value)}
        return self._read(kept, job, lambda kind, value: kind.read(value))

    def complete(self, values: Mapping[str, Any], *, job: str) -> dict[str, Any]:
        """*values*, already read, with defaults where nothing was given, in the order of declaration.

        Raises ParameterError for what is missing and for what the job does not take.
        """
        declared = {parameter.name for parameter in self.parameters}
        extra = [name for name in values if name not in declared]
        problems = [] if self.accepts_any else [self._unknown(name, job) for name in extra]
        done: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in values:
                done[parameter.name] = values[parameter.name]
            elif parameter.required:
                problems.append(self._missing(parameter, job))
            else:
                done[parameter.name] = _fresh(parameter.default)
        _raise_all(problems)
        done.update((name, values[name]) for name in extra)
        return done

    def to_plain(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """*values* as JSON values for history, safe to be shown.

        ``{"secret": name}`` stands for a secret one. In the others what is secret is masked: passwords of
        URLs, texts of the secret ones. What was masked cannot be read back.
        """
        from jobkit.redaction import Redactor

        redactor = Redactor(self.secret_texts(values))
        plain: dict[str, Any] = {}
        for name, value in self.to_exact(values).items():
            shown = redactor.text(name)
            plain[shown] = {REFERENCE: shown} if is_reference(value) else redactor.value(value)
        return plain

    def to_exact(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """*values* as JSON values that read back as they were, passwords of URLs included.

        For another process of the same run, never for history; ``{"secret": name}`` stands for a secret one.
        """
        known = {parameter.name: parameter for parameter in self.parameters}
        plain: dict[str, Any] = {}
        for name, value in values.items():
            parameter = known.get(name)
            if parameter is None:
                parameter = Parameter.declared(name, NOTHING)
            plain[name] = {REFERENCE: name} if parameter.secret else _plain(parameter, value)
        return plain

    def secret_texts(self, values: Mapping[str, Any]) -> frozenset[str]:
        """Every text in the secret ones of *values*, to be masked wherever it turns up."""
        found: set[str] = set()
        for parameter in self.parameters:
            if parameter.secret and parameter.name in values:
                found.update(_texts(_plain(parameter, values[parameter.name])))
        return frozenset(found)

    def describe(self) -> str:
        """The signature shown to people: ``(since: date, days: int = 30)``."""
        parts = [parameter.describe() for parameter in self.parameters]
        if self.accepts_any:
            parts.append("**parameters")
        return f"({', '.join(parts)})"

    def _read(self, given: Mapping[str, Any], job: str, read: Callable[[Kind, Any], Any]) -> dict[str, Any]:
        from jobkit.values.base import MisfitError, check_bounds

        if len(given) > MOST_PARAMETERS:
            raise ParameterError(
                f"job {job} is given {len(given):,} parameters, more than {MOST_PARAMETERS:,}"
            )
        known = {parameter.name: parameter for parameter in self.parameters}
        problems: list[ParameterError] = []
        values: dict[str, Any] = {}
        for name, value in given.items():
            parameter = known.get(name)
            if parameter is None:
                if not self.accepts_any or not isinstance(name, str):
                    problems.append(self._unknown(name, job))
                    continue
                parameter = Parameter.declared(name, NOTHING)
            try:
                check_bounds(value)
                values[name] = read(parameter.kind, value)
            except MisfitError as error:
                problems.append(_bad_value(parameter, error, job))
        _raise_all(problems)
        return values

    def _unknown(self, name: object, job: str) -> ParameterError:
        import difflib

        names = [parameter.name for parameter in self.parameters]
        near = difflib.get_close_matches(str(name)[:_SHOWN], names, n=1)
        hint = f"; did you mean `{near[0]}`?" if near else ""
        return ParameterError(
            f"job {job} has no parameter `{_shown(name, limit=_SHOWN, quoted=False)}`{hint}",
            code="JK511",
            help=f"it takes {job}{self.describe()}" if names else f"job {job} takes no parameters",
        )

    def _missing(self, parameter: Parameter, job: str) -> ParameterError:
        return ParameterError(
            f"job {job} needs the parameter `{parameter.name}`: {job}{self.describe()}",
            code="JK510",
            help=f"give it with `-p {parameter.name}=…`, or in jobkit.toml: "
            f"[jobs.{job}] parameters = {{ {parameter.name} = … }}",
        )


def is_reference(value: object) -> bool:
    """Whether *value* stands for a secret that history did not keep."""
    return isinstance(value, Mapping) and set(value) == {REFERENCE} and isinstance(value[REFERENCE], str)


def decode_value(value: Any, type: Any, *, name: str, job: str) -> Any:
    """*value* as a *type*, whether it is one already, or text, or what TOML and JSON write for it.

    Raises ParameterError naming the parameter *name*, the value and the type; TypeError for a type
    whose values cannot be written down.
    """
    from jobkit.values.base import MisfitError, check_bounds

    parameter = Parameter.declared(name, type)
    try:
        check_bounds(value)
        if isinstance(value, str) and not parameter.kind.is_exactly(value):
            return parameter.kind.read_text(value)
        return parameter.kind.read(value)
    except MisfitError as error:
        raise _bad_value(parameter, error, job) from None


def _bad_value(parameter: Parameter, error: MisfitError, job: str) -> ParameterError:
    from jobkit.redaction import mask_url

    # What a user's own check says about a secret may repeat it.
    reason = f"is not {parameter.kind.label}" if parameter.secret else error.reason
    shown = "***" if parameter.secret else _shown(error.value)
    where = "" if parameter.secret else error.where
    type_text = _type_beside(parameter, reason)
    return ParameterError(
        mask_url(f"parameter `{parameter.name}{where}` of job {job}: {shown} {reason}{type_text}"),
        help=f"it is declared as `{parameter.describe()}`",
    )


def _type_beside(parameter: Parameter, reason: str) -> str:
    """The declared type in brackets, where the reason does not name it already."""
    if not parameter.type_text or parameter.type_text in reason:
        return ""
    return f" (expected: {parameter.type_text})"


def _plain(parameter: Parameter, value: Any) -> Any:
    from jobkit.values.base import MisfitError
    from jobkit.values.containers import AnyKind

    # A default was never read, so it need not be what the annotation says.
    kind = parameter.kind if parameter.kind.is_exactly(value) else AnyKind()
    try:
        return kind.plain(value)
    except (MisfitError, TypeError, AttributeError):
        return _shown(value)


def _texts(plain: Any) -> Iterator[str]:
    """The texts and numbers in a JSON value, as text."""
    if isinstance(plain, dict):
        plain = list(plain.values())
    if isinstance(plain, list):
        for part in plain:
            yield from _texts(part)
    elif plain is not None and not isinstance(plain, bool):
        yield str(plain)


def _raise_all(problems: list[ParameterError]) -> None:
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0]
    helps = dict.fromkeys(problem.help for problem in problems if problem.help)
    raise ParameterError(
        "; ".join(problem.message for problem in problems), code=problems[0].code, help="\n".join(helps)
    )


def _fresh(default: Any) -> Any:
    # One run that appends to a list that is its default must not change the next one's.
    return copy.deepcopy(default) if isinstance(default, list | dict | set) else default


def _shown_default(value: Any) -> str:
    from jobkit.values.containers import AnyKind

    if value is None or isinstance(value, str | int | float | list | dict | tuple | set):
        return _shown(value)
    try:
        return _shown(AnyKind().plain(value))
    except ValueError:
        return _shown(value)


def _shown(value: object, *, limit: int = _SHOWN, quoted: bool = True) -> str:
    from jobkit.redaction import mask_url
    from jobkit.sanitising import bounded, repr_of, text_of

    # Masked before it is cut: a cut may go through a password, which is then no longer found.
    return bounded(mask_url(repr_of(value) if quoted else text_of(value)), limit, multiline=False)
