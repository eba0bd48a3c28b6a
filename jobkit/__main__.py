"""``python -m jobkit``: the same as ``jobkit``."""

from __future__ import annotations

from jobkit.cli.main import main

if __name__ == "__main__":
    main()
