"""An admin edits the course in the browser: by the same schema, with the same words."""

from typing import Any

import pytest
from django.test import Client

from courses import attempts, loading
from courses.models import (
    Activity,
    Module,
    Objective,
    Question,
    QuestionVersion,
    Quiz,
    Resource,
    Skill,
)
from people.models import User
from tests.courses.conftest import CONTENT

pytestmark = pytest.mark.usefixtures("toys")


def url(row: Any, page: str = "change") -> str:
    place = f"{row.pk}/change" if page == "change" else page
    return f"/admin/courses/{row._meta.model_name}/{place}/"


def form(client: Client, address: str, **changes: str) -> dict[str, Any]:
    """What the browser would send: the form as it came, with these changes."""
    rendered = client.get(address).context["adminform"].form
    values = {
        name: rendered[name].value()
        for name, field in rendered.fields.items()
        if not field.disabled
    }
    return {
        name: value for name, value in values.items() if not (value is None or value is False)
    } | changes


def errors(client: Client, address: str, **changes: str) -> dict[str, list[str]]:
    response = client.post(address, form(client, address, **changes))
    assert response.status_code == 200
    found: dict[str, list[str]] = response.context["adminform"].form.errors
    return found


def everything() -> tuple[list[Any], ...]:
    links = Objective.activities.through.objects.values_list("objective__key", "activity__key")
    required = Resource.prerequisites.through.objects.values()
    rows = [
        {name: value for name, value in row.items() if name != "changed_at"}
        for row in Resource.objects.values()
    ]
    return rows, list(links), list(required)


def test_saving_a_resource_as_it_is_changes_nothing(client: Client, olga: User) -> None:
    client.force_login(olga)
    before = everything()
    for resource in Resource.objects.all():
        assert client.post(url(resource), form(client, url(resource))).status_code == 302
    assert everything() == before
    assert loading.load(CONTENT).changed == 0


def test_an_admin_edits_a_resource_and_the_page_shows_it(client: Client, olga: User) -> None:
    client.force_login(olga)
    blocks = Resource.objects.get(key="blocks")
    changed = form(client, url(blocks), title="Bricks", body="## Bricks\n\nThere are $2^k$.")
    changed["further"] = changed["further"].replace("Tell blocks apart", "Tell *bricks* apart")
    client.post(url(blocks), changed)
    html = client.get("/resources/blocks/").content.decode()
    assert "<h1>Bricks</h1>" in html
    assert '<h2 id="bricks">' in html
    assert "Tell <em>bricks</em> apart" in html


def test_an_admin_adds_a_module_and_a_resource(client: Client, olga: User) -> None:
    client.force_login(olga)
    module = {
        "key": "more",
        "number": 2,
        "title": "More",
        "summary": "!",
        "weeks": "1",
        "position": 1,
    }
    assert client.post("/admin/courses/module/add/", module).status_code == 302
    resource = {
        "module": Module.objects.get(key="more").pk,
        "key": "cones",
        "number": 1,
        "type": "guide",
        "title": "Cones",
        "authors": "Cy",
        "published": "2025",
        "url": "https://example.org/cones",
        "stars": 1,
        "minutes_full": 10,
        "why": "They point.",
        "body": "A cone.",
        "position": 0,
        "further": "objectives:\n- {key: point, text: Point, earned_by: [quiz-blocks]}",
    }
    response = client.post("/admin/courses/resource/add/", resource)
    assert response.status_code == 302
    assert "Cones" in client.get("/modules/more/").content.decode()
    loading.load(CONTENT, again=True)
    assert client.get("/resources/cones/").status_code == 200


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("url", "http://example.org/", "is no https address; write it as https://..."),
        ("body", "A $2^{n$.", "this formula has unpaired braces; close what it opens."),
        ("further", "objectives: [", "Line 2: this is not YAML"),
        ("further", "- a list", "Line 1: these are no fields"),
        ("further", "sections: []\nobjectves: []", "Line 2: there is no field `objectves` here"),
        (
            "further",
            "objectives:\n- key: a\n  text: b\n  earned_by: [quiz-bloks]",
            "Line 4: there is no activity 'quiz-bloks'; write 'quiz-blocks'",
        ),
        (
            "further",
            "prerequisites: [{key: none, reason: c}]\n"
            "objectives:\n- {key: a, text: b, earned_by: [quiz-blocks]}",
            "Line 1: there is no resource 'none'",
        ),
        ("why", "It is {= 1 / 0 }.", "this cannot be computed"),
        (
            "further",
            "exercise: It is {= 1 / 0 }.\n"
            "objectives:\n- {key: a, text: b, earned_by: [quiz-blocks]}",
            "this cannot be computed",
        ),
        (
            "further",
            "cites: [nothing]\nobjectives:\n- {key: a, text: b, earned_by: [quiz-blocks]}",
            "Line 1: there is no citation 'nothing'",
        ),
    ],
)
def test_a_mistake_in_a_resource_stands_beside_its_field(
    client: Client, olga: User, field: str, value: str, words: str
) -> None:
    client.force_login(olga)
    found = errors(client, url(Resource.objects.get(key="blocks")), **{field: value})
    assert words in " ".join(found[field])
    assert Resource.objects.get(key="blocks").title == "Blocks"


