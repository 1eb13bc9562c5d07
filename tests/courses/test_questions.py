"""Every type of question by itself: what it shows, what it takes, what it gives for it."""

import json
from typing import Any

import pytest

from courses.checking import answers_itself
from courses.questions import AnyQuestion, parse
from courses.questions.base import WrongFormError

SEEDS = [str(seed) for seed in range(20)]
COMMON = {"key": "q", "skill": "counting", "prompt": "What?", "explanation": "Because of *that*."}
SINGLE = {
    **COMMON,
    "type": "single",
    "choices": [
        {"text": "Six", "correct": True},
        {"text": "Five", "misconception": "You forgot the bottom."},
        {"text": "Four", "misconception": "You forgot two."},
    ],
}
MULTIPLE = {
    **COMMON,
    "type": "multiple",
    "choices": [
        {"text": "Wide", "correct": True},
        {"text": "Heavy", "correct": True},
        {"text": "Red", "misconception": "Colour weighs nothing."},
        {"text": "Windy"},
    ],
}
NUMERIC = {
    **COMMON,
    "prompt": "{n} blocks of {t.name}?",
    "explanation": "{n} times {t.bytes} is {answer}.",
    "type": "numeric",
    "parameters": {
        "n": [1024, 2048],
        "t": [{"name": "Q8_0", "bytes": 34}, {"name": "<b>Q4_0</b>", "bytes": 18}],
    },
    "answer": "n * t.bytes",
    "unit": "bytes",
    "units": {"KiB": 1024, "MiB": 1048576},
    "tolerance": {"relative": 0.01},
    "slips": [{"answer": "n", "misconception": "Each has {t.bytes} bytes."}],
}
ORDERING = {**COMMON, "type": "ordering", "items": ["Base", "Walls", "Roof", "Flag"]}
MATCHING = {
    **COMMON,
    "type": "matching",
    "pairs": [
        {"left": "Cube", "right": "Six sides"},
        {"left": "Ball", "right": "No sides"},
        {"left": "Dice", "right": "Six sides"},
        {"left": "Pyramid", "right": "Five sides"},
    ],
    "extra": ["Nine sides"],
}
TEXT = {
    **COMMON,
    "type": "text",
    "form": "One word.",
    "answers": ["Q4_K_M", "kv cache"],
    "slips": [{"answers": ["Q4_K_S"], "misconception": "That is the small one; you forgot M."}],
}
CODE = {
    **COMMON,
    "type": "code",
    "code": "def padding(o, A):\n    return ____\n",
    "answers": ["(A - o % A) % A", "-o % A"],
    "cases": [{"o": 12345, "A": 32}, {"o": 64, "A": 32}],
    "slips": [{"answers": ["A - o % A"], "misconception": "At a multiple you forgot zero."}],
}
LABEL = {
    **COMMON,
    "type": "label",
    "diagram": "tower",
    "marks": [
        {"mark": "A", "text": "Base"},
        {"mark": "B", "text": "Walls"},
        {"mark": "C", "text": "Roof"},
    ],
    "extra": ["Cellar"],
}
DRAWN = [SINGLE, MULTIPLE, NUMERIC, ORDERING, MATCHING, LABEL]
ALL = [*DRAWN, TEXT, CODE]


def of(content: dict[str, Any], **changes: Any) -> AnyQuestion:
    return parse({**content, **changes})


@pytest.mark.parametrize("content", ALL, ids=lambda content: content["type"])
def test_right_answers_score_all_and_wrong_ones_less(content: dict[str, Any]) -> None:
    assert list(answers_itself(of(content))) == []


@pytest.mark.parametrize("content", ALL, ids=lambda content: content["type"])
def test_what_is_shown_holds_nothing_of_the_answer(content: dict[str, Any]) -> None:
    question = of(content)
    for seed in SEEDS:
        shown = json.dumps(question.shown(question.rendered(), seed, ()))
        for secret in (
            *("correct", "Because", "forgot", "Colour", "misconception", "34", "18"),
            *("Q4_K_M", "% A"),
        ):
            assert secret not in shown


@pytest.mark.parametrize("content", ALL, ids=lambda content: content["type"])
def test_a_blank_scores_nothing_and_is_told_from_an_answer(content: dict[str, Any]) -> None:
    question = of(content)
    assert question.is_blank(())
    assert question.is_blank(["", " "])
    assert not question.is_blank(question.right("1"))
    assert question.grade(question.rendered(), "1", ()).score == 0


@pytest.mark.parametrize("content", DRAWN, ids=lambda content: content["type"])
def test_the_same_seed_draws_the_same_and_other_seeds_differ(content: dict[str, Any]) -> None:
    question = of(content)
    html = question.rendered()
    drawn = {json.dumps(question.shown(html, seed, ())) for seed in SEEDS}
    assert drawn == {json.dumps(question.shown(html, seed, ())) for seed in SEEDS}
    assert len(drawn) > 2


