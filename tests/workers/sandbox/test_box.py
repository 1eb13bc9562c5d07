"""A box tells what became of the code in it, with numbers, and believes none of what it says."""

import math
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.exercises.grading import graded
from tests.workers.sandbox.attacks import LIMITS
from workers.exercises import EXERCISES
from workers.exercises.grading import checks_of
from workers.exercises.rms_norm.exercise import reference
from workers.sandbox import Box, EndedError, Fault, Use, wire
from workers.sandbox.box import EARLY, GARBLED

KEY = "exercise-rmsnorm"


@pytest.fixture
def box() -> Iterator[Box]:
    with Box(LIMITS) as opened:
        yield opened


def use(box: Box, name: str) -> Use:
    return next(use for use in box.uses() if use.name == name)


def hit(box: Box) -> set[str]:
    return {use.name for use in box.uses() if use.hit}


def test_a_function_is_called_with_values_and_kept_ones(box: Box) -> None:
    defined = box.load("def scale(x, by):\n    y = x * by['factor']\n    return y, 'done'\n")
    box.keep("by", {"factor": np.float64(2.0)})

    reply = box.call("scale", [{"value": np.arange(3.0)}, {"kept": "by"}])

    assert defined == {"scale": (1, ["x", "by"])}
    scaled, word = reply.value
    assert scaled.tolist() == [0.0, 2.0, 4.0]
    assert (word, reply.line) == ("done", 3)
    assert hit(box) == set()


def test_an_exception_is_told_with_its_line_and_ends_nothing(box: Box) -> None:
    box.load("def half(x):\n    return x / 0\n\ndef whole(x):\n    return x\n")

    with pytest.raises(Fault, match="division by zero") as caught:
        box.call("half", [{"value": 1}])

    assert (caught.value.kind, caught.value.line) == ("ZeroDivisionError", 2)
    assert caught.value.text == "return x / 0"
    assert box.call("whole", [{"value": 1}]).value == 1


def test_lines_are_counted_as_python_counts_them(box: Box) -> None:
    box.load("a = '\u2028\x0c'\r\nb = 2\ndef f():\n    raise ValueError('here')\n")

    with pytest.raises(Fault) as caught:
        box.call("f", [])

    assert (caught.value.line, caught.value.text) == (4, "raise ValueError('here')")


def test_an_argument_that_is_changed_in_place_is_told(box: Box) -> None:
    box.load("def f(x, y):\n    y += 1\n")

    assert box.call("f", [{"value": np.zeros(2)}, {"value": np.zeros(2)}]).changed == (1,)


def test_what_is_printed_is_there_in_order_and_cut(box: Box) -> None:
    box.load("import os\ndef f():\n    print('one')\n    os.write(2, b'two\\0\\xff')\n")
    box.load("import os\ndef f():\n    print('one', flush=True)\n    os.write(2, b'two\\0\\xff')\n")
    box.call("f", [])

    assert box.printed == "one\ntwo\N{SYMBOL FOR NULL}\N{REPLACEMENT CHARACTER}"
    assert box.printed_bytes == 9

    box.load("def f():\n    print('x' * 40_000)\n")
    box.call("f", [])

    assert len(box.printed) == 16 << 10
    assert box.printed_bytes == 40_010


