"""The kinds of labs, one file each."""

from labs.kinds.base import REGISTRY, Grade, LabForm, LabKind, Parameters, Part, Work, register

__all__ = [
    "REGISTRY",
    "Grade",
    "LabForm",
    "LabKind",
    "Parameters",
    "Part",
    "Work",
    "register",
]
