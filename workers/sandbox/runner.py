"""The program inside a sandbox: it loads a student's code and calls its functions when asked.

It runs under the limits and without the rights that jail.py describes, and judges nothing. From the
moment at which the student's code is loaded, everything in this process is the student's to break:
what comes out of it is a claim about values and is treated as one.

Usage: runner.py <descriptor of requests> <descriptor of replies> <limits as JSON>
"""

import ast
import contextlib
import difflib
import errno
import importlib
import inspect
import io
import json
import linecache
import mmap
import os
import resource
import signal
import sys
import types
import warnings
from typing import Any, BinaryIO

NAME = "answer.py"  # what the student's code is called in messages
COPIED_BYTES = 32 << 20  # arguments up to this size are watched for changes
SAID = 2000  # characters of one message
RESERVE = 16 << 20  # bytes of address space


def confine(limits: dict[str, int]) -> None:
    """Give away what the kernel counts by process; lowered hard limits cannot be raised again."""
    mib = 1 << 20
    cpu = limits["cpu_seconds"]
    for kind, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, limits["files_mib"] * mib, limits["files_mib"] * mib),
        (resource.RLIMIT_NPROC, limits["threads"], limits["threads"]),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_STACK, 8 * mib, 8 * mib),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_SIGPENDING, 64, 64),
    ):
        resource.setrlimit(kind, (soft, hard))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file too large is an OSError