# What stops code, the limit that it is, what is said, and how much of it was used at least.
STOPPED: dict[str, tuple[str, str, str, float]] = {
    "cpu": ("while True: pass", "CPU time", "It used up its CPU time of 1 s.", 0.9),
    "wall": (
        "import signal; signal.pause()",
        "Time",
        "It ran into its time limit of 3 s.",
        3.0,
    ),
    "output": ("print('x' * 100_000)", "Output", "It printed more than 64 KiB, the limit.", 64.0),
    "answer": ("return bytes(9 << 20)", "Answers", "It returned 9 MiB at once; 8 MiB fit.", 9.0),
    "files": (
        "import os\n    for n in range(10**6): os.mkdir(f'/tmp/{n}')",
        "Files",
        r"It made [\d,]+ files; 4,096 fit.",
        4.0,
    ),
}
REFUSED: dict[str, tuple[str, str, str, float]] = {
    "memory at once": (
        "import numpy; numpy.zeros(1 << 40)",
        "Memory",
        "Unable to allocate 8.00 TiB for an array with shape (1099511627776,) and data type "
        "float64. The limit is 128 MiB",
        8 << 20,
    ),
    "memory": (
        "kept = []\n    while True: kept.append(bytearray(1 << 20))",
        "Memory",
        "there was no memory left. The limit is 128 MiB",
        128,
    ),
    "memory mapped": (
        "import mmap; mmap.mmap(-1, 1 << 40)",
        "Memory",
        "[Errno 12] Cannot allocate memory. The limit is 128 MiB",
        128,
    ),
    "a file": (
        "open('/tmp/file', 'wb', 0).write(bytes(5 << 20)); open('/tmp/file', 'ab', 0).write(b'1')",
        "Files",
        "[Errno 27] File too large. The limit is 4 MiB",
        4.0,
    ),
    "files": (
        "[open(f'/tmp/{n}', 'wb').write(bytes(1 << 20)) for n in range(9)]",
        "Files",
        "[Errno 28] No space left on device. The limit is 4 MiB",
        4.0,
    ),
    "threads": (
        "import threading\n"
        "    gate = threading.Event()\n"
        "    for _ in range(20): threading.Thread(target=gate.wait, daemon=True).start()",
        "Threads",
        "can't start new thread. The limit is 8 threads",
        8,
    ),
}


@pytest.mark.parametrize(("body", "limit", "message", "least"), STOPPED.values(), ids=STOPPED)
def test_a_limit_that_stops_the_code_is_named_with_how_far_it_got(
    body: str, limit: str, message: str, least: float
) -> None:
    limits = replace(LIMITS, wall_seconds=3.0) if limit == "Time" else LIMITS
    with Box(limits) as box:
        box.load(f"def f():\n    {body}\n")

        with pytest.raises(EndedError) as caught:
            box.call("f", [])

        assert re.fullmatch(message, str(caught.value))
        assert hit(box) == {limit}
        assert (use(box, limit).used or 0) >= least
        with pytest.raises(EndedError, match=message):
            box.call("f", [])


@pytest.mark.parametrize(("body", "limit", "message", "least"), REFUSED.values(), ids=REFUSED)
def test_a_limit_that_python_can_tell_of_is_an_exception_in_a_line(
    box: Box, body: str, limit: str, message: str, least: float
) -> None:
    box.load(f"def f():\n    {body}\n\ndef g():\n    return 1\n")

    with pytest.raises(Fault) as caught:
        box.call("f", [])

    assert caught.value.message == message
    assert (caught.value.line or 0) >= 2
    assert hit(box) == {limit}
    assert (use(box, limit).used or 0) >= least
    # What it kept in the function is free again.
    if limit != "Threads":
        assert box.call("g", []).value == 1


def test_memory_that_the_module_keeps_leaves_room_to_say_so_again_and_again(box: Box) -> None:
    box.load("kept = []\ndef f(x):\n    while True: kept.append([None])\n")

    for _ in range(3):
        with pytest.raises(Fault, match="no memory left"):
            box.call("f", [{"value": np.zeros(1000)}])
    with pytest.raises(Fault, match="no memory left"):
        box.call("f", [{"value": np.zeros(8 << 20)}])


def test_an_answer_that_there_is_no_memory_to_send_is_told(box: Box) -> None:
    box.load("def f():\n    return [bytes(1 << 20)] * 200\ndef g():\n    return 1\n")

    with pytest.raises(Fault, match=r"no memory left for what f returned\. The limit is 128 MiB"):
        box.call("f", [])

    assert box.call("g", []).value == 1


