"""Who says what about a value: for every key and every option of a job, the stack of layers.

Everything here is safe to show: secrets and variables are ``***``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from jobkit.config.layers import Setting, Statement, without_variables
from jobkit.config.schema import CHANGED, KEYS
from jobkit.options import OPTIONS
from jobkit.origin import DEFAULT, Origin
from jobkit.records import to_plain
from jobkit.redaction import MASK, redact
from jobkit.retry import Retry

if TYPE_CHECKING:
    from jobkit.config.settings import Config
    from jobkit.expect import Expect
    from jobkit.job import JobSpec


class Opinion(NamedTuple):
    """What one layer says: *value* is safe to show; *said* is as it is written, for comparing.

    *words* stand for the value where it is none, as for a default that depends on the machine.
    """

    value: Any
    origin: Origin
    said: Any = None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """All opinions about one key, the lowest layer first; there is at least one, and the last one wins."""

    key: str
    opinions: tuple[Opinion, ...]

    @property
    def winner(self) -> Opinion:
        return self.opinions[-1]

    @property
    def undisputed(self) -> bool:
        """Whether nobody said anything, so that the default holds."""
        return self.winner.origin.layer == "default"


# -- keys -------------------------------------------------------------------------------------------------


def stacks_of(tree: Setting, hides: Callable[[Sequence[str]], bool] | None = None) -> Iterator[Stack]:
    """Every key of jobkit's own tables, then every option of jobs and plugins that somebody set.

    *hides* knows what plugins declared as secret, by its path.
    """
    for table, keys in KEYS.items():
        for key in keys.values():
            default = Opinion(to_plain(key.default), DEFAULT, to_plain(key.default), key.default_text)
            found = tree.at((table, key.name))
            yield from _with_leaves(f"{table}.{key.name}", [default], found)
    for table in ("jobs", "plugins"):
        found = tree.at((table,))
        for name, part in (found.parts or {} if found is not None else {}).items():
            for path, stack in _table_stacks((table, name), part):
                yield _hidden(stack) if hides is not None and hides(path) else stack


def _table_stacks(at: tuple[str, str], table: Setting) -> Iterator[tuple[tuple[str, ...], Stack]]:
    """What is set in ``[jobs.NAME]`` or ``[plugins.NAME]``, each with the path that leads there."""
    of_job, key = at[0] == "jobs", ".".join(at)
    for name, part in (table.parts or {}).items():
        if of_job and name == CHANGED:
            continue
        if of_job and name == "retries":
            for path, opinions in _retry_opinions(part).items():
                yield (*at, "retries", *path), Stack(".".join((key, "retries", *path)), tuple(opinions))
            continue
        for below, leaf in part.leaves():
            yield (*at, name, *below), Stack(".".join((key, name, *below)), tuple(_opinions(leaf)))


def _hidden(stack: Stack) -> Stack:
    """*stack* without the values, which a plugin or a parameter says are secret."""
    return Stack(stack.key, tuple(opinion._replace(value=MASK) for opinion in stack.opinions))


def _with_leaves(key: str, below: list[Opinion], setting: Setting | None) -> Iterator[Stack]:
    """The stack of *key*; where *setting* is a table, one for each key in it."""
    leaves = list(setting.leaves()) if setting is not None else []
    if not leaves:
        yield Stack(key, tuple(below))
    for path, leaf in leaves:
        lower = below if not path else []
        yield Stack(".".join((key, *path)), (*lower, *_opinions(leaf)))


def _opinions(setting: Setting) -> Iterator[Opinion]:
    for statement in setting.stack:
        yield Opinion(to_plain(setting.show(statement)), statement.origin, statement.value)


# -- the options of a job ---------------------------------------------------------------------------------


def option_stacks(proposed: JobSpec, config: Config) -> list[Stack]:
    """Every option of a job: what holds by default, what its code says, and what configuration says.

    *proposed* is the job as its code has it, before configuration was laid over it.
    """
    said = config.job(proposed.name)
    stacks: list[Stack] = []
    for name in OPTIONS:
        match name:
            case "name":
                continue
            case "retries":
                stacks += _retries(proposed, said.get(name))
            case "expect":
                stacks += _table(name, _expected(proposed), said.get(name))
            case "plugins":
                stacks += _plugins(proposed, config, said.get(name))
            case "parameters":
                stacks += _parameters(proposed, said.get(name))
            case _:
                stacks += _with_leaves(name, list(_below(name, proposed, config)), said.get(name))
    return [stack for stack in stacks if stack.opinions]


def _below(name: str, spec: JobSpec, config: Config) -> Iterator[Opinion]:
    """The opinions about an option that lie below the job's own table."""
    code = Origin("code", spec.path, spec.line)
    if name == "extension":
        if name in config.job(spec.name):
            yield _plain(spec.extension, code)
        return
    if name == "description" and spec.description:
        yield _plain(spec.description, code)
        return
    if name == "timezone":
        yield _plain(KEYS["scheduler"]["timezone"].default, DEFAULT)
        below = config.setting(("scheduler", "timezone"))
        yield from _opinions(below) if below is not None else ()
    else:
        yield _plain(_one(name, OPTIONS[name].default), DEFAULT)
    if name in spec.origins:
        yield _plain(_one(name, getattr(spec, name)), spec.origins[name])


