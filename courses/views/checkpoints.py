"""Checkpoints: gates, teach-backs, and the certificate."""

from contextlib import suppress

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from courses import certificates, markdown, mastery, rubrics, standing, teach_backs
from courses.models import Certificate, Checkpoint, Explanation, Module, Resource, TeachBack
from people.models import User
from people.requests import SignedInRequest


class WritingForm(forms.Form):
    """The text of an explanation. `number` says which one, so that an old page changes none.

    `seen` is the version of the draft that the page shows; see _written.html.
    """

    number = forms.IntegerField(widget=forms.HiddenInput)
    seen = forms.CharField(widget=forms.HiddenInput, max_length=64, required=False)
    text = forms.CharField(
        label="Your explanation",
        help_text="Plain text or Markdown.",
        widget=forms.Textarea(attrs={"rows": 12}),
        max_length=teach_backs.LONGEST_TEXT,
        required=False,
        strip=False,
    )


@require_GET
def checkpoint(request: HttpRequest, key: str) -> HttpResponse:
    checkpoint = get_object_or_404(
        Checkpoint.objects.published()
        .select_related("module")
        .prefetch_related(
            "gates__activities",
            Prefetch(
                "gates__remediation", Resource.objects.published().only("key", "title", "module")
            ),
        ),
        key=key,
    )
    record = standing.record_of(request.user)
    gates = [
        standing.barrier(gate, gate.activities.all(), record) for gate in checkpoint.gates.all()
    ]
    written = TeachBack.objects.filter(checkpoint=checkpoint, activity__retired=False)
    teach_back = written.select_related("checkpoint", "activity").first()
    return render(
        request,
        "courses/checkpoint.html",
        {
            "checkpoint": checkpoint,
            "gates": gates,
            "passed": sum(gate.is_passed for gate in gates),
            "teach_back": teach_back,
            "work": teach_back and _work_of(request.user, teach_back),
        },
    )


def _work_of(user: User | AnonymousUser, teach_back: TeachBack) -> teach_backs.Work | None:
    return teach_backs.work_of(user, teach_back) if isinstance(user, User) else None


@login_required
@require_http_methods(["GET", "POST"])
def teach_back(request: SignedInRequest, key: str) -> HttpResponse:
    """Where an explanation is written, kept and submitted."""
    work = _own_work(request, key)
    if request.method == "POST":
        return _write(request, work)
    form = WritingForm(initial={"number": work.number, "text": work.text})
    return _desk(request, work, form, seen=work.version)


def _own_work(request: SignedInRequest, key: str) -> teach_backs.Work:
    found = get_object_or_404(
        TeachBack.objects.select_related("checkpoint__module", "activity"),
        checkpoint__key=key,
        checkpoint__retired=False,
        activity__retired=False,
    )
    return teach_backs.work_of(request.user, found)


def _write(request: SignedInRequest, work: teach_backs.Work) -> HttpResponse:
    form = WritingForm(request.POST)
    seen = form["seen"].value() or ""
    if not form.is_valid():
        return _desk(request, work, form, seen=seen)
    now = timezone.now()
    try:
        draft = teach_backs.keep(work, student=request.user, at=now, **form.cleaned_data)
        if "keep" in request.POST:
            messages.success(request, "Your draft is kept.")
            return redirect(work.teach_back)
        teach_backs.submit(draft, at=now)
    except teach_backs.TooShortError as error:
        form.add_error("text", str(error))
        return _desk(request, work, form, seen=teach_backs.version(draft.text))
    except teach_backs.ChangedElsewhereError as error:
        form.add_error(None, str(error))
        return _desk(request, work, form, seen=teach_backs.version(error.text), other=error.text)
    except teach_backs.AlreadySubmittedError:
        messages.error(request, "This had been submitted before. Nothing was changed.")
        return redirect(work.latest or work.teach_back)
    return redirect(draft)


def _desk(
    request: SignedInRequest,
    work: teach_backs.Work,
    form: WritingForm,
    *,
    seen: str,
    other: str = "",
) -> HttpResponse:
    """`other` is what another tab has kept meanwhile."""
    context = {
        "work": work,
        "form": form,
        "seen": seen,
        "other": other,
        "words": teach_backs.words(form["text"].value() or ""),
        "fewest": teach_backs.FEWEST_WORDS,
    }
    status = 422 if form.errors else 200
    return render(request, "courses/teach_back.html", context, status=status)


