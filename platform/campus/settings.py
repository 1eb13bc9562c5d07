"""The settings, one file, read top to bottom. Every environment variable passes a helper."""

import contextlib
import os
import secrets
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlparse

import dj_database_url
from django.contrib.messages import constants as messages
from django.core.exceptions import ImproperlyConfigured


def env(name: str, default: str) -> str:
    return os.environ.get(name, default)


def env_bool(name: str, default: bool) -> bool:
    return env(name, str(default)).lower() in {"1", "true", "yes", "on"}


def env_int(name: str, default: int) -> int:
    return int(env(name, str(default)))


def installed(package: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ImproperlyConfigured(f"{package} is not installed: run `make run` once.")
    return Path(spec.origin).parent


BASE_DIR = Path(__file__).resolve().parents[2]
# Everything the campus writes lies here: database, artifacts, logs, the private Redis.
CAMPUS_HOME = Path(env("CAMPUS_HOME", str(BASE_DIR / "var"))).resolve()
CAMPUS_HOME.mkdir(parents=True, exist_ok=True)


def secret_key() -> str:
    """The key from the environment, else one made on first start and kept beside the database."""
    if key := env("SECRET_KEY", ""):
        return key
    path = CAMPUS_HOME / "secret_key"
    if not path.exists():
        written = CAMPUS_HOME / f"secret_key.{os.getpid()}"
        written.touch(mode=0o600)
        written.write_text(secrets.token_urlsafe(48))
        # Of several processes starting at once, one links its key, whole, and all read that.
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(written)
        written.unlink()
    return path.read_text()


SECRET_KEY = secret_key()
DEBUG = env_bool("DEBUG", False)
SITE_URL = env("SITE_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = env("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
if (host := urlparse(SITE_URL).hostname) and host not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(host)
CSRF_TRUSTED_ORIGINS = [SITE_URL]
if SITE_URL.startswith("https:"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True

INSTALLED_APPS = [
    "campus",
    "teaching",
    "labs",
    "courses",
    "people",
    "allauth",
    "allauth.account",
    "django_htmx",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]

MIDDLEWARE = [
    "campus.turns.turns",
    "django.middleware.security.SecurityMiddleware",
    "campus.security.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "campus.urls"
ASGI_APPLICATION = "campus.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

DATABASES = {
    "default": dj_database_url.parse(
        env("DATABASE_URL", f"sqlite:///{CAMPUS_HOME / 'campus.sqlite3'}"),
        conn_max_age=0,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE about 60 % of read-then-write pairs failed with "database is locked"
    # under two writers; with it and WAL, none did.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "people.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "Inference Campus: "
ACCOUNT_FORMS = {
    "login": "people.forms.SignInForm",
    "signup": "people.forms.SignUpForm",
    "add_email": "people.forms.AddEmailForm",
    "change_password": "people.forms.ChangePasswordForm",
    "set_password": "people.forms.SetPasswordForm",
    "reset_password": "people.forms.ResetPasswordForm",
    "reset_password_from_key": "people.forms.ResetPasswordKeyForm",
    "reauthenticate": "people.forms.ReauthenticateForm",
}
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_SESSION_REMEMBER = True

# Without EMAIL_HOST, mail is written to files that the launcher's banner points at.
EMAIL_HOST = env("EMAIL_HOST", "")
EMAIL_PORT = env_int("EMAIL_PORT", 25)
EMAIL_HOST_USER = env("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env("EMAIL_HOST_PASSWORD", "")
EMAIL_USE_TLS = env_bool("EMAIL_USE_TLS", False)
EMAIL_FILE_PATH = CAMPUS_HOME / "mail"
EMAIL_BACKEND = (
    "django.core.mail.backends.smtp.EmailBackend"
    if EMAIL_HOST
    else "django.core.mail.backends.filebased.EmailBackend"
)
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", "campus@localhost")

REDIS_URL = env("REDIS_URL", f"unix://{CAMPUS_HOME / 'redis.sock'}")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "quick"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A Redis host that is away must not hold a submission: the run waits in the database.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_keepalive": True,
    "socket_connect_timeout": 5,
    # Sending to a broker that is away fails at once: kombu would try for six seconds.
    "max_retries": 0,
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(CAMPUS_HOME / "beat")
CELERY_BEAT_SCHEDULE = {
    # In a queue of its own, so that what waits in a lane's queue is runs and nothing else.
    "sweep": {
        "task": "labs.tasks.sweep",
        "schedule": 2.0,
        "options": {"queue": "sweep", "expires": 2},
    },
    "look at links": {"task": "courses.tasks.look_at_links", "schedule": timedelta(weeks=1)},
}
# An admin may begin a round of the links too: neither kind waits among the runs.
CELERY_TASK_ROUTES = {"courses.tasks.look_at_links": {"queue": "sweep"}}

# A lane is a Celery queue: quick work never waits behind heavy work, nor disturbs a measurement.
RUN_QUOTA_PER_DAY = env_int("RUN_QUOTA_PER_DAY", 200)
RUN_LEASE_SECONDS = env_int("RUN_LEASE_SECONDS", 10)
RUN_MAX_ATTEMPTS = 3

COURSE_DIR = BASE_DIR / "courses" / "content"
MEDIA_ROOT = CAMPUS_HOME / "artifacts"

LANGUAGE_CODE = "en"
TIME_ZONE = env("TIME_ZONE", "UTC")
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = CAMPUS_HOME / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("plotly", installed("plotly") / "package_data"),
    ("ace", installed("django_ace") / "static" / "django_ace" / "ace"),
    ("fonts/serif", installed("font_source_serif_pro") / "files"),
    ("fonts/sans", installed("font_source_sans_pro") / "files"),
    ("fonts/math", installed("ziamath") / "fonts"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "campus.storage.StaticStorage"},
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
MESSAGE_TAGS = {messages.ERROR: "wrong", messages.SUCCESS: "right"}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", "WARNING")},
}
