"""The attacks: what code may try, how one sees that it worked, and what a verdict says instead.

An attack on the machine defines `attack()`, which returns evidence that it worked. In a submission
it is called in place of the exercise's function. An attack on the judge is a whole submission that
gives wrong answers and means to pass.

Numbers are such that the attack is well past what a sandbox allows and still harmless here.
"""

import platform
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from tests.workers.sandbox.bare import HOME, ROOT, SECRET, Outcome, with_native
from workers.sandbox import SandboxLimits
from workers.sandbox.gauge import LimitName

# So small that every limit is soon met, and enough for an honest submission.
LIMITS = SandboxLimits(
    cpu_seconds=1,
    wall_seconds=20.0,
    memory_mib=128,
    output_kib=64,
    answer_mib=8,
    files_mib=4,
    threads=8,
)
BARE_SECONDS = 30.0
MARK = "# here"
NAMESPACE = "a namespace to be root in"
NOT_PERMITTED = r"PermissionError: \[Errno 1\] Operation not permitted"
# Who is root of nothing but a namespace is told that there is no such user in it.
NOT_SOMEBODY_ELSE = r"PermissionError|OSError: \[Errno 22\] Invalid argument"
NO_FILE = "FileNotFoundError"
WRONG = r"rms_norm is off by 1\.13 at \[0, 1\]"
Against = Literal["machine", "judge"]


@dataclass(frozen=True)
class Attack:
    """`worked` judges what came of it without a sandbox; `says` is a pattern of what is told with.

    The line of the code that ends in `# here` is the one that is named. `limit` is the one that is
    hit, if any; `calls` is which call of the function attacks. `spoils` says whether nothing should
    come after it in the same harness.
    """

    name: str
    code: str
    worked: Callable[[Outcome], bool]
    says: str
    limit: LimitName | None = None
    limits: SandboxLimits = LIMITS
    against: Against = "machine"
    calls: int = 1
    bare_seconds: float = BARE_SECONDS
    spoils: bool = True

    @property
    def source(self) -> str:
        """The submission."""
        if "def attack" not in self.code or "\ndef rms_norm" in self.code:
            return self.code
        return f"{self.code}\n\ndef rms_norm(x, weight, eps):\n    return attack()\n"

    @property
    def line(self) -> int | None:
        """The line to be named, if one is."""
        lines = self.source.split("\n")
        return next((n for n, line in enumerate(lines, 1) if line.endswith(MARK)), None)


def gives(value: object) -> Callable[[Outcome], bool]:
    return lambda outcome: type(outcome.value) is type(value) and outcome.value == value


def at_least(least: float) -> Callable[[Outcome], bool]:
    return lambda outcome: isinstance(outcome.value, int | float) and outcome.value >= least


def ends(words: str) -> Callable[[Outcome], bool]:
    return lambda outcome: words in outcome.ended


def _on_machine(
    name: str,
    code: str,
    worked: Callable[[Outcome], bool],
    says: str,
    limit: LimitName | None = None,
    *,
    native: bool = False,
    wall: float | None = None,
    calls: int = 1,
    bare_seconds: float = BARE_SECONDS,
) -> Attack:
    code = textwrap.dedent(code).strip()
    return Attack(
        name,
        with_native(code) if native else code,
        worked,
        says,
        limit,
        limits=LIMITS if wall is None else replace(LIMITS, wall_seconds=wall),
        calls=calls,
        bare_seconds=bare_seconds,
    )


def _in_c(name: str, code: str, worked: Callable[[Outcome], bool], says: str) -> Attack:
    return _on_machine(name, code, worked, says, native=True)


def _one_call(name: str, words: str, worked: Callable[[Outcome], bool] | None = None) -> Attack:
    """A system call by its number, which the filter refuses."""
    code = f"def attack():\n    return native.call({words})  # here"
    attack = _in_c(f"{name}, in C", code, worked or at_least(0), NOT_PERMITTED)
    # Two of one harness answer twice, and who is traced stops at every signal.
    return replace(attack, spoils=name in ("tracing", "clone as fork does it", NAMESPACE))


def _listened(*numbers: int) -> Callable[[Outcome], bool]:
    """Whether the kernel looked at the arguments, which are nonsense on purpose."""

    def worked(outcome: Outcome) -> bool:
        return any(f"[Errno {number}]" in outcome.fault for number in numbers)

    return worked


