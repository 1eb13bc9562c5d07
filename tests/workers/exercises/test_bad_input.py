"""What a learner reads whose code is no answer at all: each time something to act on.

It is the framework that answers here, whatever the exercise. Every message is written out, for it
is the words that this is about.
"""

from dataclasses import dataclass, replace

import pytest

from tests.workers.exercises.grading import check, failed, graded
from workers.errors import BadRequestError
from workers.exercises import EXERCISES
from workers.exercises.grading import AGAIN, EXAMPLES, LOADS, CheckResult, Verdict

KEY = "exercise-rmsnorm"
ROWS = "Every row for itself"
IMPORT = "import numpy as np\n"
HEAD = IMPORT + "def rms_norm(x, weight, eps):\n"
RIGHT = "    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps) * weight\n"


@pytest.fixture(autouse=True)
def _small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    exercise = EXERCISES[KEY]
    limits = replace(
        exercise.limits, cpu_seconds=1, wall_seconds=4.0, memory_mib=128, output_kib=32
    )
    monkeypatch.setattr(exercise, "limits", limits)


@dataclass(frozen=True)
class Case:
    """A source, and what its first failure says: its check, its line, its message and its hint."""

    name: str
    source: str
    fails_at: str
    line: int | None
    message: str
    hint: str = ""


NO_PYTHON = "This line is no Python as it stands. Did it come along with copied code?"
NAMES = "The checks call your functions by the names in the starter code: keep those."
INVISIBLE = "It cannot be seen, and came along with something copied. Type the line again."
RETURN = "A function gives its result back with return. Nothing has to end the program."
REFUSED = (
    "The sandbox refuses this: no other processes, no network, and no files but its own small /tmp."
)
PLAIN = (
    "which cannot be compared. Return arrays of plain numbers, Python's own numbers, text, lists, "
    "tuples and dicts."
)

DOES_NOT_LOAD = [
    Case(
        "a bracket left open",
        HEAD + "    return (x\n",
        LOADS,
        3,
        "Line 3 (`return (x`): SyntaxError: '(' was never closed.",
    ),
    Case(
        "no body",
        HEAD + "return x\n",
        LOADS,
        3,
        "Line 3 (`return x`): IndentationError: expected an indented block after function "
        "definition on line 2.",
    ),
    Case(
        "tabs and spaces",
        IMPORT + "def rms_norm(x, weight, eps):\n\tif 1:\n        return x\n",
        LOADS,
        4,
        "Line 4 (`return x`): TabError: inconsistent use of tabs and spaces in indentation.",
    ),
    Case(
        "a fence of Markdown",
        f"```python\n{HEAD}{RIGHT}```\n",
        LOADS,
        1,
        "Line 1 (````python`): SyntaxError: invalid syntax.",
        NO_PYTHON,
    ),
    Case(
        "a notebook's command",
        f"{IMPORT}%matplotlib inline\n",
        LOADS,
        2,
        "Line 2 (`%matplotlib inline`): SyntaxError: invalid syntax.",
        NO_PYTHON,
    ),
    Case(
        "typographic quotes",
        HEAD + "    return “x”\n",
        LOADS,
        3,
        "Line 3 (`return “x”`): SyntaxError: invalid character '“' (U+201C).",
        "A character that only looks like Python's, or like nothing. Type it again.",
    ),
    Case(
        "a space that is none",
        HEAD + "    return\u00a0x\n",
        LOADS,
        3,
        "Line 3 (`return\u00a0x`): SyntaxError: invalid non-printable character U+00A0.",
        "A character that only looks like Python's, or like nothing. Type it again.",
    ),
    Case(
        "a NUL byte",
        HEAD + RIGHT + "# \0\n",
        LOADS,
        4,
        "Line 4 has a character that is none: U+0000.",
        INVISIBLE,
    ),
    Case(
        "half a character",
        HEAD + RIGHT + "# \ud800\n",
        LOADS,
        4,
        "Line 4 has a character that is none: U+D800.",
        INVISIBLE,
    ),
    Case(
        "a package that is not there",
        f"import gguf\n{HEAD}{RIGHT}",
        LOADS,
        1,
        "Line 1 (`import gguf`): ModuleNotFoundError: No module named 'gguf'.",
        "Python's standard library and NumPy are all there is in the sandbox.",
    ),
    Case(
        "a wrong call while loading",
        f"{HEAD}{RIGHT}print(rms_norm(1))\n",
        LOADS,
        4,
        "Line 4 (`print(rms_norm(1))`): TypeError: rms_norm() missing 2 required positional "
        "arguments: 'weight' and 'eps'.",
    ),
    Case(
        "an end while loading",
        f"import sys\nsys.exit('done')\n{HEAD}{RIGHT}",
        LOADS,
        2,
        "Line 2 (`sys.exit('done')`): SystemExit: your code ended the program with "
        "sys.exit('done').",
        RETURN,
    ),
]

