"""Walks through the codes of collection: a job file, or its folder, is not what it should be."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable

from tests.cli.harness import CommandLine, Ended
from tests.scenario.codes.walk import Walk

JOBS = "extensions/web/jobs"
FILE = f"{JOBS}/job.py"
SUBMIT = "from jobkit import submit_job\n"
DEFINE = "\n\nasync def job(ctx):\n    pass\n"
SOUND = f"{SUBMIT}{DEFINE}\n\nsubmit_job(job)\n"

Step = Callable[[CommandLine], Ended]


def job(cli: CommandLine, text: str = SOUND, path: str = FILE) -> None:
    """Write a job file."""
    cli.file(path, text)


def checked(text: str = SOUND, *, strict: bool = False, setting: str = "") -> Step:
    """Write the one job file, with *setting* in the project's configuration, and check."""

    def step(cli: CommandLine) -> Ended:
        if setting:
            configured(cli, setting)
        job(cli, text)
        return check(cli, strict)

    return step


def configured(cli: CommandLine, setting: str) -> None:
    """Add *setting* to ``[project]``."""
    cli.file("jobkit.toml", f'[project]\nname = "shop"\n{setting}\n')


def check(cli: CommandLine, strict: bool = True) -> Ended:
    """``jobkit check``; *strict* where the code is that of a warning."""
    return cli("check", *(["--strict"] if strict else []))


def obeyed(lead: str, *, strict: bool = False) -> Step:
    """Execute the shell command in the printed help that begins with *lead*, and check again."""

    def step(cli: CommandLine) -> Ended:
        _shell(cli, _advised(check(cli, strict), lead))
        return check(cli, strict)

    return step


def _advised(shown: Ended, lead: str) -> str:
    found = re.search(rf"help: .*?({re.escape(lead)}.*)", shown.out)
    assert found is not None, shown.out
    return found[1]


def _shell(cli: CommandLine, command: str) -> None:
    subprocess.run(["/bin/sh", "-c", command], cwd=cli.root, check=True)


# -- imports --------------------------------------------------------------------------------------------


def misses_a_neighbour(cli: CommandLine) -> Ended:
    cli.file(f"{JOBS}/_rates.py", "EURO = 1\n")
    return checked(f"import _rates\n{SOUND}")(cli)


def misspells_a_neighbour(cli: CommandLine) -> Ended:
    cli.file(f"{JOBS}/_rates.py", "EURO = 1\n")
    return checked(f"from . import _rate\n{SOUND}")(cli)


def misses_a_package(cli: CommandLine) -> Ended:
    cli.file("src/webshop/__init__.py", "")
    return checked(f"import webshop\n{SOUND}")(cli)


def import_each_other(cli: CommandLine) -> Ended:
    cli.file(
        f"{JOBS}/second.py", f"from .job import A\nB = 1\n{SUBMIT}{DEFINE}submit_job(job, name='second')\n"
    )
    return checked(f"from .second import B\nA = 1\n{SOUND}")(cli)


def share_a_helper(cli: CommandLine) -> Ended:
    cli.file(f"{JOBS}/_helpers.py", "A = B = 1\n")
    second = f"from ._helpers import A\n{SUBMIT}{DEFINE}submit_job(job, name='second')\n"
    cli.file(f"{JOBS}/second.py", second)
    return checked(f"from ._helpers import B\n{SOUND}")(cli)


def saved_as_latin(cli: CommandLine) -> Ended:
    job(cli, SOUND)
    (cli.root / FILE).write_bytes(f"NAME = 'Müller'\n{SOUND}".encode("latin-1"))
    return check(cli, strict=False)


def says_that_it_is_latin(cli: CommandLine) -> Ended:
    path = cli.root / FILE
    path.write_bytes(b"# -*- coding: latin-1 -*-\n" + path.read_bytes())
    return check(cli, strict=False)


