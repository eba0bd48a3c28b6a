"""The project's chores, one session each: ``nox -l`` lists them, ``nox -s docs`` runs one.

Whatever follows ``--`` goes to the tool: ``nox -s tests-3.12 -- -k cron -x``.
"""

from __future__ import annotations

import os

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
#: The servers that the tests bring, newest first. The oldest one that is supported, 15, has to be given.
POSTGRES = ["18", "16"]
#: The plugins of this repository, as pip takes them.
HOOKS = [
    *("-e", "hooks/jobkit-hello"),
    *("-e", "hooks/jobkit-notify[apprise]"),
    *("-e", "hooks/jobkit-postgres[test]"),
]


#: For tests that take longer than any of an ordinary run.
LONG = ("-o", "faulthandler_timeout=0")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The whole suite but its slow part, on every Python that is installed."""
    session.install("-e", ".[test]", *HOOKS)
    session.run("python", "-m", "pytest", "-n", "3", *session.posargs)


@nox.session
def postgres(session: nox.Session) -> None:
    """The store on PostgreSQL: JOBKIT_TEST_POSTGRES_URL names the server, else it is each of the wheel."""
    session.install("-e", ".[test]", *HOOKS)
    command = ["python", "-m", "pytest", "-n", "2", "hooks/jobkit-postgres/tests", *session.posargs]
    if os.environ.get("JOBKIT_TEST_POSTGRES_URL"):
        session.run(*command)
    else:
        for version in POSTGRES:
            session.run(*command, env={"PGSERVER_POSTGRES_VERSION": version})


@nox.session
def slow(session: nox.Session) -> None:
    """The tests that take minutes, or need a package index; the laws again, on ten times as many examples."""
    session.install("-e", ".[test]", *HOOKS)
    session.run("python", "-m", "pytest", "-n", "2", "-m", "slow", "--timeout=900", *LONG, *session.posargs)
    laws = [
        "tests/schedules",
        "tests/stores",
        "tests/text_safety",
        "-k",
        "laws or engines or agreement or redaction",
    ]
    session.run(
        *("python", "-m", "pytest", "-n", "2", "--timeout=900", *LONG, *laws, *session.posargs),
        env={"JOBKIT_TEST_SWEEP": "10"},
    )


@nox.session
def faults(session: nox.Session) -> None:
    """Schedulers that are killed a hundred times, and long runs of them: about three quarters of an hour."""
    session.install("-e", ".[test]", *HOOKS)
    session.run("python", "-m", "pytest", "-m", "faults", *LONG, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and import floors; ``nox -s lint -- --fix`` repairs what can be repaired."""
    session.install("-e", ".[test]", *HOOKS)
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))
    session.run("lint-imports")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict, over the package, the tests, the sample project and this file."""
    session.install("-e", ".[test]", "nox", *HOOKS)
    session.run("mypy", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as HTML in docs/_build/html; every warning is an error."""
    session.install(".[docs]")
    session.run("python", "docs/errors.py", "--check")
    session.run("python", "docs/configuration.py", "--check")
    session.run("python", "docs/commands.py", "--check")
    session.run("python", "docs/hooks.py", "--check")
    session.run(
        "sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html", *session.posargs
    )
