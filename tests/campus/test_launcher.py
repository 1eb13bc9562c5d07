"""`manage.py campus` as a person meets it: started, used, broken, stopped and killed for real."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from campus import guardian, launcher

LANES = ("-Q quick", "-Q heavy", "-Q code")
ROOT = Path(__file__).resolve().parents[2]


# What a test waits for, at most, in seconds: on a busy machine, what computes gets little of it.
PATIENCE = 60.0


def until(true: Callable[[], object]) -> float:
    """Wait for it; the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < PATIENCE, f"not within {PATIENCE:g} s"
        time.sleep(0.02)
    return time.monotonic() - began


def is_busy() -> bool:
    """Whether more wants to run than there are processors: then no promise of time can be held."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


class Campus:
    """One started launcher, its words, and whatever it started."""

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self.port = port
        self.began = time.monotonic()
        self.words = home / f"words-{time.monotonic_ns()}"
        with self.words.open("wb") as words:
            self.launcher = subprocess.Popen(
                [sys.executable, "manage.py", "campus", "--port", str(port)],
                cwd=ROOT,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
            )

    def environment(self) -> dict[str, str]:
        ours = {"DATABASE_URL", "REDIS_URL", "CAMPUS_TEST_HOME", "MAKELEVEL"}
        return {name: value for name, value in os.environ.items() if name not in ours} | {
            "CAMPUS_HOME": str(self.home),
            "DJANGO_SETTINGS_MODULE": "tests.campus.endless_settings",
        }

    def says(self, words: str) -> bool:
        return words in self.words.read_text()

    @contextmanager
    def get(self, path: str) -> Iterator[HTTPResponse]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            with connection.getresponse() as response:
                yield response
        finally:
            connection.close()

    def answers(self) -> bool:
        assert self.launcher.poll() is None, self.words.read_text()
        try:
            with self.get("/") as response:
                return response.status == 200
        except OSError:
            return False

    def is_open(self) -> bool:
        assert self.launcher.poll() is None, self.words.read_text()
        return self.says("The campus is open")

    def processes(self) -> dict[int, str]:
        """Everything alive that was started with this home: pid and command line."""
        found = {}
        for pid in guardian.started_with("CAMPUS_HOME", str(self.home)):
            try:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except FileNotFoundError:
                continue
        return found

    def processor_seconds(self) -> float:
        """What everything alive has used, with what it has waited for."""
        ticks = 0
        for pid in self.processes():
            # user, system, and both of the children that ended: fields 14 to 17 of proc(5).
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
        return ticks / os.sysconf("SC_CLK_TCK")

    def pid_of(self, words: str) -> int:
        return next(pid for pid, command in self.processes().items() if words in command)

    def runs(self, words: str) -> bool:
        return any(words in command for command in self.processes().values())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("campus")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def campus(home: Path, port: int) -> Iterator[Campus]:
    campus = Campus(home, port)
    yield campus
    campus.launcher.kill()
    campus.launcher.wait()
    until(lambda: not campus.processes())


def refusal(home: Path, port: int) -> str:
    """What a launcher says that does not start."""
    other = Campus(home, port)
    assert other.launcher.wait(timeout=20) == 1
    return other.words.read_text()


def test_first_start_mends_itself_and_stops_at_ctrl_c(
    campus: Campus, tmp_path: Path, port: int
) -> None:
    until(campus.is_open)
    assert campus.says(f"http://127.0.0.1:{port}")
    assert campus.says("ada")

    assert f"already runs from {campus.home}: http://127.0.0.1:{port}" in refusal(
        campus.home, port=0
    )
    assert "another one: make run PORT=" in refusal(tmp_path, port)

    redis = campus.pid_of("redis-server")
    os.kill(redis, signal.SIGKILL)
    until(lambda: campus.says("redis was killed by signal 9"))
    until(lambda: campus.runs("redis-server"))
    heavy = campus.pid_of("-Q heavy")
    os.kill(heavy, signal.SIGKILL)
    until(lambda: campus.says("heavy was killed by signal 9"))
    until(lambda: campus.runs("-Q heavy"))

    # What computes goes after the pages, in one session a lane.
    quick, web = campus.pid_of("-Q quick"), campus.pid_of("granian")
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in (quick, web)] == [10, 0]
    if (shares := Path(f"/proc/{quick}/autogroup")).exists():
        assert shares.read_text().endswith("nice 10\n")
    until(lambda: campus.runs("forkserver"))
    assert os.getsid(campus.pid_of("forkserver")) in map(campus.pid_of, LANES)

    with campus.get("/live/") as live:
        assert live.readline() == b"data: tick\n"
        campus.launcher.send_signal(signal.SIGINT)
        took = until(lambda: campus.launcher.poll() is not None)
    assert took < 5 or is_busy()
    assert campus.launcher.returncode == 0
    assert campus.processes() == {}


def test_second_start_is_quick_and_a_killed_launcher_leaves_nothing(campus: Campus) -> None:
    until(campus.answers)
    took = time.monotonic() - campus.began
    # Where others keep the processors busy, its own work is what can be held to the promise.
    assert (campus.processor_seconds() if is_busy() else took) < 6
    until(campus.is_open)
    until(lambda: campus.runs("-Q heavy") and campus.runs("redis-server"))

    guard = campus.pid_of("guardian.py")
    os.kill(guard, signal.SIGKILL)
    until(lambda: guard not in campus.processes() and campus.runs("guardian.py"))

    with campus.get("/live/") as live:
        assert live.readline() == b"data: tick\n"
        campus.launcher.kill()
        assert until(lambda: not campus.processes()) < 10 or is_busy()


def test_what_was_started_niced_is_not_asked_to_take_that_back() -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as niced:
        os.setpriority(os.PRIO_PROCESS, niced.pid, 15)
        launcher.yield_processors(niced.pid)
        assert os.getpriority(os.PRIO_PROCESS, niced.pid) == 15
        niced.kill()


def test_home_too_deep_for_a_socket_is_named(tmp_path: Path, port: int) -> None:
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    assert "too long a path for a socket" in refusal(deep, port)
