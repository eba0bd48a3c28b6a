"""docs/how-to/write-a-store.md: the store that it begins with passes the suite, and a project uses it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-store.md"
BLOCK = re.compile(r"```(?:python|toml)\n# (\S+)\n(.*?)```", re.DOTALL)
JOB = """
from jobkit import submit_job

@submit_job
def sell(ctx):
    pass
"""


@pytest.fixture
def guide(pytester: pytest.Pytester) -> pytest.Pytester:
    """The files of the guide, in a folder of their own."""
    found = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(found) == 4
    for name, text in found:
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    pytester.makepyfile(**{"extensions/shop/jobs/sell": JOB})
    return pytester


def test_its_store_passes_the_suite(guide: pytest.Pytester) -> None:
    """All cases, on both event loops, as the guide says how many."""
    result = guide.runpytest_subprocess("-q", "-p", "no:cacheprovider", "--anyio-mode=auto", "--rootdir=.")
    assert result.ret == 0
    passed = result.parseoutcomes()["passed"]
    assert 700 < passed < 900, "some four hundred, twice"


def test_a_project_keeps_its_runs_there(guide: pytest.Pytester) -> None:
    """The hook answers for its scheme; the run is recorded by the store of the guide."""
    program = """
        import anyio
        from jobkit import Project, Scheduler

        async def main(project):
            async with Scheduler(project) as scheduler:
                record = await scheduler.run("sell")
            print(record.number, record.status)

        with Project.load(".") as project:
            anyio.run(main, project)
        from shop_store import ShopStore
        print(len(ShopStore._places["shop:main"].runs))
    """
    result = guide.runpython(guide.makepyfile(program=program))
    assert result.outlines == ["1 succeeded", "1"], result.errlines
