"""`.ci/setup` on machines that lack something, played with stand-ins for what it calls."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What a bare Debian has; everything else comes from the stand-ins below.
BARE = (
    "awk",
    "bash",
    "cat",
    "cp",
    "dirname",
    "flock",
    "grep",
    "mkdir",
    "paste",
    "rm",
    "sha256sum",
    "tail",
)

# A Python that tells what it was asked to do, and a pip that builds three of three steps.
PYTHON = """#!/bin/bash
case "$*" in
    *ensurepip*) exit "${NO_VENV:-0}" ;;
    "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo "$PWD/.venv" >.venv/pyvenv.cfg ;;
    *--verbose*)
        echo "$*" >>asked
        for step in 1 2 3; do echo "  [$step/3] g++ -c step$step.cpp"; done
        exit "${PIP_FAILS:-0}" ;;
    *"pip --disable"*) echo "$*" >>asked ;;
esac
"""
APT_GET = """#!/bin/bash
echo "apt-get $*" >>asked
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.programs = folder / "bin"
        self.programs.mkdir()
        (self.checkout / ".ci").mkdir(parents=True)
        for name in (".ci/setup", "requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout / name)
        for name in BARE:
            self.has(name, Path(str(shutil.which(name))))
        self.stands_in("python3", PYTHON)

    def has(self, name: str, program: Path = Path("/bin/true")) -> None:
        (self.programs / name).symlink_to(program)

    def stands_in(self, name: str, script: str) -> None:
        program = self.programs / name
        program.write_text(script)
        program.chmod(0o755)

    def user(self, number: int) -> None:
        self.stands_in("id", f"#!/bin/bash\necho {number}\n")

    def set_up(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [".ci/setup", *words],
            cwd=self.checkout,
            env={"PATH": str(self.programs), "LANG": "C.UTF-8", **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    @property
    def asked(self) -> list[str]:
        path = self.checkout / "asked"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_root_the_exact_command_is_named(machine: Machine) -> None:
    machine.user(1000)
    machine.has("make")
    machine.stands_in("apt-get", APT_GET)
    result = machine.set_up(NO_VENV="1")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "Some system packages are missing. Please run: "
        "sudo apt-get install g++ bubblewrap python3-venv"
    ]
    assert machine.asked == []


def test_root_on_debian_has_them_installed(machine: Machine) -> None:
    machine.user(0)
    machine.stands_in("apt-get", APT_GET)
    for name in ("g++", "make", "bwrap", "setpriv"):
        machine.has(name)
    assert machine.set_up("test").returncode == 0
    assert machine.asked[:2] == [
        "apt-get update -q",
        "apt-get install -yq --no-install-recommends chromium",
    ]


def test_build_shows_that_it_is_alive_and_happens_once(machine: Machine) -> None:
    machine.user(1000)
    for name in ("g++", "make", "bwrap"):
        machine.has(name)
    first = machine.set_up()
    assert first.returncode == 0, first.stderr
    assert "usually 3 to 20 minutes on 2 cores" in first.stderr
    assert all("--require-hashes" in words for words in machine.asked if "-r " in words)
    assert "[3/3]" in (machine.checkout / "var" / "setup.log").read_text()

    asked = machine.asked
    second = machine.set_up()
    assert (second.returncode, second.stderr) == (0, "")
    assert machine.asked == asked

    with (machine.checkout / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert machine.set_up().returncode == 0
    assert len(machine.asked) > len(asked)


def test_failed_install_tells_its_story_and_is_tried_again(machine: Machine) -> None:
    machine.user(1000)
    for name in ("g++", "make", "bwrap"):
        machine.has(name)
    result = machine.set_up(PIP_FAILS="1")
    assert result.returncode == 1
    assert "g++ -c step3.cpp" in result.stderr
    assert "var/setup.log" in result.stderr
    assert machine.set_up().returncode == 0


def test_old_python_is_named(machine: Machine) -> None:
    machine.stands_in("python3", "#!/bin/bash\nexit 1\n")
    result = machine.set_up()
    assert result.returncode == 1
    assert "needs Python 3.11" in result.stderr
