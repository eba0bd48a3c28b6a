"""Jobs that ask for services."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from jobkit.job import JobSpec
from jobkit.signature import signature_of


class MakeJob(Protocol):
    """The specification of a function, as if it had been registered."""

    def __call__(self, function: Callable[..., Any], *, extension: str = "web") -> JobSpec: ...


@pytest.fixture
def job() -> MakeJob:
    """Makes specifications."""

    def make(function: Callable[..., Any], *, extension: str = "web") -> JobSpec:
        return JobSpec(
            name=function.__name__,
            extension=extension,
            description="",
            path=Path("extensions/web/jobs/report.py"),
            line=7,
            module="jobkit_ext.web.jobs.report",
            target=function,
            signature=signature_of(function),
        )

    return make