def test_use_is_measured_where_nothing_is_hit(box: Box) -> None:
    box.load(
        "import threading, numpy\n"
        "gate = threading.Event()\n"
        "def f():\n"
        "    for _ in range(2): threading.Thread(target=gate.wait, daemon=True).start()\n"
        "    open('/tmp/file', 'wb', 0).write(bytes(1 << 20))\n"
        "    global kept\n"
        "    kept = numpy.ones(4 << 20)\n"
        "    return bytes(2 << 20)\n"
    )
    box.call("f", [])
    used = {use.name: use.used or 0 for use in box.uses()}

    assert hit(box) == set()
    assert used["Threads"] == 3
    assert 1.0 <= used["Files"] < 1.1
    assert 32 <= used["Memory"] < 80
    assert used["Answers"] == 2.0


# Ways to end that are no limit.
ENDS = {
    "import os; os._exit(3)": "It ended its own process with exit code 3.",
    "import os; os.abort()": "It crashed: Aborted (SIGABRT).",
    "import os; os.kill(os.getpid(), 9)": (
        "It was killed (SIGKILL): by itself, or because this machine has no memory left."
    ),
    "import os, signal, sys; os.close(int(sys.argv[2])); signal.pause()": (
        "It closed the way back to the campus."
    ),
}


@pytest.mark.parametrize(("body", "message"), ENDS.items())
def test_an_end_that_is_no_limit_is_told_as_it_was(box: Box, body: str, message: str) -> None:
    box.load(f"def f():\n    {body}\n")

    with pytest.raises(EndedError) as caught:
        box.call("f", [])

    assert str(caught.value) == message
    assert hit(box) == set()


def test_too_large_a_file_names_the_limit_even_where_the_signal_kills(box: Box) -> None:
    box.load(
        "import os, signal\n"
        "def f():\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "    os.truncate(os.open('/tmp/file', os.O_CREAT | os.O_RDWR), 1 << 30)\n"
    )

    with pytest.raises(EndedError, match="It wrote a file of more than 4 MiB, the limit"):
        box.call("f", [])

    assert hit(box) == {"Files"}


# --- What may stand where answers go ------------------------------------------------------------

SENDING = """
import os, struct, sys

def send(header, body=b"", sizes=None):
    frame = struct.pack("<QQ", *(sizes or (len(header), len(body)))) + header + body
    while frame:
        frame = frame[os.write(int(sys.argv[2]), frame):]
    import signal
    signal.pause()
"""
FORGED = {
    "no json": "send(b'{')",
    "no text": "send(b'\\xff\\xfe\\x00')",
    "not a number": "send(b'NaN')",
    "no mapping": "send(b'[\"list\", []]')",
    "nested deep": "send(b'[' * 100_000)",
    "a header beyond measure": "send(b'', sizes=(1 << 63, 0))",
    "an object array": 'send(b\'["array","|O",[1],8]\', bytes(8))',
    "a negative shape": 'send(b\'["array","<f8",[-1],8]\', bytes(8))',
    "a shape that overflows": 'send(b\'["array","<f8",[4294967296,4294967296],0]\')',
    "a body that nobody asked for": 'send(b\'["dict", []]\', b"left over")',
    "a pickle": "import pickle; send(pickle.dumps(print))",
}


@pytest.mark.parametrize("forging", FORGED.values(), ids=FORGED)
def test_whatever_is_no_answer_ends_it(box: Box, forging: str) -> None:
    box.load(f"{SENDING}\ndef f():\n    {forging}\n")

    with pytest.raises(EndedError) as caught:
        box.call("f", [])

    assert str(caught.value) == GARBLED


def test_an_answer_of_giant_length_is_not_waited_for(box: Box) -> None:
    box.load(f"{SENDING}\ndef f():\n    send(b'', sizes=(0, 1 << 62))\n")

    with pytest.raises(EndedError, match="at once; 8 MiB fit"):
        box.call("f", [])

    assert hit(box) == {"Answers"}


def test_half_an_answer_runs_into_the_time_limit() -> None:
    with Box(replace(LIMITS, wall_seconds=3.0)) as box:
        box.load(f"{SENDING}\ndef f():\n    send(b'abc', sizes=(4, 0))\n")

        with pytest.raises(EndedError, match="time limit"):
            box.call("f", [])


