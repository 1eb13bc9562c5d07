"""The certificate: every competency mastered from two kinds of evidence, and nothing less."""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from pytest_django import DjangoAssertNumQueries

from courses import certificates, evidence
from courses.certificates import NotYetError
from courses.models import Activity, Certificate, Module, Skill
from people.models import User

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
KINDS = ("quiz", "lab", "exercise", "review", "teach-back")
URL = "/modules/toys/certificate/"


def found_module() -> Module:
    """A module of two competencies, each of two parts; one kind of activity each."""
    module = Module.objects.create(key="toys", number=1, title="Toys", summary="", weeks="1")
    for whole in ("attention", "memory"):
        competency = Skill.objects.create(key=whole, title=whole.title(), competency=True)
        for part in ("first", "second"):
            Skill.objects.create(
                key=f"{whole}-{part}", title=f"{whole.title()}, {part}"
            ).part_of.add(competency)
    Skill.objects.create(key="aside", title="Nice to have")
    for kind in KINDS:
        Activity.objects.create(key=kind, kind=kind, title=kind, module=module)
    return module


def show(
    student: User,
    kind: str,
    *,
    score: float = 1.0,
    times: int = 1,
    besides: Iterable[str] = (),
) -> None:
    """Evidence of a kind about every part but those named."""
    parts = Skill.objects.filter(part_of__isnull=False).exclude(key__in=besides)
    for _ in range(times):
        evidence.record(
            student=student,
            activity=Activity.objects.get(key=kind),
            score=score,
            passed=score >= 0.8,
            source="a test",
            url="/",
            at=NOW,
            observed=[(pk, score) for pk in parts.values_list("pk", flat=True)],
        )


@pytest.fixture
def module(db: None) -> Module:
    return found_module()


@pytest.fixture
def ready(ada: User, module: Module) -> User:
    """Ada, having shown everything by questions and by labs."""
    show(ada, "quiz", times=3)
    show(ada, "lab", times=3)
    return ada


def missing(student: User, module: Module) -> list[str]:
    with pytest.raises(NotYetError) as refused:
        certificates.issue(student, module, NOW)
    assert not Certificate.objects.filter(student=student).exists()
    return refused.value.missing


# What must not work.


def test_a_module_without_competencies_certifies_nothing(ada: User, module: Module) -> None:
    Skill.objects.update(competency=False)
    show(ada, "quiz", times=5)
    show(ada, "lab", times=5)
    assert missing(ada, module) == [
        "This module names no competencies, so there is nothing to certify."
    ]


def test_who_has_shown_nothing_is_told_so_of_each(ada: User, module: Module) -> None:
    assert missing(ada, module) == [
        f"{title}: {words}"
        for title in ("Attention", "Memory")
        for words in (
            "mastery is 0\u00a0%, and 80\u00a0% is needed",
            "there is no good evidence yet, and two kinds are needed",
        )
    ]


def test_two_questions_alone_never_suffice(ada: User, module: Module) -> None:
    show(ada, "quiz", times=2)
    assert missing(ada, module)
    show(ada, "quiz", times=50)
    words = "only one kind of evidence so far (question), and two are needed"
    assert missing(ada, module) == [f"Attention: {words}", f"Memory: {words}"]


def test_two_kinds_without_mastery_do_not_suffice(ada: User, module: Module) -> None:
    show(ada, "quiz")
    show(ada, "lab")
    show(ada, "lab", score=0.0, times=2)
    reasons = missing(ada, module)
    assert len(reasons) == 2
    assert all("mastery is" in reason for reason in reasons)


def test_a_second_kind_counts_only_when_it_was_good(ada: User, module: Module) -> None:
    show(ada, "review", score=0.79)
    show(ada, "lab", times=9)
    assert all("only one kind" in reason for reason in missing(ada, module))
    show(ada, "review", score=0.8)
    assert certificates.issue(ada, module, NOW)


def test_one_missing_competency_is_enough_to_refuse(ada: User, module: Module) -> None:
    memory = {"memory-first", "memory-second"}
    show(ada, "quiz", times=4, besides=memory)
    show(ada, "lab", times=4, besides=memory)
    assert all(reason.startswith("Memory: ") for reason in missing(ada, module))


def test_one_weak_part_holds_a_competency_back_and_is_named(ada: User, module: Module) -> None:
    show(ada, "quiz", times=4, besides={"memory-second"})
    show(ada, "lab", times=4, besides={"memory-second"})
    assert len(missing(ada, module)) == 1
    memory = certificates.standing_for(ada, module).competencies[1]
    assert [part.skill.key for part in memory.weakest] == ["memory-second"]


