"""What students do at an exercise: drafts, submissions, hints, giving up, the ladder."""

import re
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses.models import Activity, Evidence, Observation, Skill
from labs import exercises, runs
from labs.kinds import REGISTRY
from labs.models import Draft, GivenUp, Hint, Lab, Lane, Run, State, TakenHint, WorkerHost
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


def take_hint(client: Client, number: int) -> Any:
    return client.post(f"{PAGE}hint/", {"number": number})


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
    assert not client.get(PAGE).context["offer"].solution
    run = judged(ada, RIGHT)

    assert run.grade == 1.0
    evidence = Evidence.objects.get(student=ada)
    assert (evidence.score, evidence.passed, evidence.url) == (1.0, True, f"/runs/{run.pk}/")
    page = client.get(PAGE)
    assert page.context["offer"].solution == EXERCISES[KEY].solution
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


def test_a_limit_is_named_with_how_far_and_lists_call_it_judged(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    judged(ada, f"{RIGHT}\nhuge = np.zeros((10**5, 10**5))\n")
    client.force_login(ada)
    page = client.get(PAGE).content.decode()

    # 74.5 GiB were asked for.
    assert re.search(r"A limit was reached: Memory, 76[\d.]+ of 256 MiB\.", page)
    listed = client.get("/runs/").content.decode()
    assert "Judged" in listed
    assert "Succeeded" not in listed


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
    take_hint(client, 1)
    page = client.get(PAGE).content.decode()
    assert "Look at the axis." in page
    assert "Nearly all of it." not in page
    assert "Help has cost 10 %" in page

    take_hint(client, 2)
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
    exercises.take_hint(exercise, ada, 1, at=timezone.now())
    run.refresh_from_db()

    assert run.grade == before
    assert run.choices["hints"] == []


def test_tries_take_no_mastery_and_a_pass_gives_it_once(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    skill = Skill.objects.create(key="rms-norm", title="Norms")
    exercise.activity.skills.add(skill)
    judged(ada, WRONG)
    assert not Observation.objects.exists()
    judged(ada, RIGHT)
    judged(ada, RIGHT)

    assert [seen.score for seen in Observation.objects.all()] == [1.0]
    client.force_login(ada)
    assert "You had passed before" in client.get(PAGE).content.decode()


def test_after_a_pass_hints_are_free(exercise: Lab, judged: Callable[..., Run], ada: User) -> None:
    judged(ada, RIGHT)
    exercises.take_hint(exercise, ada, 1, at=timezone.now())

    assert TakenHint.objects.get(student=ada).cost == 0


def test_beyond_the_last_hint_there_is_none(client: Client, exercise: Lab, ada: User) -> None:
    client.force_login(ada)
    for number in range(1, 5):
        take_hint(client, number)

    assert TakenHint.objects.filter(student=ada).count() == 2
    assert "Those are all the hints." in client.get(PAGE).content.decode()


def test_who_gives_up_sees_the_solution_and_counts_half_a_day_later(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    client.force_login(ada)
    client.post(f"{PAGE}give-up/")
    page = client.get(PAGE)
    assert page.context["offer"].solution == EXERCISES[KEY].solution
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


def test_every_submission_is_drawn_anew_be_the_one_before_cancelled(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    """Or one could hand in, cancel, read the seed in run.json, and prepare for its draws."""
    client.force_login(ada)
    hand_in(client, WRONG)
    cancelled = Run.objects.get()
    client.post(f"/runs/{cancelled.pk}/cancel/")
    seed = client.get(f"/runs/{cancelled.pk}/run.json").json()["drawn"]["seed"]

    hand_in(client, WRONG)
    (next_run,) = Run.objects.exclude(pk=cancelled.pk)
    assert next_run.draw is not None
    assert next_run.draw.values["seed"] != seed


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
    with django_assert_max_num_queries(12):
        client.get(PAGE)
    with django_assert_max_num_queries(4):
        client.get("/ladder/")
    with django_assert_max_num_queries(4):
        client.get(f"{PAGE}answer.py")


@pytest.mark.parametrize("path", ["/runs/", "/ladder/"])
def test_a_list_reads_no_long_texts(
    client: Client,
    exercise: Lab,
    judged: Callable[..., Run],
    ada: User,
    django_assert_max_num_queries: Any,
    path: str,
) -> None:
    """Twenty-five runs with their code, results and labs' texts are megabytes."""
    judged(ada, WRONG)
    client.force_login(ada)
    with django_assert_max_num_queries(40) as queries:
        client.get(path)
    read = [query["sql"] for query in queries if '"labs_' in query["sql"]]
    assert not [sql for sql in read if re.search(r'"(choices|result|body|body_html)"', sql)]


def test_the_pages_of_labs_take_no_code_past_the_price_of_help(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    client.force_login(ada)
    client.post(f"{PAGE}give-up/")
    form = {"choices-code": RIGHT, "key": str(uuid.uuid4())}

    assert client.get(f"/labs/{KEY}/").status_code == 404
    assert client.post(f"/labs/{KEY}/runs/", form).status_code == 404
    assert not Run.objects.exists()


def test_who_goes_back_and_hands_other_code_in_makes_another_submission(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    client.force_login(ada)
    key = str(uuid.uuid4())  # a page that comes from the browser's cache has its old one
    hand_in(client, WRONG, key=key)
    hand_in(client, RIGHT, key=key)

    assert {run.choices["code"] for run in Run.objects.all()} == {WRONG, RIGHT}
    # And the page is not kept, or it would show an old draft.
    assert "no-store" in client.get(PAGE).headers["Cache-Control"]


def test_a_stale_window_hands_in_and_still_writes_over_nothing_unseen(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    client.force_login(ada)
    save(client, "old = 1", 0)
    save(client, "another window's = 2", 1)
    answer = client.post(
        f"{PAGE}submissions/",
        {"code": WRONG, "key": str(uuid.uuid4()), "version": "1"},
        headers={"HX-Request": "true"},
    )

    assert Run.objects.get().choices["code"] == WRONG
    assert Draft.objects.get().code == "another window's = 2"
    assert answer.context["desk"].version == 1
    assert save(client, WRONG, answer.context["desk"].version).status_code == 409


def test_after_a_refused_submission_one_saves_on_without_a_conflict(
    client: Client, exercise: Lab, ada: User
) -> None:
    """No worker is there: the code is kept as the draft, and the page has to know its version."""
    client.force_login(ada)
    save(client, "x = 1", 0)
    answer = client.post(
        f"{PAGE}submissions/",
        {"code": "x = 2", "key": str(uuid.uuid4()), "version": "1"},
        headers={"HX-Request": "true"},
    )

    assert "No worker with a sandbox" in answer.content.decode()
    assert 'name="version" value="2"' in answer.content.decode()
    assert save(client, "x = 3", 2).json() == {"version": 3}


def test_the_page_read_again_after_a_verdict_renews_no_version(
    client: Client, exercise: Lab, ada: User
) -> None:
    """What htmx takes from it is help and submissions; the editor still holds what it held."""
    client.force_login(ada)
    page = client.get(PAGE, headers={"HX-Request": "true"}).content.decode()

    assert "hx-swap-oob" not in page


def test_a_page_hears_that_a_run_was_judged(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    client.force_login(ada)
    hand_in(client, WRONG)
    waiting = Run.objects.get()
    assert "HX-Trigger" not in client.get(f"/runs/{waiting.pk}/state/").headers
    done = judged(ada, RIGHT)

    assert client.get(f"/runs/{done.pk}/state/").headers["HX-Trigger"] == "judged"


def test_a_second_click_on_a_hint_buys_no_other(client: Client, exercise: Lab, ada: User) -> None:
    client.force_login(ada)
    take_hint(client, 1)
    take_hint(client, 1)
    take_hint(client, 3)

    assert [hint.number for hint in TakenHint.objects.all()] == [1]
    assert 'name="number" value="2"' in client.get(PAGE).content.decode()


def test_hints_may_have_gaps_in_their_numbers(client: Client, exercise: Lab, ada: User) -> None:
    """An admin has taken one out."""
    client.force_login(ada)
    take_hint(client, 1)
    Hint.objects.create(lab=exercise, number=3, text="All.", text_html="<p>All.</p>", cost=30)
    Hint.objects.filter(number=1).delete()
    take_hint(client, 2)
    take_hint(client, 3)

    offer = client.get(PAGE).context["offer"]
    assert [(hint.number, hint.cost) for hint in offer.hints] == [(2, 20), (3, 30)]
    assert offer.cost == 60


def test_practice_says_that_it_counts_nothing(
    client: Client, exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    client.force_login(ada)
    client.post(f"{PAGE}give-up/")
    for code in (WRONG, RIGHT):
        judged(ada, code)
        page = client.get(PAGE).content.decode()
        assert "It was practice" in page
        assert "this counts as" not in page


def test_help_never_promises_more_than_it_gives(client: Client, exercise: Lab, ada: User) -> None:
    client.force_login(ada)
    take_hint(client, 1)
    take_hint(client, 2)
    client.post(f"{PAGE}give-up/")

    # 10 and 20 for hints, 50 for the solution.
    assert "for 20 % of the points" in client.get(PAGE).content.decode()


def test_all_points_are_no_pass_where_the_code_does_not_load(
    exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    """Loading earns no points; a function that is not found may all the same be called."""
    run = judged(ada, RIGHT)
    assert run.result is not None
    first, *others = run.result["checks"]
    verdict = run.result | {"passed": False, "checks": [first | {"passed": False}, *others]}
    grade = REGISTRY["code"].grade(runs.work_of(run), verdict)

    assert grade.share == 1.0
    assert not grade.passed


def test_an_error_plot_has_room_where_nothing_is_allowed(
    exercise: Lab, judged: Callable[..., Run], ada: User
) -> None:
    run = judged(ada, WRONG)
    assert run.result is not None
    plot = {"along": "row", "errors": [0.0, 0.5], "allowed": 0.0}
    checks = [check | {"plot": plot} for check in run.result["checks"][:1]]
    (chart,) = REGISTRY["code"].charts(runs.work_of(run), {"checks": checks})

    # A logarithm knows no zero.
    assert all(y > 0 for trace in chart.traces for y in trace["y"])


CAPSTONE = "exercise-forward-pass"


@pytest.fixture
def capstone(exercise: Lab) -> Lab:
    activity = Activity.objects.create(
        key=CAPSTONE, kind="exercise", title="Exercise 16", url=f"/exercises/{CAPSTONE}/"
    )
    return Lab.objects.create(
        activity=activity,
        key=CAPSTONE,
        number=16,
        title="A forward pass",
        question="Are the logits llama.cpp's?",
        kind="code",
        parameters={"exercise": CAPSTONE},
    )


def passed(lab: Lab, student: User, code: str) -> Run:
    """A submission that has passed, whatever its code."""
    run = exercises.submit(
        lab, student=student, code=code, key=uuid.uuid4(), at=timezone.now(), version=0
    )
    Run.objects.filter(pk=run.pk).update(
        state=State.SUCCEEDED, finished_at=timezone.now(), result={"passed": True, "checks": []}
    )
    return run


def test_the_capstone_takes_each_part_from_its_own_rung(
    client: Client, capstone: Lab, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    """An answer may have a helper that is called as another rung's function is."""
    swiglu = Lab.objects.create(
        activity=Activity.objects.create(key="swiglu", kind="exercise", title="9", url="/9/"),
        key="exercise-swiglu",
        number=9,
        title="SwiGLU",
        question="?",
        kind="code",
        parameters={"exercise": "exercise-swiglu"},
    )
    helper = 'def rms_norm(x, weight, eps):\n    return "a helper of swiglu"\n'
    passed(swiglu, ada, f"{helper}\n\n{EXERCISES['exercise-swiglu'].solution}")
    passed(exercise, ada, RIGHT)
    client.force_login(ada)

    assembled = client.get(f"/exercises/{CAPSTONE}/assembled/").content.decode()
    assert "def rms_norm(" in assembled.split("# From exercise-rmsnorm")[1].split("# From")[0]
    page = client.get(f"/exercises/{CAPSTONE}/").content.decode()
    assert "RMSNorm</a>: " in page


def test_an_answer_that_cannot_be_taken_apart_is_named(
    client: Client, capstone: Lab, exercise: Lab, sandbox_online: WorkerHost, ada: User
) -> None:
    passed(exercise, ada, "def rms_norm(:\n")
    client.force_login(ada)
    answer = client.get(f"/exercises/{CAPSTONE}/assembled/")

    assert answer.status_code == 422
    assert "exercise-rmsnorm" in answer.content.decode()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
def test_a_submission_costs_no_more_after_a_thousand_others(
    client: Client, exercise: Lab, sandbox_online: WorkerHost, ada: User, ben: User
) -> None:
    now = timezone.now()
    exercises.submit(exercise, student=ben, code=RIGHT, key=uuid.uuid4(), at=now, version=0)
    client.force_login(ada)
    with CaptureQueriesContext(connection) as captured:
        hand_in(client, RIGHT)
        client.get(PAGE)
        runs.hand_over(Lane.CODE, at=now)
        runs.reap(at=now)

    plans = []
    with connection.cursor() as cursor:
        for query in captured:
            if 'FROM "labs_run"' in query["sql"]:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                plans += [step for *_, step in cursor.fetchall() if "labs_run" in step]
    assert {"run_queue", "run_past", "run_lease"} <= set(re.findall(r"\brun_\w+", str(plans)))
    # It looks through neither every run there is, nor every one of the lane or of the lab.
    assert not [step for step in plans if re.search(r"SCAN|\((lane|lab_id)=\?\)", step)]
