from django.urls import path

from labs import figures
from labs.views import exercises, labs, runs

app_name = "labs"

lab_urls = [
    path("labs/<slug:key>/", labs.lab, name="lab"),
    path("labs/<slug:key>/runs/", labs.start, name="start"),
]

exercise_urls = [
    path("ladder/", exercises.ladder, name="ladder"),
    path("exercises/<slug:key>/", exercises.exercise, name="exercise"),
    path("exercises/<slug:key>/submissions/", exercises.submit, name="submit"),
    path("exercises/<slug:key>/draft/", exercises.draft, name="draft"),
    path("exercises/<slug:key>/hint/", exercises.hint, name="hint"),
    path("exercises/<slug:key>/give-up/", exercises.give_up, name="give_up"),
    path("exercises/<slug:key>/assembled/", exercises.assembled, name="assembled"),
    path("exercises/<slug:key>/answer.py", exercises.download, name="download"),
]

run_urls = [
    path("runs/", runs.history, name="history"),
    path("runs/<int:pk>/", runs.run, name="run"),
    path("runs/<int:pk>/state/", runs.state, name="state"),
    path("runs/<int:pk>/events/", runs.events, name="events"),
    path("runs/<int:pk>/cancel/", runs.cancel, name="cancel"),
    path("runs/<int:pk>/conclusion/", runs.conclude, name="conclude"),
    path("runs/<int:pk>/run.json", runs.run_json, name="run_json"),
    path("runs/<int:pk>/run.csv", runs.run_csv, name="run_csv"),
    path("runs/<int:pk>/files/<str:name>", runs.artifact, name="artifact"),
]

figure_urls = [
    path("figures/<slug:name>.json", figures.figure, name="figure"),
]

urlpatterns = lab_urls + exercise_urls + run_urls + figure_urls
