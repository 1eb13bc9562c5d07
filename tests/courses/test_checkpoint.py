"""A gate opens on evidence; until then it leads to what opens it."""

import pytest
from django.test import Client
from django.utils import timezone

from courses import evidence
from courses.models import Activity
from people.models import User

pytestmark = pytest.mark.usefixtures("toys")
URL = "/checkpoints/building/"


def record(student: User, *, score: float) -> None:
    evidence.record(
        student=student,
        activity=Activity.objects.get(key="quiz-blocks"),
        score=score,
        passed=score >= 0.8,
        source="attempt 3",
        url="/attempts/3/",
        at=timezone.now(),
    )


def test_an_untried_gate_leads_to_what_opens_it(client: Client, ada: User) -> None:
    client.force_login(ada)
    html = client.get(URL).content.decode()
    assert "<strong>0 of 2</strong> gates are open" in html
    assert 'href="/quizzes/quiz-blocks/"' in html
    assert "Read again" not in html


def test_a_failed_gate_opens_exactly_its_remediation_and_another_try(
    client: Client, ada: User
) -> None:
    record(ada, score=0.6)
    client.force_login(ada)
    html = client.get(URL).content.decode()
    gate = html[html.index('id="count"') : html.index('id="tower"')]
    assert "your best is 60 %" in gate
    assert 'href="/resources/blocks/"' in gate
    assert 'href="/resources/balls/"' not in gate
    assert 'href="/quizzes/quiz-blocks/"' in gate


def test_a_passed_gate_shows_its_evidence_and_stays_open(client: Client, ada: User) -> None:
    record(ada, score=0.9)
    record(ada, score=0.1)
    client.force_login(ada)
    html = client.get(URL).content.decode()
    assert "<strong>1 of 2</strong> gates are open" in html
    assert '<a href="/attempts/3/">attempt 3</a>' in html
    assert "90 %" in html


def test_what_another_student_passed_opens_nothing(client: Client, ada: User, ben: User) -> None:
    record(ben, score=1.0)
    client.force_login(ada)
    assert "<strong>0 of 2</strong> gates are open" in client.get(URL).content.decode()