NOT_THE_FUNCTION = [
    Case(
        "nothing",
        "",
        LOADS,
        None,
        "Your code has no function rms_norm; it defines no functions.",
        NAMES,
    ),
    Case(
        "another function",
        IMPORT + "def scale(x):\n    return x\n\n\ndef mean(x):\n    return x\n",
        LOADS,
        None,
        "Your code has no function rms_norm; it defines scale, mean.",
        NAMES,
    ),
    Case(
        "almost the name",
        IMPORT + "def RMSnorm(x, weight, eps):\n    return x\n",
        LOADS,
        2,
        "Your code has no function rms_norm; it defines RMSnorm. Did you mean RMSnorm, in line 2?",
        NAMES,
    ),
    Case(
        "the name for something else",
        f"{HEAD}{RIGHT}rms_norm = 3\n",
        LOADS,
        None,
        "Your code has no function rms_norm; it defines no functions.",
        NAMES,
    ),
    Case(
        "too few parameters",
        IMPORT + "def rms_norm(x, weight):\n    return x\n",
        EXAMPLES,
        2,
        "Line 2: TypeError: rms_norm is called with 3 arguments, but yours is rms_norm(x, weight): "
        "too many positional arguments.",
    ),
    Case(
        "too many parameters",
        IMPORT + "def rms_norm(x: np.ndarray, weight, eps, out):\n    return x\n",
        EXAMPLES,
        2,
        "Line 2: TypeError: rms_norm is called with 3 arguments, but yours is "
        "rms_norm(x, weight, eps, out): missing a required argument: 'out'.",
    ),
    Case(
        "parameters by name alone",
        IMPORT + "def rms_norm(x, *, weight, eps=1e-5) -> None:\n    return x\n",
        EXAMPLES,
        2,
        "Line 2: TypeError: rms_norm is called with 3 arguments, but yours is "
        "rms_norm(x, *, weight, eps=1e-05): too many positional arguments.",
    ),
]