def _on_judge(name: str, code: str, says: str) -> Attack:
    code = textwrap.dedent(code).strip()
    return Attack(name, code, gives(True), says, against="judge")


PROCESSES = [
    _on_machine(
        "fork bomb",
        """
        import os, signal

        def attack():
            for _ in range(60):
                if os.fork() == 0:  # here
                    signal.pause()
            return 60
        """,
        at_least(60),
        NOT_PERMITTED,
    ),
    _on_machine(
        "another program, by vfork",
        """
        import subprocess, sys

        def attack():
            return subprocess.run([sys.executable, "-c", "print(1)"]).returncode  # here
        """,
        gives(0),
        "PermissionError",
    ),
    _on_machine(
        "another program, by posix_spawn",
        """
        import os, sys

        def attack():
            return os.posix_spawn(sys.executable, [sys.executable, "-c", "1"], {})  # here
        """,
        at_least(2),
        "PermissionError",
    ),
    _on_machine(
        "another program in its place",
        """
        import os, sys

        def attack():
            program = "import os\\nif os.fork() == 0: os._exit(0)\\nprint('two of us', flush=True)"
            os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", program])
        """,
        lambda outcome: "two of us" in outcome.printed,
        "It ended its own process with exit code 1",
    ),
    _on_machine(
        "a daemon that outlives the answer",
        """
        import os, signal

        def attack():
            if (child := os.fork()) == 0:  # here
                os.setsid()
                if os.fork() == 0:
                    signal.pause()
                os._exit(0)
            return os.waitpid(child, 0)[1]
        """,
        gives(0),
        NOT_PERMITTED,
    ),
    _on_machine(
        "a session of its own, for a share of the processors as large as the worker's",
        """
        import os

        def attack():
            os.setsid()
            return 0
        """,
        gives(0),
        NOT_PERMITTED,
    ),
    _on_machine(
        "thread bomb",
        """
        import threading

        def attack():
            forever = threading.Event()
            for _ in range(100):
                threading.Thread(target=forever.wait, daemon=True).start()  # here
            return threading.active_count()
        """,
        at_least(100),
        r"RuntimeError: can't start new thread\. The limit is 8 threads",
        "Threads",
    ),
    _on_machine(
        "fork in the third call",
        """
        import os
        calls = 0

        def attack():
            global calls
            calls += 1
            if calls == 3 and os.fork() == 0:  # here
                os._exit(0)
            return calls

        def rms_norm(x, weight, eps):
            attack()
            return x / (x * x + eps).mean(-1, keepdims=True) ** 0.5 * weight
        """,
        gives(3),
        NOT_PERMITTED,
        calls=3,
    ),
    _on_machine(
        "multiprocessing",
        """
        import multiprocessing

        def attack():
            pool = multiprocessing.get_context("fork").Pool(2)  # here
            return pool.map(abs, [-1, -2])
        """,
        gives([1, 2]),
        "PermissionError|FileNotFoundError|ImportError|OSError",
    ),
    _one_call("clone as fork does it", "NR_clone, 17, 0, 0, 0, 0"),
    _in_c(
        "clone3, which hides its flags, in C",
        """
        def attack():
            child = native.call(NR_clone3, bytearray(88), 88)  # here
            if child == 0:
                native.call(NR_exit, 0)
            return child
        """,
        at_least(2),
        r"OSError: \[Errno 38\] Function not implemented",
    ),
]

