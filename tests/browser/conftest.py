"""A real Chromium in front of the whole campus, with the real course loaded."""

import re
import shutil
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)

from campus.management.commands.loadcourse import load
from people.models import User

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1280, "height": 800}
# What a test waits for on a page, at most; in milliseconds.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(autouse=True)
def _database_beside_playwright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Playwright's event loop runs in the tests' thread, where Django then refuses its database.

    The loop never runs while a test does, so there is nothing to protect.
    """
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file: for a session its event loop would stand in other tests' way."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        pytest.fail("Chromium is missing; `make test` installs it.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_context(browser: Browser, campus: str) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser profile on the campus. The test fails if any page in one complained."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # Our own answers: 422 to a form that comes back with what is wrong in it, 409 to a draft
        # that another window has overtaken.
        ours = re.search("status of (422|409)", message.text)
        if message.type in {"error", "warning"} and not ours:
            complaints.append(f"console {message.type}: {message.text} ({message.location})")

    def watch(page: Page) -> None:
        page.on("console", heard)
        page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((campus, "data:", "blob:"))
                else complaints.append(f"asked elsewhere: {request.url}")
            ),
        )

    def open_context(**options: object) -> BrowserContext:
        context = browser.new_context(**{"base_url": campus, "viewport": DESKTOP, **options})  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        context.on("page", watch)
        contexts.append(context)
        return context

    yield open_context
    # Before the database is emptied: an open page would go on asking about what is gone.
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    """A page on the campus."""
    return open_context().new_page()


@pytest.fixture
def course(transactional_db: None) -> None:
    """The real course, as `manage.py loadcourse` loads it."""
    load(settings.COURSE_DIR)


@pytest.fixture
def sign_in(password: str) -> Callable[[Page, User], None]:
    """Sign somebody in through the form."""

    def sign_in(page: Page, person: User) -> None:
        page.goto("/accounts/login/")
        page.get_by_label("Username or email").fill(person.username)
        page.get_by_label("Password").fill(password)
        page.get_by_role("main").get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", level=1, name="Welcome").wait_for()

    return sign_in