def test_an_answer_that_comes_before_its_question_ends_it(box: Box) -> None:
    box.load(
        "import os, sys\n"
        "def f():\n"
        "    import wire\n"
        "    done = wire.pack({'value': 'first'}) + wire.pack({'value': 'second'})\n"
        "    os.write(int(sys.argv[2]), done)\n"
        "    while True: pass\n"
    )
    assert box.call("f", []).value == "first"

    with pytest.raises(EndedError) as caught:
        box.call("f", [])

    assert str(caught.value) == EARLY


def test_code_that_answers_in_place_of_the_runner_says_a_value_like_any(box: Box) -> None:
    """It does not return, answers for itself, and reads and answers the next question too."""
    box.load(
        "import os, sys\n"
        "def f():\n"
        "    import wire\n"
        "    requests, replies = int(sys.argv[1]), int(sys.argv[2])\n"
        "    os.write(replies, wire.pack({'value': 'first'}))\n"
        "    while prefix := os.read(requests, 16):\n"
        "        question = wire.unpack(os.read(requests, wire.sizes(prefix)[0]), b'')\n"
        "        os.write(replies, wire.pack({'value': question}))\n"
    )
    assert box.call("f", []).value == "first"

    said = box.call("g", [{"value": 1}]).value

    assert said == {"do": "call", "function": "g", "arguments": [{"value": 1}]}


# Replies whose parts are not what they should be; none may reach who asked as an exception of ours.
STRANGE: dict[str, Any] = {
    "an error that is an array": {"error": np.zeros(3)},
    "a message that is a number": {"error": "E", "message": 5},
    "memory that is an array": {"error": "E", "memory": np.zeros(3)},
    "an errno that is an array": {"error": "E", "errno": np.zeros(3)},
    "a line beyond measure": {"error": "E", "line": 10**30, "text": "\0\ud800"},
    "changes beyond measure": {"value": 1, "changed": [math.inf, -1, 10**30, np.zeros(2), "1"]},
    "changes that are a number": {"value": 1, "changed": 5},
    "warnings of another shape": {"value": 1, "warnings": [[1], 2]},
    "warnings that are an array": {"value": 1, "warnings": np.zeros(3)},
    "a line that is infinite": {"value": 1, "line": math.inf},
    "no value": {},
}


@pytest.mark.parametrize("reply", STRANGE.values(), ids=STRANGE)
def test_a_reply_of_strange_parts_is_a_value_a_fault_or_an_end(
    box: Box, reply: dict[str, Any]
) -> None:
    frame = wire.pack(reply)
    box.load(
        "import os, sys, threading\n"
        f"def f():\n    os.write(int(sys.argv[2]), {frame!r})\n    threading.Event().wait()\n"
    )
    try:
        answer = box.call("f", [{"value": 1}])
    except (Fault, EndedError):
        pass
    else:
        assert answer.changed == ()
        assert answer.line is None
    assert all(math.isfinite(use.used or 0) for use in box.uses())


@pytest.mark.parametrize(
    "functions",
    [None, 5, np.zeros(3), {"f": 5}, {"f": [math.inf, []]}, {"f" * 9999: [1, ["x" * 9999, 5]]}],
)
def test_functions_that_are_none_are_cut_or_refused(functions: Any) -> None:
    frame = wire.pack({"functions": functions})
    with Box(LIMITS) as box:
        try:
            found = box.load(
                f"import os, sys, threading\nos.write(int(sys.argv[2]), {frame!r})\n"
                "threading.Event().wait()\n"
            )
        except EndedError:
            assert not isinstance(functions, dict) or "f" in functions
        else:
            assert all(len(name) <= 100 and line >= 1 for name, (line, _) in found.items())
            assert all(len(word) <= 100 for _, words in found.values() for word in words)


