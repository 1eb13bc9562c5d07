"""The address book of the campus: every app keeps its own page of it."""

from django.contrib import admin
from django.urls import include, path

from .health import health
from .home import home

urlpatterns = [
    path("", home, name="home"),
    path("", include("courses.urls")),
    path("", include("labs.urls")),
    path("", include("people.urls")),
    path("", include("teaching.urls")),
    path("accounts/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("health/", health, name="health"),
]
