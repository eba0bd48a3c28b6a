"""What users get from a type checker: their own types back, and their mistakes named."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
EXPECTED = re.compile(r"(?P<code>.*?)  # type: ignore\[(?P<kind>[\w-]+)\]  # says: (?P<words>.*)")


def mypy(path: Path) -> str:
    """What mypy, strict as for the whole project, says about the file."""
    command = [sys.executable, "-m", "mypy", "--no-error-summary", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.stdout


def test_right_jobs_are_understood() -> None:
    """Every ``assert_type`` holds, and nothing that is right is refused."""
    assert mypy(FOLDER / "right.py") == ""


def test_every_mistake_is_named(tmp_path: Path) -> None:
    """Without the comments that excuse them, each line has the error that its comment promises."""
    lines = (FOLDER / "wrong.py").read_text(encoding="utf-8").splitlines()
    promises = {number: match for number, line in enumerate(lines, 1) if (match := EXPECTED.fullmatch(line))}
    assert len(promises) > 10
    bare = tmp_path / "wrong.py"
    text = [promises[number]["code"] if number in promises else line for number, line in enumerate(lines, 1)]
    bare.write_text("\n".join(text), encoding="utf-8")
    said: dict[int, str] = {}
    for number, message in re.findall(r"wrong\.py:(\d+): error: (.*)", mypy(bare)):
        said[int(number)] = said.get(int(number), "") + message
    assert sorted(said) == sorted(promises)
    for number, promise in promises.items():
        assert promise["words"] in said[number], f"line {number}"
        assert f"[{promise['kind']}]" in said[number], f"line {number}"


@pytest.mark.parametrize("name", ["right.py", "wrong.py"])
def test_the_files_are_python(name: str) -> None:
    """They are not executed, so at least they compile."""
    compile((FOLDER / name).read_text(encoding="utf-8"), name, "exec")