MEMORY = [
    _on_machine(
        "memory bomb of lists",
        """
        import gc
        gc.disable()
        kept = []

        def attack():
            while len(kept) < 5_000_000:
                kept.append([None])  # here
            return len(kept)
        """,
        at_least(5_000_000),
        r"MemoryError: there was no memory left\. The limit is 128 MiB",
        "Memory",
    ),
    _on_machine(
        "memory bomb of bytes that nobody can free",
        """
        kept = []

        def attack():
            while len(kept) < 512:
                kept.append(bytearray(1 << 20))  # here
            return len(kept)
        """,
        at_least(512),
        r"MemoryError: there was no memory left\. The limit is 128 MiB",
        "Memory",
    ),
    _on_machine(
        "memory bomb of NumPy",
        """
        import numpy as np

        def attack():
            return np.ones(1 << 29, np.int8).nbytes  # here
        """,
        at_least(1 << 29),
        r"Unable to allocate 512\. MiB .* The limit is 128 MiB",
        "Memory",
    ),
    _on_machine(
        "memory mapped",
        """
        import mmap

        def attack():
            return len(mmap.mmap(-1, 1 << 30))  # here
        """,
        at_least(1 << 30),
        r"OSError: \[Errno 12\] Cannot allocate memory\. The limit is 128 MiB",
        "Memory",
    ),
    _on_machine(
        "memory as a file of no folder (memfd)",
        """
        import os

        def attack():
            file = os.memfd_create("hidden")  # here
            return sum(os.write(file, bytes(1 << 20)) for _ in range(256))
        """,
        at_least(256 << 20),
        NOT_PERMITTED,
    ),
    _on_machine(
        "memory shared through /dev/shm",
        """
        def attack():
            with open("/dev/shm/hidden", "wb") as file:  # here
                return sum(file.write(bytes(1 << 20)) for _ in range(64))
        """,
        at_least(64 << 20),
        NO_FILE,
    ),
    _one_call("memory shared as System V has it", "NR_shmget, 0, 1 << 28, 0o1600"),
    _one_call("a message queue", "NR_msgget, 0, 0o1600"),
    _on_machine(
        "memory in pipes",
        """
        import fcntl, os

        def attack():
            return sum(
                fcntl.fcntl(os.pipe()[1], 1031, 1 << 20)  # here
                for _ in range(30)
            )
        """,
        at_least(30 << 20),
        NOT_PERMITTED,
    ),
    _in_c(
        "huge pages held by a pipe after they are unmapped, in C",
        """
        import mmap, os, struct

        def attack():
            reading, writing = os.pipe()
            page = bytearray(4096)
            # One entry of an iovec: where, and how long.
            address = id(page) + bytearray.__basicsize__
            entry = bytearray(struct.pack("QQ", address, 1))
            return native.call(NR_vmsplice, writing, entry, 1, 0)  # here
        """,
        gives(1),
        NOT_PERMITTED,
    ),
    _one_call("a queue of asynchronous reads", "NR_io_setup, 16, bytearray(8)", gives(0)),
    _one_call("watches on files", "NR_inotify_init1, 0"),
    _on_machine(
        "many files in /tmp",
        """
        def attack():
            written = 0
            for number in range(64):
                with open(f"/tmp/{number}", "wb") as file:
                    written += file.write(bytes(1 << 20))  # here
            return written
        """,
        at_least(64 << 20),
        r"OSError: \[Errno 28\] No space left on device\. The limit is 4 MiB",
        "Files",
    ),
    _on_machine(
        "one huge file",
        """
        import os

        def attack():
            os.truncate(os.open("/tmp/huge", os.O_CREAT | os.O_RDWR), 1 << 30)  # here
            return os.stat("/tmp/huge").st_size
        """,
        at_least(1 << 30),
        r"OSError: \[Errno 27\] File too large\. The limit is 4 MiB",
        "Files",
    ),
    _on_machine(
        "empty files without number",
        """
        import os

        def attack():
            for number in range(100_000):
                os.close(os.open(f"/tmp/{number}", os.O_CREAT))
            return number
        """,
        at_least(99_999),
        r"It made [\d,]+ files; 4,096 fit",
        "Files",
    ),
    _on_machine(
        "a huge answer",
        """
        import numpy as np

        def attack():
            return np.zeros(4 << 20)
        """,
        lambda outcome: getattr(outcome.value, "nbytes", 0) == 32 << 20,
        "It returned 32 MiB at once; 8 MiB fit",
        "Answers",
    ),
    _on_machine(
        "attributes on files",
        """
        import os

        def attack():
            os.close(os.open("/tmp/file", os.O_CREAT))
            try:
                os.setxattr("/tmp/file", "user.hidden", bytes(1000))  # here
            except OSError as error:
                if error.errno != 95:  # the kernel has none for such files
                    raise
            return True
        """,
        gives(True),
        NOT_PERMITTED,
    ),
]

