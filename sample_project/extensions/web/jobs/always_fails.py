"""A job that fails on purpose: to see what a failure looks like, here and in your alerts."""

from __future__ import annotations

from jobkit import JobContext, submit_job


@submit_job(enabled=False, tags=["demo"])
async def always_fails(ctx: JobContext, *, how: str = "by raising an error") -> None:
    """Fail. It is disabled, so nothing starts it but `jobkit run always_fails`."""
    ctx.log.warning("about to fail", how=how)
    raise RuntimeError(f"failed on purpose, {how}")
