"""Reading: what a page shows, to whom, and how the campus keeps one's place."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses import evidence
from courses.models import Activity, Place, Resource
from people.models import User

pytestmark = pytest.mark.usefixtures("toys")
BLOCKS = "/resources/blocks/"


def pass_the_quiz(student: User) -> None:
    evidence.record(
        student=student,
        activity=Activity.objects.get(key="quiz-blocks"),
        score=1.0,
        passed=True,
        source="attempt 1",
        url="/attempts/1/",
        at=timezone.now(),
    )


def test_a_page_shows_every_field_of_its_file(client: Client) -> None:
    html = client.get(BLOCKS).content.decode()
    for text in (
        "Ann, Bo",
        "2024-05-01",
        "3 of 3 stars",
        "30 min",
        "Everything is made of <strong>blocks</strong>",
        "1 Shapes",
        "Tell blocks apart",
        "Build a house.",
        "Stack three blocks.",
        "Why do towers fall?",
        "Tensors are stored in blocks.",
        "More blocks",
        "The original list says: A block has five sides.",
        "It has six.",
        "Worked example: Three blocks",
        '<h2 id="counting">Counting</h2>',
        "<math",
        'href="https://example.org/blocks"',
        'href="/quizzes/quiz-blocks/"',
        "The lab to come",
        "comes later",
        "Next: Balls",
    ):
        assert text in html, text


def test_reading_is_open_to_everybody_and_leaves_no_trace_of_visitors(client: Client) -> None:
    for url in ("/modules/toys/", BLOCKS, "/resources/balls/", "/checkpoints/building/"):
        assert client.get(url).status_code == 200
    assert not Place.objects.exists()


def test_what_is_retired_or_unknown_is_not_found(client: Client) -> None:
    Resource.objects.filter(key="balls").update(retired=True)
    for url in ("/resources/balls/", "/resources/none/", "/modules/none/", "/checkpoints/none/"):
        assert client.get(url).status_code == 404


def test_an_objective_says_what_earns_it_and_then_that_it_is_earned(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    html = client.get(BLOCKS).content.decode()
    assert "earned by" in html
    assert '<li class="earned">' not in html
    assert '<a class="button primary" href="/quizzes/quiz-blocks/">Take the quiz</a>' in html
    pass_the_quiz(ada)
    html = client.get(BLOCKS).content.decode()
    assert html.count('<li class="earned">') == 2
    assert 'href="/attempts/1/">earned' in html
    assert "Take the quiz" not in html


def test_a_visit_is_kept_and_a_section_with_it(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get(BLOCKS)
    assert Place.objects.get().resource.key == "blocks"
    assert client.post(f"{BLOCKS}place/", {"anchor": "towers"}).status_code == 204
    place = Place.objects.get()
    assert (place.anchor, place.section) == ("towers", "Towers")
    client.get(BLOCKS)
    assert Place.objects.get().anchor == "towers"
    assert 'You left off at <a href="#towers">Towers</a>' in client.get(BLOCKS).content.decode()


def test_a_section_that_is_not_there_is_not_kept(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get(BLOCKS)
    client.post(f"{BLOCKS}place/", {"anchor": '"><script>'})
    assert Place.objects.get().anchor == ""


def test_home_says_where_one_left_off_and_what_comes_next(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert ">Blocks</h2>" in client.get("/").content.decode()
    client.get(BLOCKS)
    client.post(f"{BLOCKS}place/", {"anchor": "towers"})
    html = client.get("/").content.decode()
    assert html.count('<li class="now">') == 1
    assert "Where you left off" in html
    assert 'href="/resources/blocks/#towers"' in html
    assert ">Quiz: Blocks</h2>" in html
    client.post("/quizzes/quiz-blocks/")
    assert "Go on with attempt 1" in client.get("/").content.decode()


def test_home_moves_on_when_a_quiz_is_passed(client: Client, ada: User) -> None:
    client.force_login(ada)
    pass_the_quiz(ada)
    html = client.get("/").content.decode()
    assert "<strong>2 of 3</strong>" in html
    assert ">Balls</h2>" in html
    client.get("/resources/balls/")
    assert "Nothing is left to do here" in client.get("/").content.decode()


def test_home_tells_visitors_what_this_is(client: Client) -> None:
    html = client.get("/").content.decode()
    assert "Learn LLM inference by running it" in html
    assert "Toys" in html


@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/modules/toys/",
        BLOCKS,
        "/quizzes/quiz-blocks/",
        "/checkpoints/building/",
        "/progress/",
    ],
)
def test_a_page_takes_the_same_few_queries_whatever_the_size_of_the_course(
    client: Client, ada: User, url: str
) -> None:
    client.force_login(ada)
    pass_the_quiz(ada)
    client.get(BLOCKS)
    with CaptureQueriesContext(connection) as few:
        assert client.get(url).status_code == 200
    blocks = Resource.objects.get(key="blocks")
    quiz = Activity.objects.get(key="quiz-blocks")
    for number in range(10, 30):
        blocks.pk, blocks.key, blocks.number = None, f"more-{number}", number
        blocks.save(force_insert=True)
        objective = blocks.objectives.create(key="count", text="Count", text_html="Count")
        objective.activities.add(quiz)
    with CaptureQueriesContext(connection) as many:
        assert client.get(url).status_code == 200
    assert len(many) == len(few) <= 12
