"""Who may see whom, for every role."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from people.models import Cohort, Membership, Role, User


def test_everybody_sees_whom_they_should(
    ada: User, ben: User, iris: User, olga: User, stranger: User
) -> None:
    everybody = {ada, ben, iris, olga, stranger}

    assert set(User.objects.visible_to(ada)) == {ada}
    assert set(User.objects.visible_to(stranger)) == {stranger}
    assert set(User.objects.visible_to(iris)) == {iris, ada, ben}
    assert set(User.objects.visible_to(olga)) == everybody
    assert not User.objects.visible_to(AnonymousUser()).exists()


def test_a_student_of_two_cohorts_is_seen_once(ada: User, iris: User, other_cohort: Cohort) -> None:
    other_cohort.instructors.add(iris)
    Membership.objects.create(cohort=other_cohort, student=ada)

    assert list(User.objects.visible_to(iris).filter(role=Role.STUDENT)) == [ada]


def test_cohorts_are_for_their_instructors_and_admins(
    ada: User, iris: User, olga: User, cohort: Cohort, other_cohort: Cohort
) -> None:
    assert list(Cohort.objects.visible_to(iris)) == [cohort]
    assert set(Cohort.objects.visible_to(olga)) == {cohort, other_cohort}
    assert not Cohort.objects.visible_to(ada).exists()
    assert not Cohort.objects.visible_to(AnonymousUser()).exists()


def test_an_instructor_who_becomes_a_student_loses_sight_of_the_cohort(
    ada: User, iris: User
) -> None:
    iris.role = Role.STUDENT
    iris.save(update_fields=["role"])

    assert list(User.objects.visible_to(iris)) == [iris]
    assert not Cohort.objects.visible_to(iris).exists()


def test_only_an_admin_is_staff_and_superuser(ada: User, olga: User) -> None:
    assert olga.is_staff
    assert olga.is_superuser

    ada.role = Role.ADMIN
    ada.save(update_fields=["role"])
    ada.refresh_from_db()
    assert ada.is_staff
    assert ada.is_superuser

    ada.role = Role.INSTRUCTOR
    ada.save()
    ada.refresh_from_db()
    assert not ada.is_staff
    assert not ada.is_superuser


def test_the_database_refuses_a_superuser_who_is_no_admin(ada: User) -> None:
    with pytest.raises(IntegrityError, match="only_admins_are_staff_and_superusers"):
        User.objects.filter(pk=ada.pk).update(is_superuser=True)


def test_an_instructor_is_no_member_of_a_cohort(iris: User, cohort: Cohort) -> None:
    with pytest.raises(ValidationError, match="Iris is no student"):
        Membership(cohort=cohort, student=iris).full_clean()


def test_nobody_joins_a_cohort_twice(ada: User, cohort: Cohort) -> None:
    with pytest.raises(ValidationError, match="already exists"):
        Membership(cohort=cohort, student=ada).full_clean()


def test_a_name_is_the_full_name_or_else_the_username(ada: User, stranger: User) -> None:
    ada.last_name = "Lovelace"
    assert ada.name == "Ada Lovelace"
    assert stranger.name == "stranger"