TIME = [
    _on_machine(
        "infinite loop in Python",
        """
        def attack():
            while True:
                pass
        """,
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "a regular expression that backtracks",
        """
        import re

        def attack():
            return re.match("(a+)+$", "a" * 60 + "!")
        """,
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "a power with a billion digits",
        """
        def attack():
            return 7 ** (7 ** 11)
        """,
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "infinite loop in C",
        with_native("def attack():\n    native.spin()"),
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "a loop that ignores what ends it",
        """
        import signal

        def attack():
            for number in (signal.SIGXCPU, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            while True:
                pass
        """,
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "NumPy, in one long call",
        """
        import numpy as np

        def attack():
            return np.convolve(np.ones(10**6), np.ones(10**6))
        """,
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "all its threads at work",
        """
        import re, threading

        def work():
            while True:
                sum(range(1000))

        def attack():
            for _ in range(5):
                threading.Thread(target=work).start()
            work()
        """,
        ends("time limit of 1.3 s"),
        r"It used up its CPU time of 1 s",
        "CPU time",
        bare_seconds=1.3,
    ),
    _on_machine(
        "sleeping",
        """
        import time

        def attack():
            time.sleep(3600)
        """,
        ends("time limit of 1.3 s"),
        r"It ran into its time limit of 1 s",
        "Time",
        wall=1.0,
        bare_seconds=1.3,
    ),
    _on_machine(
        "stopping itself",
        """
        import os, signal

        def attack():
            os.kill(os.getpid(), signal.SIGSTOP)
        """,
        ends("time limit of 1.3 s"),
        r"It ran into its time limit of 1 s",
        "Time",
        wall=1.0,
        bare_seconds=1.3,
    ),
    _on_machine(
        "more time for itself",
        """
        import resource

        def attack():
            resource.prlimit(0, resource.RLIMIT_CPU, (-1, -1))  # here
            return resource.getrlimit(resource.RLIMIT_CPU)[1]
        """,
        gives(-1),
        r"PermissionError|ValueError: not allowed to raise maximum limit",
    ),
    _on_machine(
        "more memory for itself",
        """
        import resource

        def attack():
            resource.setrlimit(resource.RLIMIT_AS, (-1, -1))  # here
            return resource.getrlimit(resource.RLIMIT_AS)[1]
        """,
        gives(-1),
        r"PermissionError|ValueError: not allowed to raise maximum limit",
    ),
]

OUTPUT = [
    _on_machine(
        "printing without end",
        """
        def attack():
            for _ in range(8):
                print("x" * (1 << 20))
            return 8
        """,
        lambda outcome: outcome.printed_bytes > 8 << 20,
        "It printed more than 64 KiB, the limit",
        "Output",
    ),
    _on_machine(
        "errors without end",
        """
        import os

        def attack():
            for _ in range(8):
                os.write(2, b"x" * (1 << 20))
            return 8
        """,
        lambda outcome: outcome.value == 8,
        "It printed more than 64 KiB, the limit",
        "Output",
    ),
]

NETWORK = [
    _on_machine(
        "a TCP connection",
        """
        import socket

        def attack():
            with socket.create_server(("127.0.0.1", 0)) as server:  # here
                with socket.create_connection(server.getsockname()) as client:
                    return client.send(b"secret")
        """,
        gives(6),
        NOT_PERMITTED,
    ),
    _on_machine(
        "a UDP packet",
        """
        import socket

        def attack():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:  # here
                return client.sendto(b"secret", ("127.0.0.1", 53))
        """,
        gives(6),
        NOT_PERMITTED,
    ),
    _on_machine(
        "a socket in the file system",
        """
        import socket

        def attack():
            server = socket.socket(socket.AF_UNIX)  # here
            server.bind("/tmp/socket")
            server.listen()
            client = socket.socket(socket.AF_UNIX)
            client.connect("/tmp/socket")
            return client.send(b"secret")
        """,
        gives(6),
        NOT_PERMITTED,
    ),
    _on_machine(
        "a pair of sockets",
        """
        import socket

        def attack():
            one, other = socket.socketpair()  # here
            return one.send(b"secret")
        """,
        gives(6),
        NOT_PERMITTED,
    ),
    _on_machine(
        "raw packets",
        """
        import socket

        def attack():
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).fileno()  # here
        """,
        at_least(0),
        NOT_PERMITTED,
    ),
    _on_machine(
        "the machine's interfaces, by netlink",
        """
        import socket

        def attack():
            kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)  # here
            kernel.bind((0, 0))
            return [name for _, name in socket.if_nameindex()]
        """,
        gives(["lo"]),
        NOT_PERMITTED,
    ),
    _on_machine(
        "a name of the network",
        """
        import socket

        def attack():
            return socket.getaddrinfo("localhost", 80, socket.AF_INET)[0][4][0]  # here
        """,
        gives("127.0.0.1"),
        "gaierror|PermissionError",
    ),
    _in_c(
        "sockets by io_uring, in C",
        """
        def attack():
            return native.call(NR_io_uring_setup, 8, bytearray(120))  # here
        """,
        at_least(3),
        NOT_PERMITTED,
    ),
]

