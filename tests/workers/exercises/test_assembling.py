"""The capstone's starter with a student's earlier answers in it: text in, text out, nothing run."""

import ast
from textwrap import dedent

import pytest

from tests.workers.exercises.grading import failed, graded
from workers.exercises import EXERCISES
from workers.exercises.assembling import assemble

CAPSTONE = EXERCISES["exercise-forward-pass"]
OWNERS = dict(CAPSTONE.parts)

STARTER = '''
"""Two parts, and what is made of them."""

import numpy as np


def first(x: np.ndarray) -> np.ndarray:
    """The first part."""
    raise NotImplementedError("write first")


def second(x: np.ndarray) -> np.ndarray:
    """The second part."""
    raise NotImplementedError("write second")


def whole(x: np.ndarray) -> np.ndarray:
    """Both, one after the other."""
    raise NotImplementedError("write whole")
'''.lstrip()

FIRST = '''
"""My first answer."""

import numpy as np
from math import sqrt, pi

EPS = 1e-5


# Used in first.
def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def first(x: np.ndarray) -> np.ndarray:
    # This is why.
    return softmax(x) * sqrt(pi) + EPS  # gain


if __name__ == "__main__":
    print(first(np.ones(3)))
'''.lstrip()

SECOND = """
import math
import numpy as np
from math import sqrt

EPS = 1e-6


def softmax(scores, axis=-1):  # softmax over an axis
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def second(x):
    return softmax(x, axis=0) * math.e * sqrt(2) + EPS
""".lstrip()


def run(source: str) -> dict[str, object]:
    """The names of an assembled file. The sources are this test's own."""
    names: dict[str, object] = {}
    exec(compile(source, "assembled", "exec"), names)
    return names


def test_imports_are_merged_and_helpers_that_differ_are_renamed_in_their_section() -> None:
    text = assemble({"exercise-one": FIRST, "exercise-two": SECOND}, STARTER)

    assert text == dedent(
        '''
        """Two parts, and what is made of them."""

        import math
        from math import pi, sqrt

        import numpy as np


        # From exercise-one


        EPS = 1e-5


        # Used in first.
        def softmax(x):
            return np.exp(x) / np.exp(x).sum()


        def first(x: np.ndarray) -> np.ndarray:
            # This is why.
            return softmax(x) * sqrt(pi) + EPS  # gain


        # From exercise-two


        EPS_two = 1e-6


        def softmax_two(scores, axis=-1):  # softmax over an axis
            powers = np.exp(scores - scores.max(axis, keepdims=True))
            return powers / powers.sum(axis, keepdims=True)


        def second(x):
            return softmax_two(x, axis=0) * math.e * sqrt(2) + EPS_two


        # What this rung asks for


        def whole(x: np.ndarray) -> np.ndarray:
            """Both, one after the other."""
            raise NotImplementedError("write whole")
        '''
    ).lstrip("\n")


def test_the_order_is_that_of_the_starter_whatever_order_the_answers_come_in() -> None:
    there = {"exercise-one": FIRST, "exercise-two": SECOND}
    back = {"exercise-two": SECOND, "exercise-one": FIRST}

    assert assemble(there, STARTER) == assemble(back, STARTER)


def test_without_answers_the_starter_stays_as_it_is() -> None:
    assert assemble({}, STARTER) == STARTER


def test_a_part_that_is_missing_stays_a_stub() -> None:
    text = assemble({"exercise-two": SECOND}, STARTER)

    assert 'raise NotImplementedError("write first")' in text
    assert 'raise NotImplementedError("write second")' not in text
    assert "softmax_two" not in text  # nobody else has one


def test_the_same_helper_is_kept_once_whatever_its_docstring_says() -> None:
    helper = "def softmax(x):\n    {}return np.exp(x) / np.exp(x).sum()\n\n\n"
    one = helper.format('"""Mine."""\n    ') + "def first(x):\n    return softmax(x)\n"
    two = helper.format("") + "def second(x):\n    return softmax(x)\n"
    text = assemble({"one": one, "two": two}, STARTER)

    assert text.count("def softmax") == 1
    assert "return softmax(x)" in text.split("# From two")[1]


def test_the_same_words_about_something_else_are_not_the_same() -> None:
    template = (
        "def power(x):\n    return x ** {}\n\n\ndef twice(x):\n    return power(power(x))\n\n\n"
    )
    one = template.format(2) + "def first(x):\n    return twice(x)\n"
    two = template.format(3) + "def second(x):\n    return twice(x)\n"
    names = run(assemble({"one": one, "two": two}, STARTER))

    assert names["first"](2) == 16  # type: ignore[operator]
    assert names["second"](2) == 2**9  # type: ignore[operator]


def test_state_that_looks_alike_is_not_shared() -> None:
    template = (
        "seen = []\ncount = 0\n\n\ndef {name}(x):\n    global count\n    count += 1\n"
        "    seen.append(x)\n    return len(seen), count\n"
    )
    text = assemble(
        {"one": template.format(name="first"), "two": template.format(name="second")}, STARTER
    )
    names = run(text)

    assert "global count_two" in text
    assert names["first"]("a") == (1, 1)  # type: ignore[operator]
    assert names["second"]("b") == (1, 1)  # type: ignore[operator]


