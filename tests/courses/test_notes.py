"""Notes: kept as they are written, never lost, and nobody else's business."""

import pytest
from django.contrib import admin
from django.test import Client

from courses.models import Note, Resource
from people.models import User

pytestmark = pytest.mark.usefixtures("toys")
BLOCKS = "/resources/blocks/"
NOTE = "/resources/blocks/note/"
HTMX = {"HX-Request": "true"}


def version() -> str:
    return Note.objects.get().version


def test_a_note_over_its_length_is_refused_in_words_and_nothing_is_lost(
    client: Client, ada: User
) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "Short.", "version": ""})
    answer = client.post(NOTE, {"text": "x" * 20_001, "version": version()})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "A note holds 20,000 characters and this is 20,001" in html
    assert "x" * 20_001 in html
    assert f'value="{version()}"' in html
    assert Note.objects.get().text == "Short."
    answer = client.post(NOTE, {"text": "x" * 20_001, "version": version()}, headers=HTMX)
    assert answer.status_code == 200
    assert "Take out 1;" in answer.content.decode()
    assert Note.objects.get().text == "Short."


def test_a_full_note_is_kept_whatever_ends_its_lines(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "ab\r\n" * 6_666 + "xy", "version": ""})
    assert Note.objects.get().text == "ab\n" * 6_666 + "xy"


def test_signs_that_no_database_holds_are_left_out(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.post(NOTE, {"text": "a\0b", "version": ""}).status_code == 302
    assert Note.objects.get().text == "ab"


def test_visitors_have_no_notes(client: Client) -> None:
    assert "Your note" not in client.get(BLOCKS).content.decode()
    for url in (NOTE, "/notes/", "/notes.md"):
        assert client.get(url).headers["Location"].startswith("/accounts/login/")
    assert client.post(NOTE, {"text": "Hello"}).headers["Location"].startswith("/accounts/login/")
    assert not Note.objects.exists()


def test_there_is_no_note_on_what_is_not_there(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.post("/resources/none/note/", {"text": "Hello"}).status_code == 404


def test_a_note_is_kept_by_a_plain_form_and_comes_back(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert 'name="version" value=""' in client.get(NOTE).content.decode()
    answer = client.post(NOTE, {"text": "\nWhy powers of <two>?", "version": ""})
    assert answer.headers["Location"] == NOTE
    assert f'href="{NOTE}"' in client.get(BLOCKS).content.decode()
    for headers in ({}, HTMX):
        html = client.get(NOTE, headers=headers).content.decode()
        assert ("<html" in html) is not bool(headers)
        # The first line end is the parser's, the second the note's own.
        assert ">\n\nWhy powers of &lt;two&gt;?</textarea>" in html
        assert f'name="version" value="{version()}"' in html
        assert "Kept on" in html


def test_a_note_is_kept_while_it_is_written(client: Client, ada: User) -> None:
    client.force_login(ada)
    seen = ""
    for text in ("W", "Why", ""):
        html = client.post(NOTE, {"text": text, "version": seen}, headers=HTMX).content.decode()
        assert "Kept on" in html
        assert "<html" not in html
        assert Note.objects.get().text == text
        seen = version()
        assert f'value="{seen}"' in html


def test_two_tabs_do_not_undo_each_other(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "First.", "version": ""})
    opened = version()
    client.post(NOTE, {"text": "First. Second.", "version": opened}, headers=HTMX)

    late = {"text": "First. Third.", "version": opened}
    answer = client.post(NOTE, late, headers=HTMX)
    assert "changed in another tab" in answer.content.decode()
    assert f'value="{opened}"' in answer.content.decode()
    answer = client.post(NOTE, late)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert ">\nFirst. Third.</textarea>" in html
    assert "First. Second.</pre>" in html
    assert Note.objects.get().text == "First. Second."

    both = {"text": "First. Second. Third.", "version": version()}
    assert client.post(NOTE, both).status_code == 302
    assert Note.objects.get().text == "First. Second. Third."


def test_a_second_tab_that_never_saw_the_note_does_not_undo_it(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "First.", "version": ""})
    assert client.post(NOTE, {"text": "Other.", "version": ""}).status_code == 422
    assert client.post(NOTE, {"text": "First.", "version": ""}).status_code == 302
    assert Note.objects.get().text == "First."


def test_nobody_else_sees_a_note(
    client: Client, ada: User, ben: User, iris: User, olga: User, stranger: User
) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "A secret thought", "version": ""})
    urls = (BLOCKS, NOTE, "/notes/", "/notes.md")
    assert all("A secret thought" in client.get(url).content.decode() for url in urls[1:])
    for person in (ben, iris, olga, stranger):
        client.force_login(person)
        for url in (*urls, "/cohorts/spring/ada/resources/blocks/"):
            assert "A secret thought" not in client.get(url).content.decode()
        assert not Note.objects.visible_to(person).exists()


def test_the_admin_has_no_notes() -> None:
    assert not admin.site.is_registered(Note)


def test_all_notes_stand_together_by_reading_as_harmless_html(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert "No notes yet" in client.get("/notes/").content.decode()
    client.post(
        "/resources/balls/note/", {"text": "# Round\n\n<script>alert(1)</script>", "version": ""}
    )
    client.post(NOTE, {"text": "**Square** [x](javascript:alert(1))", "version": ""})
    html = client.get("/notes/").content.decode()
    assert html.index("<strong>Square</strong>") < html.index("<h3>Round</h3>")
    assert "<script>alert" not in html
    assert 'href="javascript' not in html
    assert 'href="/resources/balls/"' in html


def test_a_note_outlives_its_reading(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "Still here", "version": ""})
    Resource.objects.filter(key="blocks").update(retired=True)
    html = client.get("/notes/").content.decode()
    assert "Still here" in html
    assert 'href="/resources/blocks/' not in html


def test_notes_are_taken_along_as_one_file(client: Client, ada: User) -> None:
    client.force_login(ada)
    client.post(NOTE, {"text": "Square.\n", "version": ""})
    client.post("/resources/balls/note/", {"text": "Round.", "version": ""})
    answer = client.get("/notes.md")
    assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert 'filename="notes.md"' in answer.headers["Content-Disposition"]
    assert answer.content.decode() == (
        "# Notes\n\n"
        "## Blocks\n\n<http://testserver/resources/blocks/>\n\nSquare.\n\n"
        "## Balls\n\n<http://testserver/resources/balls/>\n\nRound.\n"
    )