FILES = [
    _on_machine(
        "who is on this machine",
        """
        def attack():
            return open("/etc/passwd").read()[:4]  # here
        """,
        gives("root"),
        NO_FILE,
    ),
    _on_machine(
        "who is on this machine, the long way",
        """
        def attack():
            return open("/tmp/../etc/passwd").read()[:4]  # here
        """,
        gives("root"),
        NO_FILE,
    ),
    _on_machine(
        "a link to everything",
        """
        import os

        def attack():
            os.symlink("/", "/tmp/everything")
            return open("/tmp/everything/etc/passwd").read()[:4]  # here
        """,
        gives("root"),
        NO_FILE,
    ),
    _on_machine(
        "the root as /proc has it",
        """
        def attack():
            return open("/proc/self/root/etc/passwd").read()[:4]  # here
        """,
        gives("root"),
        NO_FILE,
    ),
    _on_machine(
        "the processes of this machine",
        """
        import os

        def attack():
            return sum(name.isdigit() for name in os.listdir("/proc"))  # here
        """,
        at_least(3),
        NO_FILE,
    ),
    _on_machine(
        "the worker's environment",
        """
        def attack():
            return open("/proc/self/environ", "rb").read().decode()  # here
        """,
        lambda outcome: SECRET in outcome.value,
        NO_FILE,
    ),
    _on_machine(
        "the database",
        f"""
        def attack():
            return open("{HOME}/campus.sqlite3", "rb").read(15).decode()  # here
        """,
        gives("SQLite format 3"),
        NO_FILE,
    ),
    _on_machine(
        "the key that signs sessions",
        f"""
        def attack():
            return open("{HOME}/secret_key").read()  # here
        """,
        lambda outcome: len(outcome.value) > 40,
        NO_FILE,
    ),
    _on_machine(
        "the settings",
        f"""
        def attack():
            return "SECRET_KEY" in open("{ROOT}/platform/campus/settings.py").read()  # here
        """,
        gives(True),
        NO_FILE,
    ),
    _on_machine(
        "the exercise's own solution",
        f"""
        def attack():
            path = "{ROOT}/workers/exercises/rms_norm/solution.py"
            return "def rms_norm" in open(path).read()  # here
        """,
        gives(True),
        NO_FILE,
    ),
    _on_machine(
        "packages that others installed",
        f"""
        import glob, sys

        def attack():
            sys.path += glob.glob("{ROOT}/.venv/lib/python*/site-packages")
            import django  # here
            return django.__name__
        """,
        gives("django"),
        "ModuleNotFoundError: No module named 'django'",
    ),
    _on_machine(
        "a folder outside /tmp",
        """
        import os

        def attack():
            os.mkdir("/mine")  # here
            return os.path.isdir("/mine")
        """,
        gives(True),
        r"OSError: \[Errno 30\] Read-only file system",
    ),
    _on_machine(
        "another program in the runner's place, for the next submission",
        """
        def attack():
            with open("/campus/runner.py", "a") as file:  # here
                return file.write("# mine")
        """,
        gives(6),
        r"OSError: \[Errno 30\] Read-only file system|PermissionError",
    ),
    _on_machine(
        "a terminal, to type into",
        """
        import os

        def attack():
            _, terminal = os.openpty()  # here
            return os.isatty(terminal)
        """,
        gives(True),
        "OSError|FileNotFoundError",
    ),
    _on_machine(
        "a lease on a file that others want to write",
        """
        import fcntl, os

        def attack():
            file = os.open("/tmp/file", os.O_CREAT)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)  # here
            return fcntl.fcntl(file, fcntl.F_GETLEASE)
        """,
        gives(0),
        NOT_PERMITTED,
    ),
    _in_c(
        "a lease, with a bit that the kernel does not look at, in C",
        """
        import os

        def attack():
            file = os.open("/tmp/file", os.O_CREAT)
            return native.call(NR_fcntl, file, 1024 | 1 << 32, 0)  # here
        """,
        gives(0),
        NOT_PERMITTED,
    ),
]

