"""The front page of a campus that has no course yet."""

import pytest
from django.test import Client

from people.models import User

pytestmark = pytest.mark.django_db


def test_a_campus_without_a_course_says_who_can_load_one(
    client: Client, ada: User, olga: User
) -> None:
    client.force_login(ada)
    page = client.get("/").content.decode()
    assert "Welcome, Ada" in page
    assert "An admin of this campus has to load one" in page
    client.force_login(olga)
    assert "manage.py loadcourse" in client.get("/").content.decode()
