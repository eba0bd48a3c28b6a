"""What a file does to the process while it is imported harms no other file, and is undone."""

# ruff: noqa: E501 - a row of a table stays on its line
from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from jobkit import collection
from tests.collection.conftest import JOB, TOP, ProjectFolder, only

JOBS = "extensions/web/jobs"

# Executed after the file under test: what it prints is how it found the process.
WITNESS = """import builtins, json, locale, os, signal, sys, warnings
seen = {
    "folder": os.getcwd(),
    "recursion": sys.getrecursionlimit(),
    "umask": os.umask(0o022) or os.umask(0o022),
    "print": builtins.print.__name__,
    "alarm": getattr(signal.getsignal(signal.SIGALRM), "__name__", str(signal.getsignal(signal.SIGALRM))),
    "interrupt": getattr(signal.getsignal(signal.SIGINT), "__name__", str(signal.getsignal(signal.SIGINT))),
    "terminate": str(signal.getsignal(signal.SIGTERM)),
    "mask": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    "streams": [type(stream).__name__ for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "descriptors": [os.fstat(number).st_mode for number in (1, 2)],
    "path": list(sys.path),
    "finders": [str(finder).partition(" at 0x")[0] for finder in sys.meta_path],
    "strict": sum(item[0] == "error" for item in warnings.filters),
    "locale": locale.setlocale(locale.LC_ALL),
    "trace": sys.gettrace() is None,
    "modules": "jobkit.registration" in sys.modules,
}
print(json.dumps(seen))
"""


Answer = dict[str, Any]


def witnessed(project: ProjectFolder, culprit: str) -> tuple[Answer, Answer, Answer]:
    """The answer of a collection with *culprit*, and what the witness saw without it and with it."""
    project.file(f"{JOBS}/witness.py", WITNESS + JOB.format(name="witness"))
    before = json.loads(only(project.collect_alone()["files"])["printed"])
    project.file(f"{JOBS}/culprit.py", JOB.format(name="culprit") + culprit + "\n")
    answer = project.collect_alone()
    after = json.loads(answer["files"][1]["printed"])
    assert answer["errors"] == []
    assert sorted(answer["jobs"]) == ["culprit", "witness"]
    assert answer["same_state"]
    return answer, before, after


CULPRITS = {
    "the working directory": "import os; os.chdir('/')",
    "the recursion limit": "import sys; sys.setrecursionlimit(200)",
    "the recursion limit ": "import sys; sys.setrecursionlimit(10**8)",
    "the file mode mask": "import os; os.umask(0)",
    "built-in functions": "import builtins; builtins.print = None; del builtins.open",
    "signal handlers": "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)",
    "signal handlers ": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "signal handlers  ": "import signal; signal.signal(signal.SIGALRM, lambda *_: None); signal.alarm(1000)",
    "signal handlers   ": "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())",
    "the standard streams": "import sys; sys.stdout = sys.stderr = sys.stdin = None",
    "the standard streams ": "import io, sys; sys.stdout = io.StringIO(); sys.stdout.close()",
    "the standard descriptors": "import os; os.close(1); os.close(2)",
    "the standard descriptors ": "import os; os.dup2(os.open('/dev/zero', os.O_RDWR), 1)",
    "sys.path": "import sys; sys.path.clear()",
    "sys.path ": "import sys; sys.path = None",
    "the import system": "import sys; sys.meta_path.clear()",
    "the import system ": "import sys; me = sys.modules[__name__]; sys.modules.clear(); sys.modules[__name__] = me",
    "the warning filters": "import warnings; warnings.simplefilter('error')",
    "the warning filters ": "import warnings; warnings.resetwarnings()",
    "the locale": "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')",
    "the trace function": "import sys; sys.settrace(lambda *_: None)",
}


@pytest.mark.parametrize("what", CULPRITS)
def test_the_process_is_put_back(project: ProjectFolder, what: str) -> None:
    """The next file finds everything as it was; the file is fine, and what it did is a warning (JK158)."""
    answer, before, after = witnessed(project, CULPRITS[what])
    assert after == before
    [warning] = answer["warnings"]
    assert (warning["code"], warning["path"]) == ("JK158", f"{JOBS}/culprit.py")
    assert what.strip() in warning["message"]


def test_following_the_advice_ends_the_warning(project: ProjectFolder) -> None:
    """What is done in the job, and not in the module, is nobody's business here."""
    project.file(
        f"{JOBS}/work.py",
        "import os\nfrom jobkit import submit_job\n@submit_job()\ndef work(ctx):\n    os.chdir('/')\n",
    )
    assert project.collect().warnings == []