POWERS = [
    _on_machine(
        "becoming root",
        """
        import os

        def attack():
            os.setresuid(0, 0, 0)  # here
            return os.getuid()
        """,
        gives(0),
        NOT_SOMEBODY_ELSE,
    ),
    _on_machine(
        "becoming of root's group",
        """
        import os

        def attack():
            os.setresgid(0, 0, 0)  # here
            return os.getgid()
        """,
        gives(0),
        NOT_SOMEBODY_ELSE,
    ),
    _in_c(
        "capabilities for itself, in C",
        """
        import struct

        def attack():
            # Version 3; twice 32 of: effective, permitted, inheritable.
            header = bytearray(struct.pack("Ii", 0x20080522, 0))
            everything = bytearray(struct.pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0))
            return native.call(NR_capset, header, everything)  # here
        """,
        gives(0),
        NOT_PERMITTED,
    ),
    _on_machine(
        "another root",
        """
        import os

        def attack():
            os.mkdir("/tmp/nothing")
            os.chroot("/tmp/nothing")  # here
            return os.listdir("/")
        """,
        gives([]),
        NOT_PERMITTED,
    ),
    _in_c(
        "a mount, in C",
        """
        def attack():
            kind, place = bytearray(b"tmpfs\\0"), bytearray(b"/tmp\\0")
            return native.call(NR_mount, kind, place, kind, 0, 0)  # here
        """,
        gives(0),
        NOT_PERMITTED,
    ),
    # CLONE_NEWNS | CLONE_NEWUSER
    _one_call(NAMESPACE, "NR_unshare, 0x10020000", gives(0)),
    _in_c(
        "a system call of 32-bit programs, in C",
        """
        def attack():
            # fork(2); its child leaves at once, with the exit of 32-bit programs.
            child = native.call32(2)
            if child == 0:
                native.call32(1)
            return child
        """,
        at_least(2),
        r"It crashed: Bad system call \(SIGSYS\)",
    ),
    _in_c(
        "a system call of the other numbering (x32), in C",
        """
        def attack():
            return native.call(1 << 30 | NR_getpid)
        """,
        lambda outcome: outcome.value is not None or _listened(38)(outcome),
        r"It crashed: Bad system call \(SIGSYS\)",
    ),
    _one_call("reading another process", "NR_process_vm_readv, 1, 0, 0, 0, 0, 0", gives(0)),
    _one_call("tracing", "NR_ptrace, 0, 0, 0, 0", gives(0)),
    _on_machine(
        "a handle on another process",
        """
        import os

        def attack():
            return os.pidfd_open(1)  # here
        """,
        at_least(3),
        NOT_PERMITTED,
    ),
    # SECCOMP_GET_ACTION_AVAIL, of SECCOMP_RET_KILL
    _one_call("a filter of its own", "NR_seccomp, 2, 0, bytearray(4)", gives(0)),
    _one_call("a filter by the older call", "NR_prctl, 22 | 1 << 32, 2, 0", _listened(14)),
    _one_call("keys of the kernel", "NR_keyctl, 0, -2, 1", at_least(1)),
    _one_call("counting the processor's events", "NR_perf_event_open, 0, 0, -1, -1", _listened(14)),
    _one_call("a program inside the kernel", "NR_bpf, 99, 0, 0", _listened(1, 7, 22)),
    _one_call("page faults of its own", "NR_userfaultfd, 1"),
    _one_call("another personality", "NR_personality, 0x0040000", at_least(0)),
    _on_machine(
        "the machine's name",
        """
        import socket

        def attack():
            socket.sethostname("mine")  # here
            return socket.gethostname()
        """,
        gives("mine"),
        NOT_PERMITTED,
    ),
    _on_machine(
        "everybody else of its group made slower",
        """
        import os

        def attack():
            os.setpriority(os.PRIO_PGRP, 0, 19)  # here
            return os.getpriority(os.PRIO_PGRP, 0)
        """,
        gives(19),
        NOT_PERMITTED,
    ),
    _on_machine(
        "everybody killed",
        """
        import os, signal

        def attack():
            os.kill(-1, signal.SIGKILL)  # here
            return True
        """,
        # The shell that is its parent is among them, and with it all is over.
        lambda outcome: outcome.value is True or bool(outcome.ended),
        "ProcessLookupError|PermissionError",
    ),
    _on_machine(
        "its parent killed",
        """
        import os, signal

        def attack():
            os.kill(os.getppid(), signal.SIGKILL)
            return True
        """,
        # Where the parent is the first process of a namespace, it takes no such signal from inside.
        lambda outcome: outcome.value is True or bool(outcome.ended),
        "PermissionError|rms_norm returned bool True",
    ),
]

