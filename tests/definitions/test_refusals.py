"""What cannot be a job is refused at the line of the call, with the reason and the way out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jobkit import JobSpec, submit_job
from jobkit.exceptions import CollectionError

Refused = Callable[[str], CollectionError]

HEAD = "from __future__ import annotations\nfrom jobkit import Job, submit_job\n\n"


def refusal(target: Any, **options: Any) -> CollectionError:
    """The error of submitting *target* outside of any collection."""
    with pytest.raises(CollectionError) as caught:
        submit_job(target, **options)
    return caught.value


NOT_JOBS = {
    "None": ("submit_job(None)", "JK110", "None is not a job"),
    "text": ("submit_job('cleanup')", "JK110", "an object of type str is not a job"),
    "module": ("import json\n\n\nsubmit_job(json)", "JK110", "the module json is not a job"),
    "generic": ("\n\n\nsubmit_job(list[int])", "JK110", "an object of type GenericAlias is not a job"),
    "coroutine": (
        "async def job(ctx): ...\n\n\nsubmit_job(job(None))",
        "JK110",
        "the coroutine that calling job",
    ),
    "generator object": (
        "def job(ctx): yield\n\n\nsubmit_job(job(1))",
        "JK110",
        "the generator that calling job",
    ),
    "class method": (
        "class A:\n    @classmethod\n    def job(cls, ctx): ...\n    submit_job(job)",
        "JK110",
        "a class method cannot be submitted inside",
    ),
    "decorator": ("\n\n\nsubmit_job(submit_job(tags=['a']))", "JK110", "was given to submit_job"),
    "generator": ("def job(ctx): yield\n\n\nsubmit_job(job)", "JK111", "job is a generator"),
    "async generator": ("async def job(ctx): yield\n\n\nsubmit_job(job)", "JK111", "job is a generator"),
    "object with generator": (
        "class A:\n    async def __call__(self, ctx): yield\n\nsubmit_job(A())",
        "JK111",
        "A.__call__ is a generator",
    ),
    "class with generator": (
        "class A(Job):\n    def execute(self, ctx): yield\n\nsubmit_job(A)",
        "JK111",
        "A.execute is a generator",
    ),
    "partial of generator": (
        "import functools\ndef job(ctx, *, a): yield\n\nsubmit_job(functools.partial(job, a=1))",
        "JK111",
        "job is a generator",
    ),
    "bound generator": (
        "class A:\n    def job(self, ctx): yield\n\nsubmit_job(A().job)",
        "JK111",
        "A.job is a generator",
    ),
    "no arguments": ("def job(): ...\n\n\nsubmit_job(job)", "JK112", "job takes no context"),
    "keywords only": ("def job(*, ctx): ...\n\n\nsubmit_job(job)", "JK112", "job takes no context"),
    "value first": (
        "def job(days: int): ...\n\n\nsubmit_job(job)",
        "JK112",
        "its first argument is `days: int`",
    ),
    "method": (
        "class A:\n    def job(self, ctx): ...\n\nsubmit_job(A.job)",
        "JK112",
        "A.job is a method without",
    ),
    "unknown arguments": ("\n\n\nsubmit_job(iter, name='x')", "JK112", "Python cannot tell what iter takes"),
    "class without execute": ("class A: ...\n\n\nsubmit_job(A)", "JK114", "class A does not define execute"),
    "job class without execute": ("class A(Job): ...\n\n\nsubmit_job(A)", "JK114", "class A does not define"),
    "instance without execute": (
        "class A(Job): ...\n\n\nsubmit_job(A())",
        "JK114",
        "class A does not define",
    ),
    "builtin type": ("\n\n\nsubmit_job(int)", "JK114", "class int does not define execute"),
    "class that needs arguments": (
        "class A(Job):\n    def __init__(self, city): ...\n    def execute(self, ctx): ...\nsubmit_job(A)",
        "JK114",
        "cannot be made without arguments: it needs city",
    ),
    "partial of class": (
        "import functools\nclass A(Job):\n    def execute(self, ctx): ...\nsubmit_job(functools.partial(A))",
        "JK114",
        "partial of A makes an instance",
    ),
}


@pytest.mark.parametrize("case", NOT_JOBS)
def test_what_is_no_job_is_refused(case: str, refused: Refused) -> None:
    """Each has its reason, its code, and the line of the call."""
    text, code, reason = NOT_JOBS[case]
    error = refused(HEAD + text + "\n")
    assert (error.code, reason in error.message) == (code, True), error.message
    assert error.line == (HEAD + text).rstrip().count("\n") + 1
    assert error.path is not None
    assert error.path.name == "example.py"


def test_an_abstract_class_is_refused(refused: Refused) -> None:
    """The abstract methods are named."""
    error = refused(
        HEAD
        + """