RAISES = [
    Case(
        "the starter as it is",
        EXERCISES[KEY].starter,
        EXAMPLES,
        12,
        "rms_norm is not written yet.",
    ),
    Case(
        "a part that is not written",
        f"{HEAD}    return part(x)\n\n\ndef part(x):\n"
        "    raise NotImplementedError('write part')\n",
        EXAMPLES,
        7,
        "part is not written yet.",
    ),
    Case(
        "a name that nobody gave",
        f"{HEAD}    root = np.sqrt(mean)\n    return x / root\n",
        EXAMPLES,
        3,
        "Line 3 (`root = np.sqrt(mean)`): NameError: name 'mean' is not defined.",
    ),
    Case(
        "NumPy without its import",
        f"def rms_norm(x, weight, eps):\n{RIGHT}",
        EXAMPLES,
        2,
        f"Line 2 (`{RIGHT.strip()}`): NameError: name 'np' is not defined.",
        "NumPy has to be imported first: import numpy as np.",
    ),
    Case(
        "a helper that returns nothing",
        f"def mean_square(x):\n    np.mean(x * x)\n{HEAD}    return x / mean_square(x)\n",
        EXAMPLES,
        5,
        "Line 5 (`return x / mean_square(x)`): TypeError: unsupported operand type(s) for /: "
        "'float' and 'NoneType'.",
        "Something is None: does every way through what made it end in a return?",
    ),
    Case(
        "a key that is not there",
        f"{HEAD}    return {{'attn_norm.weight': weight}}['attn_norm'] * x\n",
        EXAMPLES,
        3,
        "Line 3 (`return {'attn_norm.weight': weight}['attn_norm'] * x`): KeyError: 'attn_norm'.",
        "A dict has no such key. print(list(it)) shows the keys that it has.",
    ),
    Case(
        "an exception of its own",
        f"{HEAD}    raise ValueError('eps must be positive!')\n",
        EXAMPLES,
        3,
        "Line 3 (`raise ValueError('eps must be positive!')`): ValueError: eps must be positive.",
    ),
    Case(
        "an exception without words",
        f"{HEAD}    assert x.ndim == 3\n",
        EXAMPLES,
        3,
        "Line 3 (`assert x.ndim == 3`): AssertionError.",
    ),
    Case(
        "a question to nobody",
        f"{HEAD}    eps = input('eps? ')\n{RIGHT}",
        EXAMPLES,
        3,
        "Line 3 (`eps = input('eps? ')`): RuntimeError: input() has nobody to ask here. Take what "
        "you need from the arguments.",
    ),
    Case(
        "an end",
        f"import sys\n{HEAD}    sys.exit(0)\n",
        EXAMPLES,
        4,
        "Line 4 (`sys.exit(0)`): SystemExit: your code ended the program with sys.exit(0).",
        RETURN,
    ),
    Case(
        "itself, without end",
        f"{HEAD}    return rms_norm(x, weight, eps)\n",
        EXAMPLES,
        3,
        "Line 3 (`return rms_norm(x, weight, eps)`): RecursionError: a function calls itself, over "
        "and over.",
        "In which case does it not call itself, and does every call come closer to that?",
    ),
    Case(
        "a file",
        f"{HEAD}    return open('weights.txt').read()\n",
        EXAMPLES,
        3,
        "Line 3 (`return open('weights.txt').read()`): FileNotFoundError: [Errno 2] No such file "
        "or directory: 'weights.txt'.",
        "There are no files here. Take what you need from the arguments.",
    ),
    Case(
        "another program",
        f"import subprocess\n{HEAD}    subprocess.run(['ls'])\n",
        EXAMPLES,
        4,
        "Line 4 (`subprocess.run(['ls'])`): PermissionError: [Errno 1] Operation not permitted.",
        REFUSED,
    ),
    Case(
        "an argument changed in place",
        f"{HEAD}    x /= np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)\n"
        "    return x * weight\n",
        EXAMPLES,
        4,
        "rms_norm changes its argument number 1 in place.",
        "Work on a new array: whoever called still needs the old one.",
    ),
]

RETURNS = [
    Case(
        "nothing at all",
        f"{HEAD}    x / 2\n",
        ROWS,
        2,
        "rms_norm returned nothing (None), not an array of shape (7, 63).",
        "Does every way through the function end in a return?",
    ),
    Case(
        "a list",
        f"{HEAD}{RIGHT.rstrip().replace('return ', 'y = ')}\n    return y.tolist()\n",
        ROWS,
        4,
        "rms_norm returned a list of 7, not an array of shape (7, 63).",
        "Return the array itself: np.array(…) makes one of a list.",
    ),
    Case(
        "more than one value",
        f"{HEAD}    return x, weight\n",
        ROWS,
        3,
        "rms_norm returned a tuple of 2, not an array of shape (7, 63).",
        "It returns several values where one is expected.",
    ),
    Case(
        "a text",
        f"{HEAD}    return 'x'\n",
        ROWS,
        3,
        "rms_norm returned str 'x', not an array of shape (7, 63).",
    ),
    Case(
        "one number",
        f"{HEAD}    return 1.5\n",
        ROWS,
        3,
        "rms_norm returned 1.5, not an array of shape (7, 63).",
    ),
    Case(
        "an array of objects",
        f"{HEAD}    return np.array([x, None], dtype=object)\n",
        ROWS,
        3,
        f"Line 3: TypeError: rms_norm returned an array of dtype object, {PLAIN}",
    ),
    Case(
        "complex numbers",
        f"{HEAD}    return x.astype(complex)\n",
        ROWS,
        3,
        f"Line 3: TypeError: rms_norm returned an array of dtype complex128, {PLAIN}",
    ),
    Case(
        "a function",
        f"{HEAD}    return rms_norm\n",
        ROWS,
        3,
        f"Line 3: TypeError: rms_norm returned a value of type function, {PLAIN}",
    ),
    Case(
        "another shape",
        f"{HEAD}    return x[None]\n",
        ROWS,
        3,
        "rms_norm returned shape (1, 7, 63), and (7, 63) is expected.",
        "The mean is over the features of one token: axis=-1, with keepdims=True.",
    ),
    Case(
        "NaN, from a line that is not the last",
        f"{HEAD}    root = np.sqrt(-np.abs(x))\n    y = x / root\n    return y\n",
        ROWS,
        3,
        "rms_norm returned NaN in 441 values, the first at [0, 0]. It begins in line 3: invalid "
        "value encountered in sqrt.",
        "The mean is over the features of one token: axis=-1, with keepdims=True.",
    ),
    Case(
        "NaN that nothing warns of",
        f"{HEAD}    return x * float('nan')\n",
        ROWS,
        3,
        "rms_norm returned NaN in 441 values, the first at [0, 0].",
        "The mean is over the features of one token: axis=-1, with keepdims=True.",
    ),
]


