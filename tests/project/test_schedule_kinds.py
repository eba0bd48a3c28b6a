"""Kinds of schedules that plugins bring."""

from __future__ import annotations

import pytest

from jobkit.exceptions import ScheduleError
from jobkit.plugins.sources import PluginChoice
from tests.project.conftest import Folder, codes

TIDE = """
from jobkit.exceptions import ScheduleError
from jobkit.schedules import EpochSchedule

class Tide(EpochSchedule):
    def next_epoch(self, second):
        if "bad" in self.text:
            raise RuntimeError("no tables")
        if "still" in self.text:
            return second
        if "later" in self.text and second > 4_000_000_000:
            raise RuntimeError("end of tables")
        return second - second % 100 + 100

    def describe(self):
        return "with the tide"

def parse(text, timezone, name):
    if "Moon" in text:
        raise ScheduleError("the moon has no tides", help="write `tide Cuxhaven`")
    if "crash" in text:
        raise KeyError(text)
    if "nothing" in text:
        return 7
    return Tide(text, timezone)

@hookimpl
def jobkit_schedule_kinds(config):
    return [ScheduleKind("tide", parse, "tide, and a place: `tide Cuxhaven`")]
"""


def test_a_word_of_a_plugin_is_a_schedule(folder: Folder) -> None:
    """In code and in configuration, with what the plugin says about it."""
    folder.write("jobkit.toml", "[jobs.two]\nschedule = 'tide Emden'\n")
    folder.hook(TIDE)
    folder.job("one", 'schedule="tide Cuxhaven"')
    folder.job("two")
    jobs = folder.jobs()
    for name, text in (("one", "tide Cuxhaven"), ("two", "tide Emden")):
        times = jobs[name].times
        assert times is not None
        assert (times.text, times.describe(), times.next_epoch(250)) == (text, "with the tide", 300)
        assert times.previous_epoch(250) == 200
        assert times.count(0, 1000) == 10


def test_a_list_mixes_kinds(folder: Folder) -> None:
    """A plugin's word beside cron."""
    folder.hook(TIDE)
    folder.job("one", 'schedule=["tide Cuxhaven", "0 0 3 * * *"]')
    assert folder.jobs()["one"].times is not None


BROKEN = {
    "tide bad": "RuntimeError: no tables",
    "tide crash": "KeyError",
    "tide nothing": "it gave 7, which is no schedule",
    "tide still": "the next fire after",
}


@pytest.mark.parametrize("text", BROKEN)
@pytest.mark.parametrize("where", ["code", "configuration"])
def test_a_kind_that_fails_is_the_error_of_its_job(folder: Folder, text: str, where: str) -> None:
    """The job is listed with JK315, which names the plugin; the rest of its file and others go on."""
    folder.hook(TIDE)
    given = repr(text)
    folder.job("one", f"schedule={given}" if where == "code" else "")
    with (folder.root / "extensions/web/jobs/one.py").open("a") as file:
        file.write("\n@submit_job\nasync def other(ctx): ...\n")
    if where == "configuration":
        folder.write("jobkit.toml", f"[jobs.one]\nschedule = {given}\n")
    project = folder.load()
    error = project.jobs["one"].error
    assert error is not None
    assert (error.code, error.line) == ("JK315", 4 if where == "code" else 2)
    assert "plugin policy" in error.message
    assert BROKEN[text] in error.message
    assert (project.jobs["other"].error, project.errors) == (None, [])
    info = project.plugins.info("policy")
    assert info is not None
    assert (info.status, info.failures) == ("active", 1)


def test_configuration_mends_what_a_plugin_cannot(folder: Folder) -> None:
    """As the page of JK315 says: a cron expression meanwhile."""
    folder.hook(TIDE)
    folder.job("one", 'schedule="tide bad", timezone="Europe/Berlin"')
    folder.write("jobkit.toml", "[jobs.one]\nschedule = '0 0 3 * * *'\n")
    assert folder.jobs()["one"].error is None