CRASHES = [
    _on_machine(
        "abort",
        "import os\n\ndef attack():\n    os.abort()",
        ends("SIGABRT"),
        r"It crashed: Aborted \(SIGABRT\)",
    ),
    _in_c(
        "the stack overflows in C",
        "def attack():\n    native.overflow()",
        ends("SIGSEGV"),
        "SIGSEGV",
    ),
    _on_machine(
        "a list in a list, a million deep",
        """
        import json, sys
        sys.setrecursionlimit(1 << 30)

        def attack():
            return json.loads("[" * 1_000_000)
        """,
        ends("SIGSEGV"),
        r"It crashed: Segmentation fault \(SIGSEGV\)",
    ),
    _on_machine(
        "an alarm",
        """
        import signal

        def attack():
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            signal.pause()
        """,
        ends("SIGALRM"),
        r"It crashed: Alarm clock \(SIGALRM\)",
    ),
    _on_machine(
        "leaving, with success",
        "import os\n\ndef attack():\n    os._exit(0)",
        ends("exit code 0"),
        "It ended its own process with exit code 0",
    ),
    _on_machine(
        "closing the way back",
        """
        import os, signal, sys

        def attack():
            os.close(int(sys.argv[2]))
            signal.pause()
        """,
        ends("It closed the way back"),
        "It closed the way back to the campus",
    ),
    _on_machine(
        "closing everything",
        """
        import os, signal

        def attack():
            os.closerange(0, 1000)
            signal.pause()
        """,
        ends("It closed the way back"),
        "It closed the way back to the campus",
    ),
    _on_machine(
        "something else in the place of the way back",
        """
        import os, signal, sys

        def attack():
            os.dup2(1, int(sys.argv[2]))
            signal.pause()
        """,
        ends("It closed the way back"),
        "It closed the way back to the campus",
    ),
    _on_machine(
        "an exception that cannot be read",
        """
        class Evil(BaseException):
            def __str__(self):
                raise SystemExit(0)

        def attack():
            raise Evil  # here
        """,
        lambda outcome: "Evil" in outcome.fault or bool(outcome.ended),
        "Evil: an exception whose text raises SystemExit",
    ),
]

SOURCES = [
    Attack(
        "brackets without end",
        "(" * 20_000 + "\n\ndef rms_norm(x, weight, eps):\n    pass\n",
        lambda outcome: bool(outcome.fault or outcome.ended),
        r"SyntaxError: too many nested parentheses|SIGSEGV|MemoryError",
    ),
    Attack(
        "a sum without end, which the compiler nests",
        "x = " + "+".join(["1"] * 25_000),
        lambda outcome: bool(outcome.fault or outcome.ended),
        r"RecursionError: an expression is nested too deep|SIGSEGV|MemoryError",
    ),
    Attack(
        "a zero in the source",
        "x = 1\n\0\n",
        lambda outcome: bool(outcome.fault),
        r"null bytes|Line 2 has a character that is none: U\+0000",
    ),
]