class Reserve:
    """Memory that is let go when there is no more, so that this can still be said."""

    def __init__(self) -> None:
        self.held: mmap.mmap | None = None

    def hold(self) -> None:
        """Have it, if there is memory for it. Never touched, it costs a range of addresses."""
        with contextlib.suppress(MemoryError, OSError):
            self.held = self.held or mmap.mmap(-1, RESERVE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


reserve = Reserve()


def main(requests: BinaryIO, replies: BinaryIO, limits: dict[str, int]) -> None:
    """Answer requests until there are no more."""
    sys.path += ["/campus", "/numpy"]
    numpy, wire = importlib.import_module("numpy"), importlib.import_module("wire")
    os.environ.clear()
    answer = Answer(numpy, wire)
    confine(limits)
    send(replies, wire, {"ready": True})
    while prefix := requests.read(wire.PREFIX.size):
        try:
            request = receive(requests, wire, *wire.sizes(prefix))
        except MemoryError as error:  # of what the student's code keeps
            reserve.held = None
            reply = answer.explain(error)
        else:
            reserve.hold()
            reply = answer.to(request)
            del request
        send(replies, wire, reply)


def receive(requests: BinaryIO, wire: types.ModuleType, header: int, body: int) -> Any:
    """The request of these sizes. Where there is no memory for it, it is passed over."""
    left = header + body
    try:
        frame = memoryview(bytearray(left))
    except MemoryError:
        while left > 0 and (chunk := requests.read(min(left, 1 << 16))):
            left -= len(chunk)
        raise
    requests.readinto(frame)  # type: ignore[attr-defined]
    return wire.unpack(bytes(frame[:header]), frame[header:])


def send(replies: BinaryIO, wire: types.ModuleType, reply: dict[str, Any]) -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the student may have put anything in their place
            stream.flush()
    replies.write(packed(wire, reply))
    replies.flush()


def packed(wire: types.ModuleType, reply: dict[str, Any]) -> bytes:
    """The frame of a reply, or of what is wrong with the value in it."""
    function, line = reply.get("function", "Your function"), reply.get("line")
    try:
        return bytes(wire.pack(reply))
    except wire.WireError as error:
        reason, memory = f"{function} returned {error}, which cannot be compared", False
    except MemoryError:
        reserve.held = None
        reason, memory = f"there was no memory left for what {function} returned", True
    except Exception as error:  # an object that only looks like a number, text or a list
        reason, memory = f"{function} returned something that raises {name_of(error)}", False
    if not memory:
        reason += (
            ". Return arrays of plain numbers, Python's own numbers, text, lists, tuples and dicts."
        )
    kind = "MemoryError" if memory else "TypeError"
    return bytes(wire.pack({"error": kind, "message": reason, "memory": memory, "line": line}))


class Answer:
    """The student's module, and what it was given to keep."""

    def __init__(self, numpy: types.ModuleType, wire: types.ModuleType) -> None:
        self.np = numpy
        self.wire = wire
        self.module = types.ModuleType("answer")
        self.kept: dict[str, Any] = {}
        self.returns: dict[str, int] = {}

    def limit(self, size: int) -> dict[str, Any]:
        """Bound the address space to `size` for the student, the reserve being ours."""
        _, held = resource.getrlimit(resource.RLIMIT_AS)
        most = size + RESERVE if held == resource.RLIM_INFINITY else min(size + RESERVE, held)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        return {}

    def to(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            match request["do"]:
                case "limit":
                    return self.limit(request["address_space"])
                case "load":
                    return self.load(request["source"])
                case "keep":
                    self.kept[request["name"]] = self.read_only(request["value"])
                    return {}
                case "call":
                    return self.call(request["function"], request["arguments"])
        except BaseException as error:  # sys.exit() in here is an answer like any
            # Where the memory is full, nothing can be done before this, not even a call.
            reserve.held = None
            return self.explain(error)
        return {"error": "ValueError", "message": "There is no such request."}

    def load(self, source: str) -> dict[str, Any]:
        """Run the student's module, and tell which functions it defines, with their parameters."""
        # As the compiler counts lines, which str.splitlines does not.
        lines = io.StringIO(source, newline=None).readlines()
        linecache.cache[NAME] = (len(source), None, lines, NAME)
        tree = ast.parse(source, NAME)
        self.returns = last_returns(tree)
        self.module.__dict__["__name__"] = "answer"
        sys.modules["answer"] = self.module
        sys.stdin = open(os.devnull) if os.path.exists(os.devnull) else None  # noqa: SIM115
        self.module.__dict__["input"] = no_input
        exec(compile(tree, NAME, "exec"), self.module.__dict__)  # noqa: S102
        return {"functions": self.functions()}

    def functions(self) -> dict[str, Any]:
        found = {}
        for name, value in list(vars(self.module).items()):
            plain = getattr(value, "__wrapped__", value)  # as decorators leave it
            if isinstance(plain, types.FunctionType) and plain.__module__ == "answer":
                parameters = list(inspect.signature(value).parameters)
                found[name] = [plain.__code__.co_firstlineno, parameters]
        return found

    def call(self, function: str, arguments: list[Any]) -> dict[str, Any]:
        """Call one function; the reply has its value, the line it came from, and any warnings."""
        target = getattr(self.module, function, None)
        if not callable(target):
            return self.missing(function)
        values = [self.resolve(argument) for argument in arguments]
        if (said := does_not_fit(target, function, values)) is not None:
            return said
        before = self.copies(values)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")
            value = target(*values)
        return {
            "function": function,
            "value": value,
            "line": self.returns.get(function),
            "changed": [
                index
                for index, copy in before.items()
                if not self.np.array_equal(copy, values[index], equal_nan=copy.dtype.kind == "f")
            ],
            "warnings": [
                [warning.lineno, str(warning.message)[:200]]
                for warning in caught[:5]
                if warning.filename == NAME
            ],
        }

    def resolve(self, argument: Any) -> Any:
        match argument:
            case {"kept": name}:
                return self.kept[name]
            case {"value": value}:
                return value
        raise ValueError("an argument is either kept or a value")

    def read_only(self, value: Any) -> Any:
        """The value with its arrays locked, for it is handed over more than once."""
        if isinstance(value, self.np.ndarray):
            value.flags.writeable = False
        elif isinstance(value, dict):
            for item in value.values():
                self.read_only(item)
        return value

    def copies(self, values: list[Any]) -> dict[int, Any]:
        arrays = {
            index: value
            for index, value in enumerate(values)
            if isinstance(value, self.np.ndarray) and value.flags.writeable
        }
        if sum(array.nbytes for array in arrays.values()) > COPIED_BYTES:
            return {}
        return {index: array.copy() for index, array in arrays.items()}

    def missing(self, function: str) -> dict[str, Any]:
        names = [name for name, value in vars(self.module).items() if callable(value)]
        near = difflib.get_close_matches(function.lower(), [name.lower() for name in names], 1)
        meant = next((name for name in names if near and name.lower() == near[0]), None)
        found = self.functions().get(meant, [None])[0] if meant else None
        hint = f" (line {found} defines {meant})" if found else ""
        return {
            "error": "NameError",
            "message": f"your code has no function {function}{hint}",
            "line": found,
        }

    def explain(self, error: BaseException) -> dict[str, Any]:
        """An exception as data, with the deepest line of the student's own code."""
        number = error.errno if isinstance(error, OSError) else None
        reply: dict[str, Any] = {
            "error": name_of(error),
            "message": message_of(error)[:SAID],
            "memory": isinstance(error, MemoryError) or number == errno.ENOMEM,
            "errno": number,
        }
        if isinstance(error, SyntaxError) and error.filename == NAME:
            return {**reply, "line": error.lineno, "text": (error.text or "").rstrip()[:200]}
        trace: list[tuple[int, str]] = []
        frame = error.__traceback__
        while frame is not None:
            if frame.tb_frame.f_code.co_filename == NAME:
                trace.append((frame.tb_lineno, frame.tb_frame.f_code.co_name))
            frame = frame.tb_next
        if isinstance(error, RecursionError) and not trace:
            reply["message"] = "an expression is nested too deep"
        if trace:
            line = trace[-1][0]
            reply |= {"line": line, "text": linecache.getline(NAME, line).strip()[:200]}
        return {**reply, "trace": trace[-10:]}


def name_of(error: BaseException) -> str:
    return str(type(error).__name__)


def message_of(error: BaseException) -> str:
    match error:
        case SyntaxError():
            return error.msg or "invalid syntax"
        case SystemExit():
            return f"your code ended the program with sys.exit({error.code!r})"
        case RecursionError():
            return "a function calls itself, over and over"
        case MemoryError():
            return str(error) or "there was no memory left"
    try:
        return str(error)
    except BaseException as another:
        return f"an exception whose text raises {name_of(another)}"


def no_input(*_: object) -> str:
    """Stands in for input(): nobody is there to type."""
    raise RuntimeError("input() has nobody to ask here. Take what you need from the arguments.")


def does_not_fit(target: Any, function: str, values: list[Any]) -> dict[str, Any] | None:
    """What to say when the function does not take as many arguments as it is given."""
    try:
        signature = inspect.signature(target)
    except (TypeError, ValueError):
        return None
    try:
        signature.bind(*values)
    except TypeError as error:
        code = getattr(target, "__code__", None)
        bare = [one.replace(annotation=one.empty) for one in signature.parameters.values()]
        yours = inspect.Signature(bare)
        return {
            "error": "TypeError",
            "message": (
                f"{function} is called with {len(values)} arguments, but yours is "
                f"{function}{yours}: {error}."
            ),
            "line": code.co_firstlineno if code else None,
        }
    return None


def last_returns(tree: ast.Module) -> dict[str, int]:
    """For every function of the module, the line of its last return, or of its definition."""
    lines = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            inner = [n.lineno for n in ast.walk(node) if isinstance(n, ast.Return)]
            lines[node.name] = max(inner, default=node.lineno)
    return lines


def lowest(descriptor: int) -> int:
    """The same at the lowest free number, whatever numbers the worker had left for it.

    Beyond the limit on open files it could be used, and nothing else be put in its place.
    """
    low = os.dup(descriptor)
    os.close(descriptor)
    return low


if __name__ == "__main__":
    sys.argv[1:3] = [str(lowest(int(word))) for word in sys.argv[1:3]]
    main(
        os.fdopen(int(sys.argv[1]), "rb"),
        os.fdopen(int(sys.argv[2]), "wb"),
        json.loads(sys.argv[3]),
    )