def test_a_kind_that_fails_later_says_so_in_the_same_words(folder: Folder) -> None:
    """Whoever asks for a fire gets ScheduleError; the failure is told once, however often it is asked."""
    folder.hook(TIDE)
    folder.job("one", 'schedule="tide later"')
    project = folder.load()
    times = project.jobs["one"].times
    assert times is not None
    for _ in range(3):
        with pytest.raises(ScheduleError, match="end of tables"):
            times.next_epoch(5_000_000_000)
    assert project.plugins.info("policy").failures == 1  # type: ignore[union-attr]


def test_a_text_that_a_plugin_refuses_is_its_authors_mistake(folder: Folder) -> None:
    """ScheduleError is shown as it is, at the line of the job, and is no failure."""
    folder.hook(TIDE)
    folder.job("one", 'schedule="tide Moon"')
    project = folder.load()
    [error] = project.errors
    assert "the moon has no tides" in error.message
    assert project.plugins.info("policy").failures == 0  # type: ignore[union-attr]


def test_a_misspelt_word_gets_the_plugins_word_offered(folder: Folder) -> None:
    """JK312 knows the words of plugins, and says whose they are."""
    folder.hook(TIDE)
    folder.job("one", 'schedule="tidee Cuxhaven"')
    folder.job("two", 'schedule="xylophone"')
    near, far = folder.load().errors
    assert (near.code, near.help) == ("JK312", "did you mean `tide`?")
    assert "tide, and a place: `tide Cuxhaven` (plugin policy)" in (far.help or "")


@pytest.mark.parametrize("how", ["blocked", "broken"])
def test_without_its_plugin_a_job_says_which_one_is_missing(folder: Folder, how: str) -> None:
    """The job is listed with an error that names the plugin, and its file is not broken."""
    path = folder.hook(TIDE)
    folder.job("one", 'schedule="tide Cuxhaven"')
    choice = PluginChoice(block=("policy",)) if how == "blocked" else None
    if how == "broken":
        path.write_text("1 / 0\n")
    project = folder.load(plugins=choice)
    error = project.jobs["one"].error
    assert error is not None
    assert (error.code, project.errors) == ("JK312", [])
    assert f"policy ({how})" in (error.help or "")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ('ScheduleKind("every", parse, "mine")', "already begins schedules of jobkit"),
        ('ScheduleKind("", parse, "mine")', "without a prefix"),
        ('ScheduleKind(7, parse, "mine")', "both text"),
        ('ScheduleKind("x", None, "mine")', "a function that parses"),
    ],
)
def test_a_kind_that_cannot_be_one_is_left_out(folder: Folder, kind: str, said: str) -> None:
    """The plugin's failure says why; other kinds and schedules are as before."""
    folder.hook(f"{TIDE}    more = {kind}\n")
    source = (folder.root / "hooks/policy.py").read_text()
    folder.write(
        "hooks/policy.py",
        source.replace("    return [Sch", f"    return [{kind}, Sch").rpartition("    more")[0],
    )
    folder.job("one", 'schedule="tide Cuxhaven"')
    folder.job("two", 'schedule="every 5m"')
    project = folder.load()
    assert {name: job.error for name, job in project.jobs.items()} == {"one": None, "two": None}
    info = project.plugins.info("policy")
    assert info is not None
    assert info.failures == 1
    assert said in (info.error.message if info.error is not None else "")


def test_a_kind_that_cannot_tell_whether_a_text_is_its_own(folder: Folder) -> None:
    """`matches` that raises is a failure, and the text goes to the next kind."""
    folder.hook("""
        def wrong(text):
            raise RuntimeError("no idea")

        @hookimpl
        def jobkit_schedule_kinds(config):
            return [ScheduleKind("tide", lambda *all: None, "tide", matches=wrong)]
    """)
    folder.job("one", 'schedule="0 0 3 * * *"')
    project = folder.load()
    assert project.jobs["one"].error is None
    assert project.plugins.info("policy").failures == 1  # type: ignore[union-attr]
    assert codes(project) == []
