"""The types of questions: one file each, listed here."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from courses.questions.code import Code
from courses.questions.label import Label
from courses.questions.matching import Matching
from courses.questions.multiple import Multiple
from courses.questions.numeric import Numeric
from courses.questions.ordering import Ordering
from courses.questions.single import Single
from courses.questions.text import Text

AnyQuestion = Annotated[
    Single | Multiple | Numeric | Ordering | Matching | Text | Code | Label,
    Field(discriminator="type"),
]
PARSER: TypeAdapter[AnyQuestion] = TypeAdapter(AnyQuestion)


def parse(content: object) -> AnyQuestion:
    """A question from the JSON that a QuestionVersion holds."""
    return PARSER.validate_python(content)
