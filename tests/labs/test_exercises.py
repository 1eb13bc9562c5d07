"""What students do at an exercise: drafts, submissions, hints, giving up, the ladder."""

import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from courses.models import Evidence
from labs import exercises, runs
from labs.models import Draft, GivenUp, Lab, Lane, Run, State, TakenHint, WorkerHost
from people.models import User
from tests.labs.conftest import KEY, PAGE
from tests.workers.exercises.grading import graded
from workers.exercises import EXERCISES

RIGHT = EXERCISES[KEY].solution
WRONG = RIGHT.replace(" * weight", "")
BROKEN = RIGHT.replace("return", "retrun")


@pytest.fixture
def sandbox_online(db: None) -> WorkerHost:
    """A worker that serves code."""
    now = timezone.now()
    return WorkerHost.objects.create(
        name="host:1", lanes=[Lane.CODE], started_at=now, seen_at=now + timedelta(days=2)
    )


@pytest.fixture
def judged(exercise: Lab, sandbox_online: WorkerHost) -> Callable[..., Run]:
    """Hand code in and let it be judged, as a worker would."""

    def judge(student: User, code: str, *, after: timedelta = timedelta()) -> Run:
        at = timezone.now() + after
        submission = exercises.submit(
            exercise, student=student, code=code, key=uuid.uuid4(), at=at, version=0
        )
        run = runs.claim(submission.pk, worker="host:1", at=at)
        assert run is not None
        verdict = graded(KEY, code, seed=runs.work_of(run).drawn["seed"])
        assert runs.succeed(run, asdict(verdict), at=at)
        run.refresh_from_db()
        return run

    return judge


def hand_in(client: Client, code: str, **more: Any) -> Any:
    return client.post(f"{PAGE}submissions/", {"code": code, "key": str(uuid.uuid4()), **more})


def save(client: Client, code: str, version: int) -> Any:
    return client.post(f"{PAGE}draft/", {"code": code, "version": version})


def test_ada_finds_the_starter_and_later_her_draft(
    client: Client, exercise: Lab, ada: User
) -> None:
    client.force_login(ada)
    page = client.get(PAGE)
    assert page.context["desk"].code["code"].value() == EXERCISES[KEY].starter
    assert "rms_norm" in page.content.decode()

    assert save(client, "x = 1\r\n", 0).json() == {"version": 1}
    assert client.get(PAGE).context["desk"].code["code"].value() == "x = 1\n"
    assert client.get(f"{PAGE}answer.py").content == b"x = 1\n"


def test_a_second_window_writes_over_nothing_unseen(
    client: Client, exercise: Lab, ada: User
) -> None:
    client.force_login(ada)
    save(client, "first window", 0)
    refused = save(client, "second window", 0)

    assert refused.status_code == 409
    assert refused.json() == {"version": 1, "code": "first window"}
    assert Draft.objects.get().code == "first window"
    # Having seen it, she may decide for her own.
    assert save(client, "second window", 1).json() == {"version": 2}


def test_the_same_code_twice_is_no_conflict(client: Client, exercise: Lab, ada: User) -> None:
    client.force_login(ada)
    save(client, "the same", 0)

    assert save(client, "the same", 0).json() == {"version": 1}


def test_without_a_sandbox_the_exercise_says_that_it_is_closed_and_keeps_the_code(
    client: Client, exercise: Lab, ada: User
) -> None:
    client.force_login(ada)
    assert "closed just now" in client.get(PAGE).content.decode()

    answer = hand_in(client, RIGHT)
    assert answer.status_code == 422
    assert "No worker with a sandbox is online" in answer.content.decode()
    assert not Run.objects.exists()
    assert Draft.objects.get(student=ada).code == RIGHT


def test_a_worker_of_another_lane_does_not_open_it(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    WorkerHost.objects.update(lanes=[Lane.QUICK, Lane.HEAVY])
    client.force_login(ada)

    assert "closed just now" in client.get(PAGE).content.decode()


def test_a_submission_waits_in_the_code_lane_and_a_double_click_makes_one(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    client.force_login(ada)
    key = str(uuid.uuid4())
    first = hand_in(client, WRONG, key=key)
    hand_in(client, WRONG, key=key)

    assert first.status_code == 302
    run = Run.objects.get()
    assert (run.lane, run.kind, run.state) == (Lane.CODE, "code", State.QUEUED)
    assert run.choices["code"] == WRONG
    assert Draft.objects.get(student=ada).code == WRONG


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "This field is required."),
        ("x = '" + "y" * (64 << 10) + "'", "more than 64 KiB"),
        ("x = '\0'", "Null characters are not allowed."),
    ],
)
def test_what_cannot_be_code_is_refused_and_stays_in_the_editor(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User, code: str, said: str
) -> None:
    client.force_login(ada)
    answer = hand_in(client, code)

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert answer.context["desk"].code["code"].value() == code
    assert not Run.objects.exists()