SHADOWS = '''
import numpy as np


def scale(x):
    return 3 * x


class Early:
    scale = scale
    kept: object = scale
    tripled = [scale(one) for one in range(3)]


def second(x):
    class Holder:
        scale = 5

        def get(self):
            return scale(1)

    def inner(scale):
        def grow():
            global scale
            return scale(scale(1))

        if scale < 0:
            return grow()
        return scale + 1

    def other():
        scale = 7
        return scale

    listed = [scale for scale in range(3)]
    keyed = dict(scale=x)
    said = f"{scale(x)} scale é {keyed['scale']:>{scale(1)}}"
    """scale in a text."""
    return (
        scale(x), inner(1), inner(-1), other(), listed, keyed, said, Holder().get(), Holder.scale,
        Early.scale(1), Early.kept(1), Early.tripled,
        (lambda scale: scale)(2), np.ones(1).shape,  # scale it
    )
'''


def test_only_the_modules_own_name_is_renamed() -> None:
    """Not parameters, locals, attributes, keywords, texts and comments of the same name."""
    one = "def scale(x):\n    return 2 * x\n\n\ndef first(x):\n    return scale(x)\n"
    text = assemble({"one": one, "two": SHADOWS}, STARTER)
    alone, together = run(SHADOWS), run(text)

    assert together["first"](10) == 20  # type: ignore[operator]
    assert together["second"](10) == alone["second"](10)  # type: ignore[operator]
    assert "def scale_two(x):" in text
    assert "[scale for scale in range(3)]" in text
    assert "dict(scale=x)" in text
    assert "# scale it" in text
    assert "scale = scale_two" in text


def test_a_name_in_a_place_that_the_text_does_not_tell_is_right_all_the_same() -> None:
    one = "def scale(x):\n    return 2 * x\n\n\ndef first(x):\n    return scale(x)\n"
    two = (
        'def scale(x):\n    return 3 * x\n\n\ndef second(x):\n    return f"""\n{x}\n'
        '  {scale(x)} { scale(2)!r}"""\n'
    )
    names = run(assemble({"one": one, "two": two}, STARTER))

    assert names["second"](2) == "\n2\n  6 6"  # type: ignore[operator]


def test_imports_that_mean_different_things_get_different_names() -> None:
    one = "from math import exp\n\n\ndef first(x):\n    return exp(x)\n"
    two = "from numpy import exp, sum\n\n\ndef second(x):\n    return sum(exp(x)).item()\n"
    text = assemble({"one": one, "two": two}, STARTER)
    names = run(text)

    assert "from numpy import exp as exp_two, sum as sum_two" in text
    assert names["first"](0) == 1.0  # type: ignore[operator]
    assert names["second"]([0, 0]) == 2.0  # type: ignore[operator]


def test_a_helper_named_as_what_is_still_to_write_makes_way() -> None:
    one = "def whole(x, y):\n    return x + y\n\n\ndef first(x):\n    return whole(x, 1)\n"
    text = assemble({"one": one}, STARTER)

    assert "def whole_one(x, y):" in text
    assert 'raise NotImplementedError("write whole")' in text


def test_who_answers_for_a_function_can_be_said() -> None:
    """Else an answer's private try at an earlier rung would stand for the rung."""
    two = SECOND + "\n\ndef first(x):\n    return -x\n"
    parts = {"exercise-two": two, "exercise-one": FIRST}
    owners = {"first": "exercise-one", "second": "exercise-two"}
    text = assemble(parts, STARTER, owners)

    assert "def first(x: np.ndarray)" in text.split("# From exercise-two")[0]
    assert "def first_two(x)" in text.split("# From exercise-two")[1]
    assert text.count("NotImplementedError") == 1


@pytest.mark.parametrize(
    "answer",
    [
        "first = lambda x: 2 * x",
        "def first(x, by=2):\n    return by * x",
        "def first(x, /):\n    return 2 * x",
        "def twice(x):\n    return 2 * x\n\n\nfirst = twice",
        "class Times:\n    def __call__(self, x):\n        return 2 * x\n\n\nfirst = Times()",
        "if True:\n    def first(x):\n        return 2 * x",
    ],
)
def test_whatever_has_passed_its_rung_is_put_in(answer: str) -> None:
    owners = {"first": "one", "second": "two"}
    text = assemble({"one": f"{answer}\n", "two": SECOND}, STARTER, owners)

    assert run(text)["first"](3) == 6  # type: ignore[operator]
    assert 'NotImplementedError("write first")' not in text


def test_the_last_import_of_a_name_is_the_one_that_counts() -> None:
    one = "from numpy import exp\nfrom math import exp\n\n\ndef first(x):\n    return exp(x)\n"
    text = assemble({"one": one, "two": SECOND}, STARTER)

    assert "from numpy import" not in text
    assert type(run(text)["first"](0)) is float  # type: ignore[operator]


