"""What a file or folder is called as a module, and which files of a ``jobs`` folder are job files.

A module name is the path under ``extensions/`` with dots between: ``jobkit_ext.web.jobs.cleanup``. Any
name works – dashes, spaces, digits, keywords, other scripts – because nothing but our own table turns
names into paths. Two characters cannot stand as they are: a dot would end the part, so it becomes
``%2E``, and a percent sign ``%25``.
"""

from __future__ import annotations

#: The package that holds the project's extensions.
EXTENSIONS = "jobkit_ext"
#: The package that holds the project's single-file plugins, ``hooks/*.py``.
HOOKS = "jobkit_hooks"
#: The folder of an extension that holds its job files.
JOBS = "jobs"
SUFFIX = ".py"


def as_part(name: str) -> str:
    """One part of a module name, for a folder *name* or a file's name without ``.py``."""
    if "." in name or "%" in name:
        return name.replace("%", "%25").replace(".", "%2E")
    return name


def from_part(part: str) -> str:
    """The folder or stem that :func:`as_part` turned into *part*."""
    if "%" in part:
        return part.replace("%2E", ".").replace("%25", "%")
    return part


def is_job_file(name: str) -> bool:
    """Whether a file called *name* in a ``jobs`` folder is collected."""
    return name.endswith(SUFFIX) and name[0] not in "_.#" and name != "conftest.py"


def is_other_file(name: str) -> bool:
    """Whether a file called *name* in a ``jobs`` folder may be one of a kind that only a plugin knows."""
    return not name.endswith(SUFFIX) and name[0] not in "_.#"


def name_in_jobs(name: str) -> str:
    """The last part of what stands for the module of a job file called *name*: no two files have the same."""
    if name.endswith(SUFFIX):
        return as_part(name.removesuffix(SUFFIX))
    return as_part(name) if "." in name else f"{as_part(name)}%"


def spelt_alike(name: str, other: str) -> bool:
    """Whether Python reads both as the same identifier: it normalises names in source, disks do not."""
    import unicodedata

    return unicodedata.normalize("NFKC", name) == unicodedata.normalize("NFKC", other)
