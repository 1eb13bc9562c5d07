"""An exercise in a real browser: from a failing submission to a passing one, and the capstone."""

import re
from collections.abc import Callable

import pytest
from django.utils import timezone
from playwright.sync_api import APIResponse, BrowserContext, Locator, Page, Route, expect

from courses.models import Evidence
from labs import runs
from labs.models import Draft, Lab, Run
from people.models import User
from tests.browser.test_axe import handed_in
from tests.stack import wait_until
from workers.exercises import EXERCISES

SignIn = Callable[[Page, User], None]
RMSNORM = "exercise-rmsnorm"
CAPSTONE = "exercise-forward-pass"


@pytest.fixture
def ladder(course: None, campus: str) -> None:
    """The course, with a worker that takes code."""
    lab = Lab.objects.get(key=RMSNORM)
    wait_until(lambda: bool(runs.workers_online(lab, at=timezone.now())), "code is served")


def write(page: Page, code: str) -> None:
    """Put code into the editor, as pasting does."""
    editor = page.get_by_role("textbox", name="Your code")
    editor.focus()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)


def check(page: Page) -> Locator:
    """Run the checks; the verdict, once it is there."""
    page.get_by_role("button", name="Run the checks").click()
    verdict = page.locator("#run .verdict")
    expect(page.locator("[data-live]")).to_have_count(0)
    expect(verdict).to_be_visible()
    return verdict