@pytest.mark.parametrize("where", ["{}\n", "try:\n    {}\nexcept ImportError:\n    pass\n"])
def test_an_import_of_everything_is_refused(where: str) -> None:
    one = where.format("from numpy import *") + "\n\ndef first(x):\n    return exp(x)\n"

    with pytest.raises(ValueError, match=r"exercise-one says `from numpy import \*`"):
        assemble({"exercise-one": one, "exercise-two": SECOND}, STARTER)


def test_a_name_that_is_found_by_its_text_is_not_renamed_behind_its_back() -> None:
    two = 'EPS = 1e-7\n\n\ndef second(x):\n    return globals()["EPS"]\n'
    alone = run(assemble({"exercise-two": two}, STARTER))

    assert alone["second"](0) == 1e-7  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"exercise-two finds names with globals\(\), and EPS"):
        assemble({"exercise-one": FIRST, "exercise-two": two}, STARTER)


def test_no_new_name_is_private_to_a_class() -> None:
    one = "_ = 1\n\n\ndef first(x):\n    return _\n"
    two = "_ = 2\n\n\nclass Two:\n    def get(self):\n        return _\n\n\n"
    two += "def second(x):\n    return Two().get()\n"
    names = run(assemble({"one": one, "two": two}, STARTER))

    assert names["first"](0) == 1  # type: ignore[operator]
    assert names["second"](0) == 2  # type: ignore[operator]


def test_what_runs_where_the_file_is_not_the_program_stays() -> None:
    one = 'if __name__ == "__main__":\n    by = 0\nelse:\n    by = 2\n\n\n'
    one += "def first(x):\n    return by * x\n"

    assert run(assemble({"one": one, "two": SECOND}, STARTER))["first"](3) == 6  # type: ignore[operator]


def test_lines_that_hold_more_than_one_statement() -> None:
    one = "import numpy as np; EPS = 1; eps = 2\ndef first(x): return x + EPS; y = 3\n"
    names = run(assemble({"one": one, "two": SECOND}, STARTER))

    assert names["first"](1) == 2  # type: ignore[operator]


def test_what_the_text_is_written_in_does_not_matter() -> None:
    one = '\ufeff# Größe\r\nfrom __future__ import annotations\r\n\r\nß = 1\r\nx = "é" + str(ß)\r\n'
    one += "def first(x):\r\n    return ß\r\n"
    two = 'ß = 2\n\n\ndef second(x):\n    y = "ééé", ß; return y[1]\n'
    text = assemble({"one": one, "two": two}, STARTER)
    names = run(text)

    assert text.index("from __future__") < text.index("import numpy")
    assert "# Größe" in text
    assert '"ééé", ß_two' in text
    assert names["first"](0) == 1  # type: ignore[operator]
    assert names["second"](0) == 2  # type: ignore[operator]


@pytest.mark.parametrize(
    "source",
    ["def first(x:\n", "x = '\0'", "(" * 5_000, "first = " + "-" * 60_000 + "1", "\ud800"],
)
def test_a_source_that_is_no_python_names_its_rung(source: str) -> None:
    with pytest.raises(ValueError, match="exercise-two"):
        assemble({"exercise-one": FIRST, "exercise-two": source}, STARTER)


def test_nothing_is_ever_run() -> None:
    one = "import sys\nsys.exit(1)\n\n\n@print\ndef first(x=1 / 0):\n    return x\n"
    text = assemble({"one": one}, STARTER)

    assert "sys.exit(1)" in text


def test_a_warning_about_a_text_is_nobodys_here() -> None:
    assert r'"\d"' in assemble({"one": 'def first(x):\n    return "\\d"\n'}, STARTER)


def test_the_model_solutions_of_the_rungs_make_a_capstone() -> None:
    parts = {key: EXERCISES[key].solution for key in OWNERS.values()}
    # Block, forward and generate with their helper; the parts have to come from the rungs.
    own = ast.parse(CAPSTONE.solution)
    named = ("in_heads", *CAPSTONE.functions)
    rest = [node for node in own.body if isinstance(node, ast.FunctionDef) and node.name in named]
    parts[CAPSTONE.key] = "import numpy as np\n\n" + "\n\n".join(map(ast.unparse, rest))
    text = assemble(
        parts, CAPSTONE.starter, OWNERS | dict.fromkeys(CAPSTONE.functions, CAPSTONE.key)
    )

    assert "NotImplementedError" not in text
    for key in parts:
        assert f"# From {key}\n" in text
    assert failed(graded(CAPSTONE.key, text)) == []


def test_the_answers_to_the_rungs_leave_only_this_rung_to_write() -> None:
    parts = {key: EXERCISES[key].solution for key in OWNERS.values()}
    text = assemble(parts, CAPSTONE.starter)

    assert text == assemble(parts, CAPSTONE.starter, OWNERS)
    assert text.count("raise NotImplementedError") == 3
    names = [n.name for n in ast.parse(text).body if isinstance(n, ast.FunctionDef)]
    assert len(set(names)) == len(names)
    assert {*OWNERS, *CAPSTONE.functions} <= set(names)
