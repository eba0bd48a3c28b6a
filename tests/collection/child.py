"""A process that does nothing but collect: ``python -m tests.collection.child ORDER``.

*ORDER* is JSON: ``root``, and if wanted ``job`` (collect only that one), ``user`` (become that user first),
``times`` (collect as often), ``remember``. Standard output is exactly one JSON object.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from jobkit import collection
from jobkit.collection import Collected
from jobkit.config import load_config

# Imported now, so that no file with a short limit has to pay for it on a busy machine.
importlib.import_module("jobkit.submit")
importlib.import_module("asyncio")


def plain(result: Collected, root: Path) -> dict[str, Any]:
    """*result* as JSON."""
    return {
        "complete": result.complete,
        "jobs": {
            name: {
                "place": f"{spec.path.relative_to(root).as_posix()}:{spec.line}",
                "extension": spec.extension,
                "module": spec.module,
                "error": spec.error.message if spec.error is not None else None,
            }
            for name, spec in result.jobs.items()
        },
        "errors": [
            {**error.to_json(root), "traceback": error.traceback, "jobs": list(error.jobs)}
            for error in result.errors
        ],
        "warnings": [error.to_json(root) for error in result.warnings],
        "files": [
            {"path": file.path.relative_to(root).as_posix(), "jobs": list(file.jobs), "printed": file.printed}
            for file in result.files
        ],
    }


def become(user: int) -> None:
    """Lose all privileges; what is imported on the way to an error report is imported before."""
    folder = Path(tempfile.mkdtemp())
    jobs = folder / "extensions" / "web" / "jobs"
    jobs.mkdir(parents=True)
    (folder / "jobkit.toml").touch()
    for name, source in {
        "fine": "from jobkit import submit_job\ndef fine(ctx, *, n: int = 1): ...\nsubmit_job(fine)\n",
        "missing": "import no_such_module\n",
        "bytes": "x = '\x00'\n",
    }.items():
        (jobs / f"{name}.py").write_text(source, encoding="utf-8")
    (jobs / "open.py").touch()
    (jobs / "open.py").chmod(0o666)
    collection.collect(load_config(folder))
    collection.collect_job(load_config(folder), "fine")
    collection.detach()
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def main() -> None:
    order = json.loads(sys.argv[1])
    if "user" in order:
        become(order["user"])
    root = Path(order["root"])
    config = load_config(root)
    state = [Path.cwd(), sys.getrecursionlimit(), signal.getsignal(signal.SIGINT), list(sys.path)]
    for _ in range(order.get("times", 1)):
        if "job" in order:
            result = collection.collect_job(config, order["job"])
        else:
            result = collection.collect(config, remember=order.get("remember", True))
        after = [Path.cwd(), sys.getrecursionlimit(), signal.getsignal(signal.SIGINT), list(sys.path)]
    print(
        json.dumps(
            {
                **(plain(result, root) if result is not None else {"unknown": True}),
                "same_state": state[:3] == after[:3],
                "path_before": state[3],
                "path_after": after[3],
                "executed": sorted(name for name in sys.modules if name.startswith("jobkit_ext.")),
            }
        )
    )


if __name__ == "__main__":
    main()