ON_JUDGE = [
    _on_judge(
        "a verdict of its own, printed",
        """
        import os

        def rms_norm(x, weight, eps):
            print('{"passed": true}', flush=True)
            os._exit(0)
        """,
        "It ended its own process with exit code 0",
    ),
    _on_judge(
        "a verdict when all is over",
        """
        import atexit
        import numpy as np
        atexit.register(print, '{"passed": true}')

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape)
        """,
        WRONG,
    ),
    _on_judge(
        "a verdict from the grave",
        """
        import os, sys
        import numpy as np

        class Last:
            def __del__(self, write=os.write):
                write(1, b'{"passed": true}')

        sys.last = Last()

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape)
        """,
        WRONG,
    ),
    _on_judge(
        "a thread that changes the judge while the code is at work",
        """
        import sys, threading
        import numpy as np
        changed = threading.Event()

        def change():
            for frame in sys._current_frames().values():
                while frame is not None:
                    frame.f_globals["judge"] = lambda *_: True
                    frame = frame.f_back
            changed.set()

        def rms_norm(x, weight, eps):
            threading.Thread(target=change).start()
            changed.wait()
            return np.zeros(x.shape)
        """,
        WRONG,
    ),
    _on_judge(
        "the expected answer, in the frames above",
        """
        import sys

        def rms_norm(x, weight, eps):
            frame = sys._getframe()
            while "expected" not in frame.f_locals:  # here
                frame = frame.f_back
            return frame.f_locals["expected"]
        """,
        "AttributeError: 'NoneType' object has no attribute 'f_locals'",
    ),
    _on_judge(
        "all answers, also of later checks, by the garbage collector",
        """
        import gc
        import numpy as np
        calls = 0

        def rms_norm(x, weight, eps):
            global calls
            calls += 1
            found = [
                item
                for item in gc.get_objects()
                if type(item) is list and len(item) == 3
                if all(type(part) is np.ndarray for part in item)
                if not any(part is x for part in item)
            ]
            return found[0][calls - 1]  # here
        """,
        "IndexError: list index out of range",
    ),
    _on_judge(
        "another allclose in NumPy",
        """
        import numpy as np
        np.allclose = np.array_equal = lambda *_, **__: True

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape)
        """,
        WRONG,
    ),
    _on_judge(
        "another all in Python",
        """
        import builtins
        import numpy as np
        builtins.all = lambda *_: True

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape)
        """,
        WRONG,
    ),
    _on_judge(
        "another judge in the harness",
        """
        import sys
        import numpy as np
        main = sys.modules["__main__"]
        main.judge = lambda *_: True
        if hasattr(main, "Answer"):
            main.Answer.call = lambda *_: {"value": "right", "passed": True}

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape)
        """,
        "rms_norm returned str 'right'",
    ),
    _on_judge(
        "a module of the harness replaced",
        """
        import sys
        import numpy as np
        for name in ("json", "wire", "numpy", "pickle"):
            module = sys.modules.get(name)
            for function in ("dumps", "pack"):
                if hasattr(module, function):
                    if name == "json":
                        module.dumps = lambda *_: '{"passed": true}'
                    elif name == "wire":
                        module.pack = lambda *_: b"passed" * 3

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape)
        """,
        "It wrote something that is no answer where answers go",
    ),
    _on_judge(
        "an object that equals everything",
        """
        class Right:
            def __array_function__(self, *_):
                return True

            def __eq__(self, other):
                return True

            def __array__(self, *_, **__):
                raise ValueError

        def rms_norm(x, weight, eps):
            return Right()
        """,
        "rms_norm returned a value of type Right, which cannot be compared",
    ),
    _on_judge(
        "an array that lets nobody compare it",
        """
        import numpy as np

        class Right(np.ndarray):
            def __array_function__(self, *_):
                return True

            def __reduce__(self):
                return (_again, ())

        def _again():
            return np.zeros((4, 8)).view(Right)

        def rms_norm(x, weight, eps):
            return np.zeros(x.shape).view(Right)
        """,
        WRONG,
    ),
    _on_judge(
        "a pickle that runs where it is read",
        """
        class Payload:
            def __reduce__(self):
                code = "[f.f_locals['expected'] for f in [__import__('sys')._getframe(1)]][0]"
                return (eval, (code,))

        def rms_norm(x, weight, eps):
            return Payload()
        """,
        "rms_norm returned a value of type Payload, which cannot be compared",
    ),
    _on_judge(
        "a number that is what one wants",
        """
        import numpy as np

        class Number(float):
            def __array_function__(self, *_):
                return True

            def __float__(self):
                raise RuntimeError

        def rms_norm(x, weight, eps):
            return Number(0.0)
        """,
        r"rms_norm returned 0\.0, not an array of shape \(1, 2\)",
    ),
]

# They look and ask, and leave everything as it was.
NETWORK = [replace(attack, spoils=False) for attack in NETWORK]
FILES = [replace(attack, spoils=False) for attack in FILES]

ATTACKS = [
    *(*PROCESSES, *MEMORY, *TIME, *OUTPUT, *NETWORK, *FILES, *POWERS, *CRASHES, *SOURCES, *ON_JUDGE)
]
if platform.machine() != "x86_64":  # other processors have no other numberings
    ATTACKS = [
        attack for attack in ATTACKS if "of 32-bit" not in attack.name and "x32" not in attack.name
    ]