@pytest.mark.parametrize(
    "harmless",
    [
        "import sys; sys.path.append('/somewhere/else')",
        "import sys; sys.stdout.close(); sys.stderr.close(); sys.stdin.close()",
        "import sys; sys.stdout.reconfigure(encoding='latin-1', line_buffering=True)",
        "import warnings; warnings.filterwarnings('ignore', message='noise')",
        "import os; os.environ['SOME_SETTING'] = 'x'",
        "import logging; logging.basicConfig(level='DEBUG'); logging.captureWarnings(True)",
        "import builtins; builtins._ = str",
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import atexit; atexit.register(lambda: None)",
        "import sys; sys.meta_path.append(type('Finder', (), {'find_spec': lambda *a, **k: None})())",
        "import gc; gc.disable()",
        "import asyncio; asyncio.run(asyncio.sleep(0))",
    ],
)
def test_what_harms_nobody_is_left_alone(project: ProjectFolder, harmless: str) -> None:
    """Files configure the libraries that they import: that is no warning."""
    project.job("other")
    project.file(f"{JOBS}/culprit.py", harmless + "\n" + JOB.format(name="culprit"))
    answer = project.collect_alone()
    assert (answer["errors"], answer["warnings"]) == ([], [])
    assert sorted(answer["jobs"]) == ["culprit", "other"]


def test_nothing_can_be_shadowed(project: ProjectFolder) -> None:
    """A path put in front moves to the end: the file finds its module, the others still find their own."""
    project.file("old/json.py", "raise RuntimeError('shadowed')\n")
    project.file("old/legacy.py", "FOUND = True\n")
    culprit = f"import sys\nsys.path.insert(0, {str(project.root / 'old')!r})\nimport legacy\n"
    project.file(f"{JOBS}/culprit.py", culprit + JOB.format(name="culprit"))
    other = "import sys\nsys.modules.pop('json', None)\nimport json, legacy\n"
    project.file(f"{JOBS}/other.py", other + JOB.format(name="other"))
    answer = project.collect_alone()
    assert answer["errors"] == []
    assert answer["path_after"][-1] == str(project.root / "old")


class TestPrinting:
    """What files print is kept aside, in bounds, and never on standard output."""

    def test_megabytes(self, project: ProjectFolder) -> None:
        """The beginning and the end are kept, with a note between them."""
        source = "print('first', 'x' * 5_000_000, 'last')\n" + JOB.format(name="work")
        project.file(f"{JOBS}/work.py", source)
        printed = only(project.collect_alone()["files"])["printed"]
        assert printed.startswith("first xxx")
        assert printed.endswith("xxx last\n")
        assert "characters dropped" in printed
        assert len(printed) < 5000

    @pytest.mark.parametrize(
        "source",
        [
            "import sys; sys.stdout.write('noise'); sys.stderr.write('noise')",
            "import sys; sys.stdout.buffer.write(b'noise'); sys.stdout.flush()",
            "import sys; print('noise', file=sys.stderr, flush=True)",
            "import logging; logging.basicConfig(); logging.warning('noise')",
            "import warnings; warnings.warn('noise')",
            "import threading; t = threading.Thread(target=print, args=('noise',)); t.start(); t.join()",
        ],
    )
    def test_every_way_through_python(self, project: ProjectFolder, source: str) -> None:
        """Streams, their buffers, logging, warnings, threads."""
        project.file(f"{JOBS}/work.py", source + "\n" + JOB.format(name="work"))
        answer = project.collect_alone()
        assert "noise" in only(answer["files"])["printed"]
        assert "noise" not in answer["stderr"]

    @pytest.mark.parametrize(
        "source",
        [
            "import os; os.write(1, b'noise')",
            "import sys; sys.__stdout__.write('noise')",
            "import sys; sys.__stdout__.close()",
            "import os; os.system('echo noise')",
            "import subprocess; subprocess.run(['echo', 'noise'])",
            "import os; os.closerange(3, 64); os.write(1, b'noise')",
        ],
    )
    def test_every_way_around_python(self, project: ProjectFolder, source: str) -> None:
        """Descriptor 1 leads nowhere meanwhile: the answer stays one JSON object."""
        project.file(f"{JOBS}/work.py", source + "\n" + JOB.format(name="work"))
        if "close()" in source or "closerange" in source:
            # The answer cannot be written any more, but then nothing else is written in its place.
            child = project.start()
            out, _ = child.communicate(timeout=60)
            assert "noise" not in out
        else:
            assert list(project.collect_alone()["jobs"]) == ["work"]

    def test_reading_answers_at_once(self, project: ProjectFolder) -> None:
        """Standard input is empty: a file that asks a question is an error, and does not wait."""
        project.file(f"{JOBS}/work.py", "answer = input('Really? ')\n")
        error = only(project.collect_alone()["errors"])
        assert error["message"].startswith("EOFError")

    def test_a_stream_that_was_kept_lives_on(self, project: ProjectFolder) -> None:
        """``logging.basicConfig()`` in a module keeps the stream: later it leads to the real one."""
        source = "import logging, sys\nhandler = logging.StreamHandler()\nkept = sys.stdout\n"
        project.file(f"{JOBS}/work.py", source + JOB.format(name="work"))
        project.collect()
        module = sys.modules["jobkit_ext.web.jobs.work"]
        from io import StringIO

        after = StringIO()
        real, sys.stderr, sys.stdout = (sys.stdout, sys.stderr), after, after
        try:
            module.handler.emit(logging.makeLogRecord({"msg": "logged later"}))
            print("printed later", file=module.kept)
            module.kept.buffer.write(b"bytes later")
            module.kept.flush()
        finally:
            sys.stdout, sys.stderr = real
        assert after.getvalue() == "logged later\nprinted later\nbytes later"
        assert not module.kept.isatty()


