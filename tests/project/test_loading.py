"""In which order a project is loaded, and what is left of it when it is closed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jobkit import ConfigError, Project, collection
from jobkit.plugins.sources import PluginChoice
from jobkit.project import loaded_project
from tests.project.conftest import Folder, codes


def test_plugins_are_asked_in_order_and_before_the_first_job_file(folder: Folder) -> None:
    """Tables first, then configure with the struct, then what plugins bring, then job files."""
    folder.write("jobkit.toml", "[plugins.policy]\ntown = 'Emden'\n")
    folder.hook("""
        import msgspec

        ORDER = []

        class Table(msgspec.Struct, frozen=True):
            town: str = "nowhere"

        @hookimpl
        def jobkit_addoption(parser):
            ORDER.append("addoption")
            parser.table(Table)

        @hookimpl
        def jobkit_configure(config):
            ORDER.append(("configure", config.plugin("policy").town))

        @hookimpl
        def jobkit_schedule_kinds(config):
            ORDER.append("kinds")

        @hookimpl
        def jobkit_services(config):
            ORDER.append("services")

        @hookimpl
        def jobkit_result_sinks(config):
            ORDER.append("sinks")
    """)
    folder.write(
        "extensions/web/jobs/one.py",
        """
        from jobkit import submit_job
        from jobkit_hooks.policy import ORDER

        ORDER.append("job file")

        @submit_job
        async def one(ctx): ...
        """,
    )
    project = folder.load()
    from jobkit_hooks.policy import ORDER

    assert ORDER == ["addoption", ("configure", "Emden"), "kinds", "services", "job file"]
    assert (project.sinks, project.sinks) == ((), ())
    assert ORDER[5:] == ["sinks"]


def test_hooks_find_the_projects_own_code_and_each_other(folder: Folder) -> None:
    """pythonpath is in force, jobkit_hooks and jobkit_ext can be imported."""
    folder.write("shop/prices.py", "VAT = 19\n")
    folder.write("extensions/web/lib/site.py", "NAME = 'shop'\n")
    folder.write("hooks/_shared.py", "ANSWER = 42\n")
    folder.write("jobkit.toml", "[project]\npythonpath = ['.']\n")
    folder.hook("""
        from shop.prices import VAT
        from jobkit_hooks._shared import ANSWER
        from jobkit_ext.web.lib.site import NAME
    """)
    folder.own_hook("from .lib.site import NAME")
    folder.job("one")
    project = folder.load()
    assert project.warnings == []
    assert {info.name for info in project.plugins.infos if info.source in ("project", "extension")} == {
        "policy",
        "web.hooks",
    }
    del sys.modules["shop.prices"], sys.modules["shop"]


BROKEN = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "exits": ("raise SystemExit(3)", "sys.exit(3)"),
    "no Python": ("def", "SyntaxError"),
    "registers a job": ("submit_job(lambda ctx: None, name='x')", "registers no jobs itself"),
    "takes too long": ("while True: pass", "longer than 200ms"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_file_in_hooks_is_a_warning(folder: Folder, how: str) -> None:
    """With its line; the jobs are there."""
    text, said = BROKEN[how]
    folder.write("jobkit.toml", "[project]\nimport_timeout = '200ms'\n")
    folder.job("one")
    path = folder.hook(text)
    project = folder.load()
    [warning] = project.warnings
    assert said in warning.message
    assert warning.path == path
    assert set(project.jobs) == {"one"}
    assert "--plugin no:policy" in (warning.help or "")


def test_what_a_file_in_hooks_prints_and_changes_harms_no_answer(
    folder: Folder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is printed to stderr; the working directory is put back, with a warning."""
    folder.job("one")
    folder.hook("""
        import os
        print("hello from hooks")
        os.chdir("/")
    """)
    before = Path.cwd()
    project = folder.load()
    out, err = capsys.readouterr()
    assert ("hello" in out, "hello from hooks" in err) == (False, True)
    assert Path.cwd() == before
    assert codes(project) == ["JK158"]


