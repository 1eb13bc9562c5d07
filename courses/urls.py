from django.urls import path

from courses import views

app_name = "courses"
urlpatterns = [
    path("modules/<slug:key>/", views.module, name="module"),
    path("resources/<slug:key>/", views.resource, name="resource"),
    path("resources/<slug:key>/place/", views.place, name="place"),
    path("quizzes/<slug:key>/", views.quiz, name="quiz"),
    path("attempts/<int:pk>/", views.attempt, name="attempt"),
    path("attempts/<int:pk>/draft/", views.draft, name="draft"),
    path("checkpoints/<slug:key>/", views.checkpoint, name="checkpoint"),
    path("progress/", views.progress, name="progress"),
]
