"""Every page of the address book: free of axe's findings, light and dark, and at home on a phone.

Walks the URLconf, so that a new page is looked at, or its exception gives a reason, or this fails.
"""

import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatch
from typing import Any, Literal
from urllib.parse import urlparse

import pytest
from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from axe_playwright_python.base import AXE_SCRIPT
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils import timezone
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from courses import attempts, teach_backs
from courses.models import Certificate, Explanation, Module, Quiz, StudyPlan, TeachBack
from labs import broker, exercises, runs, sheet, stream
from labs.models import Fault, Lab, Run, State
from people.models import User
from tests.stack import wait_until
from workers.exercises import EXERCISES

PHONE = ViewportSize(width=360, height=740)

# What is no page, by the names of URLs, and why.
EXCEPTIONS = {
    "account_confirm_login_code": "Signing in by a code is off: it leads to the sign-in page.",
    "admin:*_add": "The form of the change page, empty.",
    "admin:*_delete": "Django's own question whether one is sure.",
    "admin:*_history": "Django's own list of what was changed.",
    "admin:auth_user_password_change": "Django's own form.",
    "admin:autocomplete": "JSON for the admin's script.",
    "admin:jsi18n": "A script.",
    "admin:login": "The form of account_login is the campus's; an admin who is in never sees it.",
    "admin:logout": "POST only.",
    "admin:password_change*": "Django's own form; the campus links to account_change_password.",
    "admin:view_on_site": "Leads to the page itself.",
    "courses:bib": "A file.",
    "courses:draft": "POST only.",
    "courses:ical": "A file.",
    "courses:teach-back-draft": "POST only.",
    "courses:entry-bib": "A file.",
    "courses:look": "POST only.",
    "courses:notes-markdown": "A file.",
    "courses:nudge-dismiss": "POST only.",
    "courses:place": "POST only.",
    "courses:term-card": "A fragment; test_cards.py looks at it where it is shown.",
    "courses:visited-bib": "A file.",
    "health": "Plain text for whoever watches the servers.",
    "labs:artifact": "A file.",
    "labs:assembled": "Plain text for the editor.",
    "labs:cancel": "POST only.",
    "labs:download": "A file.",
    "labs:draft": "POST only.",
    "labs:give_up": "POST only.",
    "labs:hint": "POST only.",
    "labs:submit": "POST only.",
    "labs:conclude": "GET is not allowed; the form is on the page labs:run.",
    "labs:events": "An event stream.",
    "labs:figure": "JSON, drawn by the figures of courses:resource.",
    "labs:run_csv": "A file.",
    "labs:run_json": "JSON.",
    "labs:start": "POST only.",
    "labs:state": "The changing part of labs:run, seen there.",
    "teaching:cohort_csv": "A file.",
}

# What axe finds in markup of Django's own, by page and rule, and where it stands.
OF_DJANGO = {
    "admin:labs_run_change": {
        "empty-table-header": "The columns of an inline table for its links and its delete boxes.",
    },
    "admin:people_cohort_change": {
        "aria-input-field-name": "Select2, which Django brings for autocomplete fields.",
        "empty-table-header": "The columns of an inline table for its links and its delete boxes.",
        "label": "Select2's search, and date fields in an inline table.",
        "list": "Select2 puts its search into the list of what is chosen.",
    },
}

# Those with a figure each, and one without.
READINGS = (
    *("illustrated-transformer", "attention-is-all-you-need", "roformer", "rmsnorm"),
    *("glu-variants", "gguf", "eight-bit-blog", "llm-int8", "gptq", "awq"),
    *("flash-attention", "gqa", "lets-build-gpt"),
)