def verdict_of(case: Case) -> Verdict:
    verdict = graded(KEY, case.source)
    assert failed(verdict)
    return verdict


@pytest.mark.parametrize("case", DOES_NOT_LOAD, ids=lambda case: case.name)
def test_code_that_does_not_load_says_in_which_line(case: Case) -> None:
    verdict = verdict_of(case)
    first, *others = verdict.checks

    assert_says(first, case)
    assert verdict.points == 0
    assert {other.message for other in others} == {"Not reached: your code does not load."}


@pytest.mark.parametrize("case", [*NOT_THE_FUNCTION, *RAISES], ids=lambda case: case.name)
def test_code_that_cannot_be_called_says_why(case: Case) -> None:
    verdict = verdict_of(case)

    assert failed(verdict)[0] == case.fails_at
    assert_says(check(verdict, case.fails_at), case)


@pytest.mark.parametrize("case", RETURNS, ids=lambda case: case.name)
def test_a_value_of_the_wrong_kind_is_named_with_its_line(case: Case) -> None:
    assert_says(check(verdict_of(case), case.fails_at), case)


def assert_says(result: CheckResult, case: Case) -> None:
    assert not result.passed
    assert result.message == case.message
    assert result.line == case.line
    if case.hint:
        assert result.hint == case.hint


def test_float32_is_recognised_even_behind_a_float64() -> None:
    both = "x, weight = x.astype(np.float32), weight.astype(np.float32)"
    plain = check(graded(KEY, f"{HEAD}    {both}\n{RIGHT}"), ROWS)
    hidden = check(graded(KEY, f"{HEAD}    x = x.astype(np.float32)\n{RIGHT}"), ROWS)

    assert plain.hint == "Your result is float32: keep the precision of what you are given."
    assert hidden.message.endswith("It is right to about seven digits, as many as float32 has.")
    assert plain.line == hidden.line == 4


def test_what_is_expected_and_what_came_stand_side_by_side() -> None:
    name = check(graded(KEY, IMPORT + "def norm(x):\n    return x\n"), LOADS)
    shape = check(graded(KEY, f"{HEAD}    return x[None]\n"), ROWS)
    kind = check(graded(KEY, f"{HEAD}    return x.tolist()\n"), ROWS)

    assert (name.expected, name.got) == ("rms_norm(x, weight, eps)", "norm")
    assert (shape.expected, shape.got) == ("shape (7, 63)", "shape (1, 7, 63)")
    assert (kind.expected, kind.got) == ("an array of shape (7, 63)", "a list of 7")


@pytest.mark.parametrize(
    "source",
    [
        f"{IMPORT}calls = 0\ndef rms_norm(x, weight, eps):\n"
        f"    global calls\n    calls += 1\n    x = x + (calls > 2)\n{RIGHT}",
        f"{IMPORT}def rms_norm(x, weight, eps, seen=[]):\n"
        f"    seen.append(0)\n    x = x + (len(seen) > 2)\n{RIGHT}",
        f"{HEAD}    x = x + np.random.default_rng().random()\n{RIGHT}",
    ],
    ids=["a global variable", "a default argument", "chance"],
)
def test_what_works_once_and_not_twice_is_shown_beside_itself(source: str) -> None:
    result = check(graded(KEY, source), AGAIN)

    assert not result.passed
    assert result.message == (
        "rms_norm(np.array([[3.0, 4.0]]), np.array([1.0, 1.0]), 0.0) gives something else when it "
        "is called again."
    )
    assert "a global variable or a default argument" in result.hint
    assert result.expected.startswith("np.array([[")
    assert result.got.startswith("np.array([[")
    assert result.expected != result.got


