from django.urls import path

from labs import figures, views

app_name = "labs"

lab_urls = [
    path("labs/<slug:key>/", views.lab, name="lab"),
    path("labs/<slug:key>/runs/", views.start, name="start"),
]

run_urls = [
    path("runs/", views.history, name="history"),
    path("runs/<int:pk>/", views.run, name="run"),
    path("runs/<int:pk>/state/", views.state, name="state"),
    path("runs/<int:pk>/events/", views.events, name="events"),
    path("runs/<int:pk>/cancel/", views.cancel, name="cancel"),
    path("runs/<int:pk>/conclusion/", views.conclude, name="conclude"),
    path("runs/<int:pk>/run.json", views.run_json, name="run_json"),
    path("runs/<int:pk>/run.csv", views.run_csv, name="run_csv"),
    path("runs/<int:pk>/files/<str:name>", views.artifact, name="artifact"),
]

figure_urls = [
    path("figures/<slug:name>.json", figures.figure, name="figure"),
]

urlpatterns = lab_urls + run_urls + figure_urls
