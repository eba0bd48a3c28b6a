"""Any file name works, and the module behind it is a module like any other."""

from __future__ import annotations

import importlib
import importlib.resources
import inspect
import linecache
import pickle
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobkit import collection
from jobkit.module_names import as_part, from_part
from tests.collection.conftest import JOB, ProjectFolder, only

ODD_NAMES = [
    "cleanup",
    "clean-up",
    "clean up",
    "2nd",
    "123",
    "class",
    "None",
    "import",
    "müll",
    "夜の仕事",
    "a.b",
    "a..b",
    "50%",
    "%2E",
    "🎉",
    "it's",
    'quo"te',
    "semi;colon",
    "back\\slash",
    "$HOME",
    "new\nline",
    "test_x",
    "jobs",
    "sys",
    "json",
    "x" * 240,
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_collected_and_importable(project: ProjectFolder, name: str) -> None:
    """The job is found, and importing the module by the very name it is given in gives its function."""
    project.job("work", f"extensions/web/jobs/{name}.py")
    result = project.collect()
    assert result.errors == []
    spec = result.jobs["work"]
    assert spec.path == project.root / f"extensions/web/jobs/{name}.py"
    module = importlib.import_module(spec.module)
    assert module.work is spec.target
    assert pickle.loads(pickle.dumps(spec.target)) is spec.target
    if "." not in name and "%" not in name:
        assert spec.module == f"jobkit_ext.web.jobs.{name}"


@pytest.mark.parametrize("name", [*ODD_NAMES[:16], "jobs", "lib", "_private"])
def test_an_extension_of_any_name_works(project: ProjectFolder, name: str) -> None:
    """The folder's name is the extension's, and relative imports inside it work."""
    project.file(f"extensions/{name}/lib/numbers.py", "ANSWER = 42\n")
    project.file(f"extensions/{name}/jobs/_helper.py", "from ..lib.numbers import ANSWER\n")
    source = "from . import _helper\n" + JOB.format(name="work") + "work.answer = _helper.ANSWER\n"
    project.file(f"extensions/{name}/jobs/work.py", source)
    result = project.collect()
    assert result.errors == []
    assert result.jobs["work"].extension == name
    assert result.jobs["work"].target.answer == 42


@given(st.text(min_size=1))
def test_parts_of_names_are_told_apart(name: str) -> None:
    """No part of a module name holds a dot, and the file's name can be had back."""
    assert "." not in as_part(name)
    assert from_part(as_part(name)) == name


def test_identifiers_can_be_imported_from_as_usual(project: ProjectFolder) -> None:
    """``from jobkit_ext.web.jobs.cleanup import x`` is what a test of a job writes."""
    project.job("cleanup")
    collection.attach(project.config)
    namespace: dict[str, object] = {}
    exec("from jobkit_ext.web.jobs.cleanup import cleanup", namespace)
    assert namespace["cleanup"] is sys.modules["jobkit_ext.web.jobs.cleanup"].cleanup
    assert collection.collect(project.config).jobs["cleanup"].target is namespace["cleanup"]


def test_one_identifier_in_two_normal_forms_is_one_module(project: ProjectFolder) -> None:
    """A disk may store ``é`` as two characters while Python's source has one: the module is not run twice."""
    stored = unicodedata.normalize("NFD", "été")
    project.job("work", f"extensions/web/jobs/{stored}.py")
    source = "from .été import work as other\n" + JOB.format(name="second")
    project.file("extensions/web/jobs/a_first.py", source)
    result = project.collect()
    assert result.errors == []
    assert sys.modules["jobkit_ext.web.jobs.a_first"].other is result.jobs["work"].target
    assert result.jobs["work"].module == f"jobkit_ext.web.jobs.{stored}"
    assert sys.modules["jobkit_ext.web.jobs.été"] is sys.modules[f"jobkit_ext.web.jobs.{stored}"]


def test_the_same_for_folders(project: ProjectFolder) -> None:
    """An extension or a package inside it may be stored in the other normal form too."""
    stored = unicodedata.normalize("NFD", "été")
    project.file(f"extensions/{stored}/lib/outil.py", "REPONSE = 42\n")
    project.job("work", f"extensions/{stored}/jobs/work.py")
    project.file(
        "extensions/web/jobs/other.py", "from jobkit_ext.été.lib import outil\n" + JOB.format(name="other")
    )
    result = project.collect()
    assert (result.errors, sorted(result.jobs)) == ([], ["other", "work"])
    assert sys.modules["jobkit_ext.web.jobs.other"].outil is sys.modules[f"jobkit_ext.{stored}.lib.outil"]


def test_equal_file_names_in_two_extensions_are_two_files(project: ProjectFolder) -> None:
    """With ``jobs/__init__.py`` in one, both, or none: each file is collected once, under its own path."""
    for extension in ("blog", "mail", "shop"):
        project.job(f"clean_{extension}", f"extensions/{extension}/jobs/cleanup.py")
    project.file("extensions/blog/jobs/__init__.py")
    project.file("extensions/mail/jobs/__init__.py")
    project.file("extensions/mail/__init__.py")
    result = project.collect()
    assert result.errors == []
    assert {name: spec.path.relative_to(project.root).parts[1] for name, spec in result.jobs.items()} == {
        "clean_blog": "blog",
        "clean_mail": "mail",
        "clean_shop": "shop",
    }


def test_init_files_are_executed_once_where_there_are_some(project: ProjectFolder) -> None:
    """``__init__.py`` of the extension and of its jobs run before the first job file."""
    project.file("extensions/web/__init__.py", "order = ['extension']\n")
    project.file("extensions/web/jobs/__init__.py", "from .. import order\norder.append('jobs')\n")
    for name in ("one", "two"):
        source = f"from .. import order\norder.append('{name}')\n" + JOB.format(name=name)
        project.file(f"extensions/web/jobs/{name}.py", source)
    assert project.collect().errors == []
    assert sys.modules["jobkit_ext.web"].order == ["extension", "jobs", "one", "two"]


def test_data_lies_beside_the_code(project: ProjectFolder) -> None:
    """``__file__`` is the real path; ``importlib.resources`` needs no ``__init__`` either."""
    project.file("extensions/web/jobs/rows.txt", "three")
    project.file("extensions/web/texts/rows.txt", "four")
    source = (
        "import importlib.resources\nfrom pathlib import Path\n"
        "beside = Path(__file__).with_name('rows.txt').read_text()\n"
        "other = (importlib.resources.files('jobkit_ext.web') / 'texts' / 'rows.txt').read_text()\n"
    )
    project.file("extensions/web/jobs/work.py", source + JOB.format(name="work"))
    assert project.collect().errors == []
    module = sys.modules["jobkit_ext.web.jobs.work"]
    assert (module.beside, module.other) == ("three", "four")
    assert module.__file__ == str(project.root / "extensions/web/jobs/work.py")


def test_modules_can_be_debugged(project: ProjectFolder) -> None:
    """Source lines are found by path, as debuggers and tracebacks do."""
    path = project.job("work")
    result = project.collect()
    assert inspect.getsource(result.jobs["work"].target).startswith("async def work(ctx):")
    assert linecache.getline(str(path), 4) == "async def work(ctx):\n"
    assert result.jobs["work"].target.__code__.co_filename == str(path)


@pytest.mark.parametrize("alone", [False, True])
def test_a_module_has_what_modules_have(project: ProjectFolder, alone: bool) -> None:
    """Loaded directly or by the import system, it carries the same attributes."""
    names = ["__name__", "__package__", "__file__", "__cached__", "__spec__", "__loader__", "__doc__"]
    source = (
        f"import json\nSEEN = {{name: str(globals()[name]).partition(' object at')[0] for name in {names}}}\n"
    )
    source += "PARENT = __spec__.parent\n"
    source += "print(json.dumps([SEEN, PARENT]))\n"
    project.file("extensions/web/jobs/work.py", source + JOB.format(name="work"))
    if alone:
        printed = project.collect_alone()["files"][0]["printed"]
    else:
        printed = project.collect().files[0].printed
    import json

    seen, parent = json.loads(printed)
    assert parent == seen["__package__"] == "jobkit_ext.web.jobs"
    assert seen["__name__"] == "jobkit_ext.web.jobs.work"
    assert seen["__file__"] == str(project.root / "extensions/web/jobs/work.py")
    assert seen["__cached__"] == importlib.util.cache_from_source(seen["__file__"])
    assert "ModuleLoader" in seen["__loader__"]
    assert seen["__spec__"].startswith("ModuleSpec(name='jobkit_ext.web.jobs.work'")


def test_bytecode_is_cached_as_usual(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second start finds the compiled file, and a changed source is compiled anew."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = project.job("work")
    project.collect()
    [compiled] = (path.parent / "__pycache__").iterdir()
    before = compiled.stat().st_mtime_ns
    assert project.collect().jobs.keys() == {"work"}
    assert compiled.stat().st_mtime_ns == before
    path.write_text(JOB.format(name="another"), encoding="utf-8")
    assert project.collect().jobs.keys() == {"another"}


def test_from_source_sees_every_edit(project: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two edits in one second, of equal size: with the bytecode cache the first would run again."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = project.job("one")
    project.age()
    project.collect()
    path.write_text(JOB.format(name="two"), encoding="utf-8")
    project.age()
    collection.detach()
    collection.attach(project.config, from_source=True)
    assert collection.collect(project.config).jobs.keys() == {"two"}


def test_bytecode_that_others_could_write_is_not_executed(
    project: ProjectFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiled file with permissions for everybody is ignored, and replaced."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = project.job("work")
    project.collect()
    [compiled] = (path.parent / "__pycache__").iterdir()
    planted = compiled.read_bytes().replace(b"Do work.", b"Do evil.")
    compiled.write_bytes(planted)
    assert project.collect().jobs["work"].description == "Do evil.", "the plant would have worked"
    compiled.chmod(0o666)
    assert project.collect().jobs["work"].description == "Do work."
    assert compiled.stat().st_mode & 0o022 == 0


@pytest.mark.parametrize(
    "name", ["%2E%2E.secret", "web.%2E%2E.%2E%2E.secret", "web/../../secret", "web.jobs.\0"]
)
def test_no_name_leads_out(project: ProjectFolder, name: str) -> None:
    """A part of a name is one entry of a folder, whatever it is made of."""
    project.job("work")
    project.file("secret.py")
    collection.attach(project.config)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(f"jobkit_ext.{name}")


def test_names_are_gone_after_detaching(project: ProjectFolder) -> None:
    """Nothing of a project stays behind, so that another can be loaded."""
    project.job("work")
    project.collect()
    finders = len(sys.meta_path)
    collection.detach()
    assert len(sys.meta_path) == finders - 1
    assert not [name for name in sys.modules if name.startswith("jobkit_ext")]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("jobkit_ext.web.jobs.work")


def test_one_project_at_a_time(project: ProjectFolder, tmp_path: Path) -> None:
    """A second project is refused until the first is detached; the same one again is fine."""
    project.collect()
    other = ProjectFolder(tmp_path / "other")
    assert collection.attach(project.config) is collection.attach(project.config)
    with pytest.raises(RuntimeError, match="is attached"):
        collection.attach(other.config)


def test_paths_are_no_names(project: ProjectFolder) -> None:
    """While a project is loaded ``import extensions.…`` says what to write instead."""
    project.job("work")
    project.file("extensions/web/jobs/old.py", "import extensions.web.jobs.work\n")
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK104", 1)
    assert "write `jobkit_ext` instead of `extensions`" in error.message
    with pytest.raises(ImportError, match="jobkit_ext"):
        importlib.import_module("extensions.web")


def test_plugins_in_hooks_have_names_too(project: ProjectFolder) -> None:
    """``jobkit_hooks.<file>`` is the project's ``hooks/<file>.py``."""
    project.file("hooks/audit.py", "WHO = 'audit'\n")
    collection.attach(project.config)
    assert importlib.import_module("jobkit_hooks.audit").WHO == "audit"


def test_a_module_beside_a_folder_of_its_name(project: ProjectFolder) -> None:
    """A job file wins over a folder of the same name; elsewhere the order is Python's."""
    project.job("tidy")
    project.file("extensions/web/jobs/tidy/__init__.py", "raise RuntimeError('not this one')\n")
    project.file("extensions/web/lib/tool.py", "raise RuntimeError('not this one')\n")
    project.file("extensions/web/lib/tool/__init__.py", "RIGHT = True\n")
    assert project.collect().jobs.keys() == {"tidy"}
    assert importlib.import_module("jobkit_ext.web.lib.tool").RIGHT


def test_compiled_modules_without_source_work(project: ProjectFolder) -> None:
    """What Python can import from a folder of an extension, job files can too."""
    import py_compile

    source = project.file("extensions/web/lib/secret.py", "ANSWER = 42\n")
    py_compile.compile(str(source), cfile=str(source.with_suffix(".pyc")))
    source.unlink()
    project.file("extensions/web/jobs/work.py", "from ..lib import secret\n" + JOB.format(name="work"))
    assert project.collect().errors == []
    assert sys.modules["jobkit_ext.web.lib.secret"].ANSWER == 42
