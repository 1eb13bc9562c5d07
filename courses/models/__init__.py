"""What is studied, what a student did there, and the evidence it left.

Course content comes from files (see loading.py) or from the admin. What has gone from the files
is retired, never deleted, so that nothing a student made loses what it was about.
"""

from courses.models.checkpoints import Certificate, Checkpoint, Explanation, Gate, TeachBack
from courses.models.content import Activity, Diagram, Module, Objective, Resource, Skill
from courses.models.evidence import (
    Evidence,
    EvidenceIsAppendOnlyError,
    Mastery,
    ObjectiveEarned,
    Observation,
)
from courses.models.querysets import OwnedQuerySet, PublishedQuerySet
from courses.models.quizzes import Answer, Question, QuestionVersion, Quiz, QuizAttempt
from courses.models.reference import (
    AdvancedReading,
    Citation,
    Link,
    LinkCheck,
    Mention,
    Pitfall,
    Term,
)
from courses.models.study import Note, Nudge, Path, Place, StudyPlan

__all__ = [
    "Activity",
    "AdvancedReading",
    "Answer",
    "Certificate",
    "Checkpoint",
    "Citation",
    "Diagram",
    "Evidence",
    "EvidenceIsAppendOnlyError",
    "Explanation",
    "Gate",
    "Link",
    "LinkCheck",
    "Mastery",
    "Mention",
    "Module",
    "Note",
    "Nudge",
    "Objective",
    "ObjectiveEarned",
    "Observation",
    "OwnedQuerySet",
    "Path",
    "Pitfall",
    "Place",
    "PublishedQuerySet",
    "Question",
    "QuestionVersion",
    "Quiz",
    "QuizAttempt",
    "Resource",
    "Skill",
    "StudyPlan",
    "TeachBack",
    "Term",
]
