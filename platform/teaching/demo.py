"""What the demo's students have done: readings opened and real attempts at the real quizzes.

Labs stay untouched. A run's numbers come from the engine, so none can be made up here.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from courses import attempts
from courses.models import Place, Quiz, Resource
from people.models import User


@dataclass(frozen=True)
class Story:
    """How a student went about the course.

    They began and were last active so many days ago, got as far as so many readings, know an
    answer with probability `skill`, and try a quiz at most `tries` times. With `leaves_open` the
    last attempt is begun and not handed in.
    """

    began: float
    ended: float
    readings: int
    skill: float
    tries: int = 3
    leaves_open: bool = False


# Ada has only signed up and looked inside: hers is the account to try things with.
STORIES = {
    "ada": Story(began=0.2, ended=0.1, readings=1, skill=0.0, tries=0),
    "ben": Story(began=20, ended=0.3, readings=3, skill=0.9),
    "chiara": Story(began=19, ended=1.2, readings=3, skill=0.75, tries=4),
    "dmitri": Story(began=18, ended=11, readings=1, skill=0.7),
    "emeka": Story(began=17, ended=2.1, readings=2, skill=0.8),
    "farah": Story(began=13, ended=3.4, readings=1, skill=0.05, tries=4),
    "goran": Story(began=15, ended=14, readings=1, skill=0.0, tries=0),
    "hana": Story(began=19, ended=0.6, readings=3, skill=1.0),
    "ines": Story(began=9, ended=1.8, readings=2, skill=0.8),
    "jonas": Story(began=12, ended=5.5, readings=1, skill=0.85),
    "kavya": Story(began=6, ended=0.4, readings=2, skill=0.75, leaves_open=True),
}


def study(student: User, story: Story, *, at: datetime) -> None:
    """Let a student do as the story goes, as seen at `at`: the same whenever it is called."""
    chance = random.Random(student.username)
    resources = Resource.objects.published().order_by("module__position", "position")
    step = (story.began - story.ended) / story.readings
    for number, resource in enumerate(resources[: story.readings], start=1):
        # A reading takes its share of the days; its quiz stands at the end of them.
        reread = at - timedelta(days=story.began - number * step, minutes=chance.randint(1, 40))
        _read(student, resource, chance, at=reread)
        leaves_open = story.leaves_open and number == story.readings
        for quiz in resource.quizzes.published():
            _take(student, quiz, story, chance, after=reread, leaves_open=leaves_open)


def _read(student: User, resource: Resource, chance: random.Random, *, at: datetime) -> None:
    heading = chance.choice(resource.html.get("headings") or [{"id": "", "title": ""}])
    Place.objects.create(
        student=student,
        resource=resource,
        anchor=heading["id"],
        section=heading["title"],
        at=at,
    )


def _take(
    student: User,
    quiz: Quiz,
    story: Story,
    chance: random.Random,
    *,
    after: datetime,
    leaves_open: bool,
) -> None:
    """Try a quiz until it is passed, the tries are used up, or it is left open."""
    started = after + timedelta(minutes=chance.randint(2, 20))
    for number in range(story.tries):
        attempt = attempts.start(
            student=student, quiz=quiz, at=started, seed=chance.getrandbits(62)
        )
        drawn = attempts.items(attempt)
        # One learns from a failed try, a little.
        skill = min(story.skill + 0.1 * number, 1.0)
        typed = {
            item.name: item.question.right(item.seed)
            if chance.random() < skill
            else item.question.wrong(item.seed)
            for item in drawn
        }
        if leaves_open:
            half = dict(list(typed.items())[: len(typed) // 2])
            attempts.take_in(drawn, half)
            attempts.save_draft(attempt, drawn)
            return
        attempts.take_in(drawn, typed)
        submitted = started + timedelta(minutes=chance.randint(6, 15))
        attempts.submit(attempt, drawn, at=submitted)
        if attempt.passed:
            return
        started = submitted + timedelta(minutes=chance.randint(10, 45))
