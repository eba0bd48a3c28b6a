"""Files among the broken ones that look or behave oddly, and are right."""

from __future__ import annotations

from tests.scenario.broken_tree.kinds import Healthy

_BROKEN = "extensions/broken/jobs"

FILES = [
    # Between the broken files, by name: before, among and after them.
    Healthy(f"{_BROKEN}/000_first.py"),
    Healthy(f"{_BROKEN}/after_all.py"),
    Healthy(f"{_BROKEN}/middle.py"),
    Healthy(f"{_BROKEN}/zzz_last.py"),
    # Names
    Healthy("extensions/odd names/jobs/with-dashes.py"),
    Healthy("extensions/odd names/jobs/with blanks.py"),
    Healthy("extensions/odd names/jobs/with.dots.py"),
    Healthy("extensions/odd names/jobs/2nd.py"),
    Healthy("extensions/odd names/jobs/class.py"),
    Healthy("extensions/odd names/jobs/None.py"),
    Healthy("extensions/odd names/jobs/müllabfuhr.py"),
    Healthy("extensions/odd names/jobs/夜間処理.py"),
    Healthy("extensions/odd names/jobs/🎉.py"),
    Healthy("extensions/odd names/jobs/it's 100%.py"),
    Healthy("extensions/odd names/jobs/$(rm -rf).py"),
    Healthy("extensions/odd names/jobs/line\nfeed.py"),
    Healthy("extensions/odd names/jobs/json.py"),
    Healthy("extensions/odd names/jobs/jobkit.py"),
    Healthy("extensions/odd names/jobs/__main__.py".replace("__main__", "main__")),
    Healthy("extensions/a.b/jobs/work.py"),
    Healthy("extensions/class/jobs/work.py"),
    Healthy("extensions/jobs/jobs/jobs.py"),
    Healthy("extensions/ünïcode/jobs/work.py"),
    # Bytes
    Healthy("extensions/bytes/jobs/bom.py", b"\xef\xbb\xbf"),
    Healthy("extensions/bytes/jobs/latin_1.py", "# coding: latin-1\nx = 'é'\n".encode("latin-1")),
    Healthy(
        "extensions/bytes/jobs/cookie_in_line_two.py", b"#!/usr/bin/python\n# coding: cp1252\nx = '\x80'\n"
    ),
    Healthy("extensions/bytes/jobs/windows.py", "x = 1\r\n\r\n"),
    Healthy("extensions/bytes/jobs/form_feeds.py", "\x0c\nx = 1\n\x0c\n"),
    Healthy("extensions/bytes/jobs/long_line.py", "x = '" + "x" * 1_000_000 + "'\n"),
    Healthy("extensions/bytes/jobs/many_lines.py", "x = 1\n" * 50_000),
    Healthy("extensions/bytes/jobs/deep_data.py", "x = " + "[" * 50 + "]" * 50 + "\n"),
    # What they do to the process
    Healthy(
        "extensions/deeds/jobs/prints.py", "print('x' * 3_000_000)\nimport sys\nprint(1, file=sys.stderr)\n"
    ),
    Healthy("extensions/deeds/jobs/writes.py", "import os\nos.write(1, b'{}')\n"),
    Healthy("extensions/deeds/jobs/starts_a_child.py", "import subprocess\nsubprocess.run(['echo', '{}'])\n"),
    Healthy(
        "extensions/deeds/jobs/no_streams.py",
        after="import sys\nsys.stdout = sys.stderr = sys.stdin = None\n",
    ),
    Healthy("extensions/deeds/jobs/closes.py", after="import os\nos.close(0)\nos.close(1)\nos.close(2)\n"),
    Healthy("extensions/deeds/jobs/goes_away.py", after="import os\nos.chdir('/')\n"),
    Healthy("extensions/deeds/jobs/shallow.py", after="import sys\nsys.setrecursionlimit(150)\n"),
    Healthy("extensions/deeds/jobs/deaf.py", after="import signal\nsignal.signal(2, signal.SIG_IGN)\n"),
    Healthy(
        "extensions/deeds/jobs/masks.py", after="import signal\nsignal.pthread_sigmask(0, range(1, 32))\n"
    ),
    Healthy(
        "extensions/deeds/jobs/own_timer.py",
        after="import signal\nsignal.signal(14, print)\nsignal.alarm(1)\n",
    ),
    Healthy("extensions/deeds/jobs/no_path.py", after="import sys\nsys.path[:] = []\n"),
    Healthy(
        "extensions/deeds/jobs/shadows.py",
        after="import sys\nsys.path.insert(0, __file__.rpartition('/')[0])\n",
    ),
    Healthy("extensions/deeds/jobs/strict.py", after="import warnings\nwarnings.simplefilter('error')\n"),
    Healthy("extensions/deeds/jobs/warns.py", "import warnings\nwarnings.warn('old', DeprecationWarning)\n"),
    Healthy(
        "extensions/deeds/jobs/no_print.py", after="import builtins\nbuiltins.print = builtins.open = None\n"
    ),
    Healthy("extensions/deeds/jobs/traces.py", after="import sys\nsys.settrace(lambda *a: None)\n"),
    Healthy("extensions/deeds/jobs/forks.py", "import os\nif os.fork():\n    os.wait()\n"),
    Healthy(
        "extensions/deeds/jobs/threads.py",
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"),
    ),
    Healthy("extensions/deeds/jobs/at_exit.py", "import atexit\natexit.register(int)\n"),
    Healthy(
        "extensions/deeds/jobs/logs.py", "import logging\nlogging.basicConfig(level=0)\nlogging.info('x')\n"
    ),
    Healthy("extensions/deeds/jobs/runs_a_loop.py", "import asyncio\nasyncio.run(asyncio.sleep(0))\n"),
    Healthy(
        "extensions/deeds/jobs/dies_later.py", "class E:\n    def __del__(self): raise SystemExit\nE()\n"
    ),
    Healthy(
        "extensions/deeds/jobs/is_a_program.py", after="if __name__ == '__main__':\n    raise SystemExit\n"
    ),
    Healthy(
        "extensions/deeds/jobs/replaced.py",
        after="import sys, types\nsys.modules[__name__] = types.ModuleType('x')\n",
    ),
    Healthy(
        "extensions/deeds/jobs/tries.py", "try:\n    import no_such_library\nexcept ImportError:\n    pass\n"
    ),
    Healthy(
        "extensions/deeds/jobs/local_locale.py", after="import locale\nlocale.setlocale(locale.LC_ALL, 'C')\n"
    ),
    Healthy("extensions/deeds/jobs/mask.py", after="import os\nos.umask(0)\n"),
]

#: Entries with the names of job files that are none: never opened, and each no more than a hint.
SKIPPED = ("folder.py", "pipe.py", "socket.py", "second_way.py", "zzzz_hard_link.py")