class TestOtherThreads:
    """Collection in a program that has threads of its own."""

    def test_it_works_outside_of_the_main_thread(self, project: ProjectFolder) -> None:
        """No alarm, no handlers – and everything else."""
        project.job("work")
        project.file(f"{JOBS}/broken.py", "import os\nos.chdir('/')\nraise SystemExit\n")
        results = []
        thread = threading.Thread(target=lambda: results.append(project.collect()))
        thread.start()
        thread.join()
        assert list(results[0].jobs) == ["work"]
        assert only(results[0].errors).code == "JK105"

    def test_others_print_as_always(self, project: ProjectFolder) -> None:
        """Only what the collecting thread prints is kept aside, and descriptor 1 is not touched."""
        script = (
            "import sys, threading\nfrom pathlib import Path\nfrom jobkit import collection\n"
            "from jobkit.config import load_config\n"
            "started, go_on = threading.Event(), threading.Event()\n"
            "import builtins; builtins.started, builtins.go_on = started, go_on\n"
            "def other():\n"
            "    started.wait(); print('other thread', flush=True)\n"
            "    import os; os.write(1, b'descriptor\\n'); go_on.set()\n"
            "threading.Thread(target=other).start()\n"
            "result = collection.collect(load_config(Path(sys.argv[1])))\n"
            "print([file.printed for file in result.files])\n"
        )
        source = "import builtins\nprint('mine')\nbuiltins.started.set()\nbuiltins.go_on.wait()\n"
        project.file(f"{JOBS}/work.py", source + JOB.format(name="work"))
        command = [sys.executable, "-c", script, str(project.root)]
        child = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60, check=True)
        assert child.stdout == "other thread\ndescriptor\n['mine\\n']\n"

    def test_a_thread_may_import_meanwhile(self, project: ProjectFolder) -> None:
        """A thread left behind by one file imports another: it gets it whole, however slow it is."""
        thread = (
            "import threading\n"
            "def later():\n    from . import slow\n    results.append(slow.ready)\n"
            "results = []\nthread = threading.Thread(target=later)\nthread.start()\n"
        )
        project.file(f"{JOBS}/a_first.py", thread + JOB.format(name="first"))
        project.file(
            f"{JOBS}/slow.py", "import time\ntime.sleep(0.05)\nready = True\n" + JOB.format(name="slow")
        )
        script = (
            "import sys\nfrom pathlib import Path\nfrom jobkit import collection\n"
            "from jobkit.config import load_config\n"
            "result = collection.collect(load_config(Path(sys.argv[1])))\n"
            "module = sys.modules['jobkit_ext.web.jobs.a_first']\nmodule.thread.join()\n"
            "print(sorted(result.jobs), module.results, result.errors)\n"
        )
        command = [sys.executable, "-c", script, str(project.root)]
        child = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=60, check=True)
        assert child.stdout == "['first', 'slow'] [True] []\n"


def test_a_fork_ends_where_the_file_ends(project: ProjectFolder) -> None:
    """The child of a file that forks does not go on to collect, answer and write for a second time."""
    source = "import os\nif os.fork() == 0:\n    pass\nelse:\n    os.wait()\n" + JOB.format(name="work")
    project.file(f"{JOBS}/work.py", source)
    project.file(f"{JOBS}/zz_last.py", "print(1)\n" + JOB.format(name="last"))
    answer = project.collect_alone()
    assert sorted(answer["jobs"]) == ["last", "work"]


def test_an_embedding_program_keeps_its_timer(project: ProjectFolder) -> None:
    """Somebody else's alarm handler and timer are there again afterwards."""
    import signal

    project.job("work")
    calls: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: calls.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 1000)
        project.collect()
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
        assert 900 < left <= 1000
        os.kill(os.getpid(), signal.SIGALRM)
        assert calls == [signal.SIGALRM]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_collecting_twice_executes_once(project: ProjectFolder) -> None:
    """A second collection of an attached project uses the modules that are there."""
    project.file(f"{JOBS}/work.py", "import time\nat = time.perf_counter()\n" + JOB.format(name="work"))
    first = project.collect().jobs["work"]
    second = collection.collect(project.config).jobs["work"]
    assert second.target is first.target
    assert time.perf_counter() > sys.modules[first.module].at
