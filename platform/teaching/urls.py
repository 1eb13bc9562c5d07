from django.urls import path

from . import views

app_name = "teaching"
urlpatterns = [
    path("cohorts/", views.cohorts, name="cohorts"),
    path("cohorts/<slug:slug>/", views.cohort, name="cohort"),
    path("cohorts/<slug:slug>.csv", views.cohort_csv, name="cohort_csv"),
    path("cohorts/<slug:slug>/teach-backs/", views.queue, name="queue"),
    path("cohorts/<slug:slug>/teach-backs/<int:pk>/", views.grade, name="grade"),
    path(
        "cohorts/<slug:slug>/<str:username>/activities/<slug:key>/",
        views.activity,
        name="activity",
    ),
    path(
        "cohorts/<slug:slug>/<str:username>/resources/<slug:key>/",
        views.resource,
        name="resource",
    ),
]
