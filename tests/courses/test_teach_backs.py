"""A teach-back: a draft of one's own, then the model answer, and one grade that stands."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from courses import links, loading, report, rubrics, schema, teach_backs
from courses.models import (
    Activity,
    Checkpoint,
    Evidence,
    Explanation,
    Link,
    Mastery,
    Module,
    Observation,
    TeachBack,
)
from courses.rendering import Renderer
from courses.saving import save_teach_back
from people.models import User

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
DESK = "/checkpoints/building/teach-back/"
KEEPER = "/checkpoints/building/teach-back/draft/"
LONG = "Weight low and wide keeps a tower standing. " * 6
FULL = {"base": 3, "weight": 2}
MODEL = "Put the heavy blocks below"
IN_A_FILE = """teach_back:
  title: Why towers stand
  prompt: Explain [it](https://example.org/why) to a colleague.
  minutes: 20
  rubric:
    - {key: base, text: A wide base, points: 3}
    - {key: weight, text: Weight below, points: 2}
  model_answer: Put the heavy blocks below.
"""


@pytest.fixture
def tower(toys: None) -> TeachBack:
    content = schema.TeachBack.model_validate(
        {
            "title": "Why towers stand",
            "prompt": "Explain it to a colleague.",
            "minutes": 20,
            "skills": ["counting", "sorting"],
            "rubric": [
                {"key": "base", "text": "A **wide** base.", "points": 3},
                {"key": "weight", "text": "Weight below.", "points": 2},
            ],
            "model_answer": f"{MODEL}.",
        }
    )
    return save_teach_back(
        checkpoint=Checkpoint.objects.get(key="building"),
        content=content,
        renderer=Renderer.of_database(),
    )


@pytest.fixture
def submitted(tower: TeachBack, ada: User) -> Explanation:
    """What Ada has just handed in."""
    return hand_in(ada, tower)


def hand_in(student: User, teach_back: TeachBack) -> Explanation:
    work = teach_backs.work_of(student, teach_back)
    draft = teach_backs.keep(work, student=student, number=work.number, text=LONG, at=NOW)
    teach_backs.submit(draft, at=NOW)
    return draft


def seen(html: str) -> str:
    """What the form in the page remembers of the draft."""
    found = re.search(r'name="seen" value="(\w*)"', html)
    assert found
    return found[1]


def chosen(points: dict[str, Any]) -> dict[str, str]:
    """The points as a form sends them."""
    return {f"points-{key}": str(value) for key, value in points.items()}


# What must not work.


def test_visitors_are_asked_to_sign_in(client: Client, submitted: Explanation) -> None:
    for url in (DESK, submitted.get_absolute_url()):
        assert client.get(url)["Location"].startswith(reverse("account_login"))
    assert client.post(KEEPER)["Location"].startswith(reverse("account_login"))


def test_a_stranger_and_a_fellow_student_find_nothing(
    client: Client, submitted: Explanation, stranger: User, ben: User
) -> None:
    for nosy in (stranger, ben):
        client.force_login(nosy)
        assert client.get(submitted.get_absolute_url()).status_code == 404
        assert client.post(submitted.get_absolute_url(), chosen(FULL)).status_code == 404
        assert LONG.strip() not in client.get(DESK).content.decode()
    submitted.refresh_from_db()
    assert submitted.own == {}


def test_a_draft_is_for_nobody_else_not_even_the_instructor(
    client: Client, tower: TeachBack, ada: User, iris: User, olga: User
) -> None:
    draft = teach_backs.keep(
        teach_backs.work_of(ada, tower), student=ada, number=1, text=LONG, at=NOW
    )
    for nosy in (iris, olga):
        client.force_login(nosy)
        assert client.get(draft.get_absolute_url()).status_code == 404


def test_an_unsubmitted_explanation_shows_no_model_answer_and_takes_no_points(
    client: Client, tower: TeachBack, ada: User
) -> None:
    draft = teach_backs.keep(
        teach_backs.work_of(ada, tower), student=ada, number=1, text=LONG, at=NOW
    )
    client.force_login(ada)
    for response in (
        client.get(draft.get_absolute_url(), follow=True),
        client.post(draft.get_absolute_url(), chosen(FULL), follow=True),
        client.post(draft.get_absolute_url(), {}, follow=True),
    ):
        assert response.redirect_chain[-1][0] == DESK
        assert MODEL not in response.content.decode()
    with pytest.raises(teach_backs.NotSubmittedError):
        teach_backs.assess(draft, FULL, at=NOW)
    assert not Evidence.objects.exists()


def test_what_is_too_short_is_not_submitted_and_not_lost(
    client: Client, tower: TeachBack, ada: User
) -> None:
    client.force_login(ada)
    response = client.post(DESK, {"number": "1", "text": "Because it is heavy."})
    html = response.content.decode()
    assert response.status_code == 422
    assert "Write at least 40 words before you submit; there are 4 so far." in html
    assert "Because it is heavy.</textarea>" in html
    draft = Explanation.objects.get()
    assert (draft.text, draft.submitted_at) == ("Because it is heavy.", None)


@pytest.mark.parametrize(("words", "enough"), [(39, False), (40, True)])
def test_forty_words_are_enough(tower: TeachBack, ada: User, words: int, enough: bool) -> None:
    draft = teach_backs.keep(
        teach_backs.work_of(ada, tower), student=ada, number=1, text="word \n" * words, at=NOW
    )
    if enough:
        teach_backs.submit(draft, at=NOW)
    else:
        with pytest.raises(teach_backs.TooShortError):
            teach_backs.submit(draft, at=NOW)


def test_a_text_beyond_every_measure_is_refused_and_stays_in_the_form(
    client: Client, tower: TeachBack, ada: User
) -> None:
    client.force_login(ada)
    text = "tower " * 4_000
    response = client.post(DESK, {"number": "1", "text": text})
    assert response.status_code == 422
    assert text in response.content.decode()
    assert "cannot be kept" in client.post(KEEPER, {"number": "1", "text": text}).content.decode()
    assert not Explanation.objects.exists()


@pytest.mark.parametrize("number", ["", "one", "2", "99", "-1", "0", "9" * 30])
def test_a_tampered_number_writes_nothing(
    client: Client, tower: TeachBack, ada: User, number: str
) -> None:
    client.force_login(ada)
    for url in (DESK, KEEPER):
        assert client.post(url, {"number": number, "text": LONG}).status_code in {200, 302, 422}
    assert not Explanation.objects.exists()


@pytest.mark.parametrize(
    "points",
    [
        {},
        {"base": 3},
        {"base": 4, "weight": 2},
        {"base": -1, "weight": 2},
        {"base": "all", "weight": 2},
        {"base": "1.5", "weight": 2},
    ],
)
def test_tampered_points_are_refused(
    client: Client, submitted: Explanation, ada: User, points: dict[str, Any]
) -> None:
    client.force_login(ada)
    assert client.post(submitted.get_absolute_url(), chosen(points)).status_code == 422
    submitted.refresh_from_db()
    assert (submitted.own, submitted.graded_at) == ({}, None)
    assert not Evidence.objects.exists()


@pytest.mark.parametrize(
    "points",
    [{}, {"base": 3}, {**FULL, "style": 1}, {"base": 4, "weight": 2}, {"base": -1, "weight": 2}],
)
def test_the_domain_itself_refuses_points_that_the_rubric_cannot_give(
    submitted: Explanation, iris: User, points: dict[str, int]
) -> None:
    with pytest.raises(rubrics.WrongPointsError):
        teach_backs.assess(submitted, points, at=NOW)
    with pytest.raises(rubrics.WrongPointsError):
        teach_backs.grade(submitted, points, comment="", grader=iris, at=NOW)
    assert not Evidence.objects.exists()


def test_nothing_changes_after_the_grade(
    client: Client, submitted: Explanation, ada: User, iris: User
) -> None:
    old_tab = Explanation.objects.get()
    teach_backs.grade(submitted, FULL, comment="Good.", grader=iris, at=NOW)
    with pytest.raises(teach_backs.AlreadyGradedError):
        teach_backs.grade(old_tab, {"base": 0, "weight": 0}, comment="", grader=iris, at=NOW)
    with pytest.raises(teach_backs.AlreadyGradedError):
        teach_backs.assess(old_tab, {"base": 0, "weight": 0}, at=NOW)
    client.force_login(ada)
    response = client.post(
        submitted.get_absolute_url(), chosen({"base": 0, "weight": 0}), follow=True
    )
    assert "This had been graded before. Nothing was changed." in response.content.decode()
    submitted.refresh_from_db()
    assert (submitted.given, submitted.own, submitted.comment) == (FULL, {}, "Good.")
    assert Evidence.objects.count() == 1


def test_a_page_left_open_changes_nothing_that_was_submitted(
    client: Client, submitted: Explanation, ada: User
) -> None:
    client.force_login(ada)
    stale = {"number": "1", "text": "Something else. " * 30}
    assert "This was submitted" in client.post(KEEPER, stale).content.decode()
    response = client.post(DESK, stale, follow=True)
    assert "This had been submitted before. Nothing was changed." in response.content.decode()
    teach_backs.grade(submitted, FULL, comment="", grader=ada, at=NOW)
    assert "This page is old" in client.post(KEEPER, stale).content.decode()
    assert Explanation.objects.get().text == LONG


def test_two_tabs_submit_once(tower: TeachBack, ada: User) -> None:
    first, second = (
        teach_backs.keep(teach_backs.work_of(ada, tower), student=ada, number=1, text=LONG, at=NOW)
        for _ in range(2)
    )
    teach_backs.submit(first, at=NOW)
    with pytest.raises(teach_backs.AlreadySubmittedError):
        teach_backs.submit(second, at=NOW)


def test_no_tab_undoes_what_another_has_kept(client: Client, tower: TeachBack, ada: User) -> None:
    client.force_login(ada)
    old = seen(client.get(DESK).content.decode())
    kept = client.post(KEEPER, {"number": "1", "text": LONG, "seen": old}).content.decode()
    more = {"number": "1", "text": LONG + "More.", "seen": seen(kept)}
    assert "Kept at" in client.post(KEEPER, more).content.decode()

    stale = {"number": "1", "text": "A letter", "seen": old}
    said = client.post(KEEPER, stale).content.decode()
    assert "changed in another tab" in said
    assert seen(said) == old, "What is typed next does not undo it either"
    for button in ({"keep": "yes"}, {}):
        response = client.post(DESK, stale | button)
        assert response.status_code == 422
        html = response.content.decode()
        assert "A letter</textarea>" in html
        assert "More." in html, "What is kept stands beside it"
        assert Explanation.objects.get().text == LONG + "More."
    both = {"number": "1", "text": LONG + "More. A letter", "seen": seen(html)}
    assert client.post(DESK, both).status_code == 302
    assert Explanation.objects.get().text == LONG + "More. A letter"


def test_a_teach_back_of_a_retired_checkpoint_is_not_there(
    client: Client, tower: TeachBack, ada: User
) -> None:
    Checkpoint.objects.update(retired=True)
    client.force_login(ada)
    assert client.get(DESK).status_code == 404


def test_a_teach_back_goes_with_its_file_or_its_checkpoint_and_comes_back(
    files: Path, db: None
) -> None:
    def is_open() -> bool:
        loading.load(files)
        links.collect()
        found = Activity.objects.get(key="teach-back-building").is_open
        assert Link.objects.published().filter(url="https://example.org/why").exists() is found
        lines = report.lines(Module.objects.get())
        assert next(line for line in lines if line.asks == "Teach-backs").count == found
        return found

    file = files / "toys/checkpoints/building.yaml"
    without, plan = file.read_text(), files / "toys/plan.yaml"
    file.write_text(without + IN_A_FILE)
    assert is_open()
    file.write_text(without)
    assert not is_open()
    file.write_text(without + IN_A_FILE)
    assert is_open()
    file.unlink()
    planned = plan.read_text()
    plan.write_text(planned.replace("        checkpoint: building\n", ""))
    assert not is_open()
    file.write_text(without + IN_A_FILE)
    plan.write_text(planned)
    assert is_open()


# What works.


def test_the_draft_is_kept_while_it_is_typed_and_by_a_plain_button(
    client: Client, tower: TeachBack, ada: User
) -> None:
    client.force_login(ada)
    html = client.get(DESK).content.decode()
    assert "0 words; at least 40 are needed." in html
    assert not Explanation.objects.exists(), "Looking begins nothing"
    said = client.post(KEEPER, {"number": "1", "text": "A wide base"}).content.decode()
    assert "3 words" in said
    assert "Kept at" in said
    assert "A wide base</textarea>" in client.get(DESK).content.decode()
    wide = {"number": "1", "text": "Wide", "keep": "yes", "seen": seen(said)}
    response = client.post(DESK, wide, follow=True)
    assert "Your draft is kept." in response.content.decode()
    assert Explanation.objects.get().text == "Wide"


def test_a_text_does_no_harm(client: Client, tower: TeachBack, ada: User) -> None:
    client.force_login(ada)
    text = "**Bold** <script>alert(1)</script> [x](javascript:alert(1)) " * 20
    html = client.post(DESK, {"number": "1", "text": text}, follow=True).content.decode()
    assert "<strong>Bold</strong>" in html
    assert "<script>alert" not in html
    assert 'href="javascript' not in html


def test_the_model_answer_comes_with_the_own_one_in_hand(
    client: Client, tower: TeachBack, ada: User
) -> None:
    client.force_login(ada)
    assert MODEL not in client.get(DESK).content.decode()
    html = client.post(DESK, {"number": "1", "text": LONG}, follow=True).content.decode()
    assert MODEL in html
    assert "Give yourself points" in html


def test_with_an_instructor_it_waits_for_them(
    client: Client, submitted: Explanation, ada: User, iris: User
) -> None:
    client.force_login(ada)
    response = client.post(submitted.get_absolute_url(), chosen(FULL), follow=True)
    html = response.content.decode()
    assert "It waits for your instructor's grade." in html
    assert "3 of 3" in html
    submitted.refresh_from_db()
    assert (submitted.own, submitted.graded_at) == (FULL, None)
    assert not Evidence.objects.exists()

    teach_backs.grade(
        submitted, {"base": 2, "weight": 2}, comment="Say how wide.", grader=iris, at=NOW
    )
    html = client.get(submitted.get_absolute_url()).content.decode()
    assert "Graded by Iris" in html
    assert "Say how wide." in html
    assert "2 of 3" in html
    found = Evidence.objects.get()
    assert (found.source, found.score, found.passed) == ("explanation 1", 0.8, True)
    assert found.url == submitted.get_absolute_url()
    assert {(row.skill.key, row.kind, row.score) for row in Observation.objects.all()} == {
        ("counting", "teach-back", 0.8),
        ("sorting", "teach-back", 0.8),
    }
    assert Mastery.objects.get(skill__key="counting").weight == 2


def test_without_an_instructor_the_own_points_count_and_the_evidence_says_so(
    client: Client, submitted: Explanation, ada: User
) -> None:
    client.force_login(ada)
    html = client.post(
        submitted.get_absolute_url(), chosen({"base": 2, "weight": 1}), follow=True
    ).content.decode()
    assert "Self-assessed" in html
    assert "Not passed yet" in html
    found = Evidence.objects.get()
    assert (found.source, found.passed) == ("explanation 1, self-assessed", False)
    submitted.refresh_from_db()
    assert submitted.own == submitted.given == {"base": 2, "weight": 1}


def test_who_is_not_active_any_more_grades_nothing(
    submitted: Explanation, ada: User, iris: User
) -> None:
    assert teach_backs.has_instructor(ada)
    iris.is_active = False
    iris.save()
    assert not teach_backs.has_instructor(ada)


def test_when_the_instructor_has_gone_the_student_is_asked_again(
    client: Client, submitted: Explanation, ada: User, iris: User
) -> None:
    teach_backs.assess(submitted, FULL, at=NOW)
    iris.cohorts_taught.clear()
    client.force_login(ada)
    html = client.get(submitted.get_absolute_url()).content.decode()
    assert "Give yourself points" in html
    client.post(submitted.get_absolute_url(), chosen(FULL))
    assert Evidence.objects.get().source == "explanation 1, self-assessed"


def test_after_the_grade_one_goes_on_from_the_last_text(
    client: Client, submitted: Explanation, ada: User, iris: User
) -> None:
    teach_backs.grade(submitted, {"base": 0, "weight": 0}, comment="", grader=iris, at=NOW)
    client.force_login(ada)
    html = client.get(DESK).content.decode()
    assert "Write it again" in html
    assert 'name="number" value="2"' in html
    assert "keeps a tower standing." in html
    client.post(DESK, {"number": "2", "text": LONG + "Better."})
    assert list(Explanation.objects.values_list("number", flat=True)) == [1, 2]
    second = Explanation.objects.get(number=2)
    teach_backs.grade(second, FULL, comment="", grader=iris, at=NOW)
    assert teach_backs.work_of(ada, second.teach_back).best == second


def test_the_checkpoint_shows_the_teach_back_with_its_state(
    client: Client, tower: TeachBack, ada: User, iris: User
) -> None:
    url = "/checkpoints/building/"
    assert f'href="{DESK}"' in client.get(url).content.decode()
    client.force_login(ada)
    assert "not begun" in client.get(url).content.decode()
    client.post(DESK, {"number": "1", "text": "A draft", "keep": "yes"})
    assert "draft kept" in client.get(url).content.decode()
    opened = seen(client.get(DESK).content.decode())
    client.post(DESK, {"number": "1", "text": LONG, "seen": opened})
    assert "your points are missing" in client.get(url).content.decode()
    explanation = Explanation.objects.get()
    teach_backs.assess(explanation, FULL, at=NOW)
    assert "waits for a grade" in client.get(url).content.decode()
    teach_backs.grade(explanation, FULL, comment="", grader=iris, at=NOW)
    assert "passed, 100 %" in client.get(url).content.decode()


def test_the_pages_ask_the_database_little_however_much_was_written(
    client: Client,
    submitted: Explanation,
    ada: User,
    iris: User,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for _ in range(6):
        teach_backs.grade(submitted, FULL, comment="", grader=iris, at=NOW)
        submitted = hand_in(ada, submitted.teach_back)
    client.force_login(ada)
    for url in (DESK, submitted.get_absolute_url(), "/checkpoints/building/"):
        with django_assert_max_num_queries(12):
            assert client.get(url).status_code == 200
