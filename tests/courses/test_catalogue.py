"""Which modules there are, what those to come will hold, and what waits behind the checkpoints."""

from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from courses import evidence, loading
from courses.models import Activity, AdvancedReading, Checkpoint, Module, Resource
from people.models import User

ADVANCED = "/modules/toys/advanced/"
LATER = """\
key: later
number: 2
title: Trains
original: Choo-choo <b>Engineering</b>
summary: What runs on rails.
weeks: "3"
locked: true
holds:
  - Rails & sleepers
  - "Needs a station: timetables"
"""


@pytest.fixture
def later(files: Path, db: None) -> Module:
    """The toys, and a module that is still to come."""
    (files / "later").mkdir()
    (files / "later/module.yaml").write_text(LATER)
    loading.load(files)
    return Module.objects.get(key="later")


def test_modules_that_are_retired_or_never_were_are_not_found(
    client: Client, later: Module, ada: User
) -> None:
    client.force_login(ada)
    for url in ("/modules/none/", "/modules/none/advanced/", "/modules/later/advanced/"):
        assert client.get(url).status_code == 404
    Module.objects.filter(key="later").update(retired=True)
    assert client.get("/modules/later/").status_code == 404
    assert "Trains" not in client.get("/modules/").content.decode()


def test_the_catalogue_tells_what_is_open_and_what_is_to_come(
    client: Client, later: Module
) -> None:
    html = client.get("/modules/").content.decode()
    toys, trains = html[html.index("Module 1") :].split("Module 2")
    assert ">open</span>" in toys
    assert "to come" not in toys
    assert "The original list" not in toys
    assert ">to come</span>" in trains
    assert "The original list calls it “Choo-choo &lt;b&gt;Engineering&lt;/b&gt;”." in trains
    assert "<li>Rails &amp; sleepers</li>" in trains
    assert "<li>Needs a station: timetables</li>" in trains
    assert 'href="/modules/later/"' in trains


def test_a_module_that_kept_its_name_is_not_said_to_have_had_another(
    client: Client, later: Module
) -> None:
    Module.objects.filter(key="later").update(original="Trains")
    for url in ("/modules/", "/modules/later/"):
        assert "The original list" not in client.get(url).content.decode()


def test_a_locked_module_says_what_it_will_hold_and_gives_no_reading(
    client: Client, later: Module, ada: User
) -> None:
    Resource.objects.filter(key="balls").update(module=later)
    for person in (None, ada):
        if person:
            client.force_login(person)
        html = client.get("/modules/later/").content.decode()
        assert "What runs on rails." in html
        assert "<li>Rails &amp; sleepers</li>" in html
        assert "This module is still to come" in html
        assert 'href="/modules/toys/">Go to Module 1: Toys</a>' in html
        assert "/resources/" not in html
        assert "/plan/" not in html


def test_the_catalogue_is_found_from_the_module_and_from_the_welcome_page(
    client: Client, toys: loading.Loaded
) -> None:
    for url in ("/", "/modules/toys/"):
        html = client.get(url).content.decode()
        assert 'href="/modules/"' in html[html.index("<main") : html.index("</main")]


def pass_every_gate(student: User) -> None:
    for activity in Activity.objects.filter(gates__isnull=False).distinct():
        pass_it(student, activity)


def pass_it(student: User, activity: Activity) -> None:
    evidence.record(
        student=student,
        activity=activity,
        score=1.0,
        passed=True,
        source="attempt 1",
        url="/attempts/1/",
        at=timezone.now(),
    )


def test_advanced_reading_asks_who_is_there(client: Client, toys: loading.Loaded) -> None:
    response = client.get(ADVANCED)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")


def test_advanced_reading_is_named_and_locked_and_says_what_is_missing(
    client: Client, toys: loading.Loaded, ada: User
) -> None:
    client.force_login(ada)
    html = client.get(ADVANCED).content.decode()
    assert "Marbles for Experts" in html
    assert html.count(">locked</span>") == 2
    assert "https://example.org/marbles" not in html
    assert "further" not in html
    assert "0 of 2 gates open" in html
    assert "Count the blocks" in html
    assert "Build a tower" in html


def test_one_gate_left_keeps_it_locked(client: Client, toys: loading.Loaded, ada: User) -> None:
    pass_it(ada, Activity.objects.get(key="quiz-blocks"))
    client.force_login(ada)
    html = client.get(ADVANCED).content.decode()
    assert "1 of 2 gates open" in html
    assert "Count the blocks" not in html
    assert "Build a tower" in html
    assert "https://example.org/marbles" not in html


def test_what_another_student_passed_unlocks_nothing(
    client: Client, toys: loading.Loaded, ada: User, ben: User
) -> None:
    pass_every_gate(ben)
    client.force_login(ada)
    assert "https://example.org/marbles" not in client.get(ADVANCED).content.decode()


def test_after_the_checkpoints_it_is_linked_with_its_reason_and_its_minutes(
    client: Client, toys: loading.Loaded, ada: User
) -> None:
    pass_every_gate(ada)
    client.force_login(ada)
    html = client.get(ADVANCED).content.decode()
    assert 'href="https://example.org/marbles"' in html
    assert "<strong>further</strong>" in html
    assert "45 min" in html
    assert ">locked</span>" not in html
    assert html.index("Round things") < html.index("Tall things")


def test_a_module_without_checkpoints_unlocks_nothing(
    client: Client, toys: loading.Loaded, ada: User
) -> None:
    Checkpoint.objects.update(retired=True)
    client.force_login(ada)
    html = client.get(ADVANCED).content.decode()
    assert "no checkpoints yet" in html
    assert "https://example.org/marbles" not in html


@pytest.mark.parametrize("url", ["/modules/", "/modules/later/", ADVANCED])
def test_a_page_takes_the_same_few_queries_however_much_there_is(
    client: Client, later: Module, ada: User, url: str
) -> None:
    client.force_login(ada)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    marbles = AdvancedReading.objects.get(key="marbles")
    for number in range(10, 30):
        later.pk, later.key, later.number = None, f"m{number}", number
        later.save(force_insert=True)
        marbles.pk, marbles.key = None, f"marbles-{number}"
        marbles.save(force_insert=True)
    with CaptureQueriesContext(connection) as many:
        assert client.get(url).status_code == 200
    assert len(many) == len(few) <= 12