def test_a_wrong_choice_names_its_misconception_and_the_others_stay_untold() -> None:
    question = of(SINGLE)
    shown = question.shown(question.rendered(), "7", ())
    five = next(choice["value"] for choice in shown["choices"] if choice["html"] == "Five")
    grade = question.grade(question.rendered(), "7", [five])
    told = {item["html"]: item["misconception"] for item in grade.feedback["choices"]}
    assert grade.score == 0
    assert told == {"Six": "", "Five": "You forgot the bottom.", "Four": ""}


@pytest.mark.parametrize(
    ("ticked", "score"),
    [
        ({"Wide", "Heavy"}, 1.0),
        ({"Wide"}, 0.75),
        ({"Wide", "Heavy", "Red"}, 0.75),
        ({"Wide", "Red"}, 0.5),
        ({"Red", "Windy"}, 0.0),
        ({"Wide", "Heavy", "Red", "Windy"}, 0.5),
    ],
)
def test_multiple_choice_gives_partial_credit(ticked: set[str], score: float) -> None:
    question = of(MULTIPLE)
    shown = question.shown(question.rendered(), "3", ())
    response = [choice["value"] for choice in shown["choices"] if choice["html"] in ticked]
    assert question.grade(question.rendered(), "3", response).score == score


@pytest.mark.parametrize("response", [["9"], ["-1"], ["one"], ["²"], ["0", "0"], ["0", "1"], [""]])
def test_a_tampered_choice_is_of_the_wrong_form(response: list[str]) -> None:
    with pytest.raises(WrongFormError, match="Choose one of the answers"):
        of(SINGLE).check(response)


@pytest.mark.parametrize("response", [["9"], ["0", "0"], ["x"], ["0", ""]])
def test_tampered_ticks_are_of_the_wrong_form(response: list[str]) -> None:
    with pytest.raises(WrongFormError, match="each once"):
        of(MULTIPLE).check(response)


@pytest.mark.parametrize(
    "response",
    [["1", "2", "3"], ["1", "2", "3", "3"], ["0", "1", "2", "3"], ["1", "2", "3", ""], ["5"] * 4],
)
def test_an_order_gives_every_item_a_place_of_its_own(response: list[str]) -> None:
    with pytest.raises(WrongFormError, match="a place of its own, from 1 to 4"):
        of(ORDERING).check(response)


def test_ordering_credits_what_stands_in_its_place() -> None:
    question = of(ORDERING)
    right = list(question.right("5"))
    first, second = right.index("1"), right.index("2")
    right[first], right[second] = right[second], right[first]
    grade = question.grade(question.rendered(), "5", right)
    assert grade.score == 0.5
    assert [item["given"] for item in grade.feedback["items"]] == ["2", "1", "3", "4"]


def test_an_order_is_never_shown_in_the_right_order() -> None:
    question = of(ORDERING)
    for seed in SEEDS:
        assert list(question.right(seed)) != ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1536", 1536),
        (" 1,536 ", 1536),
        ("1 536", 1536),
        ("1.5e3", 1500),
        ("-2", -2),
        ("+.5", 0.5),
        ("1.5 KiB", 1536),
        ("1.5KiB", 1536),
        ("2 mib", 2 * 1048576),
        ("12 bytes", 12),
    ],
)
def test_numbers_are_read_as_people_write_them(typed: str, number: float) -> None:
    question = of(NUMERIC)
    assert question.type == "numeric"
    assert question.number(typed) == number


@pytest.mark.parametrize(
    "typed",
    ["many", "1,5", "1.5.2", "KiB", "5 GB", "--3", "1e999", "nan", "inf", "٣", "e5", ".", "3 < 4"],
)
def test_what_is_no_number_explains_how_to_write_one(typed: str) -> None:
    with pytest.raises(WrongFormError, match=r"A number such as .*KiB or MiB.*counts as bytes"):
        of(NUMERIC).check([typed])


def test_numeric_draws_computes_and_explains() -> None:
    question = of(NUMERIC)
    html = question.rendered()
    for seed in SEEDS:
        prompt = question.shown(html, seed, ())["prompt"]
        n = 1024 if "1024" in prompt else 2048
        each = 34 if "Q8_0" in prompt else 18
        assert "{" not in prompt
        assert "<b>" not in prompt
        grade = question.grade(html, seed, [f"{n * each / 1024} KiB"])
        assert grade.score == 1
        assert grade.feedback["answer"] == f"{n * each:,} bytes"
        assert f"is {n * each:,} bytes" in grade.feedback["explanation"]
        slip = question.grade(html, seed, [str(n)])
        assert slip.score == 0
        assert slip.feedback["misconception"] == f"<p>Each has {each} bytes.</p>\n"


