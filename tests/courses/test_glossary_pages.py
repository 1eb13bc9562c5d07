"""The pages of the glossary, and the card that a link to a term shows."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from courses.models import Resource, Term
from people.models import User

pytestmark = pytest.mark.usefixtures("toys")
POWER = "/glossary/power/"


def test_what_somebody_typed_is_shown_and_never_run(client: Client) -> None:
    typed = '"><script>alert(1)</script>'
    for headers in ({}, {"HX-Request": "true"}):
        html = client.get("/glossary/", {"q": typed}, headers=headers).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html
        assert "No term is spelt like that." in html


@pytest.mark.parametrize("typed", ["\x00", "%", "(", "\\", " ", "x" * 5000, "é"])
def test_odd_questions_get_an_ordinary_answer(client: Client, typed: str) -> None:
    response = client.get("/glossary/", {"q": typed})
    assert response.status_code == 200
    assert len(response.content) < 20_000


def test_unknown_terms_are_not_found(client: Client) -> None:
    for url in ("/glossary/none/", "/glossary/none/card/", "/glossary/power/cards/"):
        assert client.get(url).status_code == 404


def test_all_terms_stand_in_the_order_of_the_alphabet(client: Client) -> None:
    html = client.get("/glossary/").content.decode()
    assert re.findall(r"<dt>\s*<a href=\"/glossary/([^/]+)/", html) == [
        "power",
        "roll",
        "stand",
        "wheel",
    ]
    assert re.findall(r"<h2 id=\"(\w+)\">", html) == ["p", "r", "s", "w"]
    assert "4 terms" in html


def test_typing_narrows_the_list_by_every_spelling(client: Client) -> None:
    html = client.get("/glossary/", {"q": " POWERS  of "}).content.decode()
    assert "1 term with" in html
    assert 'href="/glossary/power/"' in html
    assert 'href="/glossary/stand/"' not in html


def test_htmx_gets_the_very_list_that_the_page_shows(client: Client) -> None:
    page = client.get("/glossary/", {"q": "l"})
    part = client.get("/glossary/", {"q": "l"}, headers={"HX-Request": "true"})
    assert "HX-Request" in page["Vary"]
    assert "<html" not in part.content.decode()
    assert part.content.decode().strip() in page.content.decode()


def test_a_term_has_its_definition_its_correction_its_readings_and_neighbours(
    client: Client,
) -> None:
    html = client.get("/glossary/roll/").content.decode()
    assert "To move by turning." in html
    assert "The original list" not in html
    assert re.search(r'rel="prev">Before: power<.*rel="next">Next: stand<', html, re.DOTALL)
    html = client.get(POWER).content.decode()
    assert "The original list says: A strong number" in html
    assert "A product of <em>equal</em> factors." in html
    assert "Also: powers, powers of two" in html
    assert '<a class="term" href="/glossary/roll/">rolls</a>' in html
    assert 'href="/resources/blocks/">Blocks</a>' in html[html.index("Read about it") :]
    assert 'rel="prev"' not in html
    html = client.get("/glossary/wheel/").content.decode()
    assert "The original list says: A round thing" in html
    assert "In fact" not in html
    assert 'rel="next"' not in html


def test_a_retired_reading_is_named_nowhere(client: Client) -> None:
    Resource.objects.filter(key="blocks").update(retired=True)
    assert "/resources/blocks/" not in client.get(POWER).content.decode()


def test_a_card_is_the_definition_to_be_read_and_has_no_links(client: Client) -> None:
    html = client.get(f"{POWER}card/").content.decode()
    assert "Nothing that rolls has it." in html
    assert "<math" in html
    assert "<a" not in html
    assert "<html" not in html


def test_a_card_may_be_kept_and_is_asked_for_again_once_it_changed(
    client: Client, ada: User
) -> None:
    first = client.get(f"{POWER}card/")
    assert set(first["Cache-Control"].split(", ")) == {"max-age=300", "public"}
    assert "Cookie" not in first.get("Vary", "")
    known = {"If-None-Match": first["ETag"]}
    client.force_login(ada)
    assert client.get(f"{POWER}card/", headers=known).status_code == 304
    Term.objects.filter(key="power").update(definition_html="<p>New.</p>")
    again = client.get(f"{POWER}card/", headers=known)
    assert (again.status_code, "New." in again.content.decode()) == (200, True)


@pytest.mark.parametrize("url", ["/glossary/", POWER, f"{POWER}card/"])
def test_a_page_takes_the_same_few_queries_however_much_there_is(
    client: Client, ada: User, url: str
) -> None:
    client.force_login(ada)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    power, blocks = Term.objects.get(key="power"), Resource.objects.get(key="blocks")
    for number in range(10, 30):
        Term.objects.create(key=f"t{number}", term=f"term {number}", forms=[])
        power.mentions.create(url=f"/{number}/", title=f"Page {number}")
        blocks.pk, blocks.key, blocks.number = None, f"more-{number}", number
        blocks.save(force_insert=True)
        power.see.add(blocks)
    with CaptureQueriesContext(connection) as many:
        assert client.get(url).status_code == 200
    assert len(many) == len(few) <= 12
