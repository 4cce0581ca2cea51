"""Django's settings, without what this example does not use."""

import logging
import os
import secrets
import sys
import tempfile

LATCHKEY_API_KEY = os.environ.get("LATCHKEY_API_KEY") or sys.exit("Set LATCHKEY_API_KEY to an API key.")
LATCHKEY_URL = os.environ.get("LATCHKEY_URL", "http://127.0.0.1:8787")
SSO_DOMAINS = os.environ.get("SSO_DOMAINS", "sso.example").lower().replace(" ", "").split(",")

DEBUG = False  # Its error pages show what users entered.
logging.basicConfig()
SECRET_KEY = secrets.token_urlsafe(50)
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
if os.environ.get("HTTPS") == "1":  # A proxy on this machine ends TLS, and says so in this header.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = os.environ.get("HTTPS") == "1"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "login"]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "login.middleware.SecondFactorMiddleware",
]
ROOT_URLCONF = "login.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
AUTH_USER_MODEL = "login.User"
# A new database at every start, so there is nothing to migrate.
FOLDER = tempfile.TemporaryDirectory()
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": f"{FOLDER.name}/db.sqlite3"}}
MIGRATION_MODULES = {"auth": None, "contenttypes": None, "sessions": None}