@pytest.mark.parametrize(
    "raising",
    [
        "raise MemoryError('Unable to allocate 1.2.3 GiB for an array')",
        "raise MemoryError('Unable to allocate ' + '9' * 400 + ' GiB for an array')",
        "raise OSError(10**30, 'x')",
        "raise OSError('a', 'b', 'c')",
        "raise type('x' * 5000, (Exception,), {})('y' * 5000)",
        "raise type('\\0\\ud800', (Exception,), {})('\\0\\ud800')",
        "raise ExceptionGroup('many', [ValueError(1)])",
        "raise KeyboardInterrupt",
        "raise SystemExit({1: 2})",
        "raise type('E', (Exception,), {'__str__': lambda self: 5})",
        "raise type('E', (OSError,), {'errno': property(lambda self: 1 / 0)})",
        "import signal; signal.raise_signal(signal.SIGINT)",
    ],
)
def test_an_exception_of_any_kind_is_told_in_plain_words(box: Box, raising: str) -> None:
    box.load(f"def f():\n    {raising}\n\ndef g():\n    return 1\n")

    try:
        box.call("f", [])
    except Fault as fault:
        said = f"{fault.kind} {fault.message} {fault.text}"
        assert len(said) < 2500
        assert "\0" not in said
        said.encode()
    except EndedError:
        return
    assert all(math.isfinite(use.used or 0) for use in box.uses())
    assert box.call("g", []).value == 1


@pytest.mark.parametrize(
    "value",
    [
        "type('L', (list,), {'__iter__': lambda self: 1 / 0})([1])",
        "type('I', (int,), {'__abs__': lambda self: None})(5)",
        "type('D', (dict,), {'items': lambda self: 1 / 0})(a=1)",
        "[object()]",
        "lambda: None",
    ],
)
def test_a_value_that_only_looks_plain_is_told_and_ends_nothing(box: Box, value: str) -> None:
    box.load(f"def f():\n    return {value}\ndef g():\n    return 1\n")

    with pytest.raises(Fault, match=r"f returned .*Return arrays of plain numbers"):
        box.call("f", [])

    assert box.call("g", []).value == 1


def test_standard_output_of_the_students_own_making_ends_nothing(box: Box) -> None:
    box.load("import sys\ndef f():\n    sys.stdout.close()\n    sys.stderr = None\n    return 1\n")

    assert box.call("f", []).value == 1
    assert box.call("f", []).value == 1


# --- Questions ----------------------------------------------------------------------------------


def test_a_question_that_is_not_read_runs_into_the_time_limit() -> None:
    with Box(replace(LIMITS, wall_seconds=3.0)) as box:
        box.load(
            "import os, signal, threading\n"
            "def stop():\n"
            "    threading.Event().wait(0.2)\n"
            "    os.kill(os.getpid(), signal.SIGSTOP)\n"
            "def f(x):\n"
            "    threading.Thread(target=stop).start()\n"
            "def g(x):\n"
            "    return 1\n"
        )
        box.call("f", [{"value": 1}])

        def ask_on() -> None:
            while True:
                box.call("g", [{"value": np.zeros(1 << 19)}])

        with pytest.raises(EndedError, match="time limit"):
            ask_on()


def test_nothing_beyond_the_present_question_can_be_read(box: Box) -> None:
    box.load(
        "import fcntl, os, struct, sys, termios\n"
        "def f():\n"
        "    left = fcntl.ioctl(int(sys.argv[1]), termios.FIONREAD, bytes(4))\n"
        "    return struct.unpack('i', left)[0]\n"
    )

    assert [box.call("f", []).value for _ in range(3)] == [0, 0, 0]


