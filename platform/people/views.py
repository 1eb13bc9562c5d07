from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from .forms import ProfileForm
from .models import User
from .requests import SignedInRequest


@login_required
def profile(request: SignedInRequest) -> HttpResponse:
    # A copy of the row: an invalid form must not change the name in the top bar.
    person = User.objects.get(pk=request.user.pk)
    form = ProfileForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Your name is saved.")
        return redirect("profile")
    return render(
        request,
        "people/profile.html",
        {"form": form, "person": person, "cohorts": person.cohorts.all()},
    )
