"""The implementations of a plugin: found, and checked before any of them is called."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pluggy

from jobkit import hookspecs
from jobkit.exceptions import PluginError
from jobkit.hookspecs import RULES, HookRule
from jobkit.plugins.failures import definition_of

if TYPE_CHECKING:
    from jobkit.plugins.registry import PluginInfo

#: The attribute that ``hookimpl`` leaves on a function.
_MARK = "jobkit_impl"
_EXTENSION_HOOKS = tuple(name for name, rule in RULES.items() if rule.extension)


class Implementation(NamedTuple):
    """One plugin's function for one hook; *arguments* are those of the hook that it takes."""

    plugin: PluginInfo
    hook: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]

    def __call__(self, given: Mapping[str, Any]) -> Any:
        return self.function(*[given[name] for name in self.arguments])


def arguments_of(hook: str) -> tuple[str, ...]:
    """The arguments that *hook* offers."""
    return tuple(inspect.signature(getattr(hookspecs, hook)).parameters)


def faults_of(plugin: object, *, of_extension: bool) -> list[PluginError]:
    """Everything that keeps *plugin* from being registered, each with the place in its code.

    Whatever reading the attributes of a stranger's object raises goes through.
    """
    faults = []
    for name, function, options in _marked(plugin):
        what = options.get("specname") or name
        rule = RULES.get(what)
        if rule is None:
            if not options.get("optionalhook"):
                faults.append(_unknown(what, function))
        else:
            faults += _of_implementation(what, rule, function, options, of_extension)
    faults += [_unmarked(name, function) for name, function in _forgotten(plugin)]
    return sorted(faults, key=lambda fault: fault.line or 0)


def hooks_of(plugin: object) -> tuple[str, ...]:
    """The hooks that *plugin* implements, in the order of the specs."""
    found = {options.get("specname") or name for name, _, options in _marked(plugin)}
    return tuple(hook for hook in RULES if hook in found)


def is_special(name: str) -> bool:
    """Whether Python has *name* for purposes of its own: no hook is there."""
    return name.startswith("__") and name.endswith("__")


def _marked(plugin: object) -> Iterator[tuple[str, Callable[..., Any], Mapping[str, Any]]]:
    for name in dir(plugin):
        if is_special(name) or isinstance(getattr(type(plugin), name, None), property):
            continue  # reading it may do anything, and it cannot be an implementation
        value: Any = getattr(plugin, name, None)
        options = getattr(value, _MARK, None) if inspect.isroutine(value) else None
        if isinstance(options, Mapping):
            yield name, value, options


def _forgotten(plugin: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Functions called like hooks whose author has forgotten the marker."""
    home = getattr(plugin, "__name__", None) if inspect.ismodule(plugin) else type(plugin).__module__
    for name in RULES:
        value: Any = getattr(plugin, name, None)
        mine = inspect.isroutine(value) and getattr(value, "__module__", None) == home
        if mine and not hasattr(value, _MARK):
            yield name, value


def _of_implementation(
    hook: str, rule: HookRule, function: Callable[..., Any], options: Mapping[str, Any], of_extension: bool
) -> Iterator[PluginError]:
    if options.get("wrapper") or options.get("hookwrapper"):
        help = "implement the hook plainly; what goes around a run is jobkit_run_context"
        yield _fault(
            "JK704", f"{hook} is a pluggy wrapper, and jobkit calls plugins one by one", function, help
        )
        return
    if of_extension and not rule.extension:
        allowed = ", ".join(_EXTENSION_HOOKS)
        help = f"move it to the project's hooks/ folder; an extension may implement {allowed}"
        yield _fault("JK706", f"{hook} cannot be implemented by one extension", function, help)
    yield from _wrong_kind(hook, rule, function)
    yield from _wrong_arguments(hook, function)


def _wrong_kind(hook: str, rule: HookRule, function: Callable[..., Any]) -> Iterator[PluginError]:
    inner = inspect.unwrap(function)
    while isinstance(inner, partial):
        inner = inner.func
    wrapped = inner is not function
    if not rule.asynchronous and inspect.iscoroutinefunction(inner):
        help = "write `def` instead of `async def`; it is called before any event loop runs"
        yield _fault("JK705", f"{hook} is a coroutine function, and this hook is synchronous", function, help)
    elif rule.verb == "around" and not wrapped and _is_generator(inner):
        help = (
            "put @asynccontextmanager (async def) or @contextmanager (def) between @hookimpl and the function"
        )
        yield _fault(
            "JK705", f"{hook} is a generator function, not one that returns a context manager", function, help
        )
    elif inspect.isasyncgenfunction(inner) and not wrapped:
        help = "return a value; of a hook that provides things, a list"
        yield _fault("JK705", f"{hook} is an asynchronous generator function", function, help)
    elif inspect.isgeneratorfunction(inner) and not wrapped and rule.verb != "gather":
        help = "return a value instead of yielding: nobody would go through the generator"
        yield _fault("JK705", f"{hook} is a generator function", function, help)


def _is_generator(function: Callable[..., Any]) -> bool:
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _wrong_arguments(hook: str, function: Callable[..., Any]) -> Iterator[PluginError]:
    offered = arguments_of(hook)
    takes = f"the hook is {hook}({', '.join(offered)})"
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        yield _fault("JK703", f"Python cannot tell what {hook} takes", function, takes)
        return
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty:
            what = f"{hook} takes {parameter.name!r} by keyword only, and hooks are called by position"
            yield _fault("JK703", what, function, f"leave out the `*`; {takes}")
        elif parameter.default is parameter.empty and parameter.name not in offered:
            close = difflib.get_close_matches(parameter.name, offered, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            what = f"{hook} has an argument {parameter.name!r} that the hook does not offer"
            yield _fault("JK703", what, function, f"{hint}{takes}")


def _unknown(name: str, function: Callable[..., Any]) -> PluginError:
    close = difflib.get_close_matches(name, RULES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else "`jobkit hooks` lists them"
    help = f"{hint} For a hook of a newer jobkit, write @hookimpl(optionalhook=True)"
    return _fault("JK702", f"there is no hook {name}", function, help)


def _unmarked(name: str, function: Callable[..., Any]) -> PluginError:
    help = "write @hookimpl above it (from jobkit import hookimpl)"
    return _fault("JK708", f"{name} is called like a hook and is not marked as one", function, help)


def _fault(code: str, message: str, function: Callable[..., Any], help: str) -> PluginError:
    path, line = definition_of(function)
    return PluginError(message, code=code, path=path, line=line, help=help)


def implementations_in(
    manager: pluggy.PluginManager, infos: Mapping[str, PluginInfo], hook: str
) -> tuple[Implementation, ...]:
    """The implementations of *hook* in the order in which they are asked."""
    found = getattr(manager.hook, hook).get_hookimpls()
    return tuple(
        Implementation(infos[item.plugin_name], hook, item.function, tuple(item.argnames))
        for item in reversed(found)
    )
