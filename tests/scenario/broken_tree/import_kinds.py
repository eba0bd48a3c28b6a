"""Files that import what is not there, or not as they think; and files that are not what they seem."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.scenario.broken_tree.kinds import Kind

_IMPORTS = {
    # Each name has its source – line – words.
    "missing_library": ("x = 1\nimport no_such_library\n", 2, "No module named 'no_such_library'"),
    "missing_part_of_a_library": ("import json.no_such_part\n", 1, "json.no_such_part"),
    "missing_name": ("from json import no_such_name\n", 1, "cannot import name 'no_such_name'"),
    "missing_name_of_jobkit": ("from jobkit import submit_jobs\n", 1, "cannot import name 'submit_jobs'"),
    "missing_part_of_jobkit": ("import jobkit.no_such_part\n", 1, "jobkit.no_such_part"),
    "missing_neighbour": ("from . import no_such_neighbour\n", 1, "cannot import name 'no_such_neighbour'"),
    "missing_folder": ("from ..no_such_folder import x\n", 1, "jobkit_ext.broken.no_such_folder"),
    "missing_extension": ("from jobkit_ext.no_such_extension import x\n", 1, "jobkit_ext.no_such_extension"),
    "beyond_the_top": ("from ..... import x\n", 1, "beyond top-level package"),
    "by_its_path": ("import extensions.broken.jobs.x\n", 1, "write `jobkit_ext` instead of `extensions`"),
    "neighbour_without_a_dot": ("import _plain_helper\n", 1, "No module named '_plain_helper'"),
    "nothing_at_all": ("__import__('')\n", 1, "Empty module name"),
    "import_error_by_hand": ("raise ImportError('no driver')\n", 1, "ImportError: no driver"),
    "import_error_with_odd_parts": (
        "e = ImportError('odd')\ne.name = e.path = object()\nraise e\n",
        3,
        "odd",
    ),
}

#: Helpers of the kinds below, which are not job files themselves.
HELPERS: dict[str, str | bytes] = {
    "_plain_helper.py": "x = 1\n",
    "_broken_helper.py": "\n1 / 0\n",
    "_unwritten_helper.py": "def f(:\n",
    "_exiting_helper.py": "import sys\nsys.exit(1)\n",
    "_registering_helper.py": ("from jobkit import submit_job\n\n@submit_job\ndef stray(ctx): ...\n"),
    "_deaf_helper.py": b"x = '\xff'\n",
}

_HELPED = [
    Kind("imports_a_broken_helper", "from . import _broken_helper\n", "JK101", 1, "ZeroDivisionError"),
    Kind(
        "imports_an_unwritten_helper",
        "x = 1\nfrom . import _unwritten_helper\n",
        "JK102",
        2,
        "_unwritten_helper.py:1",
    ),
    Kind("imports_an_exiting_helper", "\n\nfrom . import _exiting_helper\n", "JK105", 3, "sys.exit(1)"),
    Kind(
        "imports_a_registering_helper",
        "from . import _registering_helper\n",
        "JK131",
        1,
        "_registering_helper.py:3",
    ),
    Kind("imports_an_undecodable_helper", "from . import _deaf_helper\n", "JK102", 1, "_deaf_helper.py"),
    Kind("circle_of_hens", "from .circle_of_eggs import egg\nhen = 1\n", "JK104", 1, "circular import"),
    Kind("circle_of_eggs", "from .circle_of_hens import hen\negg = 1\n", "JK104", 1, "circular import"),
    Kind("imports_itself", "from .imports_itself import x\nx = 1\n", "JK104", 1, "circular import"),
    Kind("deletes_itself", "import sys\ndel sys.modules[__name__]\n", "JK162", None, "sys.modules"),
    Kind("deletes_everything", "import sys\nsys.modules.clear()\n", "JK162", None, "sys.modules"),
    Kind("stands_for_nothing", "import sys\nsys.modules[__name__] = None\n", "JK162", None, "sys.modules"),
]


def _linked(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _huge(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(9 * 1024 * 1024)


def _open_to_everybody(path: Path) -> None:
    path.write_text("raise RuntimeError('executed')\n", encoding="utf-8")
    path.chmod(0o666)


def _outside(path: Path) -> None:
    target = path.parents[3].with_name(path.parents[3].name + "-outside.py")
    target.write_text("raise RuntimeError('executed')\n", encoding="utf-8")
    path.symlink_to(target)


_FILES = [
    Kind("leads_nowhere", _linked("no_such_file.py"), "JK156", None, "leads nowhere"),
    Kind("leads_to_itself", _linked("leads_to_itself.py"), "JK156", None, "leads to itself"),
    Kind("leads_out", _outside, "JK156", None, "out of the project"),
    Kind("leads_to_a_device", _linked(os.devnull), "JK156", None, "out of the project"),
    Kind("huge", _huge, "JK153", None, "9.0 MB"),
    Kind("open_to_everybody", _open_to_everybody, "JK150", None, "everybody"),
]

KINDS = [
    *(
        Kind(name, source, "JK104", line, words)
        for name, (source, line, words) in _IMPORTS.items()
        if name != "nothing_at_all"
    ),
    Kind("nothing_at_all", _IMPORTS["nothing_at_all"][0], "JK101", 1, "ValueError: Empty module name"),
    *_HELPED,
    *_FILES,
]
