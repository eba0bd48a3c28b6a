"""Class jobs: attributes carry what options carry elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from jobkit import JobSpec
from jobkit.exceptions import CollectionError

HEAD = "from jobkit import Job, submit_job\n"


def test_attributes_are_options(job: Callable[[str], JobSpec]) -> None:
    """Every option may be an attribute of the class."""
    spec = job(
        HEAD
        + """
class PublishSite(Job):
    name = "publish"
    description = "Rebuild the static site"
    schedule = ""
    run_on_startup = True
    tags = ["site"]
    timeout = "5m"
    async def execute(self, ctx): ...
submit_job(PublishSite)
"""
    )
    assert (spec.name, spec.description, spec.schedule) == ("publish", "Rebuild the static site", ())
    assert (spec.run_on_startup, spec.tags, spec.timeout) == (True, ("site",), timedelta(minutes=5))
    assert {"name", "description", "schedule", "run_on_startup", "tags", "timeout"} == spec.origins.keys()


def test_options_of_the_call_win(job: Callable[[str], JobSpec]) -> None:
    """What is given in the call overrides the attribute."""
    text = "class A(Job):\n    name = 'a'\n    owner = 'x'\n    def execute(self, ctx): ...\n"
    spec = job(HEAD + text + "submit_job(A, name='b')\n")
    assert (spec.name, spec.owner) == ("b", "x")


def test_attributes_are_inherited(job: Callable[[str], JobSpec]) -> None:
    """A base class of one's own may set options for all."""
    spec = job(
        HEAD
        + """
class Nightly(Job):
    tags = ["nightly"]
    def execute(self, ctx): ...
class Report(Nightly):
    '''Send the report.'''
submit_job(Report)
"""
    )
    assert (spec.name, spec.tags, spec.description) == ("report", ("nightly",), "Send the report.")


def test_attributes_of_an_instance_count(job: Callable[[str], JobSpec]) -> None:
    """An instance may carry options that its class does not have, properties included."""
    spec = job(
        HEAD
        + """
class Sync(Job):
    def __init__(self, city):
        self.city = city
        self.tags = [city]
    @property
    def name(self):
        return f"sync_{self.city}"
    def execute(self, ctx): ...
submit_job(Sync("berlin"))
"""
    )
    assert (spec.name, spec.tags) == ("sync_berlin", ("berlin",))


def test_a_wrong_attribute_is_an_error_at_the_call(refused: Callable[[str], CollectionError]) -> None:
    """The line is that of submit_job, the message names the attribute."""
    text = "class A(Job):\n    enabled = 1\n    def queue(self): ...\n    def execute(self, ctx): ...\n"
    error = refused(HEAD + text + "submit_job(A)\n")
    assert (error.code, error.line) == ("JK121", 6)
    assert "`enabled`: true or false is expected, not int" in error.message
    assert "`queue`: text is expected, not function" in error.message


def test_a_misspelt_attribute_is_a_warning(job: Callable[[str], JobSpec]) -> None:
    """An attribute that looks like an option is hinted at; others are the class's own business."""
    attributes = "    shedule = '@daily'\n    city = 'x'\n    enforce = True\n"
    spec = job(HEAD + "class A(Job):\n" + attributes + "    def execute(self, ctx): ...\nsubmit_job(A)\n")
    assert [(warning.code, warning.line) for warning in spec.warnings] == [("JK134", 7), ("JK134", 7)]
    assert "`shedule` is no option; did you mean `schedule`?" in spec.warnings[0].message
    assert "`enforce` sets nothing" in spec.warnings[1].message


def test_following_that_advice_mends_it(job: Callable[[str], JobSpec]) -> None:
    """Renamed, the attribute is the option; with an underscore, it is nobody's business (JK134)."""
    text = (
        "class A(Job):\n    tags = ['x']\n    _tagz = ['x']\n    def execute(self, ctx): ...\nsubmit_job(A)\n"
    )
    spec = job(HEAD + text)
    assert (spec.tags, spec.warnings) == (("x",), ())


def test_the_description_of_a_class_is_its_own(job: Callable[[str], JobSpec]) -> None:
    """The text of ``Job`` is not inherited; that of ``execute`` serves where the class has none."""
    plain = job(HEAD + "class A(Job):\n    def execute(self, ctx): ...\nsubmit_job(A)\n")
    told = job(HEAD + "class A(Job):\n    def execute(self, ctx): 'Do it.'\nsubmit_job(A)\n")
    assert (plain.description, told.description) == ("", "Do it.")
