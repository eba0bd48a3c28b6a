"""Files that are Python, and fail while they are executed."""

# ruff: noqa: E501 - a row of a table stays on its line
from __future__ import annotations

from tests.scenario.broken_tree.kinds import ANYWHERE, LIMIT, Kind

_RAISING = {
    # Each name has its source – line – words.
    "division_by_zero": ("x = 1\ny = x / 0\n", 2, "ZeroDivisionError: division by zero"),
    "unknown_name": ("submit_job(work)\n", 1, "NameError: name 'submit_job' is not defined"),
    "unknown_attribute": ("import os\nos.no_such_thing\n", 2, "AttributeError"),
    "wrong_type": ("x = 1 + '1'\n", 1, "TypeError"),
    "missing_argument": ("def f(a): ...\nf()\n", 2, "TypeError"),
    "missing_key": ("x = {}['key']\n", 1, "KeyError: 'key'"),
    "missing_item": ("x = [][0]\n", 1, "IndexError"),
    "missing_setting": ("import os\nos.environ['NO_SUCH_SETTING_HERE']\n", 2, "KeyError"),
    "missing_data": ("x = open('/no/such/file').read()\n", 1, "FileNotFoundError"),
    "data_is_a_folder": ("x = open('/').read()\n", 1, "IsADirectoryError"),
    "undecodable_data": ("x = b'\\xff'.decode()\n", 1, "UnicodeDecodeError"),
    "failed_assertion": ("assert 1 == 2, 'never'\n", 1, "AssertionError: never"),
    "bare_assertion": ("assert not 1\n", 1, "AssertionError"),
    "own_exception": ("class Own(Exception): ...\nraise Own('mine')\n", 2, "Own: mine"),
    "exception_without_text": ("raise ValueError\n", 1, "ValueError"),
    "exception_with_numbers": ("raise ValueError(1, 2)\n", 1, "ValueError: (1, 2)"),
    "raise_no_exception": ("raise 'text'\n", 1, "TypeError"),
    "raise_nothing": ("raise\n", 1, "RuntimeError"),
    "stop_iteration": ("next(iter(()))\n", 1, "StopIteration"),
    "stop_async_iteration": ("raise StopAsyncIteration\n", 1, "StopAsyncIteration"),
    "a_warning_raised": ("raise DeprecationWarning('old')\n", 1, "DeprecationWarning: old"),
    "with_a_cause": (
        "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('no') from e\n",
        4,
        "ValueError",
    ),
    "with_a_context": ("try:\n    1 / 0\nexcept Exception:\n    undefined\n", 4, "NameError"),
    "cause_of_itself": ("e = ValueError('me')\ne.__cause__ = e\nraise e\n", 3, "ValueError: me"),
    "with_notes": ("e = ValueError('me')\ne.add_note('note')\nraise e\n", 3, "ValueError: me"),
    "group": ("raise ExceptionGroup('all', [ValueError(1), KeyError(2)])\n", 1, "ExceptionGroup: all"),
    "group_of_one": ("raise ExceptionGroup('x', [ValueError('inner')])\n", 1, "ValueError: inner"),
    "huge_group": ("raise ExceptionGroup('x', [ValueError(n) for n in range(5000)])\n", 1, "ExceptionGroup"),
    "huge_message": ("raise ValueError('x' * 20_000_000)\n", 1, "ValueError: xxx"),
    "message_of_many_lines": ("raise ValueError('line\\n' * 100_000)\n", 1, "ValueError: line"),
    "message_that_draws": ("raise ValueError('\\x1b[2J\\r\\u202eevil')\n", 1, "ValueError: \\x1b[2J"),
    "message_with_nul": ("raise ValueError('a\\0b')\n", 1, "ValueError: a\\x00b"),
    "message_with_surrogates": ("raise ValueError('\\ud800')\n", 1, "ValueError: \\ud800"),
    "text_raises": ("class E(Exception):\n def __str__(self): 1 / 0\nraise E\n", 3, "E"),
    "text_exits": ("class E(Exception):\n def __str__(self): raise SystemExit\nraise E\n", 3, "E"),
    "text_is_no_text": ("class E(Exception):\n def __str__(self): return 1\nraise E\n", 3, "E"),
    "text_recurses": ("class E(Exception):\n def __str__(self): return str(self)\nraise E\n", 3, "E"),
    "in_a_class_body": ("class Work:\n    x = 1\n    y = x / 0\n", 3, "ZeroDivisionError"),
    "in_a_default": ("def work(ctx, *, n=1 / 0): ...\n", 1, "ZeroDivisionError"),
    "in_a_decorator": ("def d(f):\n    raise ValueError('no')\n@d\ndef work(ctx): ...\n", 2, "ValueError"),
    "in_a_metaclass": (
        "class M(type):\n    def __new__(*a): raise ValueError('no')\nclass W(metaclass=M): ...\n",
        2,
        "ValueError",
    ),
    "in_a_subclass_hook": (
        "class B:\n    def __init_subclass__(cls): raise ValueError('no')\nclass W(B): ...\n",
        2,
        "ValueError",
    ),
    "in_a_descriptor": (
        "class D:\n    def __set_name__(*a): raise ValueError('no')\nclass W:\n    d = D()\n",
        ANYWHERE,
        "Error",
    ),
    "in_a_comprehension": ("x = [1 / n for n in (1, 0)]\n", 1, "ZeroDivisionError"),
    "in_a_generator": ("def g():\n    yield 1 / 0\nx = list(g())\n", 2, "ZeroDivisionError"),
    "in_many_generators": (
        "def g(n):\n    yield from g(n - 1) if n else iter(1)\nlist(g(200))\n",
        2,
        "TypeError",
    ),
    "in_a_function": ("def f():\n    return g()\ndef g():\n    return 1 / 0\nf()\n", 4, "ZeroDivisionError"),
    "in_a_context_manager": (
        "from contextlib import contextmanager\n@contextmanager\ndef c():\n    yield\n    1 / 0\nwith c():\n    pass\n",
        5,
        "ZeroDivisionError",
    ),
    "in_a_coroutine": ("import asyncio\nasync def f(): 1 / 0\nasyncio.run(f())\n", 2, "ZeroDivisionError"),
    "in_a_library": ("import json\njson.loads('{')\n", 2, "JSONDecodeError"),
    "in_executed_text": ("exec('x = 1\\n1 / 0')\n", 1, "ZeroDivisionError"),
    "in_text_called_something": ("exec(compile('1 / 0', '/dev/zero', 'exec'))\n", 1, "ZeroDivisionError"),
    "with_a_tracer_that_fails": ("import sys\nsys.settrace(lambda *_: 1 / 0)\n", 2, "ZeroDivisionError"),
    "after_a_job": (
        "from jobkit import submit_job\ndef work(ctx): ...\nsubmit_job(work)\nraise ValueError('late')\n",
        4,
        "late",
    ),
    "after_megabytes": ("print('x' * 5_000_000)\nraise ValueError('late')\n", 2, "ValueError: late"),
    "after_closing_everything": (
        "import os, sys\nsys.stdout = sys.stderr = None\nos.close(1)\nos.close(2)\nraise ValueError('late')\n",
        5,
        "ValueError: late",
    ),
    "after_going_elsewhere": ("import os\nos.chdir('/')\nraise ValueError('late')\n", 3, "ValueError: late"),
    "after_removing_its_folder": (
        "import os, tempfile\nd = tempfile.mkdtemp()\nos.chdir(d)\nos.rmdir(d)\nraise ValueError('late')\n",
        5,
        "ValueError: late",
    ),
    "after_breaking_built_ins": (
        "import builtins\nbuiltins.print = builtins.str = None\nraise ValueError('late')\n",
        3,
        "ValueError: late",
    ),
    "after_breaking_imports": (
        "import sys\nsys.meta_path.clear()\nsys.path.clear()\nraise ValueError('late')\n",
        4,
        "ValueError: late",
    ),
    "after_starting_a_thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n1 / 0\n",
        3,
        "ZeroDivisionError",
    ),
    "after_ignoring_signals": (
        "import signal\nfor n in (2, 14, 15):\n    signal.signal(n, signal.SIG_IGN)\n1 / 0\n",
        4,
        "ZeroDivisionError",
    ),
    "after_strict_warnings": (
        "import warnings\nwarnings.simplefilter('error')\nwarnings.warn('now an error')\n",
        3,
        "UserWarning",
    ),
    "after_lowering_the_stack": (
        "import sys\nsys.setrecursionlimit(60)\ndef f(n):\n    return f(n + 1)\nraise ValueError('late')\n",
        5,
        "ValueError: late",
    ),
    "reading_standard_input": ("answer = input('Sure? ')\n", 1, "EOFError"),
}