@pytest.mark.parametrize(
    ("tolerance", "typed", "score"),
    [
        ({"relative": 0.01}, "100.9", 1),
        ({"relative": 0.01}, "101.1", 0),
        ({"absolute": 2}, "102", 1),
        ({"absolute": 2}, "102.1", 0),
        ({"absolute": 0}, "100", 1),
        ({"absolute": 0}, "100.01", 0),
    ],
)
def test_the_tolerance_is_kept(tolerance: dict[str, float], typed: str, score: float) -> None:
    question = of(
        NUMERIC, prompt="?", explanation="!", parameters={}, answer="10 ** 2", tolerance=tolerance,
        slips=[],
    )  # fmt: skip
    assert question.grade(question.rendered(), "1", [typed]).score == score


def assigned(question: AnyQuestion, seed: str, choice: dict[str, str]) -> list[str]:
    """The response that gives each left side the right side named."""
    shown = question.shown(question.rendered(), seed, ())
    values = {option["text"]: option["value"] for option in shown["options"]}
    return [values[choice[item["html"]]] for item in shown["items"]]


def test_matching_takes_the_same_right_side_for_several() -> None:
    question = of(MATCHING)
    pairs = {
        "Cube": "Six sides",
        "Ball": "No sides",
        "Dice": "Six sides",
        "Pyramid": "Five sides",
    }
    for seed in SEEDS:
        response = assigned(question, seed, pairs)
        assert question.grade(question.rendered(), seed, response).score == 1


def test_matching_credits_each_line_and_tells_what_fits() -> None:
    question = of(MATCHING)
    pairs = {
        "Cube": "Six sides",
        "Ball": "Nine sides",
        "Dice": "No sides",
        "Pyramid": "Five sides",
    }
    grade = question.grade(question.rendered(), "4", assigned(question, "4", pairs))
    assert grade.score == 0.5
    told = {item["html"]: (item["given"], item["right"]) for item in grade.feedback["items"]}
    assert told["Ball"] == ("Nine sides", "No sides")
    assert told["Dice"] == ("No sides", "Six sides")


@pytest.mark.parametrize("response", [["0"], ["0", "1", "", "2"], ["0", "1", "2", "9"], ["x"] * 4])
def test_every_line_of_a_matching_needs_a_choice(response: list[str]) -> None:
    with pytest.raises(WrongFormError, match="for every line"):
        of(MATCHING).check(response)


def test_letters_to_label_stay_in_their_order() -> None:
    question = of(LABEL)
    html = {**question.rendered(), "diagram": "<svg>tower</svg>"}
    for seed in SEEDS:
        shown = question.shown(html, seed, ())
        assert [item["html"] for item in shown["items"]] == ["A", "B", "C"]
        assert shown["diagram"] == "<svg>tower</svg>"


@pytest.mark.parametrize("typed", ["q4 k m", "Q4-K-M", "Q4_K_M.", "KV-Cache", " kv  cache"])
def test_case_spaces_and_punctuation_of_a_text_do_not_count(typed: str) -> None:
    question = of(TEXT)
    question.check([typed])
    assert question.grade(question.rendered(), "1", [typed]).score == 1


def test_a_text_that_slips_is_told_why() -> None:
    question = of(TEXT)
    grade = question.grade(question.rendered(), "1", ["q4_k_s"])
    assert grade.score == 0
    assert "the small one" in grade.feedback["misconception"]


@pytest.mark.parametrize("response", [["?!"], ["a", "b"], ["x" * 101]])
def test_a_text_of_the_wrong_form_says_what_is_asked_for(response: list[str]) -> None:
    with pytest.raises(WrongFormError, match="One word"):
        of(TEXT).check(response)


@pytest.mark.parametrize(
    "typed", ["(A-o%A)%A", "-o % A", "( A - (o % A) ) % A", "(-o) % A", "(A * 7 - o) % A"]
)
def test_whatever_computes_the_same_fills_the_gap(typed: str) -> None:
    question = of(CODE)
    assert question.grade(question.rendered(), "1", [typed]).score == 1


@pytest.mark.parametrize(
    "typed",
    ["A - o % A", "o % A", "0", "__import__('os').system('true')", "o.__class__", "9**9**9"],
)
def test_what_computes_something_else_does_not_and_nothing_typed_is_run(typed: str) -> None:
    question = of(CODE)
    question.check([typed])
    assert question.grade(question.rendered(), "1", [typed]).score == 0


def test_without_cases_the_tokens_decide() -> None:
    question = of(CODE, code="x = ____", answers=["q @ k.T / np.sqrt(d)"], cases=[], slips=[])
    html = question.rendered()
    assert question.grade(html, "1", ["q@k.T/np.sqrt( d )"]).score == 1
    assert question.grade(html, "1", ["q @ k / np.sqrt(d)"]).score == 0


@pytest.mark.parametrize("typed", ["(A - o", "'A", "A\nB"])
def test_a_line_left_open_is_of_the_wrong_form(typed: str) -> None:
    with pytest.raises(WrongFormError, match="Only what stands in the gap"):
        of(CODE).check([typed])
