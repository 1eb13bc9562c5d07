"""What a page reports of its reader: taken as it is, added up, and never made worse by nonsense."""

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from courses import places
from courses.models import Place, Resource
from people.models import User

pytestmark = pytest.mark.usefixtures("toys")
PLACE = "/resources/blocks/place/"


@pytest.fixture(autouse=True)
def derivations(toys: None) -> None:
    """The reading with three derivations, and a small heading inside its last section."""
    blocks = Resource.objects.get(key="blocks")
    blocks.body_html += "".join(
        f'<details class="derivation" id="derivation-{number}"></details>' for number in (1, 2, 3)
    )
    blocks.html["headings"].append({"id": "high-towers", "title": "High towers", "level": 3})
    blocks.save()


@pytest.mark.parametrize(
    "nonsense",
    [
        {"seconds": "-1"},
        {"seconds": "43201"},
        {"seconds": "1e9"},
        {"seconds": "9" * 5000},
        {"seconds": "٣"},
        {"seconds": "NaN"},
        {"page": "", "seconds": "30"},
        {"page": "7-7' or 1", "seconds": "30"},
        {"page": "٣-٣", "seconds": "30"},
        {"page": "9" * 5000, "seconds": "30"},
        {"opened": ["0"]},
        {"opened": ["4"]},
        {"opened": ["one"]},
        {"passed": ["-1"]},
        {"passed": ["1.5"]},
    ],
)
def test_nonsense_is_left_out_and_said_and_the_rest_is_kept(
    client: Client, ada: User, nonsense: dict[str, str | list[str]]
) -> None:
    client.force_login(ada)
    known = {"page": "7-7", "seconds": "20", "opened": "1", "passed": "2"}
    client.post(PLACE, {"anchor": "counting", **known})
    answer = client.post(PLACE, {"anchor": "towers", "page": "7-7", **nonsense})
    assert answer.status_code == 400
    assert next(iter(nonsense)) in answer.content.decode()
    place = Place.objects.get()
    assert (place.seconds, place.opened, place.passed) == (20, [1], [2])
    assert place.anchor == "towers"


def test_reports_of_two_tabs_add_up(client: Client, ada: User) -> None:
    client.force_login(ada)
    for report in (
        {"page": "7-1", "seconds": "30", "opened": ["3"], "passed": ["2"]},
        {"page": "7-2", "seconds": "30", "opened": ["1", "3"], "passed": ["1"]},
        {"page": "7-1", "seconds": "60"},
        {"page": "7-2", "seconds": "0"},
    ):
        assert client.post(PLACE, report).status_code == 204
    place = Place.objects.get()
    assert (place.seconds, place.opened, place.passed) == (90, [1, 3], [1, 2])


def test_what_a_page_tells_twice_counts_once(client: Client, ada: User) -> None:
    client.force_login(ada)
    # The second overtakes the first; whose answer is lost is told again, with what came since.
    for seconds in (60, 30, 60, 90):
        client.post(PLACE, {"page": "7-1", "seconds": seconds})
    assert Place.objects.get().seconds == 90


def test_pages_that_are_long_gone_are_forgotten(client: Client, ada: User) -> None:
    client.force_login(ada)
    for number in range(places.MOST_PAGES + 5):
        client.post(PLACE, {"page": f"7-{number}", "seconds": "10"})
    place = Place.objects.get()
    assert place.seconds == 10 * (places.MOST_PAGES + 5)
    assert [page for page, _ in place.pages] == [f"7-{n}" for n in range(5, places.MOST_PAGES + 5)]


def test_a_report_that_comes_late_does_not_move_ones_place(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get("/resources/blocks/")
    client.get("/resources/balls/")
    client.post(PLACE, {"page": "7-7", "seconds": "12"})
    latest = Place.objects.filter(student=ada).latest("at")
    assert latest.resource.key == "balls"
    client.post(PLACE, {"anchor": "towers"})
    assert Place.objects.filter(student=ada).latest("at").resource.key == "blocks"


def test_sections_that_were_read_are_ticked(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post(PLACE, {"anchor": "high-towers"})
    assert Place.objects.get().read == ["towers"]
    client.post(PLACE, {"anchor": "counting"})
    assert Place.objects.get().read == ["counting", "towers"]
    html = client.get("/resources/blocks/").content.decode()
    assert html.count('<li class="read">') == 2
    assert 'Towers<span class="visually-hidden">, read</span>' in html


def test_the_first_visit_stays_the_first(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.get("/resources/blocks/")
    first = Place.objects.get().opened_at
    assert first is not None
    Place.objects.update(at=timezone.now() - 2 * places.SAME_VISIT)
    client.get("/resources/blocks/")
    client.post(PLACE, {"anchor": "towers", "page": "7-7", "seconds": "5"})
    place = Place.objects.get()
    assert place.opened_at == first
    assert timezone.now() - place.at < places.SAME_VISIT


def test_a_report_is_ones_own(client: Client, ada: User, ben: User) -> None:
    report = {"page": "7-7", "seconds": "5"}
    assert client.post(PLACE, report).headers["Location"].startswith("/accounts/login/")
    assert not Place.objects.exists()
    for student in (ada, ben):
        client.force_login(student)
        client.post(PLACE, report)
    assert list(Place.objects.values_list("seconds", flat=True)) == [5, 5]


def test_a_report_to_no_reading_is_not_found(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.post("/resources/none/place/", {"seconds": "0"}).status_code == 404
    assert client.get(PLACE).status_code == 405


@given(seconds=st.lists(st.integers(-5, places.MOST_SECONDS + 5), max_size=6))
def test_whatever_comes_only_what_makes_sense_is_counted(seconds: list[int]) -> None:
    blocks = Resource(body_html="", html={"headings": []})
    found = [places.Report.of(QueryDict(f"page=7-7&seconds={each}"), blocks) for each in seconds]
    assert sum(report.seconds for report in found) == sum(
        each for each in seconds if 0 <= each <= places.MOST_SECONDS
    )
