"""Labs come from files or from the admin, through one schema; mistakes name their line."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from courses.documents import CourseFileError
from courses.models import Activity, Module
from labs import loading
from labs.models import Hint, Lab
from people.models import User
from tests.labs.conftest import start

FILE = """---
key: long-nap
number: 7
title: A Long Nap
question: How long is long?
kind: nap
minutes: 5
parameters:
  steps: 4
---
Lie down. $E = mc^2$.
"""


@pytest.fixture
def module(db: None) -> Module:
    return Module.objects.create(
        key="rest", number=1, title="Rest", summary="Resting.", weeks="1", position=0
    )


@pytest.fixture
def folder(tmp_path: Path, module: Module) -> Path:
    labs = tmp_path / module.key / "labs"
    labs.mkdir(parents=True)
    (labs / "long-nap.md").write_text(FILE)
    return tmp_path


def test_a_lab_is_loaded_once_and_again_when_its_file_changes(folder: Path) -> None:
    assert loading.load(folder) == 1
    lab = Lab.objects.get(key="long-nap")
    assert lab.parameters == {"steps": 4}
    assert "<math" in lab.body_html
    assert lab.activity.is_open
    assert loading.load(folder) == 0

    file = folder / "rest" / "labs" / "long-nap.md"
    file.write_text(FILE.replace("steps: 4", "steps: 5"))
    assert loading.load(folder) == 1
    lab.refresh_from_db()
    assert lab.parameters == {"steps": 5}


EXERCISE = """---
key: exercise-rmsnorm
number: 2
title: RMSNorm
question: What does a model do to every token?
kind: code
minutes: 30
parameters:
  exercise: exercise-rmsnorm
hints:
  - {cost: 5, text: Look at the *axis*.}
  - {cost: 10, text: Nearly all of it.}
