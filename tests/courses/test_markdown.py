"""Course text as HTML: mathematics, code, notes; and what people type, made harmless."""

import pytest

from courses.markdown import render, render_inline, render_page, render_user


def test_mathematics_is_mathml_with_words_whole() -> None:
    html = render(r"$$\mathrm{softmax}(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}$$")
    assert '<math display="block">' in html
    assert "<mi>softmax</mi>" in html
    assert "<mfrac>" in html
    assert 'tabindex="0"' in html


def test_money_is_no_mathematics() -> None:
    assert "<math" not in render("It costs $5 and then $6.")


def test_a_long_formula_in_a_line_may_break_before_its_equals_sign() -> None:
    html = render_inline(r"$\sin(a)\sin(b) + \cos(a)\cos(b) = \cos(a - b)$")
    assert html.count("<math") == 2
    assert "<wbr>" in html
    assert render_inline(r"$x_{i=1} = \frac{1}{2}$").count("<math") == 1


def test_an_empty_corner_of_a_table_is_no_heading() -> None:
    html = render("| | F16 |\n|---|---|\n| bits | 16 |")
    assert "<td></td>" in html
    assert "<th>F16</th>" in html


def test_short_code_stays_in_one_piece_and_infinity_is_no_operator() -> None:
    assert '<code class="unbroken">--rope-freq-scale</code>' in render("Set `--rope-freq-scale`.")
    assert "<code>a --much --longer" in render("`a --much --longer --command --line --than --that`")
    assert "<mi>&#x0221E;</mi>" in render_inline(r"$-\infty$")


def test_a_number_and_its_per_cent_stay_together_but_not_in_code() -> None:
    assert "42\u00a0% of {n}\u00a0% and 5 percent" in render("42 % of {n} % and 5 percent")
    assert "<code>7 % 4</code>" in render("```\n7 % 4\n```").replace("\n", "")


def test_code_is_coloured_by_classes_and_can_be_scrolled_by_keyboard() -> None:
    html = render("```python\nx = 1  # one\n```")
    assert '<pre class="highlight" tabindex="0">' in html
    assert '<span class="c1"># one</span>' in html
    assert "style=" not in html


def test_tokens_that_look_like_html_stay_text() -> None:
    assert "&lt;s&gt;" in render("The token <s> begins a text.")
    assert "<script" not in render("<script>alert(1)</script>")


def test_headings_have_addresses_of_their_own() -> None:
    page = render_page("## The *cache* at $n^2$\n\n### Why\n\n## Why\n\n#### Small")
    assert [(item.id, item.level) for item in page.headings] == [
        ("the-cache-at", 2),
        ("why", 3),
        ("why-1", 2),
    ]
    assert '<h2 id="why-1">' in page.html


@pytest.mark.parametrize(
    ("container", "words"),
    [("note", ""), ("correction", "Correction"), ("worked", "Worked example: A cache")],
)
def test_containers_carry_their_name(container: str, words: str) -> None:
    title = words.partition(": ")[2]
    html = render(f"::: {container} {title}\nIt is **so**.\n:::")
    assert f'<div class="{container}" role="note">' in html
    assert words in html
    assert "<strong>so</strong>" in html


def test_a_table_scrolls_by_itself_and_has_a_name() -> None:
    html = render("| a |\n|---|\n| 1 |\n\ntext\n\n| b |\n|---|\n| 2 |")
    assert 'role="region" aria-label="Table 1"' in html
    assert 'role="region" aria-label="Table 2"' in html


@pytest.mark.parametrize(
    "typed",
    [
        "<script>alert(1)</script>",
        "[click](javascript:alert(1))",
        '<img src=x onerror="alert(1)">',
        "![x](javascript:alert(1))",
        '<a href="data:text/html,x">x</a>',
    ],
)
def test_what_people_type_can_do_no_harm(typed: str) -> None:
    html = render_user(f"{typed} and **bold**")
    assert "<strong>bold</strong>" in html
    for harm in ("<script", 'href="javascript', "<img", "<a "):
        assert harm not in html


def test_what_a_person_typed_fetches_nothing() -> None:
    html = render_user("See ![this](https://example.org/pixel.png).")
    assert "<img" not in html
    assert 'href="https://example.org/pixel.png"' in html