def test_ada_fails_reads_why_takes_a_hint_and_passes(
    page: Page, ladder: None, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    page.get_by_role("navigation", name="Campus").get_by_role("link", name="Ladder").click()
    page.get_by_role("link", name="RMSNorm", exact=True).click()
    expect(page.locator(".ace_keyword").first).to_have_text("import")

    expect(check(page)).to_contain_text("0 of")
    expect(page.locator(".checks")).to_contain_text("rms_norm is not written yet.")

    right = EXERCISES[RMSNORM].solution
    write(page, right.replace(" * weight", ""))
    expect(page.locator("[data-kept]")).to_contain_text("Draft saved")
    verdict = check(page)
    expect(verdict).to_contain_text("to go")
    failing = page.locator(".checks > li.wrong").filter(has_text="Every row for itself")
    expect(failing).to_contain_text("The gain is missing")
    failing.get_by_text("Where it is off").click()
    expect(failing.locator(".chart[data-drawn]")).to_be_visible()
    failing.get_by_role("link", name=re.compile("Go to line")).click()
    expect(page.get_by_role("textbox", name="Your code")).to_be_focused()
    expect(page.locator(".ace_gutter-cell.ace_error").first).to_be_attached()

    page.get_by_role("button", name="A hint: costs 5 %").click()
    expect(page.locator("#help")).to_contain_text("Help has cost 5 %")
    write(page, right)
    verdict = check(page)
    expect(verdict).to_contain_text("Passed: every check is met.")
    expect(verdict).to_contain_text("this counts as 95 %")
    # What a pass opens is there without a reload.
    expect(page.locator("#help")).to_contain_text("free now")
    expect(page.locator("#submissions .badge").first).to_have_text("Judged")
    verdict.get_by_role("link", name="Compare with the model solution").click()
    expect(page.locator("#solution pre")).to_be_visible()

    evidence = Evidence.objects.filter(student=ada, passed=True).get()
    assert evidence.score == pytest.approx(0.95)
    assert Run.objects.owned_by(ada).count() == 3
    page.goto("/ladder/")
    expect(page.locator(".ladder > li").filter(has_text="RMSNorm")).to_contain_text("passed")


def test_what_was_typed_is_there_after_a_reload_and_in_another_browser(
    page: Page,
    open_context: Callable[..., BrowserContext],
    ladder: None,
    ada: User,
    sign_in: SignIn,
) -> None:
    sign_in(page, ada)
    page.goto(f"/exercises/{RMSNORM}/")
    write(page, "first = 1\n")
    expect(page.locator("[data-kept]")).to_contain_text("Draft saved")

    other = open_context().new_page()
    sign_in(other, ada)
    other.goto(f"/exercises/{RMSNORM}/")
    expect(other.locator(".ace_text-layer")).to_contain_text("first = 1")
    write(other, "second = 2\n")
    expect(other.locator("[data-kept]")).to_contain_text("Draft saved")

    # The first window is told, and neither code is lost.
    page.get_by_role("textbox", name="Your code").focus()
    with page.expect_response(lambda answer: answer.status == 409):
        page.keyboard.insert_text("third = 3\n")
    page.get_by_role("button", name="Keep what is here").click()
    expect(page.locator("[data-kept]")).to_contain_text("Draft saved")
    assert "third = 3" in Draft.objects.get(student=ada).code


def test_what_overtakes_what_loses_and_confuses_nothing(
    page: Page, ladder: None, ada: User, sign_in: SignIn
) -> None:
    """Answers that come late: of a submission while one types on, and of the run before."""
    sign_in(page, ada)
    page.goto(f"/exercises/{RMSNORM}/")
    kept, title = page.locator("[data-kept]"), page.locator("#judged-title")
    late: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        late.append((route, route.fetch()))

    def release() -> None:
        route, answer = late.pop()
        route.fulfill(response=answer)

    write(page, "first = 1\n")
    page.route("**/submissions/", hold, times=1)
    page.keyboard.press("Control+Enter")
    page.keyboard.insert_text("second = 2\n")
    wait_for(page, lambda: bool(late))
    page.wait_for_timeout(1500)  # longer than the editor waits before it saves
    release()
    expect(kept).to_contain_text("Draft saved")
    expect(page.locator("[data-conflict]")).to_be_hidden()
    assert Draft.objects.get(student=ada).code == "first = 1\nsecond = 2\n"

    # The verdict on a run that another has followed is not shown as the other's.
    expect(page.locator("[data-live]")).to_have_count(0)
    page.route("**/state/", hold, times=1)
    write(page, "third = 3\n")
    page.keyboard.press("Control+Enter")
    wait_for(page, lambda: bool(late))
    write(page, EXERCISES[RMSNORM].solution)
    page.keyboard.press("Control+Enter")
    wait_for(page, lambda: Run.objects.owned_by(ada).count() == 3)
    expect(title).to_contain_text(f"Submission {Run.objects.owned_by(ada)[0].pk}")
    release()
    expect(page.locator("#run .verdict")).to_contain_text("Passed: every check is met.")
    page.wait_for_timeout(500)  # for what should not come
    expect(page.locator("#run .verdict")).to_contain_text("Passed: every check is met.")


def test_unsaved_code_outlives_a_reload_and_a_session(
    page: Page, ladder: None, ada: User, sign_in: SignIn
) -> None:
    sign_in(page, ada)
    page.goto(f"/exercises/{RMSNORM}/")
    kept, text = page.locator("[data-kept]"), page.locator(".ace_text-layer")
    write(page, "typed = 1\n")
    page.reload()  # before the editor has saved anything
    expect(text).to_contain_text("typed = 1")
    expect(kept).to_contain_text("Draft saved")
    expect(page.locator("[data-conflict]")).to_be_hidden()

    page.context.clear_cookies(name="sessionid")
    write(page, "later = 2\n")
    expect(kept).to_contain_text("Your session has ended.")
    page.get_by_role("button", name="Run the checks").click()
    expect(kept).to_contain_text("Your session has ended.")
    expect(page.locator("#judged")).to_contain_text("What will be checked")
    page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves
    page.reload()
    sign_in(page, ada)
    page.goto(f"/exercises/{RMSNORM}/")
    expect(text).to_contain_text("later = 2")
    expect(kept).to_contain_text("Draft saved")
    assert Draft.objects.get(student=ada).code == "later = 2\n"


def wait_for(page: Page, come: Callable[[], bool]) -> None:
    """Let the page go on until something has come: its requests are answered only meanwhile."""
    for _ in range(1000):
        if come():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it has not come")


def test_without_javascript_it_is_a_form(
    open_context: Callable[..., BrowserContext], ladder: None, ada: User, sign_in: SignIn
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    sign_in(page, ada)
    page.goto(f"/exercises/{RMSNORM}/")
    page.get_by_label("Your code").fill(EXERCISES[RMSNORM].solution)
    page.get_by_role("button", name="Run the checks").click()

    (run,) = Run.objects.owned_by(ada)
    wait_until(lambda: bool(Run.objects.get(pk=run.pk).is_final), "it is judged")
    page.reload()
    expect(page.locator("#run .verdict")).to_contain_text("Passed: every check is met.")


def test_the_capstone_is_put_together_from_ada_s_own_answers(
    page: Page, ladder: None, ada: User, sign_in: SignIn
) -> None:
    """The top of the ladder: her own forward pass, and llama.cpp's logits."""
    capstone = EXERCISES[CAPSTONE]
    for key in dict.fromkeys(key for _, key in capstone.parts):
        run = handed_in(Lab.objects.get(key=key), ada, EXERCISES[key].solution)
        wait_until(lambda: Run.objects.get(pk=run.pk).grade == 1.0, f"{key} passes")  # noqa: B023

    sign_in(page, ada)
    page.goto(f"/exercises/{CAPSTONE}/")
    page.get_by_role("button", name="Start from my earlier answers").click()
    expect(page.locator("[data-kept]")).to_contain_text("Draft saved")
    assembled = Draft.objects.get(student=ada, lab__key=CAPSTONE).code
    assert "def rms_norm" in assembled
    expect(check(page)).to_contain_text("to go")

    write(page, completed(assembled, capstone.solution, {name for name, _ in capstone.parts}))
    expect(check(page)).to_contain_text("Passed: every check is met.", timeout=60_000)
    assert Evidence.objects.filter(student=ada, activity__key=CAPSTONE, passed=True).exists()


def completed(assembled: str, solution: str, parts: set[str]) -> str:
    """The assembled code with the rest written: what the solution defines beside the parts."""
    own = re.split(r"^(?=def )", solution, flags=re.MULTILINE)[1:]
    return "\n\n".join(
        (assembled, *(code for code in own if code[4 : code.index("(")] not in parts))
    )