# Who looks at what: (person, arguments). Strings that World.names knows stand for what it says.
PAGES: dict[str, list[tuple[str, dict[str, str]]]] = {
    "home": [("nobody", {}), ("ada", {}), ("newcomer", {}), ("olga", {})],
    "profile": [("ada", {})],
    "courses:module": [
        ("nobody", {"key": "foundations"}),
        ("ada", {"key": "foundations"}),
        ("nobody", {"key": "core-implementation"}),
    ],
    "courses:resource": [
        ("nobody", {"key": "llama"}),
        *(("ada", {"key": key}) for key in READINGS),
    ],
    "courses:calculator": [("nobody", {"key": "gqa", "name": "cache"})],
    "courses:plan": [("ada", {"key": "foundations"}), ("newcomer", {"key": "foundations"})],
    "courses:skill": [
        ("ada", {"key": "rope-and-context"}),
        ("ada", {"key": "rope-scaling"}),
        ("newcomer", {"key": "gguf-structure"}),
    ],
    "courses:quiz": [("ada", {"key": "quiz-illustrated-transformer"})],
    "courses:attempt": [
        ("ada", {"pk": "open attempt"}),
        ("ada", {"pk": "wrong attempt"}),
        ("ada", {"pk": "right attempt"}),
        ("iris", {"pk": "open attempt"}),
    ],
    "courses:checkpoint": [("nobody", {"key": "architecture"}), ("ada", {"key": "quantization"})],
    "courses:teach-back": [
        ("ada", {"key": "architecture"}),
        ("ada", {"key": "quantization"}),
        ("newcomer", {"key": "format-and-tooling"}),
    ],
    "courses:explanation": [
        ("ada", {"pk": "new explanation"}),
        ("ada", {"pk": "graded explanation"}),
        ("iris", {"pk": "new explanation"}),
    ],
    "courses:certify": [("ada", {"key": "foundations"}), ("newcomer", {"key": "foundations"})],
    "courses:certificate": [("nobody", {"code": "certificate"})],
    "courses:note": [("ada", {"key": "gguf"})],
    "courses:notes": [("ada", {}), ("newcomer", {})],
    "courses:pitfalls": [("nobody", {})],
    "courses:progress": [("ada", {}), ("newcomer", {})],
    "courses:modules": [("nobody", {}), ("ada", {})],
    "courses:advanced": [("ada", {"key": "foundations"})],
    "courses:glossary": [("nobody", {})],
    "courses:term": [("nobody", {"key": "gqa"}), ("ada", {"key": "attention"})],
    "courses:bibliography": [("nobody", {}), ("ada", {})],
    "courses:links": [("iris", {}), ("olga", {})],
    "labs:history": [("ada", {}), ("newcomer", {})],
    "labs:ladder": [("ada", {}), ("newcomer", {})],
    "labs:exercise": [
        ("newcomer", {"key": "exercise-rmsnorm"}),
        ("ada", {"key": "exercise-rmsnorm"}),
        ("ada", {"key": "exercise-rope"}),
        ("ada", {"key": "exercise-forward-pass"}),
    ],
    "labs:lab": [
        ("ada", {"key": "lab-1-first-inference"}),
        ("ada", {"key": "lab-2-gguf-exploration"}),
        ("ada", {"key": "lab-4-quantize-and-measure"}),
    ],
    "labs:run": [
        ("ada", {"pk": "live run"}),
        ("ada", {"pk": "cancelled run"}),
        ("ada", {"pk": "refused run"}),
        ("ada", {"pk": "lost run"}),
        ("ada", {"pk": "run of lab 1"}),
        ("ada", {"pk": "run of lab 2"}),
        ("ada", {"pk": "run of lab 4"}),
        ("iris", {"pk": "refused run"}),
        ("iris", {"pk": "wrong code"}),
    ],
    "teaching:cohorts": [("iris", {}), ("olga", {})],
    "teaching:cohort": [("iris", {"slug": "spring"})],
    "teaching:queue": [("iris", {"slug": "spring"})],
    "teaching:grade": [
        ("iris", {"slug": "spring", "pk": "new explanation"}),
        ("iris", {"slug": "spring", "pk": "graded explanation"}),
    ],
    "teaching:activity": [
        ("iris", {"slug": "spring", "username": "ada", "key": "lab-1-first-inference"}),
        ("iris", {"slug": "spring", "username": "ada", "key": "quiz-gguf"}),
    ],
    "teaching:resource": [("iris", {"slug": "spring", "username": "ada", "key": "gguf"})],
    "account_login": [("nobody", {})],
    "account_signup": [("nobody", {})],
    "account_inactive": [("nobody", {})],
    "account_email_verification_sent": [("nobody", {})],
    "account_reset_password": [("nobody", {})],
    "account_reset_password_done": [("nobody", {})],
    "account_reset_password_from_key_done": [("nobody", {})],
    "account_reset_password_from_key": [("nobody", {"uidb36": "ada's uid", "key": "reset key"})],
    "account_confirm_email": [("nobody", {"key": "email key"})],
    "account_logout": [("ada", {})],
    "account_email": [("ada", {})],
    "account_change_password": [("ada", {})],
    "account_reauthenticate": [("ada", {})],
    "account_set_password": [("newcomer", {})],
    "admin:index": [("olga", {})],
    "admin:app_list": [("olga", {"app_label": "courses"})],
}