def test_what_another_student_has_shown_counts_for_nobody_else(
    ready: User, ben: User, module: Module
) -> None:
    assert missing(ben, module)


def test_a_post_before_the_time_is_refused_with_the_reasons(
    client: Client, ada: User, module: Module
) -> None:
    client.force_login(ada)
    response = client.post(URL)
    assert response.status_code == 422
    assert "There is no certificate yet." in response.content.decode()
    assert not Certificate.objects.exists()


def test_visitors_are_asked_to_sign_in_and_a_locked_module_has_no_certificate(
    client: Client, ready: User, module: Module
) -> None:
    assert client.post(URL)["Location"].startswith(reverse("account_login"))
    Module.objects.update(locked=True)
    client.force_login(ready)
    assert client.get(URL).status_code == 404
    assert client.post(URL).status_code == 404
    assert not Certificate.objects.exists()


def test_an_unknown_code_gets_a_plain_answer(client: Client, db: None) -> None:
    response = client.get("/certificates/made-up/")
    assert response.status_code == 404
    assert "No certificate has this code" in response.content.decode()


class OneKindTest(TestCase):
    """However much of one kind is added, and however good: it never makes a certificate."""

    def setUp(self) -> None:
        self.module = found_module()
        self.ada = User.objects.create_user("ada")

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.sampled_from(KINDS), st.lists(st.floats(0, 1), min_size=1, max_size=15))
    def test_one_kind_is_never_enough(self, kind: str, scores: list[float]) -> None:
        for score in [*scores, 1.0]:
            show(self.ada, kind, score=score)
            with pytest.raises(NotYetError):
                certificates.issue(self.ada, self.module, NOW)


# What works.


def test_issued_it_states_what_it_rests_on(ready: User, module: Module) -> None:
    certificate = certificates.issue(ready, module, NOW)
    percent = certificates.standing_for(ready, module).competencies[0].standing.percent
    assert percent >= 80
    assert certificate.statement == {
        "name": "Ada",
        "module": "Module 1: Toys",
        "competencies": [
            {
                "title": title,
                "percent": percent,
                "kinds": ["Lab", "Question"],
                "observations": 12,
            }
            for title in ("Attention", "Memory")
        ],
        "date": "2026-03-09",
    }


def test_issued_twice_it_is_the_same_and_later_failures_do_not_change_it(
    ready: User, module: Module
) -> None:
    first = certificates.issue(ready, module, NOW)
    show(ready, "lab", score=0.0, times=9)
    ready.first_name = "Somebody"
    ready.save()
    second = certificates.issue(ready, module, NOW)
    assert (second.pk, second.code, second.statement) == (first.pk, first.code, first.statement)


def test_the_page_shows_where_one_stands_and_leads_to_the_skills(
    client: Client, ada: User, module: Module
) -> None:
    show(ada, "quiz", times=5, besides={"memory-second"})
    client.force_login(ada)
    html = client.get(URL).content.decode()
    assert "<strong>0 of 2</strong> competencies are mastered" in html
    assert "only one kind of evidence so far (question), and two are needed" in html
    assert 'href="/skills/memory/"' in html
    assert 'href="/skills/memory-second/"' in html
    assert "Issue my certificate" not in html


def test_from_ready_to_verified_by_a_stranger_and_by_anybody(
    client: Client, ready: User, stranger: User, module: Module
) -> None:
    client.force_login(ready)
    assert "Issue my certificate" in client.get(URL).content.decode()
    response = client.post(URL, follow=True)
    certificate = Certificate.objects.get()
    address = response.redirect_chain[-1][0]
    assert address == f"/certificates/{certificate.code}/"
    assert f'href="{address}"' in client.get(URL).content.decode()

    client.logout()
    seen = [client.get(address)]
    client.force_login(stranger)
    seen.append(client.get(address))
    for response in seen:
        html = response.content.decode()
        assert response.status_code == 200
        assert response["X-Robots-Tag"] == "noindex"
        assert "Ada" in html
        assert "Module 1: Toys" in html
        assert "12 times" in html
        assert "lab, question" in html
        assert f"http://testserver{address}" in html
        assert "ada@example.org" not in html


def test_progress_leads_to_the_certificate(client: Client, ada: User, module: Module) -> None:
    client.force_login(ada)
    assert f'href="{URL}"' in client.get("/progress/").content.decode()


def test_the_pages_ask_the_database_little(
    client: Client,
    ready: User,
    module: Module,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    certificate = certificates.issue(ready, module, NOW)
    with django_assert_max_num_queries(1):
        client.get(certificate.get_absolute_url())
    client.force_login(ready)
    with django_assert_max_num_queries(12):
        client.get(URL)