def data_in_a_file_of_its_own(cli: CommandLine) -> Ended:
    cli.file(f"{JOBS}/rows.json", f"[{'1, ' * 100}1]")
    body = "json.loads(Path(__file__).with_name('rows.json').read_text())"
    imports = f"import json\nfrom pathlib import Path\n{SUBMIT}"
    job(cli, f"{imports}\n\nasync def job(ctx):\n    rows = {body}\n\n\nsubmit_job(job)\n")
    return check(cli, strict=False)


IMPORTS = [
    Walk(
        "JK101",
        checked(f"RATES = open('rates.json').read()\n{SOUND}"),
        "what can fail when it is executed belongs into the job",
        checked(
            f"{SUBMIT}\n\nasync def job(ctx):\n    rates = open('rates.json').read()\n\n\nsubmit_job(job)\n"
        ),
    ),
    Walk("JK102", checked(SOUND.replace("(ctx):", "(ctx)")), "SyntaxError: expected ':'", checked()),
    Walk("JK103", saved_as_latin, "save the file as UTF-8", checked(f"NAME = 'Müller'\n{SOUND}")),
    Walk(
        "JK103",
        saved_as_latin,
        "name its encoding in the first line: # -*- coding: latin-1 -*-",
        says_that_it_is_latin,
    ),
    Walk(
        "JK104",
        misses_a_neighbour,
        "the module lies beside this file: write `from . import _rates`",
        checked(f"from . import _rates\n{SOUND}"),
    ),
    Walk(
        "JK104",
        misses_a_package,
        'it lies in src/: add "src" to `[project] pythonpath`',
        checked(f"import webshop\n{SOUND}", setting='pythonpath = [".", "src"]'),
    ),
    Walk("JK104", misspells_a_neighbour, "did you mean `_rates`?", checked(f"from . import _rates\n{SOUND}")),
    Walk("JK104", import_each_other, "move what both need to a `_helpers.py`", share_a_helper),
    Walk(
        "JK105",
        checked(f"{SOUND}import sys\nsys.exit(0)\n"),
        'put `if __name__ == "__main__":` before it',
        checked(f'{SOUND}import sys\nif __name__ == "__main__":\n    sys.exit(0)\n'),
    ),
    Walk(
        "JK106",
        checked(f"while True:\n    pass\n{SOUND}", setting='import_timeout = "200ms"'),
        "work belongs into the job, not into the module",
        checked(f"{SUBMIT}\n\ndef job(ctx):\n    while True:\n        pass\n\n\nsubmit_job(job)\n"),
    ),
    Walk(
        "JK106",
        checked(f"import time\ntime.sleep(0.1)\n{SOUND}", setting='import_timeout = "50ms"'),
        "`[project] import_timeout` sets the limit",
        checked(f"import time\ntime.sleep(0.1)\n{SOUND}", setting='import_timeout = "30s"'),
    ),
    Walk(
        "JK107",
        checked(f"def total(n):\n    return n + total(n - 1)\n\n\nALL = total(3)\n{SOUND}"),
        "the file calls itself without an end",
        checked(f"def total(n):\n    return n + total(n - 1) if n else 0\n\n\nALL = total(3)\n{SOUND}"),
    ),
    Walk(
        "JK107",
        checked(f"ALL = {'+'.join('1' * 100_000)}\n{SOUND}"),
        "keep the data in a file of its own",
        data_in_a_file_of_its_own,
    ),
    Walk(
        "JK109",
        checked(f"{SUBMIT}submit_job(schedule='0 0 3 * * *'){DEFINE}"),
        "write `@submit_job(...)` above a function or class",
        checked(f"{SUBMIT}\n\n@submit_job(schedule='0 0 3 * * *')\n{DEFINE.lstrip()}"),
    ),
]

# -- what a file registers, and what it does meanwhile -----------------------------------------------------

MAIL = "extensions/mail/jobs/job.py"


def claim_twice(cli: CommandLine) -> Ended:
    job(cli, path=MAIL)
    return checked()(cli)


def give_another_name(cli: CommandLine) -> Ended:
    job(cli, SOUND.replace("submit_job(job)", 'submit_job(job, name="mail_job")'), MAIL)
    return check(cli, strict=False)


