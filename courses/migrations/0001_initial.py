import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Activity",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(max_length=80, unique=True)),
                ("kind", models.CharField(max_length=20)),
                ("title", models.CharField(max_length=200)),
                ("url", models.CharField(blank=True, max_length=200)),
                ("minutes", models.PositiveSmallIntegerField(default=0)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "planned",
                    models.BooleanField(default=False, help_text="Announced; not there yet."),
                ),
                ("retired", models.BooleanField(default=False)),
            ],
            options={
                "verbose_name_plural": "activities",
                "ordering": ("position", "key"),
            },
        ),
        migrations.CreateModel(
            name="Module",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(unique=True)),
                ("number", models.PositiveSmallIntegerField()),
                ("title", models.CharField(max_length=200)),
                ("summary", models.TextField(help_text="One paragraph of Markdown.")),
                (
                    "weeks",
                    models.CharField(help_text="How many weeks it takes, e.g. 2-3.", max_length=20),
                ),
                ("locked", models.BooleanField(default=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("retired", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("position", "number"),
            },
        ),
        migrations.CreateModel(
            name="Question",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField()),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("retired", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("position",),
            },
        ),
        migrations.CreateModel(
            name="Skill",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(unique=True)),
                ("title", models.CharField(max_length=200)),
            ],
            options={
                "ordering": ("title",),
            },
        ),
        migrations.CreateModel(
            name="Evidence",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "score",
                    models.FloatField(
                        help_text="0-1.",
                        validators=[
                            django.core.validators.MinValueValidator(0.0),
                            django.core.validators.MaxValueValidator(1.0),
                        ],
                    ),
                ),
                ("passed", models.BooleanField()),
                (
                    "source",
                    models.CharField(help_text="What gave it, e.g. run 12.", max_length=100),
                ),
                ("url", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "activity",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="evidence",
                        to="courses.activity",
                    ),
                ),
                (
                    "student",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="evidence",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "evidence",
                "ordering": ("pk",),
            },
        ),
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(unique=True)),
                ("number", models.PositiveSmallIntegerField()),
                ("title", models.CharField(max_length=200)),
                ("summary", models.TextField()),
                ("summary_html", models.TextField(editable=False)),
                (
                    "digest",
                    models.CharField(
                        editable=False, help_text="Of the file loaded last.", max_length=64
                    ),
                ),
                ("retired", models.BooleanField(default=False)),
                (
                    "module",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checkpoints",
                        to="courses.module",
                    ),
                ),
            ],
            options={
                "ordering": ("module__position", "number"),
            },
        ),
        migrations.AddField(
            model_name="activity",
            name="module",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="activities",
                to="courses.module",
            ),
        ),
        migrations.CreateModel(
            name="Objective",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField()),
                ("text", models.TextField()),
                ("text_html", models.TextField(editable=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "activities",
                    models.ManyToManyField(
                        blank=True, related_name="objectives", to="courses.activity"
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
            },
        ),
        migrations.CreateModel(
            name="ObjectiveEarned",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("earned_at", models.DateTimeField()),
                (
                    "evidence",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="earned",
                        to="courses.evidence",
                    ),
                ),
                (
                    "objective",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="earned",
                        to="courses.objective",
                    ),
                ),
                (
                    "student",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="objectives_earned",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "objectives earned",
                "ordering": ("pk",),
            },
        ),
        migrations.CreateModel(
            name="QuestionVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                ("content", models.JSONField()),
                ("html", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "question",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="courses.question",
                    ),
                ),
            ],
            options={
                "ordering": ("pk",),
            },
        ),
        migrations.AddField(
            model_name="question",
            name="current",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="courses.questionversion",
            ),
        ),
        migrations.CreateModel(
            name="Quiz",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(unique=True)),
                ("title", models.CharField(max_length=200)),
                (
                    "pass_mark",
                    models.FloatField(
                        default=0.8, help_text="The share of points that passes, 0-1."
                    ),
                ),
                (
                    "draw",
                    models.PositiveSmallIntegerField(
                        help_text="How many questions an attempt draws."
                    ),
                ),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "digest",
                    models.CharField(
                        editable=False, help_text="Of the file loaded last.", max_length=64
                    ),
                ),
                ("retired", models.BooleanField(default=False)),
                (
                    "activity",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="quiz",
                        to="courses.activity",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "quizzes",
                "ordering": ("position", "key"),
            },
        ),
        migrations.AddField(
            model_name="question",
            name="quiz",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="questions",
                to="courses.quiz",
            ),
        ),
        migrations.CreateModel(
            name="QuizAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("seed", models.BigIntegerField()),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("submitted_at", models.DateTimeField(blank=True, null=True)),
                (
                    "score",
                    models.FloatField(blank=True, help_text="The share of points, 0-1.", null=True),
                ),
                (
                    "quiz",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="courses.quiz",
                    ),
                ),
                (
                    "student",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="quiz_attempts",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ("number",),
            },
        ),
        migrations.CreateModel(
            name="Answer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveSmallIntegerField()),
                ("response", models.JSONField(default=list)),
                ("score", models.FloatField(blank=True, help_text="0-1.", null=True)),
                ("feedback", models.JSONField(default=dict)),
                (
                    "version",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="answers",
                        to="courses.questionversion",
                    ),
                ),
                (
                    "attempt",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answers",
                        to="courses.quizattempt",
                    ),
                ),
            ],
            options={
                "ordering": ("position",),
            },
        ),
        migrations.CreateModel(
            name="Resource",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField(unique=True)),
                ("number", models.PositiveSmallIntegerField()),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("paper", "Paper"),
                            ("specification", "Specification"),
                            ("blog-post", "Blog post"),
                            ("guide", "Guide"),
                            ("video", "Video"),
                        ],
                        max_length=20,
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("authors", models.CharField(max_length=300)),
                ("published", models.CharField(max_length=60)),
                ("url", models.URLField()),
                (
                    "stars",
                    models.PositiveSmallIntegerField(
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(3),
                        ]
                    ),
                ),
                ("minutes_full", models.PositiveSmallIntegerField()),
                ("minutes_summary", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("why", models.TextField(help_text="Why it matters, in Markdown.")),
                ("body", models.TextField(help_text="Our own summary, in Markdown.")),
                ("body_html", models.TextField(editable=False)),
                ("data", models.JSONField(default=dict)),
                ("html", models.JSONField(default=dict, editable=False)),
                ("near", models.JSONField(default=dict, editable=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "digest",
                    models.CharField(
                        editable=False, help_text="Of the file loaded last.", max_length=64
                    ),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                ("retired", models.BooleanField(default=False)),
                (
                    "module",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="resources",
                        to="courses.module",
                    ),
                ),
                (
                    "prerequisites",
                    models.ManyToManyField(
                        blank=True, related_name="leads_to", to="courses.resource"
                    ),
                ),
            ],
            options={
                "ordering": ("module__position", "position"),
            },
        ),
        migrations.AddField(
            model_name="quiz",
            name="resource",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="quizzes",
                to="courses.resource",
            ),
        ),
        migrations.CreateModel(
            name="Place",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("anchor", models.CharField(blank=True, max_length=100)),
                (
                    "section",
                    models.CharField(blank=True, help_text="The anchor's heading.", max_length=200),
                ),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "student",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="places",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="places",
                        to="courses.resource",
                    ),
                ),
            ],
            options={
                "ordering": ("-at",),
            },
        ),
        migrations.AddField(
            model_name="objective",
            name="resource",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="objectives",
                to="courses.resource",
            ),
        ),
        migrations.CreateModel(
            name="Gate",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.SlugField()),
                ("text", models.TextField()),
                ("text_html", models.TextField(editable=False)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("activities", models.ManyToManyField(related_name="gates", to="courses.activity")),
                (
                    "checkpoint",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="gates",
                        to="courses.checkpoint",
                    ),
                ),
                (
                    "remediation",
                    models.ManyToManyField(blank=True, related_name="+", to="courses.resource"),
                ),
            ],
            options={
                "ordering": ("position",),
            },
        ),
        migrations.AddField(
            model_name="activity",
            name="skills",
            field=models.ManyToManyField(blank=True, related_name="activities", to="courses.skill"),
        ),
        migrations.AddIndex(
            model_name="evidence",
            index=models.Index(
                fields=["student", "activity", "passed"], name="courses_evi_student_a19c84_idx"
            ),
        ),
        migrations.AddConstraint(
            model_name="evidence",
            constraint=models.CheckConstraint(
                condition=models.Q(("score__gte", 0.0), ("score__lte", 1.0)),
                name="a_score_is_a_share",
            ),
        ),
        migrations.AddConstraint(
            model_name="objectiveearned",
            constraint=models.UniqueConstraint(
                fields=("student", "objective"), name="an_objective_is_earned_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="questionversion",
            constraint=models.UniqueConstraint(
                fields=("question", "digest"), name="one_version_per_digest"
            ),
        ),
        migrations.AddConstraint(
            model_name="question",
            constraint=models.UniqueConstraint(fields=("quiz", "key"), name="one_question_per_key"),
        ),
        migrations.AddConstraint(
            model_name="quizattempt",
            constraint=models.UniqueConstraint(
                fields=("student", "quiz", "number"), name="attempts_are_numbered"
            ),
        ),
        migrations.AddConstraint(
            model_name="quizattempt",
            constraint=models.UniqueConstraint(
                condition=models.Q(("submitted_at__isnull", True)),
                fields=("student", "quiz"),
                name="one_open_attempt_per_quiz",
            ),
        ),
        migrations.AddConstraint(
            model_name="answer",
            constraint=models.UniqueConstraint(
                fields=("attempt", "position"), name="one_answer_per_position"
            ),
        ),
        migrations.AddConstraint(
            model_name="place",
            constraint=models.UniqueConstraint(
                fields=("student", "resource"), name="one_place_per_resource"
            ),
        ),
        migrations.AddConstraint(
            model_name="objective",
            constraint=models.UniqueConstraint(
                fields=("resource", "key"), name="one_objective_per_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="gate",
            constraint=models.UniqueConstraint(
                fields=("checkpoint", "key"), name="one_gate_per_key"
            ),
        ),
    ]
