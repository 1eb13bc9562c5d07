"""The kinds of labs that this app brings; Django's start imports the module of this name."""

from tests.napping import bare, nap

__all__ = ["bare", "nap"]