def test_an_edited_question_is_a_new_version(client: Client, olga: User, ada: User) -> None:
    quiz = Quiz.objects.get()
    attempt = attempts.start(student=ada, quiz=quiz, at=olga.date_joined)
    client.force_login(olga)
    question = Question.objects.get(key="sides")
    changed = form(client, url(question))
    changed["further"] = changed["further"].replace("How many sides", "How many faces")
    assert client.post(url(question), changed).status_code == 302
    question.refresh_from_db()
    assert question.current is not None
    assert question.current.content["prompt"] == "How many faces has a block?"
    kept = attempt.answers.get(version__question=question).version.content["prompt"]
    assert kept == "How many sides has a block?"
    assert QuestionVersion.objects.filter(question=question).count() == 2


def test_saving_a_question_as_it_is_makes_no_version(client: Client, olga: User) -> None:
    client.force_login(olga)
    for question in Question.objects.all():
        assert client.post(url(question), form(client, url(question))).status_code == 302
    assert QuestionVersion.objects.count() == 4


@pytest.mark.parametrize(
    ("further", "words"),
    [
        ("type: riddle", "there is no question type 'riddle'"),
        (
            "type: label\nskill: counting\nprompt: a\nexplanation: b\ndiagram: tower\nmarks:\n"
            "- {mark: A, text: a}\n- {mark: B, text: b}\n- {mark: C, text: c}",
            "Line 5: there is no diagram 'tower'",
        ),
        ("type: single\nprompt: a\nexplanation: b\nchoices: []", "Line 4: `choices` is empty"),
        (
            "type: numeric\nskill: counting\nprompt: a\nexplanation: b\n"
            "answer: 1/0\ntolerance: {absolute: 0}",
            "Line 5: `1/0` cannot be computed",
        ),
        (
            "type: ordering\nprompt: $2^{n$\nskill: counting\nexplanation: b\nitems: [a, b, c]",
            "Line 2: this formula has unpaired braces",
        ),
        (
            "type: ordering\nprompt: a\nskill: countin\nexplanation: b\nitems: [a, b, c]",
            "Line 3: there is no skill 'countin'; write 'counting'",
        ),
    ],
)
def test_a_mistake_in_a_question_is_told_by_line(
    client: Client, olga: User, further: str, words: str
) -> None:
    client.force_login(olga)
    found = errors(client, url(Question.objects.get(key="sides")), further=further)
    assert words in " ".join(found["further"])


def test_a_quiz_cannot_draw_more_than_it_has(client: Client, olga: User) -> None:
    client.force_login(olga)
    found = errors(client, url(Quiz.objects.get()), draw="9")
    assert "9 questions cannot be drawn from 4" in " ".join(found["draw"])


def test_a_quiz_without_questions_of_its_own_draws_from_its_pool(
    client: Client, olga: User
) -> None:
    quiz = Quiz.objects.get()
    activity = Activity.objects.create(key="gate", kind="quiz", title="Gate", url="/gate/")
    gate = Quiz.objects.create(key="gate", activity=activity, title="Gate", draw=2)
    gate.pool_skills.set(Skill.objects.filter(key="counting"))
    client.force_login(olga)
    assert client.post(url(gate), form(client, url(gate), draw="3")).status_code == 302
    assert Quiz.objects.get(key="gate").draw == 3
    found = errors(client, url(gate), draw="4")
    assert "4 questions cannot be drawn from 3" in " ".join(found["draw"])
    assert quiz.questions.count() == 4


def test_a_retired_quiz_is_open_no_more_until_it_is_brought_back(
    client: Client, olga: User
) -> None:
    client.force_login(olga)
    quiz = Quiz.objects.get()
    for action, is_open in (("retire", False), ("bring_back", True)):
        client.post("/admin/courses/quiz/", {"action": action, "_selected_action": [quiz.pk]})
        assert Activity.objects.get(key="quiz-blocks").is_open is is_open


def test_content_is_retired_and_brought_back_never_deleted(client: Client, olga: User) -> None:
    client.force_login(olga)
    balls = Resource.objects.get(key="balls")
    assert client.post(url(balls, f"{balls.pk}/delete"), {"post": "yes"}).status_code == 403
    for action, status in (("retire", 404), ("bring_back", 200)):
        client.post("/admin/courses/resource/", {"action": action, "_selected_action": [balls.pk]})
        assert client.get("/resources/balls/").status_code == status


def test_the_admin_is_for_admins(client: Client, ada: User, iris: User) -> None:
    for user in (ada, iris):
        client.force_login(user)
        assert client.get("/admin/courses/resource/").status_code == 302