def let_it_start_with_an_underscore(cli: CommandLine) -> Ended:
    (cli.root / FILE).rename(cli.root / JOBS / "_job.py")
    return check(cli)


def kills(cli: CommandLine) -> Ended:
    """The first command dies; the next one names the file."""
    job(cli, f"import os\nif not os.path.exists('allowed'):\n    os._exit(7)\n{SOUND}")
    died = cli.process("list")
    assert (died.code, died.out) == (7, "")
    assert cli.process("list").code == 0
    return check(cli, strict=False)


def other_surroundings(cli: CommandLine) -> Ended:
    """What the file needs is there now; the file that the help names is deleted."""
    cli.file("allowed", "")
    found = re.search(r"delete (\S+) to try again", check(cli, strict=False).out)
    assert found is not None
    (cli.root / found[1]).unlink()
    return check(cli, strict=False)


MANY = f"{SUBMIT}{DEFINE}\n\nfor number in range(10_001):\n    submit_job(job, name=f'job_{{number}}')\n"
ONE = f"{SUBMIT}\n\nasync def job(ctx, *, number: int):\n    pass\n\n\nsubmit_job(job)\n"

REGISTRATIONS = [
    Walk("JK108", claim_twice, "give one of them another name", give_another_name),
    Walk(
        "JK158",
        checked(f"import os\nos.chdir('/')\n{SOUND}", strict=True),
        "do it in the job, not in the module",
        checked(
            f"import os\n{SUBMIT}\n\ndef job(ctx):\n    os.chdir('/')\n\n\nsubmit_job(job)\n", strict=True
        ),
    ),
    Walk("JK159", kills, "look for os._exit", checked()),
    Walk("JK159", kills, "suspects.json to try again", other_surroundings),
    Walk(
        "JK162",
        checked(f"{SOUND}import sys\ndel sys.modules[__name__]\n"),
        "leave sys.modules[__name__] alone",
        checked(),
    ),
    Walk("JK163", checked(f"{SUBMIT}{DEFINE}", strict=True), "call submit_job in it", checked(strict=True)),
    Walk(
        "JK163",
        checked("def rate():\n    return 1\n", strict=True),
        "let its name start with `_`",
        let_it_start_with_an_underscore,
    ),
    Walk("JK165", checked(MANY), "register one job that takes a parameter", checked(ONE)),
]

# -- files and folders ------------------------------------------------------------------------------------


def open_to(bits: int, *paths: str, strict: bool) -> Step:
    """Let others write to *paths*."""

    def step(cli: CommandLine) -> Ended:
        job(cli)
        for path in paths:
            (cli.root / path).chmod((cli.root / path).stat().st_mode | bits)
        return check(cli, strict)

    return step


def unreadable(cli: CommandLine) -> Ended:
    job(cli)
    (cli.root / FILE).chmod(0)
    return cli.process("check", unprivileged=True)


def made_readable(cli: CommandLine) -> Ended:
    _shell(cli, _advised(cli.process("check", unprivileged=True), "chmod"))
    return cli.process("check", unprivileged=True)


def large(cli: CommandLine) -> Ended:
    job(cli)
    with (cli.root / FILE).open("ab") as file:
        file.truncate(8 * 1024 * 1024 + 1)
    return check(cli, strict=False)


def named_in_latin(cli: CommandLine) -> Ended:
    job(cli)
    (cli.root / FILE).rename(os.fsdecode(os.fsencode(cli.root / JOBS) + b"/caf\xe9.py"))
    return check(cli, strict=False)


def renamed(cli: CommandLine) -> Ended:
    _shell(cli, f"mv {JOBS}/caf*.py {JOBS}/cafe.py")
    return check(cli, strict=False)


def jobs_in_one_file(cli: CommandLine) -> Ended:
    job(cli, path="extensions/web/jobs.py")
    return check(cli)


def moved_into_a_folder(cli: CommandLine) -> Ended:
    _shell(cli, _advised(check(cli), "mkdir").partition(",")[0])
    _shell(cli, "mv extensions/web/jobs.py extensions/web/jobs/")
    return check(cli)


