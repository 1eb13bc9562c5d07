"""The glossary: terms in texts lead to it, and from it every text that uses a term is found."""

import re
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from courses import loading, terms
from courses.glossary import Entry, Glossary
from courses.models import Activity, Checkpoint, Mention, Resource, Term

GLOSSARY = Glossary(
    (
        Entry("cache", "/glossary/cache/", ("cache", "caches"), link=True),
        Entry("kv", "/glossary/kv/", ("KV cache",), link=True),
        Entry("q4", "/glossary/q4/", ("Q4_K",), link=True),
        Entry("head", "/glossary/head/", ("head",), link=False),
    )
)


def link(key: str, words: str) -> str:
    return f'<a class="term" href="/glossary/{key}/">{words}</a>'


def test_a_term_is_linked_once_a_page() -> None:
    first = GLOSSARY.linked("<p>A cache. Two caches.</p>")
    assert first.html == f"<p>A {link('cache', 'cache')}. Two caches.</p>"
    assert GLOSSARY.linked("<p>A cache.</p>", besides=first.terms).html == "<p>A cache.</p>"


@pytest.mark.parametrize(
    "html",
    [
        "<p><code>cache</code></p>",
        '<pre class="highlight"><code><span class="n">cache</span></code></pre>',
        '<p><a href="/elsewhere/">the <em>cache</em></a></p>',
        "<math><mi>cache</mi></math>",
        '<h2 id="cache">The cache</h2>',
        "<h3>A <em>cache</em></h3>",
        "<summary>Derivation: cache</summary>",
        "<svg><text>cache</text></svg>",
        '<p><img alt="cache" src="cache.png"></p>',
    ],
)
def test_nothing_is_linked_in_code_links_mathematics_headings_and_drawings(html: str) -> None:
    linked = GLOSSARY.linked(html)
    assert linked.html == html
    assert not linked.terms


def test_after_what_stays_as_it_is_texts_are_linked_again() -> None:
    html = GLOSSARY.linked("<h2>Cache</h2><p><code>cache</code> is a cache</p>").html
    assert html == f"<h2>Cache</h2><p><code>cache</code> is a {link('cache', 'cache')}</p>"


def test_the_longest_form_wins() -> None:
    linked = GLOSSARY.linked("The KV cache")
    assert linked.html == f"The {link('kv', 'KV cache')}"
    assert linked.terms == {"kv"}


def test_a_sentence_may_begin_with_a_term_and_no_word_may_hide_one() -> None:
    assert GLOSSARY.linked("Cache it").html == f"{link('cache', 'Cache')} it"
    for words in ("cached", "per-cache", "Q4_K_M", "CACHE"):
        assert GLOSSARY.linked(words).html == words


def test_an_everyday_word_is_counted_and_not_linked() -> None:
    linked = GLOSSARY.linked("a head")
    assert linked.html == "a head"
    assert linked.terms == {"head"}


PIECES = st.sampled_from(
    ["cache", "KV cache", "Q4_K", "head", " ", ", ", "-", "x", "<p>", "</p>", "<code>cache</code>"]
)


@given(st.lists(PIECES).map("".join))
def test_linking_adds_links_and_changes_nothing_else(html: str) -> None:
    linked = GLOSSARY.linked(html).html
    assert terms.unlinked(linked) == html
    assert len(re.findall('href="([^"]+)"', linked)) == len(
        set(re.findall('href="([^"]+)"', linked))
    )


def change(files: Path, name: str, old: str, new: str) -> None:
    path = files / "toys" / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def used_on(key: str) -> set[str]:
    return set(Mention.objects.filter(term__key=key).values_list("url", flat=True))


def test_backlinks_follow_when_a_text_changes(client: Client, files: Path, db: None) -> None:
    loading.load(files)
    assert used_on("roll") == {"/resources/balls/"}
    change(files, "resources/02-blocks.md", "They stand.", "They roll.")
    loading.load(files)
    assert used_on("roll") == {"/resources/balls/", "/resources/blocks/"}
    html = client.get("/glossary/roll/").content.decode()
    assert 'href="/resources/blocks/">Blocks</a>' in html
    assert link("roll", "roll") in client.get("/resources/blocks/").content.decode()

    change(files, "resources/01-balls.md", "A ball rolls.", "A ball lies.")
    change(files, "resources/01-balls.md", "They roll.", "They lie.")
    change(files, "resources/01-balls.md", "Roll a ball", "Throw a ball")
    change(files, "resources/02-blocks.md", "They roll.", "They stand.")
    loading.load(files)
    assert used_on("roll") == set()
    assert "No page uses this term yet." in client.get("/glossary/roll/").content.decode()


def test_a_term_that_is_new_is_linked_in_texts_that_have_not_changed(files: Path, db: None) -> None:
    loading.load(files)
    assert used_on("three") == set()
    glossary = files / "toys/glossary.yaml"
    glossary.write_text(
        f"{glossary.read_text()}- {{key: three, term: three, definition: 2 + 1.}}\n"
    )
    loading.load(files)
    assert link("three", "three") in Resource.objects.get(key="blocks").body_html
    assert used_on("three") == {"/resources/blocks/"}


def test_a_term_that_is_gone_is_linked_no_more(client: Client, files: Path, db: None) -> None:
    loading.load(files)
    assert link("power", "powers") in client.get("/resources/blocks/").content.decode()
    glossary = files / "toys/glossary.yaml"
    text = glossary.read_text()
    glossary.write_text(text[text.index("- key: roll") :])
    loading.load(files)
    assert "/glossary/power/" not in client.get("/resources/blocks/").content.decode()
    assert client.get("/glossary/power/").status_code == 404


def test_a_checkpoint_is_a_backlink_until_it_is_retired(
    client: Client, files: Path, db: None
) -> None:
    change(files, "checkpoints/building.yaml", "Build a tower", "Make it roll")
    loading.load(files)
    assert used_on("roll") == {"/resources/balls/", "/checkpoints/building/"}
    backlink = 'href="/checkpoints/building/">Checkpoint 1: Building</a>'
    assert backlink in client.get("/glossary/roll/").content.decode()
    Checkpoint.objects.update(retired=True)
    assert backlink not in client.get("/glossary/roll/").content.decode()


def test_no_backlink_leads_to_an_activity_that_is_gone(
    client: Client, toys: loading.Loaded
) -> None:
    term, url = Term.objects.get(key="roll"), "/labs/lab-towers/"
    Activity.objects.filter(key="lab-towers").update(url=url, planned=False)
    term.mentions.create(url=url, title="Lab 1")
    assert url in client.get("/glossary/roll/").content.decode()
    Activity.objects.filter(key="lab-towers").update(retired=True)
    assert url not in client.get("/glossary/roll/").content.decode()


def test_what_is_filled_in_later_is_not_linked() -> None:
    # The name of a drawn value may be a term: "{bits} bits".
    text = "<p>{power} of {t.power}: a power</p>"
    expected = f"<p>{{power}} of {{t.power}}: a {link('power', 'power')}</p>"
    glossary = Glossary((Entry("power", "/glossary/power/", ("power",), link=True),))
    assert glossary.linked(text).html == expected
