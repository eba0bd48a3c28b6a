"""Executes one file in a process of its own, to see whether the process survives it.

Started by ``suspects``, with an order in JSON. The token of the order on standard output says that it did;
whether the file is right is not the question.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from typing import NoReturn

from jobkit.collection.finder import ExtensionFinder
from jobkit.collection.importing import Guard


def main(order: str) -> NoReturn:
    """Execute the module that *order* names; ends the process."""
    wanted = json.loads(order)
    answer = os.dup(1)
    os.set_inheritable(answer, False)
    finder = ExtensionFinder(**wanted["finder"])
    sys.meta_path.insert(0, finder)
    finder.pythonpath.apply()
    with Guard(wanted["limit"]) as guard:
        guard.run(import_module, wanted["module"])
    os.write(answer, wanted["token"].encode())
    os._exit(0)
