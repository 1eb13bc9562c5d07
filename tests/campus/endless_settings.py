"""The campus's own settings, with one page more: a live page that never ends by itself."""

from campus.settings import *  # noqa: F403

ROOT_URLCONF = "tests.campus.endless"
