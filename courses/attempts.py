"""An attempt at a quiz: reserved, drafted, submitted once."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q, QuerySet

from courses import evidence
from courses.models import Answer, Question, QuestionVersion, Quiz, QuizAttempt
from courses.questions import AnyQuestion, parse
from courses.questions.base import LONGEST_FIELD, MOST_FIELDS, Html, WrongFormError, shuffled
from people.models import User


class AlreadySubmittedError(Exception):
    """The attempt is over; what arrives now changes nothing."""


class NoQuestionsError(Exception):
    """There is nothing to draw from: every question was retired."""


@dataclass
class Item:
    """One question of an attempt as a page shows it; `error` explains a wrong form."""

    answer: Answer
    question: AnyQuestion
    html: Html
    seed: str
    error: str = ""

    @property
    def name(self) -> str:
        """The name of its form fields."""
        return f"q{self.answer.position}"

    @property
    def shown(self) -> dict[str, Any]:
        return self.question.shown(self.html, self.seed, self.answer.response)

    @property
    def is_blank(self) -> bool:
        return self.question.is_blank(self.answer.response)

    @property
    def verdict(self) -> str:
        """The result in words."""
        if self.is_blank:
            return "not answered"
        if not self.answer.score:
            return "wrong"
        return "right" if self.answer.score == 1 else "partly right"


def start(*, student: User, quiz: Quiz, at: datetime, seed: int | None = None) -> QuizAttempt:
    """The student's open attempt, or a new one: reserved in the database before it is shown.

    Without a `seed` the draw is random. Raises NoQuestionsError.
    """
    if seed is None:
        seed = secrets.randbits(62)
    try:
        with transaction.atomic():
            return _open(student, quiz) or _reserve(student, quiz, at, seed)
    except IntegrityError:
        # Another tab has reserved one in the same moment.
        return QuizAttempt.objects.get(student=student, quiz=quiz, submitted_at=None)


def _open(student: User, quiz: Quiz) -> QuizAttempt | None:
    return QuizAttempt.objects.filter(student=student, quiz=quiz, submitted_at=None).first()


def _reserve(student: User, quiz: Quiz, at: datetime, seed: int) -> QuizAttempt:
    drawn = _draw(student, quiz, str(seed))
    if not drawn:
        raise NoQuestionsError
    past = QuizAttempt.objects.filter(student=student, quiz=quiz)
    number = (past.aggregate(last=Max("number"))["last"] or 0) + 1
    attempt = QuizAttempt.objects.create(
        student=student, quiz=quiz, number=number, seed=seed, started_at=at
    )
    Answer.objects.bulk_create(
        Answer(attempt=attempt, version_id=question.current_id, position=position)
        for position, question in enumerate(drawn, start=1)
        if question.current_id
    )
    return attempt


def _draw(student: User, quiz: Quiz, seed: str) -> list[Question]:
    """Questions for an attempt: those first that the student has met least, then by the seed."""
    met = Count("versions__answers", filter=Q(versions__answers__attempt__student=student))
    pool = list(quiz.pool().annotate(met=met).order_by("quiz__position", "quiz", "position", "pk"))
    order = shuffled(seed, len(pool))
    drawn = sorted(order, key=lambda index: pool[index].met)[: quiz.draw]
    return [pool[index] for index in sorted(drawn, key=order.index)]


# Questions parsed, by the digest of their version. What a version asks never changes, so neither
# does what stands here, and a course has some hundred of them.
_parsed: dict[str, AnyQuestion] = {}


def items(attempt: QuizAttempt) -> list[Item]:
    """The attempt's questions in their order."""
    answers = list(attempt.answers.select_related("version__question").defer("version__content"))
    digests = {answer.version.digest for answer in answers}
    if unknown := digests - _parsed.keys():
        for version in QuestionVersion.objects.filter(digest__in=unknown):
            _parsed[version.digest] = parse(version.content)
    found = []
    for answer in answers:
        question = _parsed[answer.version.digest]
        seed = f"{attempt.seed}:{question.key}"
        found.append(Item(answer, question, answer.version.html, seed))
    return found


def take_in(drawn: Sequence[Item], typed: Mapping[str, Sequence[str]]) -> list[Item]:
    """Put what was typed into the items, by field name; gives those that are of the wrong form.

    Fields that are missing count as blank. What no form of ours can send is not kept.
    """
    wrong = []
    for item in drawn:
        # PostgreSQL holds no NUL.
        response = [value.replace("\0", "").strip() for value in typed.get(item.name, ())]
        if len(response) > MOST_FIELDS or any(len(value) > LONGEST_FIELD for value in response):
            item.error = "This is far longer than any answer. It was not kept."
            wrong.append(item)
            continue
        item.answer.response = response
        if item.is_blank:
            continue
        try:
            item.question.check(response)
        except WrongFormError as error:
            item.error = str(error)
            wrong.append(item)
    return wrong


def save_draft(attempt: QuizAttempt, drawn: Sequence[Item]) -> None:
    """Keep what was typed so far, of whatever form."""
    with transaction.atomic():
        if not _still_open(attempt).select_for_update().exists():
            raise AlreadySubmittedError
        _save_answers(drawn, "response")


def submit(attempt: QuizAttempt, drawn: Sequence[Item], *, at: datetime) -> None:
    """Grade the attempt, once, and record the evidence. Every response must be blank or in form."""
    graded = [item.question.grade(item.html, item.seed, item.answer.response) for item in drawn]
    for item, grade in zip(drawn, graded, strict=True):
        item.answer.score, item.answer.feedback = grade.score, grade.feedback
    # Rounded, or the sum of thirds would miss a pass mark that it reaches.
    score = round(sum(grade.score for grade in graded) / len(graded), 6)
    with transaction.atomic():
        # The row is taken by this UPDATE; zero rows means that another tab has submitted it.
        if not _still_open(attempt).update(submitted_at=at, score=score):
            raise AlreadySubmittedError
        attempt.submitted_at, attempt.score = at, score
        _save_answers(drawn, "response", "score", "feedback")
        evidence.record(
            student=attempt.student,
            activity=attempt.quiz.activity,
            score=score,
            passed=attempt.passed,
            source=f"attempt {attempt.number}",
            url=attempt.get_absolute_url(),
            at=at,
            observed=[
                (skill, item.answer.score or 0.0)
                for item in drawn
                if (skill := item.answer.version.question.skill_id)
            ],
        )


def _save_answers(drawn: Sequence[Item], *fields: str) -> None:
    """Update these fields: an upsert, for bulk_update takes several times as long."""
    Answer.objects.bulk_create(
        [item.answer for item in drawn],
        update_conflicts=True,
        unique_fields=["attempt", "position"],
        update_fields=fields,
    )


def _still_open(attempt: QuizAttempt) -> QuerySet[QuizAttempt]:
    return QuizAttempt.objects.filter(pk=attempt.pk, submitted_at=None)
