"""The people of the demo: an admin, an instructor, and a dozen students of one cohort."""

from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from .models import Cohort, Membership, Role, User

# Public: the launcher prints it.
PASSWORD = "campus-demo"  # noqa: S105
COHORT = "Spring cohort"
ADMIN = ("olga", "Olga", "Brandt")
INSTRUCTOR = ("iris", "Iris", "Halvorsen")
STUDENTS = (
    ("ada", "Ada", "Lindqvist"),
    ("ben", "Ben", "Osei"),
    ("chiara", "Chiara", "Moretti"),
    ("dmitri", "Dmitri", "Volkov"),
    ("emeka", "Emeka", "Nwosu"),
    ("farah", "Farah", "Haddad"),
    ("goran", "Goran", "Babić"),
    ("hana", "Hana", "Kimura"),
    ("ines", "Inês", "Carvalho"),
    ("jonas", "Jonas", "Weber"),
    ("kavya", "Kavya", "Raman"),
    ("liang", "Liang", "Chen"),
)


def move_in(*, at: datetime) -> list[User]:
    """Create everybody, as having joined three weeks before `at`; gives the students."""
    joined = at - timedelta(weeks=3)
    # One hash for all: the demo must not take seconds to make.
    password = make_password(PASSWORD)

    def person(username: str, first_name: str, last_name: str, role: Role) -> User:
        user = User(
            username=username,
            first_name=first_name,
            last_name=last_name,
            email=f"{username}@campus.example",
            role=role,
            password=password,
            date_joined=joined,
        )
        user.save()
        return user

    person(*ADMIN, Role.ADMIN)
    cohort = Cohort.objects.create(name=COHORT, slug="spring", starts_on=timezone.localdate(joined))
    cohort.instructors.add(person(*INSTRUCTOR, Role.INSTRUCTOR))
    students = [person(*names, Role.STUDENT) for names in STUDENTS]
    Membership.objects.bulk_create(
        Membership(cohort=cohort, student=student, joined_at=joined) for student in students
    )
    return students
