#!/usr/bin/env python
"""Django's command line. `platform/` is a shelf of packages: it goes to the end of the path."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent / "platform"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "campus.settings")
    execute_from_command_line(sys.argv)
