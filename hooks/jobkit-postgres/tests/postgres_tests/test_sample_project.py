"""The sample project in production: what its compose file and its Dockerfile say, executed for real."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from postgres_tests.client import rows, shell
from postgres_tests.server import Server

from jobkit.durations import parse_duration

ROOT = Path(__file__).parents[4]
SAMPLE = ROOT / "sample_project"
VARIABLE = re.compile(r"\$\{(\w+)(:\?[^}]*)?\}")
PASSWORDS = {"POSTGRES_PASSWORD": "of-the-superuser", "SITE_PASSWORD": "of-the-site"}


def compose() -> dict[str, Any]:
    """The compose file, as YAML reads it."""
    file: dict[str, Any] = yaml.safe_load((SAMPLE / "compose.yaml").read_text(encoding="utf-8"))
    return file


def dockerfile(word: str) -> list[str]:
    """What follows *word* in the Dockerfile, once for each time it is there."""
    text = (SAMPLE / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    return [line.removeprefix(word).strip() for line in text.splitlines() if line.startswith(f"{word} ")]


class Host:
    """A machine with that image and that database: the services' own commands, without the containers."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.services = compose()["services"]
        for line in dockerfile("COPY"):
            *sources, target = line.split()
            if target.startswith("/srv/"):
                for source in sources:
                    shutil.copytree(ROOT / source, folder / target[1:], ignore=_ignored)
        [workdir] = dockerfile("WORKDIR")
        self.root = folder / workdir[1:]
        self._server = server
        self._started: list[subprocess.Popen[bytes]] = []

    def environment(self, service: str) -> dict[str, str]:
        """What the compose file sets, with the passwords of the test and the address of its server."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("JOBKIT_", "PG"))}
        said = self.services[service]["environment"]
        named = {key: VARIABLE.sub(lambda found: PASSWORDS[found[1]], value) for key, value in said.items()}
        if "DATABASE_URL" in named:
            assert "@database/" in named["DATABASE_URL"]
            place = self._server.url.partition("?")[2]
            named["DATABASE_URL"] = named["DATABASE_URL"].replace("@database/", "@/") + f"?{place}"
        return plain | named | {"PYTHONDONTWRITEBYTECODE": "1"}

    def make_database(self) -> None:
        """What the database's image does when its volume is new."""
        volumes = self.services["database"]["volumes"]
        [script] = [volume for volume in volumes if "docker-entrypoint-initdb.d" in volume]
        subprocess.run(
            ["sh", str(SAMPLE / script.partition(":")[0])],
            env=self.environment("database") | shell(self._server),
            check=True,
            capture_output=True,
        )

    def jobkit(self, words: Sequence[str], service: str = "scheduler") -> subprocess.CompletedProcess[str]:
        """The entry point of the image with *words*, as ``docker compose exec`` would give them."""
        return subprocess.run(
            self._command(words),
            cwd=self.root,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def start(self, service: str, number: int) -> subprocess.Popen[bytes]:
        """One replica of a service; a container has a host name of its own."""
        node = {"JOBKIT__SCHEDULER__NODE": f"{service}-{number}"}
        with (self.root / f"{service}-{number}.log").open("wb") as log:
            process = subprocess.Popen(
                self._command(self.services[service]["command"]),
                cwd=self.root,
                env=self.environment(service) | node,
                stdout=log,
                stderr=log,
            )
        self._started.append(process)
        return process

    def data(self, *words: str) -> Any:
        """The data of a verb's JSON."""
        return json.loads(self.jobkit([*words, "--json"]).stdout)["data"]

    def said(self) -> str:
        """What the replicas have said."""
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.root.glob("*.log")))

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _command(self, words: Sequence[str]) -> list[str]:
        [entry] = dockerfile("ENTRYPOINT")
        assert json.loads(entry) == ["jobkit"]
        return [sys.executable, "-m", "jobkit", *words]


def _ignored(folder: str, names: list[str]) -> list[str]:
    """Those of *names* that the image is made without, and what tools leave behind."""
    lines = (SAMPLE / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.removeprefix("**/") for line in lines if line and line[0] not in "#!" and line != "*"]
    places = {name: (Path(folder) / name).relative_to(ROOT).as_posix() for name in names}
    return [
        name for name in names if any(fnmatch(name, each) or fnmatch(places[name], each) for each in patterns)
    ]