def test_a_question_holds_arguments_and_no_expected_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every request of a whole grading is looked at: its words, and every array in it."""
    asked: list[dict[str, Any]] = []
    ask = Box._ask

    def listening(self: Box, request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return ask(self, request)

    monkeypatch.setattr(Box, "_ask", listening)
    exercise = EXERCISES[KEY]
    assert graded(KEY, exercise.solution, seed=12345).passed

    words = {"limit": {"address_space"}, "load": {"source"}, "call": {"function", "arguments"}}
    calls = [request for request in asked if request["do"] == "call"]
    assert all(set(request) - {"do"} == words[request["do"]] for request in asked)
    assert len(calls) > len(checks_of(exercise))
    for request in calls:
        x, weight, eps = (argument["value"] for argument in request["arguments"])
        assert all(set(argument) == {"value"} for argument in request["arguments"])
        assert (x.shape[-1:], weight.ndim, type(eps)) == (weight.shape, 1, float)
    sent = {call["arguments"][0]["value"].tobytes() for call in calls}
    expected = {
        reference(*(argument["value"] for argument in call["arguments"])).tobytes()
        for call in calls
        if call["arguments"][0]["value"].any()
    }
    assert not sent & expected
    assert "12345" not in repr(asked)


# --- Starting and ending ------------------------------------------------------------------------


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_box_that_closes_leaves_no_descriptor_and_no_process() -> None:
    before = descriptors()
    with Box(LIMITS) as box:
        pid = box.pid
        assert descriptors() > before

    assert descriptors() == before
    assert not Path(f"/proc/{pid}").exists()


def missing_program(_: str) -> str:
    raise FileNotFoundError("bwrap is not installed")


def no_pipe(_: int) -> tuple[int, int]:
    raise OSError(24, "Too many open files")


def wrong_program(*_: object, **__: object) -> list[str]:
    return ["/bin/sh", "-c", "echo no room in here >&2; exit 7"]


@pytest.mark.parametrize(
    ("name", "stand_in", "error", "message"),
    [
        ("workers.sandbox.jail._program", missing_program, OSError, "bwrap is not installed"),
        ("os.pipe2", no_pipe, OSError, "Too many open files"),
        ("workers.sandbox.seccomp.program", no_pipe, TypeError, "argument"),
        (
            "workers.sandbox.jail.command",
            wrong_program,
            EndedError,
            "It ended its own process with exit code 7. no room in here",
        ),
    ],
)
def test_a_box_that_does_not_open_leaves_no_descriptor(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    stand_in: Callable[..., Any],
    error: type[Exception],
    message: str,
) -> None:
    before = descriptors()
    with monkeypatch.context() as patch:
        patch.setattr(name, stand_in)

        with pytest.raises(error, match=message):
            Box(LIMITS)

    assert descriptors() == before


def test_a_pipe_that_cannot_be_had_half_way_leaves_none_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, pipe2, left = descriptors(), os.pipe2, iter(range(2))

    def third_fails(flags: int) -> tuple[int, int]:
        if next(left, None) is None:
            raise OSError(24, "Too many open files")
        return pipe2(flags)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pipe2", third_fails)
        with pytest.raises(OSError, match="Too many open files"):
            Box(LIMITS)

    assert descriptors() == before


def test_boxes_live_side_by_side_and_know_nothing_of_each_other() -> None:
    with Box(LIMITS) as one, Box(LIMITS) as other:
        one.load("open('/tmp/file', 'w').write('mine')\ndef f():\n    return 1\n")
        other.load("import os\ndef f():\n    return os.listdir('/tmp')\n")

        assert other.call("f", []).value == []
        assert one.call("f", []).value == 1


def test_the_clock_stands_still_while_others_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    with Box(LIMITS) as box:
        box.load("def one():\n    return 1\n")
        now = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: now() + 3600)

        assert box.call("one", []).value == 1
        (wall,) = [use for use in box.uses() if use.name == "Time"]
        assert wall.used is not None
        assert wall.used < wall.limit


def test_a_decorated_function_is_a_function() -> None:
    with Box(LIMITS) as box:
        defined = box.load("import functools\n\n@functools.cache\ndef one(x):\n    return x\n")

    assert defined == {"one": (3, ["x"])}


def test_what_the_worker_has_open_changes_nothing_inside() -> None:
    taken = [os.open(os.devnull, os.O_RDONLY) for _ in range(80)]
    try:
        with Box(LIMITS) as box:
            box.load("import sys\ndef numbers():\n    return sys.argv[1:3]\n")
            # The third file and the fourth: below the limit of 64 that holds inside.
            assert sorted(map(int, box.call("numbers", []).value)) == [3, 4]
    finally:
        for descriptor in taken:
            os.close(descriptor)
