"""Values of job parameters: read from text and from TOML or JSON, and turned back into JSON.

For each type there is a :class:`~jobkit.values.base.Kind`; ``jobkit.values.types.kind_for`` finds it.
"""

from __future__ import annotations
