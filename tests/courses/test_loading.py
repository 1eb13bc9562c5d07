"""The course is loaded again and again; what students have done stays what it was."""

import time
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from courses import attempts, evidence, loading
from courses.documents import CourseFileError
from courses.models import (
    Activity,
    Gate,
    Module,
    Objective,
    ObjectiveEarned,
    Pitfall,
    Question,
    QuestionVersion,
    Quiz,
    Resource,
)
from people.models import User

pytestmark = pytest.mark.django_db


def change(files: Path, name: str, old: str, new: str) -> None:
    path = files / "toys" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_everything_in_the_files_is_in_the_database(toys: loading.Loaded) -> None:
    module = Module.objects.get()
    blocks, balls = Resource.objects.all()
    assert (module.key, blocks.key, balls.key) == ("toys", "blocks", "balls")
    assert (blocks.minutes_full, blocks.minutes_summary, blocks.stars) == (30, 5, 3)
    assert blocks.published == "2024-05-01"
    assert [item["title"] for item in blocks.html["headings"]] == ["Counting", "Towers"]
    assert "<math" in blocks.body_html
    assert '<div class="worked"' in blocks.body_html
    assert "<strong>blocks</strong>" in blocks.html["why"]
    assert list(balls.prerequisites.all()) == [blocks]
    assert [objective.key for objective in blocks.objectives.all()] == ["count", "build"]
    quiz = Quiz.objects.get()
    assert quiz.resource == blocks
    assert quiz.activity.url == "/quizzes/quiz-blocks/"
    assert {skill.key for skill in quiz.activity.skills.all()} == {"counting", "sorting"}
    assert quiz.questions.count() == 4
    tower = Gate.objects.get(key="tower")
    assert [activity.key for activity in tower.activities.all()] == ["lab-towers"]
    assert {resource.key for resource in tower.remediation.all()} == {"balls", "blocks"}
    planned = Activity.objects.get(key="lab-towers")
    assert planned.planned
    assert not planned.is_open


def test_loading_twice_changes_nothing(files: Path) -> None:
    first = loading.load(files)
    rows = list(QuestionVersion.objects.values()), list(Resource.objects.values())
    second = loading.load(files)
    assert first.changed == 4
    assert second.changed == 0
    assert rows == (list(QuestionVersion.objects.values()), list(Resource.objects.values()))
    loading.load(files, again=True)
    assert list(QuestionVersion.objects.values()) == rows[0]


def test_a_changed_question_is_a_new_version_and_an_attempt_keeps_its_own(
    files: Path, ada: User
) -> None:
    loading.load(files)
    quiz = Quiz.objects.get()
    attempt = attempts.start(student=ada, quiz=quiz, at=timezone.now())
    change(files, "quizzes/quiz-blocks.yaml", "How many sides has a block?", "How many has it?")
    assert loading.load(files).changed == 1
    question = Question.objects.get(key="sides")
    assert question.versions.count() == 2
    assert question.current is not None
    assert question.current.content["prompt"] == "How many has it?"
    answer = attempt.answers.get(version__question=question)
    assert answer.version.content["prompt"] == "How many sides has a block?"
    assert QuestionVersion.objects.count() == 5


def test_what_an_admin_added_outlives_a_changed_file(files: Path) -> None:
    loading.load(files)
    quiz = Quiz.objects.get()
    own = Question.objects.create(quiz=quiz, key="own", position=9)
    module = Module.objects.create(key="own", number=9, title="Own", summary="Own.", weeks="1")
    change(files, "quizzes/quiz-blocks.yaml", "How many sides has a block?", "How many has it?")
    loading.load(files)
    own.refresh_from_db()
    module.refresh_from_db()
    assert not own.retired
    assert not module.retired


