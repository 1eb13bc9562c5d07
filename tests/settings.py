"""The campus settings, for tests: everything they write lies in a temporary directory."""

import atexit
import os
import shutil
import tempfile

# Worker processes that a test starts inherit these variables, and so share the directory of the
# process that made it; tests that run side by side (pytest-xdist) have one each. A CAMPUS_HOME or
# a database of the developer's own is never touched.
tester = os.environ.get("PYTEST_XDIST_WORKER", "alone")
if os.environ.get("CAMPUS_TESTER") != tester:
    os.environ["CAMPUS_TESTER"] = tester
    os.environ["CAMPUS_TEST_HOME"] = tempfile.mkdtemp(prefix="campus-test-")
    atexit.register(shutil.rmtree, os.environ["CAMPUS_TEST_HOME"], ignore_errors=True)
os.environ["CAMPUS_HOME"] = os.environ["CAMPUS_TEST_HOME"]
# Tests run side by side: threads of NumPy's own would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
for outside in ("DATABASE_URL", "REDIS_URL", "EMAIL_HOST"):
    os.environ.pop(outside, None)

from campus.settings import *  # noqa: E402, F403
from campus.settings import DATABASES, INSTALLED_APPS, STORAGES  # noqa: E402

# The test database is the very file that a process started with this CAMPUS_HOME opens.
DATABASES["default"]["TEST"] = {"NAME": DATABASES["default"]["NAME"]}
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A kind of lab that needs no model.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.napping"]