import abc
class A(Job, abc.ABC):
    @abc.abstractmethod
    def city(self): ...
    def execute(self, ctx): ...
submit_job(A)
"""
    )
    assert (error.code, error.message) == ("JK114", "class A is abstract: it does not define city")


def test_a_coroutine_that_is_refused_is_closed() -> None:
    """Python does not warn about it besides (warnings are errors here)."""

    async def work(ctx: object) -> None: ...

    assert refusal(work(None)).code == "JK110"


# -- arguments that stand in the wrong place ----------------------------------------------------------

MISPLACED = {
    "default": ("def job(ctx, days=30): ...", "`days` stands where services stand, and has a default"),
    "typed default": (
        "def job(ctx, days: int = 30): ...",
        "`days` stands where services stand, and has a default",
    ),
    "int": ("def job(ctx, days: int): ...", "`days` stands where services stand, and is annotated `int`"),
    "list": ("def job(ctx, days: list[int]): ...", "is annotated `list[int]`"),
    "optional": ("def job(ctx, days: int | None): ...", "is annotated `int | None`"),
    "date": ("from datetime import date\ndef job(ctx, day: date): ...", "is annotated `date`"),
    "unimported date": ("def job(ctx, day: date): ...", "is annotated `date`"),
    "literal": (
        "from typing import Literal\ndef job(ctx, a: Literal['x']): ...",
        "is annotated `Literal['x']`",
    ),
    "enumeration": (
        "import enum\nclass Colour(enum.Enum):\n    RED = 1\ndef job(ctx, a: Colour): ...",
        "is annotated `Colour`",
    ),
    "evaluated": (
        "from typing import Optional\ndef job(ctx, a: Optional['str']): ...",
        "is annotated `Optional",
    ),
    "method": ("class Some(Job):\n    def execute(self, ctx, n: int): ...\njob = Some", "is annotated `int`"),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_a_value_before_the_star_is_refused(case: str, refused: Refused) -> None:
    """A positional argument with a default or a value's type: the advice is to put ``*`` before it."""
    text, reason = MISPLACED[case]
    error = refused(HEAD + text + "\nsubmit_job(job)\n")
    assert (error.code, reason in error.message) == ("JK113", True), error.message
    assert error.help is not None
    assert "put `*` before it" in error.help


def test_following_the_advice_mends_it(job: Callable[[str], JobSpec]) -> None:
    """With ``*`` before the parameter the job is registered (JK113)."""
    spec = job(HEAD + "def job(ctx, *, days: int = 30): ...\nsubmit_job(job)\n")
    assert [parameter.name for parameter in spec.signature.parameters.parameters] == ["days"]


def test_a_plain_value_can_be_a_service_if_it_says_so(job: Callable[[str], JobSpec]) -> None:
    """The marker names a service; then its type may be any."""
    spec = job(
        HEAD
        + "from typing import Annotated\nfrom jobkit import Service\n"
        + "def job(ctx, dsn: Annotated[str, Service('dsn')]): ...\nsubmit_job(job)\n"
    )
    assert [request.parameter for request in spec.signature.services] == ["dsn"]


def test_a_service_behind_the_star_is_refused(refused: Refused) -> None:
    """Its values cannot be written down: it is told to stand before ``*``."""
    error = refused(HEAD + "class Database: ...\ndef job(ctx, *, db: Database): ...\nsubmit_job(job)\n")
    assert error.code == "JK115"
    assert "values of Database cannot be written" in error.message
    assert error.help is not None
    assert "before `*`" in error.help


def test_a_marker_needs_a_name(refused: Refused) -> None:
    """``Annotated[T, Service]`` without a name is a mistake that has its own error."""
    error = refused(
        HEAD
        + "from typing import Annotated\nfrom jobkit import Service\n"
        + "def job(ctx, db: Annotated[object, Service]): ...\nsubmit_job(job)\n"
    )
    assert (error.code, 'Service("replica")' in error.message) == ("JK116", True)