# Charts in there are drawn only then.
OPEN_WHAT_IS_FOLDED = """
() => {
  for (const details of document.querySelectorAll("main details")) details.open = true;
}
"""
AXE = """
async (rules) => {
  await document.fonts.ready;
  // Whatever changes its colour slowly begins to with the next frame.
  for (let frames = 0; frames < 2; frames += 1) await new Promise(requestAnimationFrame);
  for (const animation of document.getAnimations()) animation.finish();
  const { violations } = await axe.run({ resultTypes: ["violations"], preload: false, ...rules });
  const said = ({ any, all, none }) => [...any, ...all, ...none].map(({ message }) => message)[0];
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => [id, `${node.target.join(" ")}: ${said(node)}`]));
}
"""
# What is the same in both schemes is looked at once: dark differs in colours only.
COLOURS = ["color-contrast", "link-in-text-block"]
SCHEMES: dict[Literal["light", "dark"], dict[str, list[str]]] = {
    "light": {},
    "dark": {"runOnly": COLOURS},
}
CHARTS_ARE_DRAWN = """
() => [...document.querySelectorAll(".chart[data-chart]")].every(({ dataset }) => dataset.drawn)
"""
FIGURES_ARE_DRAWN = """
() => [...document.querySelectorAll("[data-stage]")].every((stage) => stage.children.length)
"""
TOO_WIDE = """
(width) => {
  const { scrollWidth } = document.scrollingElement;
  if (scrollWidth <= width) return [];
  const beyond = (element) => element.getBoundingClientRect().right > width;
  const first = [...document.body.querySelectorAll("*")].find(beyond);
  return [`${scrollWidth} px wide on a phone: ${first?.outerHTML.slice(0, 200)}`];
}
"""


@dataclass(frozen=True)
class World:
    """What there is to look at: primary keys and tokens under the names that PAGES uses."""

    names: dict[str, str]


def named_urls(of: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in of.url_patterns:
        if isinstance(entry, URLPattern):
            if entry.name:
                yield prefix + entry.name
        else:
            yield from named_urls(
                entry, f"{prefix}{entry.namespace}:" if entry.namespace else prefix
            )


def admin_pages() -> dict[str, list[tuple[str, dict[str, str]]]]:
    """The list and the form of everything that the admin has, for the first row of its table."""
    pages: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        pages[f"admin:{name}_changelist"] = [("olga", {})]
        first = model._default_manager.order_by("pk").first()
        pages[f"admin:{name}_change"] = [("olga", {"object_id": str(first.pk)})] if first else []
    return pages


def test_every_url_is_looked_at_or_excepted_with_a_reason(db: None) -> None:
    names = set(named_urls(get_resolver()))
    seen = PAGES.keys() | admin_pages().keys()
    assert sorted(seen - names) == [], "URLs that are no more"
    assert [pattern for pattern in EXCEPTIONS if not any(fnmatch(n, pattern) for n in names)] == []
    excepted = {name for name in names if any(fnmatch(name, pattern) for pattern in EXCEPTIONS)}
    assert sorted(names - seen - excepted) == [], "Say in PAGES who looks at these, and at what"


@pytest.fixture
def newcomer(transactional_db: None) -> User:
    """Somebody who has done nothing yet and has no password either."""
    user = User.objects.create_user("newcomer", "newcomer@example.org")
    assert not user.has_usable_password()
    return user


def guess(lab: Lab, student: User) -> Run:
    """A run as the lab page starts it, for somebody who guesses "1" and takes the first choice."""
    blank = sheet.blank(lab, student)
    data: dict[str, Any] = {}
    for form in (blank.prediction, blank.choices):
        for name, field in form.fields.items():
            choices = getattr(field, "choices", None)
            first = choices[0][0] if choices else "1"
            data[form.add_prefix(name)] = first if field.initial is None else field.initial
    paper = sheet.filled(lab, student, data)
    assert paper.is_valid(), (paper.prediction.errors, paper.choices.errors)
    return runs.start(
        lab,
        student=student,
        draw=paper.draw,
        prediction=paper.prediction.cleaned_data,
        choices=paper.choices.cleaned_data,
        key=paper.key,
        at=timezone.now(),
    )


def handed_in(lab: Lab, student: User, code: str) -> Run:
    """A submission as the page of an exercise makes it."""
    wait_until(lambda: bool(runs.workers_online(lab, at=timezone.now())), "code is served")
    run = exercises.submit(
        lab, student=student, code=code, key=uuid.uuid4(), at=timezone.now(), version=0
    )
    broker.hand_over(run.lane)
    return run


def under_way(run: Run) -> Run:
    """As if a worker had it: with a phase, progress, tokens, points and a log to see."""
    Run.objects.filter(pk=run.pk).update(handed_over_at=timezone.now())
    claimed = runs.claim(run.pk, worker="elsewhere:1", at=timezone.now())
    assert claimed is not None
    Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() + timedelta(hours=1))
    candidates = [{"token": 1, "text": " once", "probability": 0.75}]
    stream.publish(
        stream.name(run.pk, claimed.attempt),
        [
            {"type": "phase", "name": "Generating"},
            {"type": "progress", "done": 1, "total": 3, "unit": "tokens"},
            {"type": "token", "text": " once", "probability": 0.75, "candidates": candidates},
            *(
                {"type": "point", "series": "perplexity", "x": x, "y": 4 + x, "low": 3, "high": 6}
                for x in range(3)
            ),
            {"type": "log", "line": "llama_context: n_ctx = 512"},
        ],
    )
    return run