@login_required
@require_POST
def teach_back_draft(request: SignedInRequest, key: str) -> HttpResponse:
    """Keep what is typed so far; says so in a line, with how many words it has."""
    work = _own_work(request, key)
    form = WritingForm(request.POST)
    kept = False
    seen = form["seen"].value() or ""
    if form.is_valid():
        try:
            draft = teach_backs.keep(
                work, student=request.user, at=timezone.now(), **form.cleaned_data
            )
            seen, kept = teach_backs.version(draft.text), True
        except teach_backs.ChangedElsewhereError as error:
            form.add_error("text", str(error))
        except teach_backs.AlreadySubmittedError:
            pass
    context = {
        "work": work,
        "form": form,
        "seen": seen,
        "words": teach_backs.words(form["text"].value() or ""),
        "fewest": teach_backs.FEWEST_WORDS,
        "kept_at": timezone.now() if kept else None,
    }
    return render(request, "courses/_written.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def explanation(request: SignedInRequest, pk: int) -> HttpResponse:
    """What was submitted, beside the model answer; the student's own points, then the grade."""
    found = get_object_or_404(
        # A draft is its writer's own.
        Explanation.objects.visible_to(request.user)
        .filter(Q(student=request.user) | Q(submitted_at__isnull=False))
        .select_related(
            "student", "graded_by", "teach_back__checkpoint__module", "teach_back__activity"
        ),
        pk=pk,
    )
    # The model answer is shown to those who have written their own.
    if found.submitted_at is None:
        return redirect(found.teach_back)
    if request.method == "POST":
        return _assess(request, found)
    return _explained(request, found, rubrics.RubricForm(found.teach_back.rubric, given=found.own))


def _assess(request: SignedInRequest, found: Explanation) -> HttpResponse:
    if found.student_id != request.user.pk:
        raise Http404
    form = rubrics.RubricForm(found.teach_back.rubric, request.POST)
    if not form.is_valid():
        return _explained(request, found, form)
    try:
        teach_backs.assess(found, form.points, at=timezone.now())
    except teach_backs.AlreadyGradedError:
        messages.error(request, "This had been graded before. Nothing was changed.")
    return redirect(found)


def _explained(
    request: SignedInRequest, found: Explanation, form: rubrics.RubricForm
) -> HttpResponse:
    teach_back = found.teach_back
    waits = found.graded_at is None and teach_backs.has_instructor(found.student)
    is_own = found.student_id == request.user.pk
    context = {
        "explanation": found,
        "html": markdown.render_user(found.text),
        "words": teach_backs.words(found.text),
        "marks": rubrics.marks(teach_back.rubric, own=found.own, given=found.given),
        "is_own": is_own,
        "waits": waits,
        "asks": is_own and found.graded_at is None and not (waits and found.own),
        "form": form,
    }
    status = 422 if form.errors else 200
    return render(request, "courses/explanation.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def certify(request: SignedInRequest, key: str) -> HttpResponse:
    """What the certificate of a module still needs; once nothing is missing, it can be had."""
    module = get_object_or_404(Module.objects.published().filter(locked=False), key=key)
    refused = request.method == "POST"
    if refused:
        with suppress(certificates.NotYetError):
            return redirect(certificates.issue(request.user, module, timezone.now()))
    context = {
        "module": module,
        "candidacy": certificates.standing_for(request.user, module),
        "certificate": Certificate.objects.filter(student=request.user, module=module).first(),
        "refused": refused,
    }
    return render(request, "courses/certify.html", context, status=422 if refused else 200)


@require_GET
def certificate(request: HttpRequest, code: str) -> HttpResponse:
    """Public: whoever has the code can see that the certificate is real, and what it says."""
    found = Certificate.objects.filter(code=code).first()
    if found is None:
        return render(request, "courses/certificate_unknown.html", {"code": code}, status=404)
    response = render(
        request,
        "courses/certificate.html",
        {
            "certificate": found,
            "address": request.build_absolute_uri(),
            "needed": mastery.MASTERED,
        },
    )
    # It is for those whom its owner shows it to, not for everybody who searches for a name.
    response.headers["X-Robots-Tag"] = "noindex"
    return response