def test_a_pass_is_evidence_and_opens_the_model_solution(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    client.force_login(ada)
    assert not client.get(PAGE).context["desk"].solution
    run = judged(ada, RIGHT)

    assert run.grade == 1.0
    evidence = Evidence.objects.get(student=ada)
    assert (evidence.score, evidence.passed, evidence.url) == (1.0, True, f"/runs/{run.pk}/")
    page = client.get(PAGE)
    assert page.context["desk"].solution == EXERCISES[KEY].solution
    assert "Passed: every check is met." in page.content.decode()


def test_a_failed_check_says_what_to_do_and_where(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    run = judged(ada, WRONG)
    client.force_login(ada)
    page = client.get(PAGE).content.decode()

    assert "The gain is missing" in page
    assert f'href="{PAGE}#line-' in page
    assert "is off by" in page
    assert 'data-chart="chart-error-' in page
    evidence = Evidence.objects.get(student=ada)
    assert not evidence.passed
    assert evidence.score == run.grade


def test_code_that_does_not_load_names_its_line_and_reaches_no_check(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    run = judged(ada, BROKEN)
    client.force_login(ada)
    page = client.get(PAGE).content.decode()

    assert run.grade == 0
    assert "SyntaxError" in page
    assert "Not reached: your code does not load." in page


def test_hints_cost_what_they_say_and_never_the_pass(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    client.force_login(ada)
    assert "Look at the axis." not in client.get(PAGE).content.decode()
    client.post(f"{PAGE}hint/")
    page = client.get(PAGE).content.decode()
    assert "Look at the axis." in page
    assert "Nearly all of it." not in page
    assert "Help has cost 10 %" in page

    client.post(f"{PAGE}hint/")
    run = judged(ada, RIGHT)
    assert run.grade == pytest.approx(0.7)
    evidence = Evidence.objects.get(student=ada)
    assert evidence.score == pytest.approx(0.7)
    assert evidence.passed


def test_a_hint_taken_later_costs_nothing_of_what_was_handed_in_before(
    exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    run = judged(ada, WRONG)
    before = run.grade
    exercises.take_hint(exercise, ada, at=timezone.now())
    run.refresh_from_db()

    assert run.grade == before
    assert run.choices["hints"] == []


def test_after_a_pass_hints_are_free(exercise: Lab, judged: Callable[..., Run], ada: User) -> None:
    judged(ada, RIGHT)
    exercises.take_hint(exercise, ada, at=timezone.now())

    assert TakenHint.objects.get(student=ada).cost == 0


def test_beyond_the_last_hint_there_is_none(client: Client, exercise: Lab, ada: User) -> None:
    client.force_login(ada)
    for _ in range(4):
        client.post(f"{PAGE}hint/")

    assert TakenHint.objects.filter(student=ada).count() == 2
    assert "Those are all the hints." in client.get(PAGE).content.decode()


def test_who_gives_up_sees_the_solution_and_counts_half_a_day_later(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    client.force_login(ada)
    client.post(f"{PAGE}give-up/")
    page = client.get(PAGE)
    assert page.context["desk"].solution == EXERCISES[KEY].solution
    assert "counts again from" in page.content.decode()

    practice = judged(ada, RIGHT)
    assert practice.result is not None
    assert practice.result["passed"]
    assert not Evidence.objects.filter(student=ada).exists()

    judged(ada, RIGHT, after=exercises.PAUSE + timedelta(minutes=1))
    evidence = Evidence.objects.get(student=ada)
    assert (evidence.score, evidence.passed) == (0.5, True)


def test_who_has_passed_cannot_give_up(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    judged(ada, RIGHT)
    client.force_login(ada)
    client.post(f"{PAGE}give-up/")

    assert not GivenUp.objects.exists()


def test_every_submission_is_drawn_anew(
    exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    first, second = judged(ada, WRONG), judged(ada, WRONG)

    assert first.draw is not None
    assert second.draw is not None
    assert first.draw.values["seed"] != second.draw.values["seed"]


def test_an_instructor_sees_the_code_of_her_cohort_and_a_stranger_does_not(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User, iris: User, stranger: User
) -> None:
    run = judged(ada, WRONG)
    client.force_login(iris)
    seen = client.get(f"/runs/{run.pk}/").content.decode()
    assert "mean_square" in seen
    assert "Go to line" not in seen  # that is for whoever can change it

    client.force_login(stranger)
    assert client.get(f"/runs/{run.pk}/").status_code == 404
    assert client.get(PAGE).context["run"] is None


def test_the_ladder_shows_how_far_one_is(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User, ben: User
) -> None:
    judged(ada, WRONG)
    judged(ada, RIGHT)
    client.force_login(ada)
    page = client.get("/ladder/").content.decode()
    assert "1 of 1 passed" in page
    assert "2 submissions" in page

    client.force_login(ben)
    assert "0 of 1 passed" in client.get("/ladder/").content.decode()


def test_a_visitor_is_asked_to_sign_in(client: Client, exercise: Lab) -> None:
    for path in ("/ladder/", PAGE, f"{PAGE}answer.py"):
        assert client.get(path).status_code == 302


def test_a_lab_is_no_exercise(client: Client, nap: Lab, ada: User) -> None:
    client.force_login(ada)

    assert client.get(f"/exercises/{nap.key}/").status_code == 404


def test_htmx_gets_the_part_that_changes(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    client.force_login(ada)
    answer = client.post(
        f"{PAGE}submissions/",
        {"code": WRONG, "key": str(uuid.uuid4()), "version": "0"},
        headers={"HX-Request": "true"},
    )
    text = answer.content.decode()

    assert "<html" not in text
    assert "data-live" in text
    # The next submission is another one, made from the draft that this one has saved.
    assert 'hx-swap-oob="innerHTML"' in text
    assert 'name="version" value="1"' in text


def test_a_page_takes_few_queries(
    client: Client,
    exercise: Lab,
    judged: Callable[..., Run],
    ada: User,
    django_assert_max_num_queries: Any,
) -> None:
    for _ in range(3):
        judged(ada, WRONG)
    client.force_login(ada)
    with django_assert_max_num_queries(16):
        client.get(PAGE)
    with django_assert_max_num_queries(6):
        client.get("/ladder/")
