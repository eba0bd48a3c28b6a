"""Whether a run may take place: plugins are asked before anything is written about it."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from jobkit.exceptions import RunRefused
from jobkit.records import format_instant
from jobkit.redaction import Redactor
from jobkit.sanitising import safe_text

if TYPE_CHECKING:
    from jobkit.plugins.facade import Hooks
    from jobkit.plugins.provided import Provided
    from jobkit.plugins.values import Defer, RunRequest, Skip
    from jobkit.runner.request import Request

_LONGEST_REASON = 500


async def admission(hooks: Hooks | None, request: RunRequest) -> Provided[Skip | Defer] | None:
    """What plugins say against *request*, and which of them; None if it may run. Raises nothing.

    The first objection counts. A plugin that fails, takes too long or answers nonsense objects.
    """
    if hooks is None or not hooks.implemented("run_admit"):
        return None
    return await hooks.run_admit(request)


async def admit(hooks: Hooks | None, request: Request) -> None:
    """Raise RunRefused if a plugin is against a run that somebody waits for."""
    if hooks is None or not hooks.implemented("run_admit"):
        return
    objection = await admission(hooks, run_request(request))
    if objection is not None:
        raise refusal(request, objection)


def run_request(request: Request) -> RunRequest:
    """*request* as plugins are asked about it."""
    from jobkit.plugins.values import RunRequest

    return RunRequest(
        spec=request.spec,
        trigger=request.trigger,
        actor=request.actor,
        enforce=request.enforce,
        parameters=MappingProxyType(dict(request.parameters)),
        parent=request.parent,
    )


def refusal(request: Request, objection: Provided[Skip | Defer]) -> RunRefused:
    """The error for *objection*, of a plugin."""
    from jobkit.plugins.values import Defer

    plugin, answer, job = safe_text(objection.plugin, 200), objection.value, request.spec.name
    reason = Redactor(request.secrets).show(answer.reason, _LONGEST_REASON)
    why = f": {reason}" if reason else ""
    without = f"--plugin no:{plugin}"
    if objection.extension is not None:
        without = f"another name for hooks.py of extension {objection.extension}"
    if isinstance(answer, Defer):
        return RunRefused(
            f"plugin {plugin} does not let job {job} run before {_instant(answer)}{why}",
            code="JK532",
            help=f"run it again then, or without the plugin: {without}",
        )
    return RunRefused(
        f"plugin {plugin} does not let job {job} run{why}",
        code="JK531",
        help=f"wait until its reason is gone, or leave it out with {without}",
    )


def _instant(answer: Defer) -> str:
    try:
        return format_instant(answer.until)
    except OverflowError:  # the first or the last day there is, in a zone where it is another one
        return answer.until.isoformat()
