"""The path through a module and its plan with dates."""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from courses import calendar, paths, placement, track
from courses import plan as plans
from courses.models import AdvancedReading, Module, Path, Resource, StudyPlan
from people.requests import SignedInRequest


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]
    path = forms.ChoiceField(choices=Path.choices, widget=forms.RadioSelect)

    class Meta:
        model = StudyPlan
        fields = ("path", "starts_on", "hours_a_week")
        labels: ClassVar = {"starts_on": "I begin on", "hours_a_week": "Hours I have a week"}
        widgets: ClassVar = {"starts_on": forms.DateInput(attrs={"type": "date"})}

    def clean_starts_on(self) -> Any:
        """Within a year of today: a mistyped year makes no plan."""
        starts_on = self.cleaned_data["starts_on"]
        if abs(starts_on - timezone.localdate()) > timedelta(days=366):
            raise forms.ValidationError("Choose a day within a year of today.")
        return starts_on


@login_required
@require_http_methods(["GET", "POST"])
def plan(request: SignedInRequest, key: str) -> HttpResponse:
    """The dated plan, and the form that chooses path, start and hours."""
    module = get_object_or_404(Module.objects.published().filter(locked=False), key=key)
    chosen = plans.chosen(request.user.pk, module)
    found = track.of(request.user, module, chosen=chosen) if chosen else None
    proposal = None if chosen else placement.proposal(request.user)
    form = PlanForm(request.POST or None, instance=chosen or _proposed(request, module, proposal))
    if request.method == "POST" and form.is_valid():
        # Not form.save(): another tab may have made the first plan since this one looked.
        saved, _created = StudyPlan.objects.update_or_create(
            student=request.user, module=module, defaults=form.cleaned_data
        )
        messages.success(
            request, f"Your path is {saved.get_path_display()}. Nothing you did is lost."
        )
        return redirect("courses:plan", module.key)
    resources = (
        [unit.resource for unit in found.units]
        if found
        else Resource.objects.published()
        .filter(module=module)
        .only("type", "stars", "minutes_full")
    )
    return render(
        request,
        "courses/plan.html",
        {
            "module": module,
            "form": form,
            "choices": paths.choices(module, resources),
            "schedule": found and found.schedule(on=timezone.localdate()),
            "weeks": module.plan.get("weeks", ()),
            "proposal": proposal,
        },
        status=422 if form.errors else 200,
    )


def _proposed(
    request: SignedInRequest, module: Module, proposal: placement.Proposal | None
) -> StudyPlan:
    """What the form holds before anything was chosen: the diagnostic's path, the cohort's start.

    Who comes after the cohort has begun begins today, not late.
    """
    today = timezone.localdate()
    cohort = request.user.cohorts.order_by("-starts_on").first()
    return StudyPlan(
        student=request.user,
        module=module,
        path=proposal.path if proposal else Path.STANDARD,
        starts_on=max(cohort.starts_on, today) if cohort else today,
    )


@login_required
@require_GET
def ical(request: SignedInRequest, key: str) -> HttpResponse:
    """The plan for a calendar program."""
    module = get_object_or_404(Module.objects.published(), key=key)
    found = track.of(request.user, module)
    schedule = found.schedule(on=timezone.localdate())
    if schedule is None:
        return redirect("courses:plan", module.key)
    return HttpResponse(
        calendar.ical(schedule, address=request.build_absolute_uri("/")),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{module.key}.ics"'},
    )


@login_required
@require_GET
def advanced(request: SignedInRequest, key: str) -> HttpResponse:
    """What to read after the checkpoints; before, it is named and not linked."""
    module = get_object_or_404(Module.objects.published().filter(locked=False), key=key)
    found = track.of(request.user, module)
    return render(
        request,
        "courses/advanced.html",
        {
            "module": module,
            "readings": AdvancedReading.objects.filter(module=module),
            "stops": found.stops,
            "unlocked": bool(found.stops) and all(stop.is_passed for stop in found.stops),
        },
    )
