"""Tells others how runs ended: webhooks, healthcheck pings, alerts.

Three plugins of jobkit, each with its own table: ``webhook``, ``healthcheck``, ``alerts``. What receivers of
webhooks need is here: :func:`verify`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobkit_notify.signing import SIGNATURE_HEADER as SIGNATURE_HEADER
    from jobkit_notify.signing import verify as verify

__all__ = ["SIGNATURE_HEADER", "verify"]


def __getattr__(name: str) -> Any:
    # Every verb imports this package, with the plugins in it; receivers alone need these names.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from jobkit_notify import signing

    return getattr(signing, name)