def test_a_cache_that_forgets_what_its_key_leaves_out_does_not_pass() -> None:
    """The shapes of the checks are all different, and the model's are not."""
    source = (
        f"{IMPORT}def rms_norm(x, weight, eps, cache={{}}):\n    if x.shape not in cache:\n"
        f"        cache[x.shape] = {RIGHT.strip().removeprefix('return ')}\n"
        "    return cache[x.shape]\n"
    )

    assert "Inside the model" in failed(graded(KEY, source))


def test_what_is_printed_is_shown_and_cut() -> None:
    verdict = graded(KEY, f"{HEAD}    print('shape', x.shape, 'x' * 1200)\n{RIGHT}")

    assert check(verdict, EXAMPLES).passed
    assert verdict.output.startswith("shape (1, 2) xx")
    assert len(verdict.output.encode()) <= 16 << 10
    assert verdict.output_bytes > 16 << 10


@pytest.mark.parametrize(
    ("body", "line", "message", "hint", "limit"),
    [
        (
            "    print(np.arange(100_000).tolist())\n",
            None,
            "It printed more than 32 KiB, the limit.",
            "Print less: a shape or a few values tell more than whole arrays.",
            "Output",
        ),
        (
            "    while True:\n        pass\n",
            None,
            "It used up its CPU time of 1 s.",
            "Is there a loop that does not end, or one over elements where NumPy has one call?",
            "CPU time",
        ),
        (
            "    import time\n    time.sleep(60)\n",
            None,
            "It ran into its time limit of 4 s.",
            "Is there a loop that does not end, or one over elements where NumPy has one call?",
            "Time",
        ),
        (
            "    return np.zeros((100_000, 100_000))\n",
            3,
            "Line 3 (`return np.zeros((100_000, 100_000))`): MemoryError: Unable to allocate "
            "74.5 GiB for an array with shape (100000, 100000) and data type float64. The limit is "
            "128 MiB.",
            "All arrays count that exist at one time. Which is the largest, and must it be?",
            "Memory",
        ),
        (
            "    return [0] * 10**9\n",
            3,
            "Line 3 (`return [0] * 10**9`): MemoryError: there was no memory left. The limit is "
            "128 MiB.",
            "All arrays count that exist at one time. Which is the largest, and must it be?",
            "Memory",
        ),
    ],
    ids=["printing", "a loop", "waiting", "a huge array", "a huge list"],
)
def test_a_limit_is_named_with_how_far_it_was_passed(
    body: str, line: int | None, message: str, hint: str, limit: str
) -> None:
    verdict = graded(KEY, HEAD + body)
    result = check(verdict, EXAMPLES)
    (use,) = (use for use in verdict.limits if use.hit)

    assert verdict.points == 0
    assert (result.message, result.hint, result.line) == (message, hint, line)
    assert use.name == limit
    if body != "    return [0] * 10**9\n":  # Python says of no list how large it would have been
        assert use.used is not None
        assert use.used >= use.limit


@pytest.mark.parametrize(
    "source", [f"{HEAD}    while True:\n        pass\n", "while True:\n    0\n"]
)
def test_after_a_limit_the_other_checks_say_where_it_was_met(source: str) -> None:
    verdict = graded(KEY, source)
    stopped, *others = [result for result in verdict.checks if not result.passed]

    assert stopped.message == "It used up its CPU time of 1 s."
    assert len({other.message for other in others}) == 1
    assert others[0].message.startswith("Not reached: your code")


def test_a_process_that_ends_itself_is_told_what_to_do_instead() -> None:
    verdict = graded(KEY, f"import os\n{HEAD}    os._exit(0)\n")
    result = check(verdict, EXAMPLES)

    assert result.message == "It ended its own process with exit code 0."
    assert result.hint.startswith("A function gives its result back with return.")
    assert check(verdict, AGAIN).message == (
        "Not reached: your code was stopped in “The examples”."
    )


def test_a_source_of_more_than_64_kib_is_refused_before_anything_runs() -> None:
    with pytest.raises(BadRequestError, match="longer than 64 KiB"):
        graded(KEY, HEAD + RIGHT + "#" * (64 << 10))


@pytest.mark.parametrize("source", ["\n\n", "# nothing\n", '"""Nothing."""\n', "\ufeff"])
def test_a_source_without_code_names_what_is_missing(source: str) -> None:
    result = check(graded(KEY, source), LOADS)

    assert result.message == "Your code has no function rms_norm; it defines no functions."
    assert result.expected == "rms_norm(x, weight, eps)"
