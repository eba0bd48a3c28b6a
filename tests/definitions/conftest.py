"""Job files under test: text that is executed as the loader executes it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Protocol

import pytest

from jobkit.exceptions import CollectionError
from jobkit.job import JobSpec
from jobkit.registration import Collecting, collecting
from jobkit.submit import to_spec

NAME = "jobkit_ext.web.jobs.example"


class Load(Protocol):
    """Executes a job file with that text, and gives what it registered."""

    def __call__(self, text: str, *, accepts: bool = True) -> Collecting: ...


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Executes job files."""

    def run(text: str, *, accepts: bool = True) -> Collecting:
        path = tmp_path / "example.py"
        path.write_text(text, encoding="utf-8")
        module = sys.modules[NAME] = ModuleType(NAME)
        module.__file__ = str(path)
        with collecting(NAME, path, accepts=accepts) as collected:
            exec(compile(text, str(path), "exec"), module.__dict__)
        return collected

    yield run
    sys.modules.pop(NAME, None)


@pytest.fixture
def job(load: Load) -> Callable[[str], JobSpec]:
    """The specification of the only job that a file with that text registers."""

    def only(text: str) -> JobSpec:
        [registration] = load(text).registrations
        return to_spec(registration, "web", NAME)

    return only


@pytest.fixture
def refused(load: Load) -> Callable[[str], CollectionError]:
    """The error that a file with that text ends with."""

    def error(text: str) -> CollectionError:
        with pytest.raises(CollectionError) as caught:
            load(text)
        return caught.value

    return error
