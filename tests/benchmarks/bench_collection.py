"""What collection costs, beside what it cannot do without: ``python tests/benchmarks/bench_collection.py``.

Processor time per file, the best of several rounds that take turns, all in one process with a warm bytecode
cache. A floor is the bare operation written directly: walk the folders and execute each file, once by
``importlib.import_module`` from ``sys.path``, once with a loader called by hand.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from jobkit import collection
from jobkit.config import load_config

TRIVIAL = "def work():\n    pass\n"
JOB = """from jobkit import submit_job


async def job_{number}(ctx, *, days: int = 30):
    \"\"\"Do what number {number} does.\"\"\"


submit_job(job_{number}, tags=["some"], timeout="5m")
"""


def make_project(root: Path, count: int, source: str) -> None:
    """*count* job files, a hundred in each extension."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    (root / "jobkit.toml").touch()
    long_ago = time.time() - 60
    for number in range(count):
        jobs = root / "extensions" / f"e{number // 100:03d}" / "jobs"
        jobs.mkdir(parents=True, exist_ok=True)
        path = jobs / f"job_{number}.py"
        path.write_text(source.format(number=number))
        os.utime(path, (long_ago, long_ago))


def walk(root: Path) -> list[str]:
    """The job files, found as simply as possible."""
    found = []
    with os.scandir(root / "extensions") as extensions:
        for extension in sorted(extensions, key=lambda entry: entry.name):
            with os.scandir(f"{extension.path}/jobs") as files:
                found += sorted(file.path for file in files if file.name.endswith(".py"))
    return found


def by_name(root: Path) -> None:
    """The floor: ordinary imports of ordinary packages."""
    for path in walk(root):
        importlib.import_module(path[len(str(root)) + 1 : -3].replace("/", "."))


def by_hand(root: Path) -> None:
    """The floor without the import system."""
    for number, path in enumerate(walk(root)):
        spec = importlib.util.spec_from_file_location(f"by_hand_{number}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)


def collected(root: Path) -> None:
    """Ours, everything included: walk, guard, jobs, index."""
    result = collection.collect(load_config(root))
    assert not result.errors, result.errors[0]


def one(root: Path) -> None:
    """Ours, one job by the index."""
    result = collection.collect_job(load_config(root), "job_7")
    assert result is not None
    assert len(result.files) == 1


def measure(call: Callable[[Path], None], root: Path) -> float:
    """Seconds of processor time of one call, with nothing imported before it."""
    gc.collect()
    started = time.process_time()
    call(root)
    took = time.process_time() - started
    collection.detach()
    for name in [name for name in sys.modules if name.startswith(("by_hand_", "extensions"))]:
        del sys.modules[name]
    importlib.invalidate_caches()
    return took


def compare(root: Path, count: int, source: str, rounds: int) -> None:
    """Print the floors and ours for one kind of file."""
    make_project(root, count, source)
    calls = [by_hand, by_name, collected]
    sys.path.append(str(root))
    for call in calls:
        measure(call, root)  # compiles
    took = {call.__name__: min(measure(call, root) for _ in range(rounds)) for call in calls}
    for name, seconds in took.items():
        ratios = "  ".join(f"{seconds / took[floor]:5.2f} x {floor}" for floor in ("by_hand", "by_name"))
        print(f"  {name:10} {seconds * 1e3:8.1f} ms  {seconds / count * 1e6:6.1f} us a file  {ratios}")
    sys.path.remove(str(root))


def main() -> None:
    """Compare for trivial files and for files with a job, then time one job among many."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="job files of a full collection")
    parser.add_argument("-m", type=int, default=5000, help="job files among which one job is found")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    sys.dont_write_bytecode = False
    try:
        for title, source in (("trivial files", TRIVIAL), ("files with a job", JOB)):
            print(f"{options.n} {title}")
            compare(folder / "many", options.n, source, options.rounds)
        make_project(folder / "more", options.m, JOB)
        measure(collected, folder / "more")
        best = min(measure(one, folder / "more") for _ in range(options.rounds))
        print(f"one job among {options.m}: {best * 1e3:.1f} ms")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
