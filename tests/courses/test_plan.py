"""Paths as queries, the plan with dates, the diagnostic, and the calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path as File

import icalendar
import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from courses import attempts, evidence, loading, paths, placement, plan, track
from courses.documents import CourseFileError
from courses.models import Activity, Evidence, Module, Path, Place, Quiz, Resource, StudyPlan
from courses.placement import Area, path_for
from people.models import Cohort, User

MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def module(toys: loading.Loaded) -> Module:
    return Module.objects.get(key="toys")


def planned(student: User, module: Module, **choice: object) -> StudyPlan:
    defaults = {"path": Path.STANDARD, "starts_on": MONDAY, "hours_a_week": 1}
    return StudyPlan.objects.create(student=student, module=module, **{**defaults, **choice})


def schedule(student: User, module: Module, on: date) -> plan.Schedule:
    found = track.of(student, module)
    assert found.plan
    return plan.schedule(found.plan, found.on_path, found.stops, found.record, on=on)


def passes(student: User, key: str) -> Evidence:
    return evidence.record(
        student=student,
        activity=Activity.objects.get(key=key),
        score=1.0,
        passed=True,
        source="a test",
        url="/",
        at=NOW,
    )


def test_a_path_is_a_query_over_stars_and_kinds(module: Module) -> None:
    def keys(path: Path) -> set[str]:
        return set(paths.resources(path, module).values_list("key", flat=True))

    assert keys(Path.FAST) == {"blocks"}
    assert keys(Path.STANDARD) == {"blocks", "balls"}
    Resource.objects.filter(key="balls").update(type="video", stars=None, learning_value=5)
    assert keys(Path.STANDARD) == {"blocks"}
    assert keys(Path.DEEP) == {"blocks", "balls"}


@given(st.sampled_from(Path), st.none() | st.integers(1, 3), st.sampled_from(Resource.Type))
def test_the_rule_of_a_path_says_what_its_query_finds(
    path: Path, stars: int | None, kind: Resource.Type
) -> None:
    video = kind == Resource.Type.VIDEO
    if (stars is None) is not video:
        return
    fewest = {Path.FAST: 3, Path.STANDARD: 2, Path.DEEP: 1}[path]
    expected = path is Path.DEEP if video else (stars or 0) >= fewest
    assert paths.RULES[path].holds(Resource(type=kind, stars=stars)) is expected


def test_the_choices_say_what_each_path_takes(module: Module) -> None:
    fast, standard, deep = paths.choices(module, Resource.objects.all())
    assert (fast.readings, fast.minutes) == (1, 30)
    assert (standard.readings, standard.minutes) == (2, 50)
    assert (deep.path, deep.readings) == (Path.DEEP, 2)


def test_on_fast_an_exercise_earns_and_is_never_what_comes_next(ada: User, module: Module) -> None:
    reading = Resource.objects.get(key="blocks")
    exercise = Activity.objects.create(
        key="exercise-blocks", kind="exercise", title="Blocks", url="/blocks/", module=module
    )
    for objective in reading.objectives.all():
        objective.activities.set([exercise])
    Place.objects.create(student=ada, resource=reading)

    def steps(path: Path) -> list[str]:
        StudyPlan.objects.update_or_create(
            student=ada, module=module, defaults={"path": path, "starts_on": MONDAY}
        )
        step = track.of(ada, module).step()
        return [step.title] if step else []

    assert steps(Path.STANDARD) == ["Blocks"]
    assert "Blocks" not in steps(Path.FAST)
    assert exercise not in paths.practice(Path.FAST, module)
    passes(ada, "exercise-blocks")
    assert next(u for u in track.of(ada, module).units if u.resource == reading).is_done


def test_each_reading_of_the_path_stands_once_in_the_plan(ada: User, module: Module) -> None:
    for path in Path:
        StudyPlan.objects.all().delete()
        planned(ada, module, path=path)
        titles = [
            task.title
            for block in schedule(ada, module, MONDAY).blocks
            for task in block.tasks
            if task.kind == "reading"
        ]
        expected = paths.resources(path, module).values_list("title", flat=True)
        assert sorted(titles) == sorted(expected)


def test_the_blocks_follow_each_other_and_the_start_moves_them_all(
    ada: User, module: Module
) -> None:
    chosen = planned(ada, module)
    blocks = schedule(ada, module, MONDAY).blocks
    assert blocks[0].first == MONDAY
    for before, after in pairwise(blocks):
        assert before.first <= before.last < after.first
    StudyPlan.objects.filter(pk=chosen.pk).update(starts_on=MONDAY + timedelta(days=10))
    later = schedule(ada, module, MONDAY).blocks
    assert [block.first - timedelta(days=10) for block in later] == [
        block.first for block in blocks
    ]


@pytest.mark.parametrize(("hours", "days"), [(1, 11), (2, 7), (60, 7)])
def test_more_hours_a_week_shorten_it_but_every_block_keeps_a_day(
    ada: User, module: Module, hours: int, days: int
) -> None:
    # 30 and 20 minutes of reading and a lab of 45: about an hour and a half.
    planned(ada, module, hours_a_week=hours)
    found = schedule(ada, module, MONDAY)
    assert (found.ends_on - MONDAY).days + 1 == pytest.approx(days, abs=2)
    assert all(block.last >= block.first for block in found.blocks)


def test_what_is_read_if_one_likes_takes_no_days(ada: User, module: Module) -> None:
    planned(ada, module)
    found = schedule(ada, module, MONDAY)
    assert [task.title for task in found.blocks[0].tasks if task.kind == "extra"] == ["More blocks"]
    assert found.blocks[0].minutes == 30
    before = found.ends_on
    module.plan["weeks"][0]["blocks"][0]["extra"][0]["minutes"] = 900
    module.save()
    assert schedule(ada, module, MONDAY).ends_on == before


def test_what_was_due_and_is_not_done_is_behind(ada: User, module: Module) -> None:
    planned(ada, module)
    first = schedule(ada, module, MONDAY).blocks[0]
    assert schedule(ada, module, first.last).verdict == "on time"
    late = schedule(ada, module, first.last + timedelta(days=1))
    assert [task.title for task in late.behind] == ["Blocks"]
    assert late.verdict == "1 task behind, about 30 minutes"
    passes(ada, "quiz-blocks")
    assert schedule(ada, module, first.last + timedelta(days=1)).verdict == "on time"


def test_what_is_done_before_its_time_is_ahead(ada: User, module: Module) -> None:
    planned(ada, module)
    passes(ada, "quiz-blocks")
    early = schedule(ada, module, MONDAY - timedelta(days=1))
    assert early.verdict == "1 task ahead"


def test_what_is_announced_makes_nobody_late(ada: User, module: Module) -> None:
    planned(ada, module)
    passes(ada, "quiz-blocks")
    towers = Activity.objects.get(key="lab-towers")
    assert not towers.is_open
    end = schedule(ada, module, MONDAY).ends_on
    behind = schedule(ada, module, end + timedelta(days=30)).behind
    assert towers.title not in [task.title for task in behind]


def test_switching_the_path_loses_nothing(client: Client, ada: User, module: Module) -> None:
    passes(ada, "quiz-blocks")
    client.force_login(ada)
    today = timezone.localdate().isoformat()
    for path in ("fast", "deep", "standard"):
        choice = {"path": path, "starts_on": today, "hours_a_week": "5"}
        assert client.post("/modules/toys/plan/", choice).status_code == 302
        assert StudyPlan.objects.get().path == path
        assert track.of(ada, module).earned == 2


@pytest.mark.parametrize("held", [{}, None])
def test_a_plan_without_a_block_has_a_page(
    client: Client, ada: User, module: Module, held: dict[str, object] | None
) -> None:
    """A module may have no plan, and a path nothing of what is in it."""
    if held is None:
        weeks = [{**week, "blocks": []} for week in module.plan["weeks"]]
        held = {"weeks": weeks}
    Module.objects.update(plan=held)
    planned(ada, module)
    client.force_login(ada)
    assert client.get("/").status_code == 200
    assert client.get("/modules/toys/plan.ics").status_code == 200
    page = client.get("/modules/toys/plan/").content.decode()
    assert "2 March to 2 March 2026" in page


def test_two_tabs_that_make_the_first_plan_make_one(
    client: Client, ada: User, module: Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Another tab has made one after this one looked.
    planned(ada, module)
    monkeypatch.setattr(plan, "chosen", lambda *_arguments: None)
    client.force_login(ada)
    choice = {"path": "fast", "starts_on": timezone.localdate().isoformat(), "hours_a_week": "5"}
    assert client.post("/modules/toys/plan/", choice).status_code == 302
    found = StudyPlan.objects.get()
    assert (found.path, found.hours_a_week) == ("fast", 5)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("path", "lazy", "Select a valid choice"),
        ("hours_a_week", "0", "greater than or equal to 1"),
        ("hours_a_week", "many", "Enter a whole number"),
        ("starts_on", "soon", "Enter a valid date"),
        ("starts_on", "2199-01-01", "within a year of today"),
    ],
)
def test_a_plan_that_cannot_be_says_why_and_keeps_what_was_typed(
    client: Client, ada: User, module: Module, field: str, value: str, words: str
) -> None:
    client.force_login(ada)
    today = timezone.localdate().isoformat()
    typed = {"path": "fast", "starts_on": today, "hours_a_week": "5", field: value}
    answer = client.post("/modules/toys/plan/", typed)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not StudyPlan.objects.exists()


@pytest.mark.parametrize(("days", "expected"), [(-20, 0), (9, 9)])
def test_a_new_plan_begins_with_the_cohort_and_never_late(
    client: Client, ada: User, cohort: Cohort, module: Module, days: int, expected: int
) -> None:
    today = timezone.localdate()
    cohort.starts_on = today + timedelta(days=days)
    cohort.save()
    client.force_login(ada)
    form = client.get("/modules/toys/plan/").context["form"]
    assert form["starts_on"].value() == today + timedelta(days=expected)


def test_the_plan_is_the_students_own(client: Client, ada: User, ben: User, module: Module) -> None:
    planned(ada, module, path=Path.FAST)
    client.force_login(ben)
    assert "Make your plan" in client.get("/modules/toys/plan/").content.decode()
    client.logout()
    assert client.get("/modules/toys/plan/").status_code == 302


def test_the_plan_takes_few_queries(
    client: Client,
    ada: User,
    module: Module,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    planned(ada, module)
    client.force_login(ada)
    for url in ("/modules/toys/plan/", "/modules/toys/", "/progress/"):
        with django_assert_max_num_queries(12):
            assert client.get(url).status_code == 200


def test_the_calendar_holds_the_blocks(client: Client, ada: User, module: Module) -> None:
    planned(ada, module)
    client.force_login(ada)
    answer = client.get("/modules/toys/plan.ics")
    assert answer["Content-Type"].startswith("text/calendar")
    events = icalendar.Calendar.from_ical(answer.content).walk("VEVENT")
    blocks = schedule(ada, module, MONDAY).blocks
    assert [event.decoded("dtstart") for event in events] == [block.first for block in blocks]
    assert "Read about blocks." in str(events[0]["description"])


def test_a_reading_twice_in_the_plan_or_not_at_all_is_a_mistake(files: File) -> None:
    path = files / "toys" / "plan.yaml"
    good = path.read_text()
    path.write_text(good.replace("[balls]", "[balls, blocks]"))
    with pytest.raises(CourseFileError, match="'blocks' stands in the plan a second time"):
        loading.load(files)
    path.write_text(good.replace("[balls]", "[]"))
    with pytest.raises(CourseFileError, match="the plan leaves out 'balls'"):
        loading.load(files)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_the_placement_follows_its_rule(scores: list[float]) -> None:
    areas = [Area(f"a{n}", "An area", score) for n, score in enumerate(scores)]
    path = path_for(areas)
    if min(scores) < 0.8:
        assert path == Path.FAST
    elif min(scores) < 1:
        assert path == Path.STANDARD
    else:
        assert path == Path.DEEP


def test_the_diagnostic_proposes_a_path_and_lets_one_test_out(
    client: Client, ada: User, module: Module
) -> None:
    Quiz.objects.filter(key="quiz-blocks").update(key=placement.DIAGNOSTIC)
    attempt = attempts.start(student=ada, quiz=Quiz.objects.get(), at=NOW, seed=3)
    items = attempts.items(attempt)
    for item in items:
        right = item.question.skill == "counting"
        make = item.question.right if right else item.question.wrong
        item.answer.response = list(make(item.seed))
    attempts.submit(attempt, items, at=NOW)
    proposal = placement.proposal(ada)
    assert proposal
    assert {area.key: area.is_sure for area in proposal.areas} == {
        "counting": True,
        "sorting": False,
    }
    assert proposal.path == Path.FAST
    client.force_login(ada)
    page = client.get(attempt.get_absolute_url()).content.decode()
    assert "The Fast path" in page
    assert "Test out of it" in page
    form = client.get("/modules/toys/plan/").context["form"]
    assert form["path"].value() == Path.FAST
