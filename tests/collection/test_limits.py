"""A file that does not come back is ended; the user's Ctrl-C ends everything."""

# ruff: noqa: E501 - a row of a table stays on its line
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collection.conftest import JOB, TOP, ProjectFolder, only

JOBS = "extensions/web/jobs"
LIMIT = '[project]\nimport_timeout = "200ms"\n'

ENDLESS = {
    "loop": "while True:\n    pass\n",
    "sleep": "import time\ntime.sleep(1000)\n",
    "lock": "import threading\nthreading.Semaphore(0).acquire()\n",
    "socket": "import socket\nserver = socket.socket()\nserver.bind(('127.0.0.1', 0))\nserver.listen()\nserver.accept()\n",
    "event loop": "import asyncio\nasyncio.run(asyncio.sleep(1000))\n",
    "child": "import subprocess\nsubprocess.run(['sleep', '1000'])\n",
    "regular expression": "import re\nre.match('(a*)*b', 'a' * 60)\n",
    "swallowed": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass\n"
    ),
    "swallowed twice": (
        "while True:\n    try:\n        while True:\n            try:\n                while True:\n"
        "                    pass\n            except:\n                pass\n    except:\n        pass\n"
    ),
    "swallowed asleep": (
        "import time\nwhile True:\n    try:\n        time.sleep(1000)\n    except BaseException:\n        pass\n"
    ),
    "timer taken away": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0)\nwhile True:\n    pass\n",
    "signal ignored": "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass\n",
    "finally": "try:\n    while True:\n        pass\nfinally:\n    while True:\n        pass\n",
    "destructor": (
        "class Endless:\n    def __del__(self):\n        while True:\n            pass\n"
        "endless = Endless()\ndel endless\nwhile True:\n    pass\n"
    ),
    "in a helper": "from . import _endless\n",
    "in a comparison": (
        "from jobkit import submit_job\nclass Endless:\n    def __eq__(self, other):\n        while True: pass\n"
        "    __hash__ = None\n    def __bool__(self):\n        while True: pass\n"
        "def work(ctx): ...\nsubmit_job(work, enabled=Endless() == 1)\n"
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_never_ends_is_ended(project: ProjectFolder, kind: str) -> None:
    """Every way not to come back that Python can be called out of is one error (JK106)."""
    project.file("jobkit.toml", LIMIT)
    project.file(f"{JOBS}/_endless.py", "while True:\n    pass\n")
    project.file(f"{JOBS}/endless.py", ENDLESS[kind])
    project.job("work")
    answer = project.collect_alone()
    error = only(answer["errors"])
    assert error["code"] == "JK106"
    assert "longer than 200ms" in error["message"]
    assert error["line"] is not None
    assert "import_timeout" in error["help"]
    assert list(answer["jobs"]) == ["work"]
    assert answer["same_state"]


def test_a_longer_limit_lets_it_through(project: ProjectFolder) -> None:
    """The limit is configured, as the error says."""
    project.file("jobkit.toml", '[project]\nimport_timeout = "50ms"\n')
    project.file(f"{JOBS}/slow.py", "import time\ntime.sleep(0.1)\n" + JOB.format(name="slow"))
    assert only(project.collect().errors).code == "JK106"
    project.file("jobkit.toml", '[project]\nimport_timeout = "50s"\n')
    assert project.collect().errors == []


def test_an_error_that_cannot_be_printed_in_time(project: ProjectFolder) -> None:
    """Asking an exception what it says calls its code, and that may not come back either."""
    source = "class Endless(Exception):\n    def __str__(self):\n        while True: pass\nraise Endless\n"
    project.file(f"{JOBS}/endless.py", source)
    project.job("work")
    answer = project.collect_alone()
    error = only(answer["errors"])
    assert (error["code"], error["path"]) == ("JK101", f"{JOBS}/endless.py")
    assert error["message"].startswith("Endless")
    assert list(answer["jobs"]) == ["work"]


def interrupt(project: ProjectFolder, **order: object) -> tuple[int, str, str]:
    """Collect, and press Ctrl-C once the file ``ready`` is there; exit status, stdout, stderr."""
    fifo = project.root / "ready"
    os.mkfifo(fifo)
    child = project.start(**order)
    with open(fifo, "rb"):  # opened for writing by the job file
        child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    return child.returncode, out, err


WAITING = {
    "loop": "while True:\n    pass\n",
    "sleep": "import time\ntime.sleep(1000)\n",
    "swallowed": (
        "import time\nwhile True:\n    try:\n        while True:\n            time.sleep(0.01)\n"
        "    except BaseException:\n        pass\n"
    ),
    "swallowed and done": ("import time\ntry:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    pass\n"),
    "another error": "import time\ntry:\n    time.sleep(1000)\nexcept KeyboardInterrupt:\n    raise ValueError\n",
}


@pytest.mark.parametrize("kind", WAITING)
def test_the_user_stops_everything(project: ProjectFolder, kind: str) -> None:
    """Ctrl-C is not the file's error: collection ends with KeyboardInterrupt, whatever the file does."""
    source = f"open({str(project.root / 'ready')!r}, 'wb').close()\n" + WAITING[kind]
    project.file(f"{JOBS}/waiting.py", source)
    marker = project.root / "executed"
    project.file(f"{JOBS}/zz_next.py", f"open({str(marker)!r}, 'w').close()\n")
    status, out, err = interrupt(project)
    assert (status, out) == (-signal.SIGINT, "")
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert not marker.exists()


def test_a_file_cannot_deafen_the_program(project: ProjectFolder) -> None:
    """A file that ignores SIGINT is put right: Ctrl-C works during the next one."""
    project.file(
        f"{JOBS}/a_deaf.py",
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + JOB.format(name="deaf"),
    )
    source = f"open({str(project.root / 'ready')!r}, 'wb').close()\nimport time\ntime.sleep(1000)\n"
    project.file(f"{JOBS}/waiting.py", source)
    assert interrupt(project)[0] == -signal.SIGINT


def test_a_file_may_raise_what_the_user_does(project: ProjectFolder) -> None:
    """``raise KeyboardInterrupt`` in a file is the file's error (JK105)."""
    project.file(f"{JOBS}/raising.py", "raise KeyboardInterrupt\n")
    project.job("work")
    result = project.collect()
    assert (only(result.errors).code, list(result.jobs)) == ("JK105", ["work"])


def test_a_background_job_of_a_shell_stays_deaf(project: ProjectFolder) -> None:
    """Where SIGINT was ignored from the start, it stays ignored."""
    project.job("work")
    script = (
        "import signal, sys\nfrom pathlib import Path\nfrom jobkit import collection\n"
        "from jobkit.config import load_config\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "result = collection.collect(load_config(Path(sys.argv[1])))\n"
        "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN, list(result.jobs))\n"
    )
    command = [sys.executable, "-c", script, str(project.root)]
    child = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60, check=True)
    assert child.stdout == "True ['work']\n"


def test_a_program_keeps_its_own_handler(project: ProjectFolder) -> None:
    """A handler that an embedding program has set is called, and decides what happens."""
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n" + JOB.format(name="work")
    project.file(f"{JOBS}/work.py", source)
    script = (
        "import json, signal, sys\nfrom pathlib import Path\nfrom jobkit import collection\n"
        "from jobkit.config import load_config\n"
        "calls = []\nsignal.signal(signal.SIGINT, lambda number, frame: calls.append(number))\n"
        "result = collection.collect(load_config(Path(sys.argv[1])))\n"
        "print(json.dumps([calls, list(result.jobs)]))\n"
    )
    command = [sys.executable, "-c", script, str(project.root)]
    child = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(child.stdout) == [[signal.SIGINT], ["work"]]
    assert Path(project.root).exists()