---
Write it.
"""


def test_an_exercise_is_an_activity_of_its_own_kind_with_hints(folder: Path) -> None:
    file = folder / "rest" / "exercises" / "exercise-rmsnorm.md"
    file.parent.mkdir()
    file.write_text(EXERCISE)
    loading.load(folder)
    lab = Lab.objects.get(key="exercise-rmsnorm")
    assert (lab.activity.kind, lab.activity.url) == ("exercise", "/exercises/exercise-rmsnorm/")
    assert str(lab) == "Exercise 2: RMSNorm"
    assert [(hint.cost, hint.text_html) for hint in lab.hints.all()] == [
        (5, "<p>Look at the <em>axis</em>.</p>\n"),
        (10, "<p>Nearly all of it.</p>\n"),
    ]

    file.write_text(EXERCISE.replace("  - {cost: 10, text: Nearly all of it.}\n", ""))
    loading.load(folder)
    assert lab.hints.count() == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("exercise: exercise-rmsnorm", "exercise: exercise-nothing", 9, "there is no exercise"),
        ("cost: 5,", "cost: 90,", 11, "cost"),
    ],
)
def test_a_mistake_in_an_exercise_names_its_line(
    folder: Path, old: str, new: str, line: int, said: str
) -> None:
    file = folder / "rest" / "exercises" / "exercise-rmsnorm.md"
    file.parent.mkdir()
    file.write_text(EXERCISE.replace(old, new))
    with pytest.raises(CourseFileError) as caught:
        loading.load(folder)
    assert f"exercise-rmsnorm.md:{line}: " in str(caught.value)
    assert said in str(caught.value)


def test_a_run_keeps_the_parameters_it_was_started_with(folder: Path, ada: User) -> None:
    loading.load(folder)
    run = start(Lab.objects.get(), ada)
    file = folder / "rest" / "labs" / "long-nap.md"
    file.write_text(FILE.replace("steps: 4", "steps: 5"))
    loading.load(folder)
    run.refresh_from_db()
    assert run.parameters == {"steps": 4}


def test_a_lab_whose_file_is_gone_is_retired_with_its_activity(
    folder: Path, client: Client, ada: User
) -> None:
    loading.load(folder)
    (folder / "rest" / "labs" / "long-nap.md").unlink()
    loading.load(folder)
    lab = Lab.objects.get()
    assert lab.retired
    assert not lab.activity.is_open
    client.force_login(ada)
    assert client.get("/labs/long-nap/").status_code == 404


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        (("kind: nap", "kind: nip"), 6, "there is no kind of lab 'nip'"),
        (("steps: 4", "steps: many"), 9, "`steps` cannot be 'many'"),
        (("steps: 4", "step: 4"), 9, "there is no field `step` here; write `steps`"),
        (("number: 7\n", ""), 2, "`number` is missing"),
        (("key: long-nap", "key: short-nap"), 2, "does not fit the name of the file"),
        (("minutes: 5", "minutes: 5\nresource: nowhere"), 8, "there is no resource 'nowhere'"),
        (("minutes: 5", "minutes: 5\nskills: [dozing]"), 8, "there is no skill 'dozing'"),
        (("$E = mc^2$", "$\\frac{E$"), 11, "formula"),
    ],
)
def test_a_mistake_names_its_line_and_nothing_is_loaded(
    folder: Path, wrong: tuple[str, str], line: int, said: str
) -> None:
    file = folder / "rest" / "labs" / "long-nap.md"
    file.write_text(FILE.replace(*wrong))
    with pytest.raises(CourseFileError) as error:
        loading.load(folder)
    assert f"{file}:{line}: " in str(error.value)
    assert said in str(error.value)
    assert not Lab.objects.exists()


def as_form(**changes: Any) -> dict[str, Any]:
    return {
        "key": "new-nap",
        "number": "8",
        "title": "A New Nap",
        "question": "How new?",
        "kind": "nap",
        "parameters": '{"steps": 2}',
        "minutes": "5",
        "body": "Lie **down**.",
        "hints-TOTAL_FORMS": "0",
        "hints-INITIAL_FORMS": "0",
    } | changes


def test_an_admin_adds_and_edits_a_lab(client: Client, olga: User, module: Module) -> None:
    client.force_login(olga)
    added = client.post("/admin/labs/lab/add/", as_form(module=module.pk))
    assert added.status_code == 302
    lab = Lab.objects.get(key="new-nap")
    assert "<strong>down</strong>" in lab.body_html
    assert lab.activity.url == "/labs/new-nap/"

    edited = as_form(module=module.pk, title="An Older Nap", parameters=json.dumps({"steps": 9}))
    client.post(f"/admin/labs/lab/{lab.pk}/change/", edited)
    lab.refresh_from_db()
    assert (lab.title, lab.parameters) == ("An Older Nap", {"steps": 9})
    assert lab.activity.title == "Lab 8: An Older Nap"


def test_an_admin_writes_a_hint_and_keeps_it_when_the_lab_changes(
    client: Client, olga: User, module: Module, exercise: Lab
) -> None:
    client.force_login(olga)
    Activity.objects.filter(lab=exercise).update(module=module)
    Hint.objects.filter(lab=exercise).delete()
    form = as_form(
        module=module.pk,
        kind="code",
        parameters=json.dumps(exercise.parameters),
        **{
            "hints-TOTAL_FORMS": "1",
            "hints-0-number": "1",
            "hints-0-text": "Look at the *axis*.",
            "hints-0-cost": "5",
        },
    )
    address = f"/admin/labs/lab/{exercise.pk}/change/"
    assert client.post(address, form).status_code == 302
    hint = exercise.hints.get()
    assert hint.text_html == "<p>Look at the <em>axis</em>.</p>\n"

    kept = form | {"hints-INITIAL_FORMS": "1", "hints-0-id": hint.pk, "title": "Norms"}
    # A gap that one leaves between two numbers is one's own.
    kept["hints-0-number"] = "3"
    for _ in range(2):
        assert client.post(address, kept).status_code == 302
        after = exercise.hints.get()
        assert (after.pk, after.number, after.text) == (hint.pk, 3, "Look at the *axis*.")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": '{"steps": "many"}'}, "`steps` cannot be &#x27;many&#x27;"),
        ({"minutes": "0"}, "greater than or equal to 1"),
        ({"body": "$\\frac{E$"}, "formula"),
        ({"parameters": "{"}, "Enter a valid JSON"),
    ],
)
def test_an_admins_mistake_is_said_at_its_field_and_nothing_is_saved(
    client: Client, olga: User, module: Module, changes: dict[str, str], said: str
) -> None:
    client.force_login(olga)
    answer = client.post("/admin/labs/lab/add/", as_form(module=module.pk, **changes))
    assert answer.status_code == 200
    assert said in answer.text
    assert not Lab.objects.exists()


def test_runs_can_be_looked_at_and_not_changed_in_the_admin(
    client: Client, olga: User, nap: Lab, ada: User
) -> None:
    run = start(nap, ada)
    client.force_login(olga)
    assert client.get("/admin/labs/run/").status_code == 200
    page = client.get(f"/admin/labs/run/{run.pk}/change/")
    assert page.status_code == 200
    assert client.post(f"/admin/labs/run/{run.pk}/change/", {"state": "failed"}).status_code == 403
    run.refresh_from_db()
    assert run.state == "queued"
    assert run.created_at <= timezone.now()