def explained(student: User, checkpoint: str) -> Explanation:
    """An explanation that has just been handed in."""
    teach_back = TeachBack.objects.get(checkpoint__key=checkpoint)
    work = teach_backs.work_of(student, teach_back)
    now = timezone.now()
    draft = teach_backs.keep(work, student=student, number=1, text="A block. " * 40, at=now)
    teach_backs.submit(draft, at=now)
    return draft


def certified(student: User) -> Certificate:
    competency = {"title": "GGUF", "percent": 88, "kinds": ["Lab", "Question"], "observations": 9}
    return Certificate.objects.create(
        student=student,
        module=Module.objects.get(key="foundations"),
        statement={
            "name": student.name,
            "module": "Module 1: Foundations",
            "competencies": [competency],
            "date": "2026-03-09",
        },
    )


@pytest.fixture
def world(course: None, campus: str, ada: User, ben: User, iris: User, olga: User) -> World:
    """Ada has been busy: attempts open and graded, and runs in every state."""
    now = timezone.now()
    labs = {lab.number: lab for lab in Lab.objects.exclude(kind="code")}
    labs[4].parameters |= {"chunks": 2}
    labs[4].save()
    done = {f"run of lab {number}": guess(lab, ada) for number, lab in labs.items()}
    for run in done.values():
        broker.hand_over(run.lane)

    rmsnorm, rope = (Lab.objects.get(key=f"exercise-{name}") for name in ("rmsnorm", "rope"))
    solution = EXERCISES["exercise-rmsnorm"].solution
    code = handed_in(rmsnorm, ada, solution.replace(" * weight", ""))
    exercises.take_hint(rmsnorm, ada, 1, at=now)
    done["wrong code"] = code
    exercises.give_up(rope, ada, at=now)

    # Between them they ask questions of every type; the last one also proposes a path.
    taken = {}
    for name, key in {"open": "quiz-llama", "wrong": "quiz-rope", "right": "diagnostic"}.items():
        quiz = Quiz.objects.get(key=key)
        Quiz.objects.filter(pk=quiz.pk).update(draw=quiz.questions.count())
        quiz.refresh_from_db()
        taken[name] = attempts.start(student=ada, quiz=quiz, at=now, seed=1)
        items = attempts.items(taken[name])
        if name != "open":
            for item in items:
                item.answer.response = list(getattr(item.question, name)(item.seed))
            attempts.submit(taken[name], items, at=now)

    refused, cancelled, lost = (
        guess(labs[1], ben if name == "lost" else ada) for name in ("refused", "cancelled", "lost")
    )
    ended = {
        refused: (State.FAILED, Fault.REQUEST, "The file type cannot be made of this model."),
        cancelled: (State.CANCELLED, Fault.NONE, "You cancelled it."),
        lost: (State.FAILED, Fault.OURS, "The worker fell silent. That was our fault."),
    }
    for run, (state, fault, message) in ended.items():
        Run.objects.filter(pk=run.pk).update(
            student=ada, state=state, fault=fault, message=message, finished_at=now
        )
    live = under_way(guess(labs[1], ada))

    for run in done.values():
        wait_until(
            lambda: Run.objects.get(pk=run.pk).state == State.SUCCEEDED,  # noqa: B023
            f"{run} succeeds",
            seconds=60,
        )
    StudyPlan.objects.create(student=ada, module=Module.objects.get(key="foundations"))
    new, graded = explained(ada, "architecture"), explained(ada, "quantization")
    points = {criterion["key"]: criterion["points"] for criterion in graded.teach_back.rubric}
    teach_backs.grade(graded, points, comment="Clear.", grader=iris, at=now)
    address, _ = EmailAddress.objects.get_or_create(user=ada, email=ada.email, primary=True)
    return World(
        {f"{name} attempt": str(attempt.pk) for name, attempt in taken.items()}
        | {name: str(run.pk) for name, run in done.items()}
        | {
            "new explanation": str(new.pk),
            "graded explanation": str(graded.pk),
            "certificate": certified(ada).code,
            "live run": str(live.pk),
            "refused run": str(refused.pk),
            "cancelled run": str(cancelled.pk),
            "lost run": str(lost.pk),
            "ada's uid": user_pk_to_url_str(ada),
            "reset key": default_token_generator.make_token(ada),
            "email key": EmailConfirmationHMAC(address).key,
        }
    )


