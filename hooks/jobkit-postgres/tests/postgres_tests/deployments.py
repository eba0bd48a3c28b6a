"""A project that several `jobkit start` serve, as on hosts of their own, and what must hold of its ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from postgres_tests.kit import made
from postgres_tests.server import Server

#: Its ``sitecustomize`` sets a process's clock wrong.
WRONG_CLOCK = Path(__file__).parent / "wrong_clock"

_JOBS = """
import asyncio
import os
from datetime import timedelta

from jobkit import Retry, submit_job

EXECUTED = os.open({executed!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def made(number):
    async def job(ctx):
        os.write(EXECUTED, f"{{ctx.run_id}}\\n".encode())
        await asyncio.sleep(0.05)
    job.__name__ = f"job_{{number}}"
    return job

for number in range({jobs}):
    misfire = {{0: "all", 1: "none"}}.get(number % 10, "latest")
    submit_job(made(number), schedule="* * * * * *", misfire=misfire)

async def slow(ctx):
    os.write(EXECUTED, f"{{ctx.run_id}}\\n".encode())
    await asyncio.sleep(3)

if {jobs}:
    submit_job(slow, schedule="* * * * * *", overlap="allow")

@submit_job
async def endless(ctx):
    await asyncio.sleep(600)

@submit_job(executor="process", timeout="1m")
def apart(ctx):
    print("said by", os.getpid())

@submit_job(retries=Retry(1, delay=timedelta(seconds=1)))
async def second_time(ctx):
    print("said by", os.getpid())
    if not os.path.exists({first!r}):
        open({first!r}, "w").close()
        raise RuntimeError("not yet")
"""

# Of each job: its ticks from the first to the last that is accounted for, and how many are.
_ACCOUNTED = """
SELECT job, (max(at) - min(at)) / 1000000 + 1, sum(count)
FROM (
    SELECT job, tick AS at, 1 AS count FROM jobkit.runs WHERE tick IS NOT NULL
    UNION ALL
    SELECT job, unnest(ARRAY[first, last]), unnest(ARRAY[count, 0]) FROM jobkit.spans
) AS ticks WHERE job LIKE 'job%' GROUP BY job
"""

# Missed ticks of jobs that make up the newest one: the tick after them stands for them, or was in the way of
# a run of its own job.
_NOT_MADE_UP = """
SELECT job, first, last FROM jobkit.spans AS missed WHERE reason = 'misfire' AND job ~ '^job_.*[2-9]$'
    AND NOT EXISTS (
        SELECT 1 FROM jobkit.runs WHERE job = missed.job AND tick = missed.last + 1000000
        AND trigger = 'catchup'
    ) AND NOT EXISTS (
        SELECT 1 FROM jobkit.spans AS other WHERE other.job = missed.job AND other.reason = 'overlap'
        AND other.first <= missed.last + 1000000 AND other.last > missed.last
    )
"""


class Deployment:
    """A project, and the processes that serve it."""

    def __init__(self, root: Path, server: Server, *, jobs: int, url: str | None = None) -> None:
        self.root = root
        self.database = server.url
        self.jobs = jobs
        self.processes: list[subprocess.Popen[bytes]] = []
        self.nodes: list[str] = []
        self._killed: list[tuple[str, int]] = []
        folder = root / "extensions" / "shop" / "jobs"
        folder.mkdir(parents=True)
        text = _JOBS.format(executed=str(root / "executed"), first=str(root / "first"), jobs=jobs)
        (folder / "jobs.py").write_text(text, encoding="utf-8")
        (root / "jobkit.toml").write_text(
            f'[project]\nname = "shop"\n[scheduler]\nstore = "{url or server.url}"\n', encoding="utf-8"
        )

    # -- processes --------------------------------------------------------------------------------------

    def start(self, *words: str, ahead: float = 0.0, node: str | None = None) -> subprocess.Popen[bytes]:
        """One more scheduler, a node of its own, whose clock is so many seconds ahead."""
        number = len(self.processes)
        self.nodes.append(node or f"node-{number}")
        with self.log(number).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobkit", "-C", str(self.root), "start", *words],
                env=_environment(ahead) | {"JOBKIT__SCHEDULER__NODE": self.nodes[number]},
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def kill(self, number: int) -> None:
        """Without a word, as the kernel does."""
        self.processes[number].kill()
        self.processes[number].wait()

    def restart(self, number: int, ahead: float = 0.0) -> int:
        """Kill it, and start it again, as the same node. The instant between."""
        self.kill(number)
        instant = int(self.value("SELECT jobkit.instant()"))
        self._killed.append((self.nodes[number], instant))
        # The server may be away just now: a service waits for it.
        self.start("--wait-store", "60s", ahead=ahead, node=self.nodes[number])
        return instant

    @property
    def living(self) -> list[int]:
        """The numbers of those that run."""
        return [number for number, process in enumerate(self.processes) if process.poll() is None]

    def stop(self) -> list[int]:
        """As a service manager stops them; their exit codes."""
        living = [self.processes[number] for number in self.living]
        for process in living:
            process.send_signal(signal.SIGTERM)
        return [process.wait(40) for process in living]

    def jobkit(self, *words: str, ahead: float = 0.0) -> str:
        """What a command says, on another host."""
        done = subprocess.run(
            [sys.executable, "-m", "jobkit", "-C", str(self.root), *words],
            env=_environment(ahead),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self, number: int) -> Path:
        return self.root / f"start-{number}.log"

    def said(self) -> str:
        """What they said, but for single runs."""
        lines = [line for log in sorted(self.root.glob("start-*.log")) for line in _lines(log)]
        return "\n".join(line for line in lines if '"run.' not in line)

    # -- the database -----------------------------------------------------------------------------------

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(statement.encode()).fetchall()

    def value(self, statement: str) -> Any:
        [(value,)] = self.rows(statement)
        return value

    def until(self, statement: str, seconds: float = 40.0) -> None:
        """Wait until *statement* finds something."""
        end = time.monotonic() + seconds
        while not self.rows(statement):
            assert time.monotonic() < end, f"{statement}\n{self.said()}"
            time.sleep(0.05)

    def until_caught_up(self) -> None:
        """Wait until all ticks are accounted for that are due now."""
        now = self.value("SELECT jobkit.instant()")
        self.until(
            "SELECT 1 FROM jobkit.job_states WHERE mark IS NOT NULL"
            f" HAVING min(mark) >= {now} - 1000000 AND count(*) >= {self.jobs}"
        )

    # -- what must hold ---------------------------------------------------------------------------------

    def check_accounted(self) -> None:
        """Of every tick exactly one row."""
        accounted = self.rows(_ACCOUNTED)
        wrong = [row for row in accounted if row[1] != row[2]]
        assert not wrong, "ticks that were due, and ticks that are accounted for"
        assert len(accounted) == self.jobs
        twice = "SELECT job, tick FROM jobkit.runs WHERE tick IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
        assert self.rows(twice) == []
        both = (
            "SELECT runs.id FROM jobkit.runs JOIN jobkit.spans USING (job) WHERE tick BETWEEN first AND last"
        )
        assert self.rows(both) == [], "ticks with a run that are said to have none"

    def check_ledger(self) -> None:
        """Of every tick exactly one row, and each run was executed once at the most."""
        self.check_accounted()
        executed = Counter(_lines(self.root / "executed"))
        assert [run for run, times in executed.items() if times > 1] == []
        known = dict(self.rows("SELECT id, status FROM jobkit.runs WHERE tick IS NOT NULL"))
        assert executed.keys() <= known.keys(), "nothing is executed that was not written before"
        succeeded = {run for run, status in known.items() if status == "succeeded"}
        assert succeeded <= executed.keys()

    def check_recorded(self, *, lost: str = "false") -> None:
        """Each run has an end; lost are only those of schedulers that were restarted, and such as *lost*
        says."""
        assert self.rows("SELECT id FROM jobkit.runs WHERE status = 'running'") == []
        killed = [f"node = '{node}' AND started_at < {instant}" for node, instant in self._killed]
        may = " OR ".join(f"({what})" for what in (*killed, lost))
        bad = (
            "SELECT job, node, status, reason, message FROM jobkit.runs WHERE tick IS NOT NULL AND"
            " status NOT IN ('succeeded', 'queued')"
            " AND coalesce(reason, '') NOT IN ('misfire', 'superseded') AND"
            f" NOT (status = 'lost' AND ({may}))"
        )
        assert self.rows(bad) == []

    def check_misfires(self) -> None:
        """What was missed follows each job's own policy."""
        assert self.rows(_NOT_MADE_UP) == []
        none = "SELECT job, tick FROM jobkit.runs WHERE trigger = 'catchup' AND job LIKE 'job%1'"
        assert self.rows(none) == []
        all_ = "SELECT job, first, last FROM jobkit.spans WHERE reason = 'misfire' AND job LIKE 'job%0'"
        assert self.rows(all_) == []

    def check_shares(self) -> None:
        """Each node has worked."""
        shares = dict(
            self.rows("SELECT node, count(*) FROM jobkit.runs WHERE status = 'succeeded' GROUP BY 1")
        )
        print("shares:", shares)
        assert set(self.nodes) <= shares.keys(), shares


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()


def _environment(ahead: float) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JOBKIT_")}
    kept["PYTHONDONTWRITEBYTECODE"] = "1"
    if ahead:
        path = [str(WRONG_CLOCK), *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
        kept |= {"PYTHONPATH": os.pathsep.join(path), "WRONG_CLOCK": str(ahead)}
    return kept


@contextmanager
def deployed(
    root: Path,
    server: Server,
    *,
    jobs: int = 50,
    clocks: Sequence[float] = (0, 0, 0, 0),
    url: str | None = None,
) -> Iterator[Deployment]:
    """Schedulers, one for each of *clocks*, that all have begun to work; so many seconds are they ahead."""
    made(server, "jobkit", "shop")
    deployment = Deployment(root, server, jobs=jobs, url=url)
    with ended(deployment):
        for ahead in clocks:
            deployment.start(ahead=ahead)
        deployment.until(
            f"SELECT 1 FROM jobkit.runs WHERE tick IS NOT NULL HAVING count(DISTINCT node) = {len(clocks)}"
            if jobs
            else f"SELECT 1 FROM jobkit.replicas HAVING count(*) = {len(clocks)}"
        )
        yield deployment


@contextmanager
def ended(deployment: Deployment) -> Iterator[None]:
    """Whatever happens, none of its processes goes on."""
    try:
        yield
    finally:
        for number in deployment.living:
            deployment.kill(number)
