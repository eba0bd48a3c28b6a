"""Where the project's own code is found, and what is said when it is not."""

from __future__ import annotations

import sys

import pytest

from jobkit import collection
from tests.collection.conftest import JOB, ProjectFolder, only

JOBS = "extensions/web/jobs"


def test_the_root_is_searched_last(project: ProjectFolder) -> None:
    """The default entry ``.`` goes behind everything: the project's ``json.py`` shadows nothing."""
    project.file("json.py", "raise RuntimeError('shadowed')\n")
    project.file("shop_settings.py", "NAME = 'shop'\n")
    source = "import json\nfrom shop_settings import NAME\njson.dumps(NAME)\n"
    project.file(f"{JOBS}/work.py", source + JOB.format(name="work"))
    before = list(sys.path)
    try:
        assert project.collect().errors == []
        assert sys.path == [*before, str(project.root)]
        collection.detach()
        assert sys.path == before
    finally:
        sys.modules.pop("shop_settings", None)


def test_entries_are_appended_once(project: ProjectFolder) -> None:
    """Again attached, or there already, nothing is added; undoing takes only what was added."""
    project.file("jobkit.toml", '[project]\npythonpath = [".", "src", "./src/"]\n')
    (project.root / "src").mkdir()
    before = list(sys.path)
    sys.path.append(str(project.root))
    try:
        collection.attach(project.config)
        collection.attach(project.config)
        assert sys.path == [*before, str(project.root), str(project.root / "src")]
        collection.detach()
        assert sys.path == [*before, str(project.root)]
    finally:
        sys.path.remove(str(project.root))


@pytest.mark.parametrize(
    ("files", "line", "advice"),
    [
        ([f"{JOBS}/_tool.py"], "import _tool", "write `from . import _tool`"),
        (["extensions/web/lib/x.py"], "from lib import x", "write `from .. import lib`"),
        (["extensions/mail/tool.py"], "import tool", "write `from jobkit_ext.mail.tool import …`"),
        (["src/shop/__init__.py"], "import shop.models", 'add "src" to `[project] pythonpath`'),
        (["a/b/shop.py"], "from shop import x", 'add "a/b" to `[project] pythonpath`'),
        ([f"{JOBS}/_helpers.py"], "from . import _helper", "did you mean `_helpers`?"),
        (["extensions/web/lib/tools.py"], "from ..lib import tool", "did you mean `tools`?"),
        ([], "from jobkit import submit_jobs", "did you mean `submit_job`?"),
        ([], "from json import load_all", "did you mean `load`"),
        ([], "import json.decode", "did you mean `decoder`?"),
        (["extensions/web/lib/tools.py"], "from ..lib.tool import x", "did you mean `tools`?"),
        ([], "from ..library import x", "there is no library.py in extensions/web/"),
        ([], "import no_such_library", "install what provides `no_such_library`"),
        ([".venv/shop.py", "env/pyvenv.cfg", "env/shop.py"], "import shop", "install what provides `shop`"),
    ],
)
def test_a_missing_module_is_looked_for(
    project: ProjectFolder, files: list[str], line: str, advice: str
) -> None:
    """The error (JK104) says how to write the import, or which entry of ``pythonpath`` would find it."""
    project.file("jobkit.toml", "[project]\npythonpath = []\n")
    for file in files:
        project.file(file)
    project.file(f"{JOBS}/work.py", f"x = 1\n{line}\n")
    error = only(project.collect().errors)
    assert (error.code, error.line) == ("JK104", 2)
    assert advice in (error.help or "")


def test_following_the_advice_finds_the_module(project: ProjectFolder) -> None:
    """The entry that the error names does find it."""
    project.file("src/shop_models.py", "X = 1\n")
    project.file(f"{JOBS}/work.py", "import shop_models\n" + JOB.format(name="work"))
    error = only(project.collect().errors)
    assert '"src"' in (error.help or "")
    project.file("jobkit.toml", '[project]\npythonpath = [".", "src"]\n')
    try:
        assert project.collect().errors == []
    finally:
        sys.modules.pop("shop_models", None)
