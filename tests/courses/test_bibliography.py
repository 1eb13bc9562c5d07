"""What the course cites: for people, and as BibTeX that other programs read as it was meant."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from bibtexparser.entrypoint import parse_string
from bibtexparser.library import Library
from bibtexparser.middlewares import (
    LatexDecodingMiddleware,
    SeparateCoAuthors,
    SplitNameParts,
)
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from courses import bibliography, citations, loading, schema
from courses.models import Citation, Place, Resource
from people.models import User

BLOCKS = "/resources/blocks/"


def parsed(text: str) -> Library:
    library = parse_string(
        text,
        append_middleware=[LatexDecodingMiddleware(), SeparateCoAuthors(), SplitNameParts()],
    )
    assert not library.failed_blocks
    return library


def check(library: Library, works: Iterable[schema.Citation]) -> None:
    """The entries are the works, and titles and authors have come through."""
    expected = {work.key: work for work in works}
    assert {entry.key for entry in library.entries} == expected.keys()
    assert len(library.entries) == len(expected)
    for entry in library.entries:
        work = expected[entry.key]
        assert entry.entry_type == work.type
        assert without_braces(entry["title"]) == without_braces(work.title)
        names = [name.merge_last_name_first for name in entry["author"]]
        assert names == [*work.authors, *(["others"] if work.others else [])]
        assert entry["year"] == str(work.year)
        assert entry["url"] == work.url


def without_braces(title: str) -> str:
    return title.replace("{", "").replace("}", "")


def work(**more: object) -> schema.Citation:
    fields = {
        "key": "one",
        "type": "misc",
        "title": "One",
        "authors": ["Ann"],
        "year": 2024,
        "url": "https://example.org/",
    }
    return schema.Citation.model_validate(fields | more)


def read(client: Client, url: str) -> Library:
    response = client.get(url)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/x-bibtex; charset=utf-8"
    assert response["Content-Disposition"].startswith("attachment; filename=")
    return parsed(response.content.decode())


def works() -> list[schema.Citation]:
    return [schema.Citation.model_validate(row.content) for row in Citation.objects.all()]


# Two hyphens are a dash in TeX, and no title means anything else by them.
WORDS = st.lists(
    st.text("abcdefgXYZ019&%$#_-:.,()?!é", min_size=1, max_size=8), min_size=1, max_size=6
).map(lambda words: re.sub("-+", "-", " ".join(words)))


@given(WORDS)
def test_any_title_comes_back_as_it_was(title: str) -> None:
    check(parsed(bibliography.bibtex(work(title=title))), [work(title=title)])


def test_what_is_no_entry_is_not_found(client: Client, toys: loading.Loaded) -> None:
    for url in ("/bibliography/none.bib", "/bibliography/none/", "/bibliography/.bib"):
        assert client.get(url).status_code == 404


@pytest.mark.parametrize(
    ("authors", "others", "words"),
    [
        (["ggml-org"], False, "ggml-org"),
        (["Dao, Tri", "Fu, Daniel Y."], False, "Tri Dao and Daniel Y. Fu"),
        (["A, A", "B, B", "C, C", "D, D"], False, "A A, B B, C C and D D"),
        (["A, A", "B, B", "C, C", "D, D", "E, E"], False, "A A, B B, C C and 2 others"),
        (["A, A", "B, B", "C, C", "D, D"], True, "A A, B B, C C, D D and others"),
        (["A, A", "B, B", "C, C", "D, D", "E, E"], True, "A A, B B, C C and others"),
        (["ggml-org"], True, "ggml-org and others"),
    ],
)
def test_authors_are_named_as_one_says_it(authors: list[str], others: bool, words: str) -> None:
    reference = citations.Reference(work(authors=authors, others=others), "", None)
    assert reference.authors == words


def test_the_whole_bibliography_of_the_course_can_be_read_back(client: Client, db: None) -> None:
    loading.load(settings.COURSE_DIR)
    assert Citation.objects.count() > 30
    check(read(client, "/bibliography.bib"), works())


def test_an_entry_can_be_taken_away_alone(client: Client, toys: loading.Loaded) -> None:
    library = read(client, "/bibliography/angstrom2024blocks.bib")
    check(library, [item for item in works() if item.key == "angstrom2024blocks"])
    assert library.entries[0]["journal"] == r"Journal of Toys & Games"


def test_who_has_opened_readings_can_take_their_entries_and_no_others(
    client: Client, toys: loading.Loaded, ada: User, ben: User
) -> None:
    assert client.get("/bibliography/visited.bib").status_code == 302
    balls = Resource.objects.get(key="balls")
    Citation.objects.filter(key="zorn2023balls").update(resource=balls)
    for student, key in ((ada, "blocks"), (ben, "balls")):
        resource = Resource.objects.get(key=key)
        Place.objects.create(student=student, resource=resource, at=timezone.now())
    client.force_login(ada)
    library = read(client, "/bibliography/visited.bib")
    assert [entry.key for entry in library.entries] == ["angstrom2024blocks"]


def test_who_has_opened_nothing_gets_an_empty_file(
    client: Client, toys: loading.Loaded, ada: User
) -> None:
    client.force_login(ada)
    assert read(client, "/bibliography/visited.bib").entries == []


def cite(files: Path) -> None:
    """Let Balls be a paper too, and Blocks cite both papers and the handbook."""
    path = files / "toys/resources/02-blocks.md"
    cited = "cites: [zorn2023balls, angstrom2024blocks, toy-makers]"
    path.write_text(path.read_text().replace("stars: 3\n", f"stars: 3\n{cited}\n", 1))
    path = files / "toys/bibliography.yaml"
    path.write_text(path.read_text().replace("all-balls\n", "all-balls\n  resource: balls\n"))
    loading.load(files)


def test_the_bibliography_says_where_a_work_is_read_and_cited(
    client: Client, files: Path, db: None
) -> None:
    cite(files)
    html = client.get("/bibliography/").content.decode()
    blocks, balls = (
        html[html.index(f'id="{key}"') :].partition("BibTeX")[0]
        for key in ("angstrom2024blocks", "zorn2023balls")
    )
    assert "Ann Ångström and Beatrix de Bo (2024)" in blocks
    assert "Blocks &amp; LEGO_2: 100 % of {what} Stands" in blocks
    assert "Journal of Toys &amp; Games" in blocks
    assert "arXiv:2405.00001" in blocks
    assert 'Read here: <a href="/resources/blocks/">Blocks</a>' in blocks
    assert "cited in" not in blocks.lower()
    assert "Zoe Zorn, Yan Yew, Xi Xu and 2 others (2023)" in balls
    assert f'<a href="{BLOCKS}">Blocks</a>' in balls[balls.lower().index("cited in") :]
    assert html.index('id="angstrom2024blocks"') > html.index('id="toy-makers"')

    Resource.objects.filter(key="blocks").update(retired=True)
    assert BLOCKS not in client.get("/bibliography/").content.decode()


def test_a_reading_says_how_to_cite_it_and_what_it_cites(
    client: Client, files: Path, db: None
) -> None:
    cite(files)
    html = client.get(BLOCKS).content.decode()
    own, cites = html[html.index("Cite this") :].split("What this cites")
    assert "@article{angstrom2024blocks," in own
    assert 'href="/bibliography/angstrom2024blocks.bib"' in own
    assert "zorn2023balls" not in own
    assert "angstrom2024blocks" not in cites
    assert 'href="/resources/balls/">Balls</a>' in cites
    assert 'href="/bibliography/#toy-makers"' in cites
    html = client.get("/resources/balls/").content.decode()
    assert "Cite this" in html
    assert "What this cites" not in html


@pytest.mark.parametrize("url", ["/bibliography/", "/bibliography.bib", BLOCKS])
def test_a_page_takes_the_same_few_queries_however_much_is_cited(
    client: Client, files: Path, ada: User, url: str
) -> None:
    cite(files)
    client.force_login(ada)
    client.get(url)
    with CaptureQueriesContext(connection) as few:
        client.get(url)
    handbook, blocks = Citation.objects.get(key="toy-makers"), Resource.objects.get(key="blocks")
    for number in range(10, 30):
        handbook.pk, handbook.key = None, f"more{number}"
        handbook.content = handbook.content | {"key": handbook.key}
        handbook.save(force_insert=True)
        handbook.cited_by.add(blocks)
    with CaptureQueriesContext(connection) as many:
        assert client.get(url).status_code == 200
    assert len(many) == len(few) <= 12