def folder_called_like_a_file(cli: CommandLine) -> Ended:
    cli.file(f"{JOBS}/rates.py/euro.txt", "1\n")
    return checked(strict=True)(cli)


def folder_called_otherwise(cli: CommandLine) -> Ended:
    (cli.root / JOBS / "rates.py").rename(cli.root / JOBS / "rates")
    return check(cli)


def linked(target: str, *, strict: bool = False) -> Step:
    """A link beside the job file, which leads to *target*."""

    def step(cli: CommandLine) -> Ended:
        job(cli)
        cli.file("../elsewhere/other.py", SOUND.replace("submit_job(job)", "submit_job(job, name='other')"))
        (cli.root / JOBS / "link.py").symlink_to(target)
        return check(cli, strict)

    return step


def copied(cli: CommandLine) -> Ended:
    _shell(cli, f"cp --remove-destination ../elsewhere/other.py {JOBS}/link.py")
    return check(cli, strict=False)


def no_folder_there(cli: CommandLine) -> Ended:
    return check(cli)


def folder_made(cli: CommandLine) -> Ended:
    command = _advised(check(cli), "mkdir").partition(",")[0]
    _shell(cli, command.replace("<extension>", "web"))
    return check(cli)


def folder_named(cli: CommandLine) -> Ended:
    configured(cli, 'extensions = "src/extensions"')
    job(cli, path=f"src/{FILE}")
    return check(cli)


def extensions_in_a_file(cli: CommandLine) -> Ended:
    cli.file("extensions", "")
    return check(cli)


def extensions_made_a_folder(cli: CommandLine) -> Ended:
    (cli.root / "extensions").rename(cli.root / "extensions.txt")
    return checked(strict=True)(cli)


def entry_made(cli: CommandLine) -> Ended:
    (cli.root / "src").mkdir()
    return check(cli)


NO_ENTRY = checked(setting='pythonpath = [".", "src"]', strict=True)

FILES = [
    Walk("JK150", open_to(0o002, FILE, strict=False), f"chmod o-w {FILE}", obeyed("chmod")),
    Walk("JK150", open_to(0o002, JOBS, strict=False), f"chmod o-w {JOBS}", obeyed("chmod")),
    Walk("JK151", open_to(0o020, FILE, strict=True), "chmod g-w", obeyed("chmod", strict=True)),
    Walk("JK151", open_to(0o020, FILE, JOBS, strict=True), "chmod -R g-w", obeyed("chmod", strict=True)),
    Walk("JK152", unreadable, f"chmod u+r {FILE}", made_readable),
    Walk("JK153", large, "keep data in a file of its own", data_in_a_file_of_its_own),
    Walk("JK154", named_in_latin, "rename it", renamed),
    Walk(
        "JK155", jobs_in_one_file, "mkdir extensions/web/jobs, and move the file into it", moved_into_a_folder
    ),
    Walk("JK155", folder_called_like_a_file, "let its name not end in .py", folder_called_otherwise),
    Walk("JK156", linked("nowhere.py"), "delete it: rm", obeyed("rm")),
    Walk("JK156", linked("../../../../elsewhere/other.py"), "copy the file into the project", copied),
    Walk("JK157", linked("job.py", strict=True), f"delete it: rm {JOBS}/link.py", obeyed("rm", strict=True)),
    Walk("JK164", no_folder_there, "mkdir -p extensions/<extension>/jobs", folder_made),
    Walk("JK164", no_folder_there, "or name another in `[project] extensions`", folder_named),
    Walk("JK164", extensions_in_a_file, "rename it and make the folder", extensions_made_a_folder),
    Walk("JK166", NO_ENTRY, "make the folder", entry_made),
    Walk("JK166", NO_ENTRY, "take the entry out", checked(setting='pythonpath = ["."]', strict=True)),
]

WALKS: list[Walk] = [*IMPORTS, *REGISTRATIONS, *FILES]

#: What no command can show: the test that provokes and mends it.
ELSEWHERE: dict[str, str] = {}