@pytest.fixture
def visitors(
    open_context: Callable[..., BrowserContext],
    ada: User,
    iris: User,
    olga: User,
    newcomer: User,
    campus: str,
) -> dict[str, Page]:
    """A page for each person, signed in; and one for nobody."""
    pages = {}
    for name, person in {
        "nobody": None,
        "ada": ada,
        "iris": iris,
        "olga": olga,
        "newcomer": newcomer,
    }.items():
        context = open_context(reduced_motion="reduce")
        context.add_init_script(AXE_SCRIPT)
        if person:
            client = Client()
            client.force_login(person)
            session = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": session, "url": campus}])
        pages[name] = context.new_page()
    return pages


@pytest.mark.timeout(600)
def test_no_page_has_violations_in_light_or_dark_and_every_page_fits_a_phone(
    world: World, visitors: dict[str, Page], subtests: pytest.Subtests
) -> None:
    for name, visits in (PAGES | admin_pages()).items():
        for who, arguments in visits:
            known = {key: world.names.get(value, value) for key, value in arguments.items()}
            path = reverse(name, kwargs=known)
            with subtests.test(f"{who} at {path} ({name})"):
                if found := findings(visitors[who], path, name):
                    pytest.fail("\n".join(found))


def findings(page: Page, path: str, name: str) -> list[str]:
    """What is wrong with the page at the path, in words."""
    response = page.goto(path)
    assert response is not None
    assert response.status == 200
    assert resolve(urlparse(page.url).path).view_name == name, f"led to {page.url}"
    return faults(page, excepted=OF_DJANGO.get(name, {}))


def faults(page: Page, *, excepted: Collection[str] = ()) -> list[str]:
    """What is wrong with the page as it stands there, but for some rules of axe."""
    found = []
    page.evaluate(OPEN_WHAT_IS_FOLDED)
    for scheme, rules in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)
        page.wait_for_function(CHARTS_ARE_DRAWN)
        page.wait_for_function(FIGURES_ARE_DRAWN)
        found += [
            f"{scheme}: {rule}: {words}"
            for rule, words in page.evaluate(AXE, rules)
            if rule not in excepted
        ]
    before = page.viewport_size
    assert before is not None
    page.set_viewport_size(PHONE)
    found += page.evaluate(TOO_WIDE, PHONE["width"])
    page.set_viewport_size(before)
    page.emulate_media(color_scheme="light")
    return found


def test_what_comes_back_with_mistakes_has_no_violations_either(
    course: None, visitors: dict[str, Page]
) -> None:
    page = visitors["nobody"]
    page.goto("/accounts/login/")
    page.get_by_label("Username or email").fill("ada")
    page.get_by_label("Password").fill("forgotten")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert faults(page) == []

    page = visitors["ada"]
    page.goto("/labs/lab-4-quantize-and-measure/")
    page.locator("form[data-once]").evaluate("(form) => { form.noValidate = true; }")
    page.get_by_label("in bytes").first.fill("plenty")
    page.get_by_role("button", name="Lock the prediction and run").click()
    expect(page.get_by_text("Write a number of bytes")).to_be_visible()
    assert faults(page) == []

    page.goto("/quizzes/quiz-illustrated-transformer/")
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing has been graded yet.")
    assert faults(page) == []

    # Shown as if all were well, for Chromium complains of a 404 in its console.
    page.route("**/nowhere/", lambda route: route.fulfill(response=route.fetch(), status=200))
    page.goto("/nowhere/")
    page.get_by_role("banner").locator("summary").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert faults(page) == []
