import csv

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from courses import markdown, rubrics, teach_backs
from courses.models import (
    Activity,
    Evidence,
    Explanation,
    ObjectiveEarned,
    Place,
    QuizAttempt,
    Resource,
)
from labs.models import Run
from people.models import Cohort, User
from people.requests import SignedInRequest

from . import export, grading, heatmap


@login_required
@require_safe
def cohorts(request: SignedInRequest) -> HttpResponse:
    if request.user.is_student:
        raise Http404
    visible = Cohort.objects.visible_to(request.user).annotate(size=Count("memberships"))
    return render(request, "teaching/cohorts.html", {"cohorts": visible})


@login_required
@require_safe
def cohort(request: SignedInRequest, slug: str) -> HttpResponse:
    chosen = get_object_or_404(Cohort.objects.visible_to(request.user), slug=slug)
    heat = heatmap.build(chosen, at=timezone.now())
    waiting = grading.waiting(chosen, request.user).count()
    context = {"cohort": chosen, "heat": heat, "waiting": waiting}
    return render(request, "teaching/cohort.html", context)


@login_required
@require_safe
def cohort_csv(request: SignedInRequest, slug: str) -> HttpResponse:
    chosen = get_object_or_404(Cohort.objects.visible_to(request.user), slug=slug)
    response = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{chosen.slug}.csv"'},
    )
    csv.writer(response).writerows(export.lines(heatmap.build(chosen, at=timezone.now())))
    return response


@login_required
@require_safe
def activity(request: SignedInRequest, slug: str, username: str, key: str) -> HttpResponse:
    """The evidence of a student at an activity, and what has been begun without any yet."""
    chosen, student = _student(request, slug, username)
    unit = get_object_or_404(Activity.objects.published(), key=key)
    evidence = Evidence.objects.visible_to(request.user).filter(student=student, activity=unit)
    attempts = QuizAttempt.objects.visible_to(request.user).filter(
        student=student, quiz__activity=unit, submitted_at=None
    )
    runs = Run.objects.visible_to(request.user).filter(
        student=student, lab__activity=unit, grade=None
    )
    explanations = Explanation.objects.visible_to(request.user).filter(
        student=student, teach_back__activity=unit, graded_at=None
    )
    return render(
        request,
        "teaching/activity.html",
        {
            "cohort": chosen,
            "student": student,
            "unit": unit,
            "evidence": evidence.order_by("-pk"),
            "attempts": attempts,
            "runs": runs,
            "explanations": explanations,
            "at": timezone.now(),
        },
    )


@login_required
@require_safe
def resource(request: SignedInRequest, slug: str, username: str, key: str) -> HttpResponse:
    """What a student earned of a resource, the evidence for it, and where they left off."""
    chosen, student = _student(request, slug, username)
    unit = get_object_or_404(Resource.objects.published(), key=key)
    earned = {
        found.objective_id: found
        for found in ObjectiveEarned.objects.visible_to(request.user)
        .filter(student=student, objective__resource=unit)
        .select_related("evidence__activity")
    }
    place = Place.objects.visible_to(request.user).filter(student=student, resource=unit).first()
    objectives = [(found, earned.get(found.pk)) for found in unit.objectives.all()]
    return render(
        request,
        "teaching/resource.html",
        {
            "cohort": chosen,
            "student": student,
            "unit": unit,
            "objectives": objectives,
            "earned": len(earned),
            "place": place,
            "at": timezone.now(),
        },
    )


@login_required
@require_safe
def queue(request: SignedInRequest, slug: str) -> HttpResponse:
    """The teach-backs of a cohort: what waits for a grade, then what has one."""
    chosen = get_object_or_404(Cohort.objects.visible_to(request.user), slug=slug)
    return render(
        request,
        "teaching/teach_backs.html",
        {
            "cohort": chosen,
            "queue": grading.queue(chosen, request.user),
            "at": timezone.now(),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def grade(request: SignedInRequest, slug: str, pk: int) -> HttpResponse:
    """An explanation with the form that grades it; once graded, it is only shown."""
    chosen = get_object_or_404(Cohort.objects.visible_to(request.user), slug=slug)
    found = get_object_or_404(grading.submitted(chosen, request.user), pk=pk)
    rubric = found.teach_back.rubric
    typed = request.POST if request.method == "POST" else None
    form = rubrics.RubricForm(rubric, typed)
    comment = grading.CommentForm(typed)
    if form.is_valid() and comment.is_valid():
        return _grade(request, chosen, found, form.points, comment.cleaned_data["comment"])
    return render(
        request,
        "teaching/grade.html",
        {
            "cohort": chosen,
            "explanation": found,
            "html": markdown.render_user(found.text),
            "words": teach_backs.words(found.text),
            "marks": rubrics.marks(rubric, own=found.own, given=found.given),
            "form": form,
            "comment": comment,
        },
        status=422 if form.errors or comment.errors else 200,
    )


def _grade(
    request: SignedInRequest,
    cohort: Cohort,
    found: Explanation,
    points: rubrics.Points,
    comment: str,
) -> HttpResponse:
    try:
        teach_backs.grade(found, points, comment=comment, grader=request.user, at=timezone.now())
    except teach_backs.AlreadyGradedError:
        messages.error(request, "This had been graded before. The first grade stands.")
        return redirect("teaching:grade", cohort.slug, found.pk)
    messages.success(request, f"{found.student.name} has your grade.")
    return redirect("teaching:queue", cohort.slug)


def _student(request: SignedInRequest, slug: str, username: str) -> tuple[Cohort, User]:
    cohort = get_object_or_404(Cohort.objects.visible_to(request.user), slug=slug)
    return cohort, get_object_or_404(cohort.students, username=username)
