"""The campus and one page more: the bare view that every other page is held against."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.urls import path

from campus.urls import urlpatterns as campus_urls
from courses.models import Place
from people.requests import SignedInRequest


@login_required
def bare(request: SignedInRequest) -> HttpResponse:
    """The least that a page for somebody can do: one query, a line of text."""
    places = Place.objects.filter(student=request.user).count()
    return HttpResponse(f"{places} places")


urlpatterns = [*campus_urls, path("bare/", bare)]
