"""What it costs to know which plugins are installed: ``python tests/benchmarks/bench_plugins.py``.

Processor time of one look, in an environment with a number of distributions of which a third has entry points
and each fiftieth a plugin: with everything remembered, with nothing remembered, and as Python answers it. The
floor is to list the folder and ask for the status of each file of entry points.
"""

# ruff: noqa: PTH116, PTH208 - the floor is the bare operation
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from jobkit.plugins.installed import installed_plugins


def make_distributions(site: Path, count: int) -> None:
    """Metadata folders as an installer writes them."""
    for number in range(count):
        info = site / f"distribution_{number}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: distribution-{number}\nVersion: 1.0\n")
        group = "jobkit" if number % 50 == 0 else "console_scripts"
        if number % 3 == 0 or number % 50 == 0:
            (info / "entry_points.txt").write_text(f"[{group}]\nname-{number} = module_{number}\n")


def floor(site: Path) -> None:
    """What cannot be saved."""
    for name in os.listdir(site):
        try:
            os.stat(f"{site}/{name}/entry_points.txt")
        except OSError:
            continue


def best(call: Callable[[], object], rounds: int) -> float:
    """Milliseconds of processor time, the least of all rounds."""
    times = []
    for _ in range(rounds):
        before = time.process_time()
        call()
        times.append(time.process_time() - before)
    return min(times) * 1000


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    now = time.time_ns
    time.time_ns = lambda: now() + 10_000_000_000  # files that were just written are not remembered
    print(f"{'':>14}{'floor':>9}{'remembered':>12}{'read anew':>11}{'python':>9}   ms")
    for count in (50, 200, 500):
        with tempfile.TemporaryDirectory() as folder:
            site, root = Path(folder, "site"), Path(folder, "shop")
            make_distributions(site, count)
            root.mkdir()
            sys.path.insert(0, str(site))
            installed_plugins(root)
            values = (
                best(lambda: floor(site), rounds),  # noqa: B023 - it is called at once
                best(lambda: installed_plugins(root), rounds),  # noqa: B023
                best(lambda: installed_plugins(None), rounds),
                best(lambda: entry_points(group="jobkit"), rounds),
            )
            sys.path.remove(str(site))
        print(f"{count:>14}{values[0]:>9.2f}{values[1]:>12.2f}{values[2]:>11.2f}{values[3]:>9.2f}")


if __name__ == "__main__":
    main()
