"""The marker that plugin authors put on their hook implementations."""

from __future__ import annotations

import pluggy

#: Marks a function as an implementation of the hook of the same name.
hookimpl = pluggy.HookimplMarker("jobkit")
