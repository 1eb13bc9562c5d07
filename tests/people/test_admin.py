"""What an admin does with people in the browser."""

import pytest
from django.test import Client
from django.urls import reverse

from people.models import Cohort, Role, User


@pytest.mark.parametrize("who", ["ada", "iris"])
def test_only_an_admin_comes_in(client: Client, who: str, request: pytest.FixtureRequest) -> None:
    client.force_login(request.getfixturevalue(who))

    assert client.get(reverse("admin:people_user_changelist")).status_code == 302


def test_olga_makes_an_instructor(client: Client, olga: User) -> None:
    client.force_login(olga)

    response = client.post(
        reverse("admin:people_user_add"),
        {
            "username": "noor",
            "email": "noor@example.org",
            "role": "instructor",
            "usable_password": "true",
            "password1": "a-wholly-new-secret",
            "password2": "a-wholly-new-secret",
        },
    )

    assert response.status_code == 302
    noor = User.objects.get(username="noor")
    assert noor.is_instructor
    assert not noor.is_staff
    assert noor.check_password("a-wholly-new-secret")


def test_olga_makes_another_admin_and_takes_it_back(client: Client, olga: User, iris: User) -> None:
    client.force_login(olga)
    address = reverse("admin:people_user_change", args=(iris.pk,))
    form = {"username": "iris", "first_name": "Iris", "last_name": "", "email": "i@example.org"}

    for role, is_admin in ((Role.ADMIN, True), (Role.INSTRUCTOR, False)):
        response = client.post(address, {**form, "role": role, "is_active": "on"})
        assert response.status_code == 302
        iris.refresh_from_db()
        assert (iris.role, iris.is_staff, iris.is_superuser) == (role, is_admin, is_admin)


def test_olga_puts_a_student_into_a_cohort_once(
    client: Client, olga: User, iris: User, cohort: Cohort, stranger: User
) -> None:
    client.force_login(olga)
    form = {
        "name": "Spring cohort",
        "slug": "spring",
        "starts_on": "2026-03-02",
        "instructors": [iris.pk],
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-student": stranger.pk,
        "memberships-0-joined_at_0": "2026-03-02",
        "memberships-0-joined_at_1": "09:00:00",
    }
    address = reverse("admin:people_cohort_change", args=(cohort.pk,))

    assert client.post(address, form).status_code == 302
    assert list(cohort.students.all()) == [stranger]
    again = client.post(address, form)
    assert "already exists" in again.content.decode()
    assert list(cohort.students.all()) == [stranger]


def test_the_lists_open(client: Client, olga: User, ada: User) -> None:
    client.force_login(olga)

    for name in ("people_user_changelist", "people_cohort_changelist", "people_user_add"):
        assert client.get(reverse(f"admin:{name}")).status_code == 200
