import json
import os
from pathlib import Path

HERE = Path(__file__).parent
SECRET_KEY = os.environ.get("SECRET_KEY", "for trying it out")
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "urls"
AUTH_USER_MODEL = "social.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "social",
    "feedkit.django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "social.views.FeedErrors",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]

SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "site.db"}
DATABASES = {"default": json.loads(os.environ.get("DATABASE", "null")) or SQLITE}

FEEDKIT = {"key": "uuid", "database": "default", "page_limit_max": 50}
if "REDIS_URL" in os.environ:  # then `manage.py feedkit worker` delivers
    FEEDKIT |= {"redis": os.environ["REDIS_URL"], "deliver": "worker"}
