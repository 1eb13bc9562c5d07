"""The named cast: two students and the instructor of one cohort, a stranger, and an admin."""

from collections.abc import Iterator
from datetime import date

import pytest
from django.core.cache import cache

from labs.models import WorkerHost
from people.models import Cohort, Membership, Role, User

PASSWORD = "slow-tokens-fast-cache"


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Whoever tests side by side has a directory of their own: the database needs no other name."""


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    """Rate limits are counted in the cache; no test sees what another has counted."""
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def _nobody_online(request: pytest.FixtureRequest) -> None:
    """Workers that other tests have started go on beating; who asks for none finds none online."""
    asks = "db" in request.fixturenames or request.node.get_closest_marker("django_db")
    if asks and "worker" not in request.fixturenames:
        request.getfixturevalue("db")
        WorkerHost.objects.all().delete()


@pytest.fixture
def password() -> str:
    """What everybody of the cast signs in with."""
    return PASSWORD


@pytest.fixture
def cohort(db: None) -> Cohort:
    return Cohort.objects.create(name="Spring cohort", slug="spring", starts_on=date(2026, 3, 2))


@pytest.fixture
def other_cohort(db: None) -> Cohort:
    return Cohort.objects.create(name="Autumn cohort", slug="autumn", starts_on=date(2026, 9, 7))


@pytest.fixture
def ada(cohort: Cohort) -> User:
    """A student."""
    user = User.objects.create_user("ada", "ada@example.org", PASSWORD, first_name="Ada")
    Membership.objects.create(cohort=cohort, student=user)
    return user


@pytest.fixture
def ben(cohort: Cohort) -> User:
    """Another student of Ada's cohort."""
    user = User.objects.create_user("ben", "ben@example.org", PASSWORD, first_name="Ben")
    Membership.objects.create(cohort=cohort, student=user)
    return user


@pytest.fixture
def iris(cohort: Cohort) -> User:
    """The instructor of Ada's and Ben's cohort."""
    user = User.objects.create_user(
        "iris", "iris@example.org", PASSWORD, first_name="Iris", role=Role.INSTRUCTOR
    )
    cohort.instructors.add(user)
    return user


@pytest.fixture
def olga(db: None) -> User:
    """An admin."""
    return User.objects.create_superuser("olga", "olga@example.org", PASSWORD, first_name="Olga")


@pytest.fixture
def stranger(other_cohort: Cohort) -> User:
    """A student of another cohort."""
    user = User.objects.create_user("stranger", "stranger@example.org", PASSWORD)
    Membership.objects.create(cohort=other_cohort, student=user)
    return user
