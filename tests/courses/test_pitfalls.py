"""Pitfalls: when a nudge is due, that there is one at a time, and that it goes for good."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from courses import attempts, evidence, pitfalls
from courses.models import Activity, Module, Note, Nudge, Pitfall, Place, Quiz, Resource, StudyPlan
from courses.pitfalls import Opening, Reading, Sign, Way
from people.models import User

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BLOCKS = "/resources/blocks/"
KEYS = ("passive-reading", "skipped-derivation", "theory-only", "rushing")


# The rules, each side of each threshold.


def reading(**more: Any) -> Reading:
    return Reading("llama", **{"time": timedelta(), **more})


@pytest.mark.parametrize(
    ("habit", "nudged"),
    [
        ({"time": timedelta(minutes=10)}, True),
        ({"time": timedelta(minutes=10) - SECOND}, False),
        ({"time": timedelta(hours=1), "has_note": True}, False),
        ({"time": timedelta(hours=1), "has_tried": True}, False),
    ],
)
def test_passive_reading_is_ten_minutes_without_a_note_or_an_attempt(
    habit: dict[str, Any], nudged: bool
) -> None:
    assert (Sign("passive-reading", "llama") in reading(**habit).signs()) is nudged


@pytest.mark.parametrize(
    ("passed", "opened", "nudged"),
    [
        ({1, 2}, set(), True),
        ({1, 2, 3}, {3}, True),
        ({1}, set(), False),
        ({1, 2}, {2}, False),
        (set(), {1, 2}, False),
    ],
)
def test_two_derivations_passed_by_and_never_opened(
    passed: set[int], opened: set[int], nudged: bool
) -> None:
    habit = reading(passed=frozenset(passed), opened=frozenset(opened))
    assert habit.signs() == ([Sign("skipped-derivation", "llama")] if nudged else [])


def test_the_most_specific_comes_first() -> None:
    habit = reading(time=timedelta(hours=1), passed=frozenset({1, 2}))
    assert [sign.pitfall for sign in habit.signs()] == ["skipped-derivation", "passive-reading"]
    way = Way("foundations", 5, tuple(Opening(key, NOW) for key in "abc"))
    assert [sign.pitfall for sign in way.signs(NOW)] == ["theory-only", "rushing"]


def way(*hours_ago: float, readings: int = 100, practised: float | None = None) -> Way:
    """Readings a, b, c … opened so many hours ago."""
    return Way(
        module="foundations",
        readings=readings,
        openings=tuple(
            Opening(key, NOW - timedelta(hours=ago))
            for key, ago in zip("abcdefgh", hours_ago, strict=False)
        ),
        practised_at=None if practised is None else NOW - timedelta(hours=practised),
    )


def test_three_readings_in_a_row_without_practice() -> None:
    assert way(1, 3, 2).signs(NOW) == [Sign("theory-only", "b")]
    assert way(1, 3).signs(NOW) == []


@pytest.mark.parametrize(("practised", "nudged"), [(4, True), (3, False), (2.5, False), (0, False)])
def test_practice_begins_the_row_anew(practised: float, nudged: bool) -> None:
    assert bool(way(3, 2, 1, practised=practised).signs(NOW)) is nudged


def test_a_row_that_grows_is_still_the_same_one() -> None:
    assert way(9, 8, 7).signs(NOW) == way(9, 8, 7, 6, 5).signs(NOW)


@pytest.mark.parametrize(
    ("openings", "readings", "nudged"),
    [
        ((1, 2), 3, True),
        ((1, 48), 3, True),
        ((1, 48.01), 3, False),
        ((1, 2), 4, False),
        ((), 0, False),
    ],
)
def test_more_than_half_of_the_readings_within_two_days(
    openings: tuple[float, ...], readings: int, nudged: bool
) -> None:
    found = way(*openings, readings=readings).signs(NOW)
    assert found == ([Sign("rushing", "foundations")] if nudged else [])


def test_readings_beyond_the_path_are_no_rush() -> None:
    beyond = tuple(Opening(key, NOW, on_path=False) for key in "ab")
    assert Way("foundations", 3, beyond).signs(NOW) == []


@given(
    ago=st.lists(st.integers(0, 10_000), max_size=8),
    readings=st.integers(1, 20),
    later=st.integers(0, 10_000),
)
def test_whoever_waits_is_never_told_of_a_rush_that_was_not_there(
    ago: list[int], readings: int, later: int
) -> None:
    habit = way(*ago, readings=readings)
    rushing = Sign("rushing", "foundations")
    if rushing in habit.signs(NOW + timedelta(hours=later)):
        assert rushing in habit.signs(NOW)


# On the pages.


@pytest.fixture
def words(toys: None) -> None:
    for key in KEYS:
        Pitfall.objects.create(
            key=key,
            title=f"Title of {key}",
            problem_html=f"<p>Problem of {key}</p>",
            advice_html=[f"Advice for {key}"],
            nudge_html=f"Nudge about {key}",
        )


def read(student: User, key: str = "blocks", **more: Any) -> None:
    Place.objects.create(student=student, resource=Resource.objects.get(key=key), **more)


def shown(client: Client, url: str) -> list[str]:
    html = client.get(url).content.decode()
    return [key for key in KEYS if f"Nudge about {key}" in html]


@pytest.mark.usefixtures("words")
def test_a_long_reading_is_nudged_about_until_something_is_written(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    read(ada, seconds=600)
    assert shown(client, BLOCKS) == ["passive-reading"]
    assert shown(client, "/resources/balls/") == []
    client.post(f"{BLOCKS}note/", {"text": "Blocks come in powers of two.", "version": ""})
    assert shown(client, BLOCKS) == []
    Note.objects.update(text=" \n")
    assert shown(client, BLOCKS) == ["passive-reading"]


@pytest.mark.usefixtures("words")
def test_an_attempt_that_is_only_begun_counts_as_tried(client: Client, ada: User) -> None:
    client.force_login(ada)
    read(ada, seconds=600)
    attempts.start(student=ada, quiz=Quiz.objects.get(key="quiz-blocks"), at=timezone.now())
    assert shown(client, BLOCKS) == []


@pytest.mark.usefixtures("words")
def test_a_failed_run_of_its_lab_counts_as_tried(client: Client, ada: User) -> None:
    client.force_login(ada)
    read(ada, seconds=600)
    evidence.record(
        student=ada,
        activity=Activity.objects.get(key="lab-towers"),
        score=0.0,
        passed=False,
        source="run 1",
        url="/runs/1/",
        at=timezone.now(),
    )
    assert shown(client, BLOCKS) == []


@pytest.mark.usefixtures("words")
def test_one_nudge_at_a_time_and_each_goes_for_good(client: Client, ada: User) -> None:
    client.force_login(ada)
    read(ada, seconds=600, passed=[1, 2])
    assert shown(client, BLOCKS) == ["skipped-derivation"]
    answer = client.post("/nudges/skipped-derivation/blocks/dismiss/")
    assert answer.headers["Location"] == BLOCKS
    assert shown(client, BLOCKS) == ["passive-reading"]
    answer = client.post("/nudges/passive-reading/blocks/dismiss/", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert shown(client, BLOCKS) == []
    client.post("/nudges/passive-reading/blocks/dismiss/")
    assert Nudge.objects.count() == 2


@pytest.mark.usefixtures("words")
def test_what_is_put_away_for_one_reading_or_student_is_not_for_another(
    client: Client, ada: User, ben: User
) -> None:
    for student in (ada, ben):
        read(student, seconds=600)
    read(ada, "balls", seconds=600)
    client.force_login(ada)
    client.post("/nudges/passive-reading/blocks/dismiss/")
    assert shown(client, "/resources/balls/") == ["passive-reading"]
    client.force_login(ben)
    assert shown(client, BLOCKS) == ["passive-reading"]


@pytest.mark.parametrize(
    "url",
    [
        "/nudges/none/blocks/dismiss/",
        "/nudges/passive-reading/none/dismiss/",
        "/nudges/rushing/blocks/dismiss/",
        "/nudges/theory-only/toys/dismiss/",
    ],
)
@pytest.mark.usefixtures("words")
def test_nothing_is_put_away_that_is_not_there(client: Client, ada: User, url: str) -> None:
    client.force_login(ada)
    assert client.post(url).status_code == 404
    assert not Nudge.objects.exists()


@pytest.mark.usefixtures("words")
def test_visitors_put_nothing_away_and_nobody_by_a_link(client: Client, ada: User) -> None:
    url = "/nudges/passive-reading/blocks/dismiss/"
    assert client.post(url).headers["Location"].startswith("/accounts/login/")
    client.force_login(ada)
    assert client.get(url).status_code == 405
    assert not Nudge.objects.exists()


@pytest.mark.usefixtures("words")
def test_home_speaks_of_a_rush_and_sends_back_home(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get(BLOCKS)
    assert shown(client, "/") == []
    client.get("/resources/balls/")
    assert shown(client, "/") == ["rushing"]
    assert client.post("/nudges/rushing/toys/dismiss/").headers["Location"] == "/"
    assert shown(client, "/") == []


@pytest.mark.usefixtures("words")
def test_home_speaks_of_theory_until_a_quiz_is_begun(client: Client, ada: User) -> None:
    blocks = Resource.objects.get(key="blocks")
    blocks.pk, blocks.key, blocks.number = None, "bricks", 3
    blocks.save(force_insert=True)
    client.force_login(ada)
    for key in ("blocks", "balls", "bricks"):
        client.get(f"/resources/{key}/")
    assert shown(client, "/") == ["theory-only"]
    client.post("/quizzes/quiz-blocks/")
    assert shown(client, "/") == ["rushing"]


@pytest.mark.usefixtures("words")
def test_places_of_before_openings_were_kept_say_nothing(client: Client, ada: User) -> None:
    client.force_login(ada)
    for key in ("blocks", "balls"):
        read(ada, key)
    assert shown(client, "/") == []


@pytest.mark.usefixtures("words")
def test_without_words_there_is_no_nudge(client: Client, ada: User) -> None:
    Pitfall.objects.all().delete()
    client.force_login(ada)
    read(ada, seconds=600)
    assert client.get(BLOCKS).status_code == 200
    assert pitfalls.prompt(ada, [Sign("passive-reading", "blocks")]) is None


@pytest.mark.usefixtures("words")
def test_the_page_has_all_of_them_and_the_plan_leads_there(client: Client, ada: User) -> None:
    html = client.get("/pitfalls/").content.decode()
    for key in KEYS:
        assert f'<h2 id="{key}">Title of {key}</h2>' in html
        assert f"Problem of {key}" in html
        assert f"Advice for {key}" in html
    client.force_login(ada)
    assert 'href="/pitfalls/"' in client.get("/modules/toys/plan/").content.decode()
    read(ada, seconds=600)
    assert 'href="/pitfalls/#passive-reading"' in client.get(BLOCKS).content.decode()


@pytest.mark.usefixtures("words")
def test_pages_with_a_nudge_take_few_queries(
    client: Client, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    StudyPlan.objects.create(student=ada, module=Module.objects.get(key="toys"))
    client.force_login(ada)
    read(ada, seconds=600, opened_at=timezone.now())
    # The greatest number: the visit is a new one, and the nudge about passive reading is shown.
    client.get("/resources/balls/")
    with django_assert_max_num_queries(12):
        assert shown(client, BLOCKS) == ["passive-reading"]
    with django_assert_max_num_queries(12):
        assert shown(client, "/") == ["rushing"]