@pytest.fixture
def host(own_server: Server, tmp_path: Path) -> Iterator[Host]:
    """The machine, with an empty database; processes that a test leaves are ended."""
    host = Host(tmp_path, own_server)
    try:
        yield host
    finally:
        host.end()


def until(found: Any, host: Host, seconds: float = 60.0) -> None:
    """Wait until *found()* is true."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, host.said()
        time.sleep(0.2)


def test_the_compose_file_in_production(host: Host) -> None:
    """Database, `db upgrade`, two schedulers: the site is published, history shows it, all of them stop."""
    host.make_database()
    upgrade, scheduler = host.services["upgrade"], host.services["scheduler"]
    assert host.jobkit(upgrade["command"], "upgrade").returncode == 0

    replicas = [host.start("scheduler", number) for number in range(scheduler["deploy"]["replicas"])]
    assert len(replicas) > 1
    until(lambda: len(host.data("health")["replicas"]) == len(replicas), host)
    until(lambda: [run["status"] for run in published(host)] == ["succeeded"], host)  # at the start, once
    assert (host.root / "build" / "site" / "index.html").is_file()
    probe = host.jobkit(scheduler["healthcheck"]["test"][2:])
    assert probe.returncode == 0, probe.stdout

    assert host.jobkit(["run", "publish_site", "-y", "--queue"]).returncode == 0
    until(lambda: [run["status"] for run in published(host)] == ["succeeded"] * 2, host)
    assert {run["trigger"] for run in published(host)} == {"startup", "manual"}
    assert {run["node"] for run in published(host)} <= {"scheduler-0", "scheduler-1"}

    for replica in replicas:
        replica.send_signal(signal.SIGTERM)
    assert [replica.wait(60) for replica in replicas] == [0] * len(replicas), host.said()
    assert not [password for password in PASSWORDS.values() if password in host.said()]


def published(host: Host) -> list[dict[str, Any]]:
    """The runs of the pipeline that were not part of another."""
    runs: list[dict[str, Any]] = host.data("history", "--job", "publish_site")
    return runs


def test_the_role_of_the_schedulers_has_one_database(host: Host, own_server: Server) -> None:
    """It is no superuser, makes neither roles nor databases, and owns the one that the URL names."""
    host.make_database()
    asked = (
        "select rolsuper, rolcreaterole, rolcreatedb, datname, pg_encoding_to_char(encoding)"
        " from pg_roles join pg_database on datdba = pg_roles.oid where rolname = 'site'"
    )
    assert rows(own_server, asked) == [(False, False, False, "site", "UTF8")]


def test_nothing_is_reached_from_outside_and_no_password_stands_there() -> None:
    """No service has a port, every variable is required, and the example's are empty."""
    text = (SAMPLE / "compose.yaml").read_text(encoding="utf-8")
    assert [name for name, service in compose()["services"].items() if "ports" in service] == []
    required = VARIABLE.findall(text)
    assert {name for name, _ in required} == set(PASSWORDS)
    assert all(message for _, message in required), "without `:?` an empty password would be taken"
    example = (SAMPLE / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in example if not line.startswith("#")] == [f"{name}=" for name in PASSWORDS]


def test_schedulers_begin_after_the_upgrade_and_are_given_time_to_stop() -> None:
    """The upgrade runs once, after the database is well; a stop may last as long as jobkit needs for it."""
    services = compose()["services"]
    assert services["upgrade"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert services["upgrade"]["restart"] == "no"
    assert services["scheduler"]["depends_on"] == {"upgrade": {"condition": "service_completed_successfully"}}
    assert parse_duration(services["scheduler"]["stop_grace_period"]).total_seconds() > 28


def test_what_the_image_is_made_of_is_there() -> None:
    """Each COPY finds its source, which the ignore file lets through; the program is no superuser."""
    lines = (SAMPLE / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    sources = {source for line in dockerfile("COPY") for source in line.split()[:-1]}
    assert sources == allowed
    assert [source for source in sorted(sources) if not (ROOT / source).exists()] == []
    assert dockerfile("USER") == ["jobkit"]
    for service in ("upgrade", "scheduler"):
        build = compose()["services"][service]["build"]
        assert (SAMPLE / build["context"] / build["dockerfile"]).resolve() == SAMPLE / "Dockerfile"
