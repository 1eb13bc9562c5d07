from django.urls import path

from courses.views import checkpoints, plan, progress, quizzes, reading, reference

app_name = "courses"
urlpatterns = [
    path("modules/", reference.catalogue, name="modules"),
    path("modules/<slug:key>/", reading.module, name="module"),
    path("modules/<slug:key>/plan/", plan.plan, name="plan"),
    path("modules/<slug:key>/plan.ics", plan.ical, name="ical"),
    path("modules/<slug:key>/advanced/", plan.advanced, name="advanced"),
    path("resources/<slug:key>/", reading.resource, name="resource"),
    path("resources/<slug:key>/place/", reading.place, name="place"),
    path("resources/<slug:key>/calculators/<slug:name>/", reading.calculator, name="calculator"),
    path("quizzes/<slug:key>/", quizzes.quiz, name="quiz"),
    path("attempts/<int:pk>/", quizzes.attempt, name="attempt"),
    path("attempts/<int:pk>/draft/", quizzes.draft, name="draft"),
    path("checkpoints/<slug:key>/", checkpoints.checkpoint, name="checkpoint"),
    path("progress/", progress.progress, name="progress"),
    path("skills/<slug:key>/", progress.skill, name="skill"),
    path("glossary/", reference.glossary, name="glossary"),
    path("glossary/<slug:key>/", reference.term, name="term"),
    path("glossary/<slug:key>/card/", reference.card, name="term-card"),
    path("bibliography/", reference.bibliography, name="bibliography"),
    path("bibliography.bib", reference.bib, name="bib"),
    path("bibliography/visited.bib", reference.visited_bib, name="visited-bib"),
    path("bibliography/<slug:key>.bib", reference.entry_bib, name="entry-bib"),
]