_ENDING = {
    # Each name has its source – line – words.
    "exits": ("import sys\nsys.exit()\n", 2, "sys.exit() was called"),
    "exits_with_a_code": ("import sys\nsys.exit(3)\n", 2, "sys.exit(3) was called"),
    "exits_with_a_text": ("import sys\nsys.exit('usage: x')\n", 2, "sys.exit(usage: x) was called"),
    "quits": ("quit()\n", 1, "sys.exit() was called"),
    "raises_system_exit": ("raise SystemExit(1)\n", 1, "sys.exit(1) was called"),
    "exits_as_a_program_does": ("def main():\n    return 0\nraise SystemExit(main())\n", 3, "sys.exit(0)"),
    "raises_keyboard_interrupt": ("raise KeyboardInterrupt\n", 1, "KeyboardInterrupt was raised"),
    "raises_generator_exit": ("raise GeneratorExit\n", 1, "GeneratorExit was raised"),
    "raises_a_cancellation": (
        "import asyncio\nraise asyncio.CancelledError\n",
        2,
        "CancelledError was raised",
    ),
    "raises_something_of_its_own": (
        "class Own(BaseException): ...\nraise Own('x')\n",
        2,
        "Own: x was raised",
    ),
    "parses_arguments": (
        "import argparse\np = argparse.ArgumentParser()\np.add_argument('x')\np.parse_args(['--no'])\n",
        4,
        "sys.exit(2) was called",
    ),
}

