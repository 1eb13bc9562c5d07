"""The course as it ships: every line of the reading list, and what must hold of all of it."""

import json
from collections.abc import Iterator
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries, DjangoDbBlocker

from campus.management.commands.loadcourse import load
from courses import paths, report
from courses.checking import SEEDS, answers_itself
from courses.models import (
    Activity,
    Checkpoint,
    Mention,
    Module,
    Objective,
    Path,
    Question,
    Resource,
    Skill,
    Term,
)
from courses.questions import parse
from people.models import User


@pytest.fixture(scope="module", autouse=True)
def _course(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The real course, loaded once for this file."""
    with django_db_blocker.unblock():
        load(settings.COURSE_DIR)
        yield
        call_command("flush", verbosity=0, interactive=False)


pytestmark = pytest.mark.django_db


@pytest.fixture
def module() -> Module:
    return Module.objects.get(key="foundations")


def found(module: Module) -> dict[str, report.Line]:
    return {line.asks: line for line in report.lines(module)}


def test_every_line_of_the_reading_list_is_met(module: Module) -> None:
    assert [str(line) for line in report.lines(module) if not line.is_met] == []


@pytest.mark.parametrize(
    ("asks", "count"),
    [
        ("Fast path: 340 minutes", 340),
        ("Fast path: readings", 7),
        ("Standard path: 590 minutes", 590),
        ("Standard path: readings", 15),
        ("Deep path: more than Standard", 18),
        ("Videos, with their true lengths", 3),
        ("Competencies that must be mastered", 5),
        ("Modules to come, with what they will hold", 8),
        ("Checkpoint 1: Architecture: gates that can be passed", 4),
        ("Checkpoint 2: Quantization: gates that can be passed", 4),
        ("Checkpoint 3: Format and tooling: gates that can be passed", 4),
        ("Teach-backs", 3),
        ("The reading list's own terms", 15),
        ("Pitfalls", 4),
        ("Advanced readings, no address twice", 8),
        ("Types of question", 8),
        ("Interactive figures", 12),
        ("Day blocks", 9),
        ("Readings, each in one block", 18),
        ("Study-group questions with model answers", 9),
    ],
)
def test_the_report_counts(module: Module, asks: str, count: int) -> None:
    assert found(module)[asks].count == count


def test_the_report_is_json_too() -> None:
    out = StringIO()
    call_command("checkcourse", "--report", "--json", stdout=out)
    document = json.loads(out.getvalue())
    assert document["module"] == "foundations"
    assert all(line["met"] for line in document["lines"])


def test_the_lengths_of_the_videos_are_the_true_ones() -> None:
    videos = Resource.objects.filter(type="video").order_by("number")
    assert list(videos.values_list("minutes_full", flat=True)) == [26, 117, 41]


def test_there_are_120_questions_and_more_and_five_of_three_types_for_each_reading(
    module: Module,
) -> None:
    assert found(module)["Questions"].count >= 120
    for resource in Resource.objects.published():
        types = [
            question.type
            for quiz in resource.quizzes.filter(retired=False)
            for question in quiz.questions.filter(retired=False)
        ]
        assert len(types) >= 5, resource
        assert len(set(types)) >= 3, resource


def test_every_question_is_answered_right_and_wrong_for_every_seed() -> None:
    assert SEEDS == 20
    wrong = {}
    for question in Question.objects.filter(retired=False).select_related("current"):
        assert question.current
        if problems := list(answers_itself(parse(question.current.content))):
            wrong[question.key] = problems
    assert wrong == {}


def test_every_question_tests_a_skill_that_is_a_leaf_and_explains_itself() -> None:
    for question in Question.objects.filter(retired=False).select_related("current", "skill"):
        assert question.skill, question
        assert not question.skill.parts.exists(), question
        assert question.current
        assert len(question.current.content["explanation"]) > 40, question


def test_always_taking_the_longest_choice_does_not_pay() -> None:
    assert report.longest_choice_scores() <= 0.4


def test_every_leaf_leads_up_to_a_competency_or_an_area_that_carries_one() -> None:
    tops = {"model-architecture", "llama-cpp-practice", "starting-points"}
    for skill in Skill.objects.published().prefetch_related("part_of"):
        wholes = {whole.key: whole.competency for whole in skill.part_of.all()}
        if not wholes:
            assert skill.competency or skill.key in tops, skill
        for key, competency in wholes.items():
            assert competency or key in tops, skill


def test_every_competency_can_be_seen_from_questions_and_by_doing() -> None:
    for competency in Skill.objects.filter(competency=True):
        leaves = competency.parts.all()
        assert Question.objects.filter(skill__in=leaves, retired=False).count() >= 10, competency
        doing = Activity.objects.filter(skills__in=leaves, kind__in=("lab", "exercise"))
        assert doing.exists(), competency


def test_every_objective_can_be_earned_now_or_is_announced() -> None:
    for objective in Objective.objects.filter(resource__retired=False):
        activities = objective.activities.all()
        assert any(activity.is_open or activity.planned for activity in activities), objective


def test_every_reading_has_a_diagram_a_derivation_or_video_and_a_calculator() -> None:
    for resource in Resource.objects.published():
        assert 'class="diagram"' in resource.body_html, resource
        assert resource.data["calculators"], resource
        if resource.type != Resource.Type.VIDEO:
            assert 'class="derivation"' in resource.body_html, resource


def test_the_gates_send_back_to_readings_of_their_own() -> None:
    for checkpoint in Checkpoint.objects.published():
        for gate in checkpoint.gates.all():
            assert gate.remediation.exists(), gate


def test_every_term_of_the_glossary_is_used_or_leads_to_a_reading() -> None:
    used = set(Mention.objects.values_list("term", flat=True))
    for term in Term.objects.prefetch_related("see"):
        assert term.pk in used or term.see.all(), term


def test_what_is_corrected_says_what_is_true() -> None:
    for term in Term.objects.filter(key__in=("mmap", "token", "gqa", "swiglu")):
        assert term.fact_html, term


def test_paths_grow(module: Module) -> None:
    sets = [set(paths.resources(path, module).values_list("pk", flat=True)) for path in Path]
    assert sets[0] < sets[1] < sets[2]


def test_every_page_of_the_course_takes_at_most_twelve_queries(
    client: Client, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(ada)
    pages = [
        "/",
        "/modules/",
        "/modules/foundations/",
        "/modules/foundations/plan/",
        "/modules/foundations/advanced/",
        "/modules/gpu-acceleration/",
        "/resources/roformer/",
        "/resources/llama/",
        "/quizzes/quiz-rope/",
        "/quizzes/gate-rope/",
        "/checkpoints/architecture/",
        "/progress/",
        "/skills/rope-and-context/",
        "/skills/rope-scaling/",
        "/glossary/",
        "/glossary/kv-cache/",
        "/bibliography/",
    ]
    for url in pages:
        client.get(url)
        with django_assert_max_num_queries(12, info=url):
            assert client.get(url).status_code == 200