def _one(name: str, value: Any) -> Any:
    """A schedule is mostly one text, and is then written as one."""
    return " | ".join(value) if name == "schedule" and len(value) < 2 else value


def _retries(spec: JobSpec, setting: Setting | None) -> Iterator[Stack]:
    """``retries`` merges key by key with what the code says."""
    standard = Retry()
    said = _retry_opinions(setting) if setting is not None else {}
    for item in fields(Retry):
        path = () if item.name == "retries" else (item.name,)
        value, default = _field(spec.retries, item.name), _field(standard, item.name)
        opinions = [_plain(default, DEFAULT)]
        if "retries" in spec.origins and (value != default or not path):
            opinions.append(_plain(value, spec.origins["retries"]))
        opinions += said.get(path, ())
        if not path or len(opinions) > 1:
            yield Stack(".".join(("retries", *path)), tuple(opinions))


def _retry_opinions(setting: Setting) -> dict[tuple[str, ...], list[Opinion]]:
    """``retries`` may be a number or a table: the number stands for the key ``retries`` of that table."""
    found: dict[tuple[str, ...], list[Opinion]] = {}
    for statement in setting.stack:
        table = statement.value if isinstance(statement.value, Mapping) else {"retries": statement.value}
        for key, value in table.items():
            opinion = Opinion(without_variables(value), _line_of(key, statement, setting), value)
            found.setdefault(() if key == "retries" else (key,), []).append(opinion)
    return found


def _field(retry: Retry, name: str) -> Any:
    value = getattr(retry, name)
    return [kind.__qualname__ for kind in value] if name == "on" else value


def _line_of(key: str, statement: Statement, setting: Setting) -> Origin:
    """The line of one key of a table that *statement* gives as a whole, if it is known."""
    part = setting.at((key,))
    lines = [each.origin for each in part.stack] if part is not None else []
    same = [origin for origin in lines if _same_place(origin, statement.origin)]
    return same[-1] if same else statement.origin


def _same_place(one: Origin, other: Origin) -> bool:
    return (one.layer, one.path, one.name) == (other.layer, other.path, other.name)


def _expected(spec: JobSpec) -> dict[tuple[str, ...], Opinion]:
    expect: Expect | None = spec.expect
    if expect is None or "expect" not in spec.origins:
        return {}
    origin = spec.origins["expect"]
    values = {item.name: getattr(expect, item.name) for item in fields(expect)}
    return {(key,): _plain(value, origin) for key, value in values.items() if value is not None}


def _parameters(spec: JobSpec, setting: Setting | None) -> Iterator[Stack]:
    code = Origin("code", spec.path, spec.line)
    declared = spec.signature.parameters.parameters
    secret = {each.name for each in declared if each.secret}
    defaults: dict[tuple[str, ...], Opinion] = {
        (each.name,): _plain(each.default, code) for each in declared if not each.required
    }
    for stack in _table("parameters", defaults, setting):
        name = stack.key.split(".")[1] if "." in stack.key else ""
        yield _hidden(stack) if name in secret else stack


def _plugins(spec: JobSpec, config: Config, setting: Setting | None) -> Iterator[Stack]:
    code = _by_code({tuple(path): value for path, value in _flat(spec.plugins)}, spec)
    hides = config.accepted.hides if config.accepted is not None else lambda path: False
    for path, stack in _paths_and_stacks("plugins", code, setting):
        yield _hidden(stack) if hides(("jobs", spec.name, "plugins", *path)) else stack


def _table(name: str, below: Mapping[tuple[str, ...], Opinion], setting: Setting | None) -> Iterator[Stack]:
    """One stack for each key of an option that is a table; one for the option if there are no keys."""
    yield from (stack for _, stack in _paths_and_stacks(name, below, setting))


def _paths_and_stacks(
    name: str, below: Mapping[tuple[str, ...], Opinion], setting: Setting | None
) -> Iterator[tuple[tuple[str, ...], Stack]]:
    found = {path: [opinion] for path, opinion in below.items()}
    for path, leaf in setting.leaves() if setting is not None else ():
        found.setdefault(path, []).extend(_opinions(leaf))
    if not found:
        yield (), Stack(name, (_plain(OPTIONS[name].default, DEFAULT),))
    for path, opinions in found.items():
        yield path, Stack(".".join((name, *path)), tuple(opinions))


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, (*path, str(key)))
    else:
        yield path, value


def _by_code(values: Mapping[tuple[str, ...], Any], spec: JobSpec) -> dict[tuple[str, ...], Opinion]:
    origin = spec.origins.get("plugins", DEFAULT)
    return {path: _masked(path, _plain(value, origin)) for path, value in values.items()}


def _masked(path: Iterable[str], opinion: Opinion) -> Opinion:
    key = [*path][-1]
    return opinion._replace(value=redact({key: opinion.value})[key])


def _plain(value: Any, origin: Origin) -> Opinion:
    plain = to_plain(value)
    return Opinion(redact(plain), origin, plain)