_ENDLESS = {
    # Each name has its source – line.
    "loops": ("while True:\n    pass\n", 1),
    "sleeps": ("import time\ntime.sleep(1000)\n", 2),
    "waits_for_a_lock": (
        "import threading\nthreading.Lock().acquire() and threading.Semaphore(0).acquire()\n",
        2,
    ),
    "loops_and_catches": (
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass\n",
        1,
    ),
    "loops_and_ignores_alarms": (
        "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass\n",
        3,
    ),
    "matches_for_ever": ("import re\nre.match('(a*)*b', 'a' * 60)\n", 2),
    "serves": ("import asyncio\nasyncio.run(asyncio.sleep(1000))\n", 2),
    "computes": ("def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)\nf(60)\n", ANYWHERE),
}

_TOO_MUCH = {
    # Each name has its source – line.
    "calls_itself": ("def f():\n    return f()\nf()\n", 2),
    "two_call_each_other": ("def f():\n    return g()\ndef g():\n    return f()\nf()\n", 4),
    "attribute_asks_itself": ("class C:\n    def __getattr__(self, n): return self.x\nC().y\n", 2),
    "text_shows_itself": ("class C:\n    def __repr__(self): return repr(self)\nrepr(C())\n", 2),
    "asks_for_all_memory": ("x = bytearray(2**62)\n", 1),
}

KINDS = [
    *(Kind(name, source, "JK101", line, words) for name, (source, line, words) in _RAISING.items()),
    *(Kind(name, source, "JK105", line, words) for name, (source, line, words) in _ENDING.items()),
    *(
        Kind(name, source, "JK106", line, f"importing the file took longer than {LIMIT}")
        for name, (source, line) in _ENDLESS.items()
    ),
    Kind("syntax_of_executed_text", "x = 1\nexec('x = = 1')\n", "JK102", 2, "<string>:1: SyntaxError"),
    Kind("syntax_error_by_hand", "raise SyntaxError('mine')\n", "JK102", 1, "SyntaxError: mine"),
    *(Kind(name, source, "JK107", line, "Error") for name, (source, line) in _TOO_MUCH.items()),
]