def test_what_is_gone_from_the_files_is_retired_and_can_come_back(files: Path, ada: User) -> None:
    loading.load(files)
    attempt = attempts.start(student=ada, quiz=Quiz.objects.get(), at=timezone.now())
    quiz_file = files / "toys/quizzes/quiz-blocks.yaml"
    text = quiz_file.read_text()
    quiz_file.write_text(text[: text.index("  - key: steps")].replace("draw: 4", "draw: 3"))
    balls = files / "toys/resources/01-balls.md"
    kept = balls.read_text()
    balls.unlink()
    change(files, "module.yaml", "order: [blocks, balls]\n", "")
    change(files, "checkpoints/building.yaml", "[balls, blocks]", "[blocks]")
    change(files, "plan.yaml", "readings: [balls]", "readings: []")
    loading.load(files)
    assert Resource.objects.get(key="balls").retired
    assert Question.objects.get(key="steps").retired
    assert attempt.answers.count() == 4

    balls.write_text(kept)
    change(files, "plan.yaml", "readings: []", "readings: [balls]")
    quiz_file.unlink()
    loading.load(files)
    assert not Resource.objects.get(key="balls").retired
    assert Quiz.objects.get().retired
    assert Activity.objects.get(key="quiz-blocks").retired


def test_an_admins_edit_stays_until_the_file_changes(files: Path) -> None:
    loading.load(files)
    Resource.objects.filter(key="balls").update(title="Marbles")
    loading.load(files)
    assert Resource.objects.get(key="balls").title == "Marbles"
    change(files, "resources/01-balls.md", "title: Balls", "title: Bowls")
    loading.load(files)
    assert Resource.objects.get(key="balls").title == "Bowls"


def test_nothing_of_a_broken_course_replaces_the_good_one(files: Path) -> None:
    loading.load(files)
    change(files, "resources/01-balls.md", "title: Balls", "title: Bowls")
    change(files, "resources/02-blocks.md", "$2^n$", "$2^{n$")
    with pytest.raises(CourseFileError):
        loading.load(files)
    assert Resource.objects.get(key="balls").title == "Balls"


def test_an_objective_linked_to_what_was_passed_long_ago_is_earned(files: Path, ada: User) -> None:
    loading.load(files)
    evidence.record(
        student=ada,
        activity=Activity.objects.get(key="quiz-blocks"),
        score=1.0,
        passed=True,
        source="attempt 1",
        url="/attempts/1/",
        at=timezone.now(),
    )
    roll = Objective.objects.get(key="roll")
    assert not ObjectiveEarned.objects.filter(student=ada, objective=roll).exists()
    change(files, "resources/01-balls.md", "[lab-towers]", "[lab-towers, quiz-blocks]")
    loading.load(files)
    assert ObjectiveEarned.objects.filter(student=ada, objective=roll).exists()


def test_the_whole_course_loads_in_well_under_five_seconds() -> None:
    # Of the processor, so that a busy machine fails nothing.
    started = time.process_time()
    loading.load(settings.COURSE_DIR)
    assert time.process_time() - started < 5
    assert Resource.objects.published().exists()


def test_what_is_announced_no_more_is_retired(files: Path) -> None:
    planned = files / "toys/planned.yaml"
    kept = planned.read_text()
    planned.write_text(f"{kept}- {{key: exercise-towers, kind: exercise, title: Towers}}\n")
    loading.load(files)
    assert not Activity.objects.get(key="exercise-towers").retired
    planned.write_text(kept)
    loading.load(files)
    assert Activity.objects.get(key="exercise-towers").retired
    assert not Activity.objects.get(key="lab-towers").retired


def test_a_pitfall_that_is_gone_from_the_files_is_gone(files: Path) -> None:
    file = files / "toys/pitfalls.yaml"
    rushing = "- {key: rushing, title: A, problem: B., advice: [C.], nudge: D.}\n"
    theory = "- {key: theory-only, title: A, problem: B., advice: [C.], nudge: D.}\n"
    file.write_text(rushing + theory)
    loading.load(files)
    assert Pitfall.objects.count() == 2
    file.write_text(theory)
    loading.load(files)
    assert Pitfall.objects.get().key == "theory-only"


def test_a_question_is_explained_with_the_glossary_of_today(files: Path, ada: User) -> None:
    loading.load(files)
    attempt = attempts.start(student=ada, quiz=Quiz.objects.get(), at=timezone.now())

    def explanations() -> str:
        return "".join(item.html["explanation"] for item in attempts.items(attempt))

    assert "/glossary/ground/" not in explanations()
    glossary = files / "toys/glossary.yaml"
    glossary.write_text(
        f"{glossary.read_text()}- {{key: ground, term: ground, definition: Below.}}\n"
    )
    loading.load(files)
    assert "/glossary/ground/" in explanations()
