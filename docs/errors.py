"""Writes reference/errors.md from the pages in jobkit/codes, which ``jobkit explain`` shows.

``python docs/errors.py`` writes it; with ``--check`` it only says whether that is needed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
CODES = DOCS.parent / "jobkit" / "codes"
PAGE = DOCS / "reference" / "errors.md"

FAMILIES = {
    "1": "Collection",
    "2": "Configuration",
    "3": "Schedules",
    "4": "Services",
    "5": "Runs",
    "6": "The store",
    "7": "Plugins",
    "8": "Command line",
    "9": "jobkit itself",
}

HEAD = """\
---
title: Error codes
description: Every code that jobkit's errors carry, what it means, and how to mend it
---

# Error codes

Every error that jobkit raises on purpose has a code. `jobkit explain CODE` prints the same text in
the terminal. The first digit names the part that found the fault.
"""


def render() -> str:
    """The whole page: a section for each family that has codes, a part for each code."""
    parts = [HEAD]
    for digit, family in FAMILIES.items():
        pages = sorted(CODES.glob(f"JK{digit}[0-9][0-9].md"))
        if pages:
            parts.append(f"## {family}\n")
            parts += [lowered(page.read_text(encoding="utf-8")) for page in pages]
    return "\n".join(parts)


def lowered(page: str) -> str:
    """The title two levels down; the parts below it as bold lines, for their names repeat."""
    lines = []
    fenced = False
    for line in page.strip().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        lines.append(line if fenced else re.sub(r"^## (.*)$", r"**\1**", re.sub(r"^# ", "### ", line)))
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write or check; the exit code is 1 if the page is out of date."""
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(DOCS.parent)} is out of date: run python docs/errors.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
