"""How far each student of a cohort is, and who needs to be asked after."""

from datetime import UTC, datetime, timedelta

import pytest

from courses import evidence
from courses.models import Activity, Place, QuizAttempt
from labs.models import Run
from people.models import Cohort, User
from teaching import heatmap
from teaching.heatmap import Kind, State
from tests.teaching.course import Course

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def record(student: User, activity: Activity, score: float, *, at: datetime) -> None:
    evidence.record(
        student=student,
        activity=activity,
        score=score,
        passed=score >= 0.8,
        source="attempt 1",
        url="/attempts/1/",
        at=at,
    )


def row_of(student: User, cohort: Cohort) -> heatmap.Row:
    (row,) = (row for row in heatmap.build(cohort, at=NOW).rows if row.student == student)
    return row


def test_columns_are_a_reading_then_its_quiz_then_its_lab(course: Course, cohort: Cohort) -> None:
    units = heatmap.build(cohort, at=NOW).units

    assert [(unit.kind, unit.key) for unit in units] == [
        (Kind.RESOURCE, "llama"),
        (Kind.ACTIVITY, "quiz-llama"),
        (Kind.ACTIVITY, "lab-1"),
    ]


def test_what_is_planned_or_retired_is_no_column(course: Course, cohort: Cohort) -> None:
    Activity.objects.filter(key="lab-1").update(planned=True)
    Activity.objects.filter(key="quiz-llama").update(retired=True)
    type(course.resource).objects.update(retired=True)

    assert heatmap.build(cohort, at=NOW).units == ()


def test_a_student_who_did_nothing_has_not_begun(course: Course, cohort: Cohort, ada: User) -> None:
    row = row_of(ada, cohort)

    assert [cell.state for cell in row.cells] == [State.NONE] * 3
    assert row.last is None
    assert row.worries == ("has not begun",)


def test_what_is_open_counts_as_begun(course: Course, cohort: Cohort, ada: User) -> None:
    Place.objects.create(student=ada, resource=course.resource, at=NOW - 3 * DAY)
    QuizAttempt.objects.create(
        student=ada, quiz=course.quiz, number=1, seed=1, started_at=NOW - 2 * DAY
    )
    Run.objects.create(
        lab=course.lab, student=ada, lane="quick", kind="generate", created_at=NOW - DAY
    )

    row = row_of(ada, cohort)
    assert [(cell.state, cell.label) for cell in row.cells] == [
        (State.BEGUN, "Read in"),
        (State.BEGUN, "Begun"),
        (State.BEGUN, "Begun"),
    ]
    assert row.last == NOW - DAY
    assert row.worries == ()


def test_a_pass_earns_the_objective_and_stays_whatever_comes_after(
    course: Course, cohort: Cohort, ada: User
) -> None:
    record(ada, course.quiz.activity, 0.9, at=NOW - 2 * DAY)
    record(ada, course.quiz.activity, 0.4, at=NOW - DAY)

    reading, quiz, _lab = row_of(ada, cohort).cells
    assert (reading.state, reading.label) == (State.TRIED, "1 of 2")
    assert (quiz.state, quiz.label, quiz.tries) == (State.PASSED, "Passed 90\N{NO-BREAK SPACE}%", 2)
    assert quiz.last == NOW - DAY


def test_all_objectives_make_a_reading_done(course: Course, cohort: Cohort, ada: User) -> None:
    record(ada, course.quiz.activity, 1.0, at=NOW)
    record(ada, course.lab.activity, 0.8, at=NOW)

    row = row_of(ada, cohort)
    assert row.cells[0].state is State.PASSED
    assert row.passed == 2


def test_the_best_pass_is_shown_even_below_a_better_fail(
    course: Course, cohort: Cohort, ada: User
) -> None:
    """A pass mark may be lowered, so a score that passed can be lower than one that did not."""
    for score, passed in ((0.7, False), (0.65, True)):
        evidence.record(
            student=ada,
            activity=course.quiz.activity,
            score=score,
            passed=passed,
            source="attempt",
            url="",
            at=NOW,
        )

    assert row_of(ada, cohort).cells[1].label == "Passed 65\N{NO-BREAK SPACE}%"


def test_three_tries_without_a_pass_are_stuck(course: Course, cohort: Cohort, ada: User) -> None:
    for _ in range(2):
        record(ada, course.quiz.activity, 0.5, at=NOW)
    assert row_of(ada, cohort).worries == ()

    record(ada, course.quiz.activity, 0.6, at=NOW)
    row = row_of(ada, cohort)
    assert row.worries == ("3 tries at LLaMA quiz, none passed",)
    assert [cell.is_stuck for cell in row.cells] == [False, True, False]


def test_a_week_of_silence_is_worth_a_question_unless_all_is_done(
    course: Course, cohort: Cohort, ada: User, ben: User
) -> None:
    long_ago = NOW - 9 * DAY
    record(ada, course.quiz.activity, 1.0, at=long_ago)
    for activity in (course.quiz.activity, course.lab.activity):
        record(ben, activity, 1.0, at=long_ago)

    heat = heatmap.build(cohort, at=NOW)
    assert [(row.student, row.worries) for row in heat.worrying] == [
        (ada, ("last active 9 days ago",))
    ]


def test_who_never_began_stands_before_who_is_silent(
    course: Course, cohort: Cohort, ada: User, ben: User
) -> None:
    record(ada, course.quiz.activity, 1.0, at=NOW - 30 * DAY)

    assert [row.student for row in heatmap.build(cohort, at=NOW).worrying] == [ben, ada]


def test_a_score_just_below_the_mark_is_not_rounded_up_to_it() -> None:
    assert heatmap.percent(0.7999) == "79\N{NO-BREAK SPACE}%"
    assert heatmap.percent(0.29) == "29\N{NO-BREAK SPACE}%"


@pytest.mark.parametrize(
    ("back", "words"),
    [
        (timedelta(minutes=5), "today"),
        (timedelta(hours=13), "yesterday"),
        (timedelta(days=5), "5 days ago"),
    ],
)
def test_days_are_counted_by_the_calendar(back: timedelta, words: str) -> None:
    assert heatmap.ago(NOW - back, NOW) == words
