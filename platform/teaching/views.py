import csv

from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from courses.models import Activity, Evidence, ObjectiveEarned, Place, QuizAttempt, Resource
from labs.models import Run
from people.models import Cohort, User
from people.requests import SignedInRequest

from . import export, heatmap


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
    return render(request, "teaching/cohort.html", {"cohort": chosen, "heat": heat})


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


def _student(request: SignedInRequest, slug: str, username: str) -> tuple[Cohort, User]:
    cohort = get_object_or_404(Cohort.objects.visible_to(request.user), slug=slug)
    return cohort, get_object_or_404(cohort.students, username=username)
