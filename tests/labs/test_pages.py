"""The pages of labs and runs, through the test client."""

import csv
import io
import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from labs import loading, runs
from labs.models import Fault, Lab, Prediction, Run, State, WorkerHost
from people.models import User
from tests.labs.conftest import make_lab, start


@pytest.fixture
def done(nap: Lab, ada: User) -> Run:
    """A run of Ada's that succeeded."""
    run = start(nap, ada, predicted=0.5)
    claim = runs.claim(run.pk, worker="host:1", at=timezone.now())
    assert claim is not None
    assert runs.succeed(claim, {"seconds": 0.5}, at=timezone.now())
    run.refresh_from_db()
    return run


def submission(**fields: Any) -> dict[str, Any]:
    return {
        "key": str(uuid.uuid4()),
        "prediction-seconds": "1",
        "choices-pause": "0",
    } | fields


@pytest.fixture
def signed_in(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def test_the_lab_page_asks_tells_the_draw_and_warns_when_no_worker_is_there(
    signed_in: Client, nap: Lab
) -> None:
    page = signed_in.get("/labs/nap/").text
    assert "How long will it take, in seconds?" in page
    assert "No worker is online" in page

    now = timezone.now()
    WorkerHost.objects.create(name="w", lanes=["quick"], started_at=now, seen_at=now)
    page = signed_in.get("/labs/nap/").text
    assert "No worker is online" not in page
    assert "1 worker online" in page

    WorkerHost.objects.update(seen_at=now - timedelta(minutes=1))
    assert "No worker is online" in signed_in.get("/labs/nap/").text


def test_a_submission_makes_a_run_with_its_prediction(
    signed_in: Client, nap: Lab, ada: User
) -> None:
    answer = signed_in.post("/labs/nap/runs/", submission())
    run = Run.objects.get()
    assert answer.headers["Location"] == f"/runs/{run.pk}/"
    assert (run.student, run.state, run.choices) == (ada, State.QUEUED, {"pause": 0.0})
    assert Prediction.objects.get().values == {"seconds": 1.0}


def test_a_double_click_makes_one_run(signed_in: Client, nap: Lab) -> None:
    twice = submission()
    first = signed_in.post("/labs/nap/runs/", twice)
    second = signed_in.post("/labs/nap/runs/", twice)
    assert first.headers["Location"] == second.headers["Location"]
    assert Run.objects.count() == 1


def test_what_was_typed_stays_when_something_is_wrong(signed_in: Client, nap: Lab) -> None:
    answer = signed_in.post("/labs/nap/runs/", submission(**{"prediction-seconds": "soon"}))
    assert answer.status_code == 422
    assert 'value="soon"' in answer.text
    assert "Enter a number." in answer.text
    assert not Run.objects.exists()


def test_a_made_prediction_is_shown_and_cannot_be_changed(signed_in: Client, nap: Lab) -> None:
    signed_in.post("/labs/nap/runs/", submission(**{"prediction-seconds": "7.5"}))
    page = signed_in.get("/labs/nap/").text
    assert "You made this prediction before" in page
    assert 'value="7.5"' in page

    signed_in.post("/labs/nap/runs/", submission(**{"prediction-seconds": "0"}))
    assert Prediction.objects.get().values == {"seconds": 7.5}
    assert Run.objects.count() == 2


def test_a_prediction_is_never_locked_on_values_that_were_not_on_the_page(
    signed_in: Client, nap: Lab
) -> None:
    first, second = submission(draw="1"), submission(draw="1", **{"prediction-seconds": "4"})
    run = Run.objects.get(pk=_number(signed_in.post("/labs/nap/runs/", first)))
    claim = runs.claim(run.pk, worker="w", at=timezone.now())
    assert claim is not None
    runs.succeed(claim, {"seconds": 1.0}, at=timezone.now())

    answer = signed_in.post("/labs/nap/runs/", second)
    assert answer.status_code == 422
    assert "These are new values" in answer.text
    assert 'name="draw" value="2"' in answer.text
    assert 'value="4"' in answer.text
    assert Prediction.objects.count() == 1
    # The page brought back and sent again finds the run that it made.
    assert _number(signed_in.post("/labs/nap/runs/", first)) == run.pk


def _number(answer: Any) -> int:
    """The number of the run that a submission leads to."""
    return int(answer.headers["Location"].split("/")[-2])


def test_a_conclusion_handed_in_twice_leads_back_to_the_run(signed_in: Client, done: Run) -> None:
    Run.objects.filter(pk=done.pk).update(conclusion={"told": "all"})
    answer = signed_in.post(f"/runs/{done.pk}/conclusion/", {})
    assert answer.headers["Location"] == f"/runs/{done.pk}/"


def test_a_used_up_quota_is_said_on_the_page(signed_in: Client, nap: Lab, settings: Any) -> None:
    settings.RUN_QUOTA_PER_DAY = 1
    signed_in.post("/labs/nap/runs/", submission())
    answer = signed_in.post("/labs/nap/runs/", submission())
    assert answer.status_code == 422
    assert "You have used your 1 runs of the last 24 hours." in answer.text


def test_the_run_page_leads_with_question_grade_and_prediction(
    signed_in: Client, done: Run
) -> None:
    page = signed_in.get(f"/runs/{done.pk}/").text
    assert "What happens?" in page
    assert "100 %" in page
    assert "Passed." in page
    assert "Exact." in page
    assert 'data-chart="chart-nap"' in page


@pytest.mark.parametrize(
    "path",
    [
        *("", "state/", "run.json", "run.csv", "files/events.jsonl"),
        *("events/?attempt=1", "cancel/", "conclusion/"),
    ],
)
def test_a_stranger_sees_nothing_of_a_run(
    client: Client, done: Run, stranger: User, path: str
) -> None:
    client.force_login(stranger)
    method = client.post if path in ("cancel/", "conclusion/") else client.get
    assert method(f"/runs/{done.pk}/{path}").status_code == 404


def test_the_instructor_reads_a_students_run_but_cannot_cancel_it(
    client: Client, done: Run, iris: User
) -> None:
    client.force_login(iris)
    page = client.get(f"/runs/{done.pk}/")
    assert page.status_code == 200
    assert "Try again with new values" not in page.text
    assert client.post(f"/runs/{done.pk}/cancel/").status_code == 404


def test_signed_out_one_is_sent_to_sign_in(client: Client, done: Run) -> None:
    for path in ("/runs/", f"/runs/{done.pk}/", "/labs/nap/"):
        assert client.get(path).headers["Location"] == f"/accounts/login/?next={path}"
    assert client.get(f"/runs/{done.pk}/events/?attempt=1").status_code == 404


def test_the_record_can_be_taken_along(signed_in: Client, done: Run) -> None:
    record = json.loads(signed_in.get(f"/runs/{done.pk}/run.json").content)
    assert record["result"] == {"seconds": 0.5}
    assert record["prediction"] == {"seconds": 0.5}
    assert record["grade"] == 1.0

    rows = list(csv.reader(io.StringIO(signed_in.get(f"/runs/{done.pk}/run.csv").text)))
    assert rows[:4] == [["The nap"], ["", "Seconds"], ["Predicted", "0.5"], ["Measured", "0.5"]]


def test_a_run_that_failed_through_our_fault_says_so(
    signed_in: Client, nap: Lab, ada: User
) -> None:
    run = start(nap, ada)
    claim = runs.claim(run.pk, worker="w", at=timezone.now())
    assert claim is not None
    runs.end(claim, State.FAILED, "The disk is full.", fault=Fault.OURS, at=timezone.now())
    page = signed_in.get(f"/runs/{run.pk}/").text
    assert "This was our fault" in page
    assert "The disk is full." in page
    assert "Run it again" in page


def test_a_queued_run_says_how_long_the_wait_may_be(
    client: Client, done: Run, nap: Lab, ada: User, ben: User
) -> None:
    start(nap, ada)
    waiting = start(nap, ben)
    client.force_login(ben)
    page = client.get(f"/runs/{waiting.pk}/").text
    assert "1 run before yours, about 1 s from past runs." in page


def test_the_pages_cost_the_same_however_long_the_history(
    signed_in: Client,
    nap: Lab,
    ada: User,
    done: Run,
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    for _ in range(30):
        start(nap, ada)
    for path in ("/labs/nap/", f"/runs/{done.pk}/", "/runs/"):
        with django_assert_max_num_queries(12):
            assert signed_in.get(path).status_code == 200


def test_an_unknown_lab_is_not_found(signed_in: Client, db: None) -> None:
    assert signed_in.get("/labs/nowhere/").status_code == 404
    assert signed_in.post("/labs/nowhere/runs/", submission()).status_code == 404


def test_a_lab_that_an_admin_added_outlives_a_loading_of_the_files(
    nap: Lab, tmp_path: Path
) -> None:
    loaded = make_lab("from-a-file", "nap", {})
    Lab.objects.filter(pk=loaded.pk).update(digest="1234")
    loading.load(tmp_path)
    assert list(Lab.objects.filter(retired=False)) == [nap]