def test_a_plugin_that_cannot_configure_is_left_out(folder: Folder) -> None:
    """A warning; the project is loaded without it."""
    folder.job("one")
    folder.hook("""
        @hookimpl
        def jobkit_configure(config):
            raise RuntimeError("no settings")

        @hookimpl
        def jobkit_ignore_collect(path):
            return True
    """)
    project = folder.load()
    assert (codes(project), set(project.jobs)) == (["JK720"], {"one"})


def test_a_table_that_no_plugin_has_is_an_error(folder: Folder) -> None:
    """With the closest name; while that plugin is left out, a warning."""
    folder.job("one")
    folder.write("jobkit.toml", "[plugins.polcy]\nx = 1\n")
    folder.hook("")
    with pytest.raises(ConfigError, match=r"\[plugins.polcy\] matches no plugin") as caught:
        folder.load()
    assert "policy" in (caught.value.help or "")
    assert loaded_project() is None
    folder.write("jobkit.toml", "[plugins.policy]\nx = 1\n")
    assert codes(folder.load(plugins=PluginChoice(block=("policy",)))) == ["JK747"]


# -- the end ----------------------------------------------------------------------------------------------

CLEANING = """
DONE = []

def fail():
    DONE.append("fails")
    raise SystemExit("no")

@hookimpl
def jobkit_configure(config):
    config.add_cleanup(lambda: DONE.append("first"))
    config.add_cleanup(fail)
    config.add_cleanup(lambda: DONE.append("last"))
"""


def test_cleanups_are_called_once_the_last_first(folder: Folder) -> None:
    """One that fails keeps none of the others from it, and is counted as its plugin's failure."""
    folder.hook(CLEANING)
    folder.job("one")
    project = folder.load()
    from jobkit_hooks.policy import DONE

    assert DONE == []
    project.close()
    project.close()
    assert DONE == ["last", "fails", "first"]
    info = project.plugins.info("policy")
    assert info is not None
    assert info.failures == 1


def test_a_load_that_fails_cleans_up(folder: Folder) -> None:
    """What was begun is ended although there is no project to close; another can be loaded."""
    folder.write("jobkit.toml", "[jobs.unknown]\nenabled = true\n")
    folder.hook(CLEANING + "    config.add_cleanup(lambda: (config.root / 'cleaned').touch())\n")
    folder.job("one")
    with pytest.raises(ConfigError):
        folder.load()
    assert (folder.root / "cleaned").exists()
    assert (loaded_project(), collection.attached()) == (None, None)


def test_a_released_project_is_closed_later(folder: Folder, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its cleanups are its own; the modules of the project that was loaded since stay."""
    folder.hook(CLEANING)
    folder.job("one")
    first = folder.load()
    from jobkit_hooks.policy import DONE

    first.release()
    other = Folder(tmp_path_factory.mktemp("other"))
    other.job("two")
    with Project.load(other.root) as second:
        first.close()
        assert DONE == ["last", "fails", "first"]
        assert collection.attached() is not None
        assert second.jobs["two"].name == "two"


def test_prepared_is_not_collected(folder: Folder) -> None:
    """Plugins are loaded and configured, and no job file before a job is asked for."""
    folder.hook("""
        @hookimpl
        def jobkit_configure(config):
            (config.root / "configured").touch()
    """)
    folder.job("one")
    before = loaded_project()
    assert before is None
    with Project.prepare(folder.root) as project:
        assert (folder.root / "configured").exists()
        assert "jobkit_ext.web.jobs.one" not in sys.modules
        assert project.jobs["one"].name == "one"


def test_stores_of_plugins_are_opened(folder: Folder) -> None:
    """By the scheme of the address; read-only is told; what nobody knows is an error that says so."""
    folder.write("jobkit.toml", "[scheduler]\nstore = 'paper://desk'\n")
    folder.hook("""
        from jobkit.stores.memory import MemoryStore

        @hookimpl
        def jobkit_store(url, config):
            if url.startswith("paper:"):
                store = MemoryStore(project="paper")
                store.told = (url, config.read_only)
                return store
    """)
    folder.job("one")
    store = folder.load().open_store(read_only=True)
    assert store.told == ("paper://desk", True)  # type: ignore[attr-defined]
