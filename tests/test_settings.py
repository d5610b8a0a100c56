"""Starting the portal with wrong settings: it stops and says what to write instead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from opsportal.secrets.store import make_keyring
from tests.production import ROOT, environment

SHOW = "import django; django.setup(); from django.conf import settings; print(settings.{})"


def python(state: Path, code: str, **changes: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", code]
    env = environment(state, DJANGO_SETTINGS_MODULE="opsportal.settings", **changes)
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def show(state: Path, name: str, **changes: str) -> str:
    done = python(state, SHOW.format(name), **changes)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def checked(state: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(argv, cwd=ROOT, env=environment(state, **changes), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY has 5 characters"),
        ({"ALLOWED_HOSTS": ""}, "ALLOWED_HOSTS is not set"),
        ({"ALLOWED_HOSTS": "portal.example.org,*"}, "ALLOWED_HOSTS allows every name"),
        ({"PUBLIC_URL": "http://portal.example.org"}, "write https://portal.example.org"),
        ({"PUBLIC_URL": "portal.example.org"}, "write https://portal.example.org"),
        ({"PUBLIC_URL": "https://portal.example.org/ops"}, "without a path"),
        ({"REDIS_URL": "amqp://host"}, "REDIS_URL begins with"),
        ({"DATABASE_URL": "mysql://u:p@host/db"}, "DATABASE_URL names PostgreSQL"),
        ({"DATABASE_POOL": "many"}, "many"),
        ({"OPSPORTAL_LOG_PLACES": "/var/log/app.log,/etc/$(id)"}, "is not the absolute path of a log"),
    ],
)
def test_a_wrong_value_stops_the_start(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    done = python(tmp_path, SHOW.format("DEBUG"), **changes)
    assert done.returncode != 0
    assert said in done.stderr.strip().splitlines()[-1]


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("k" * 60)
    assert show(tmp_path, "SECRET_KEY", SECRET_KEY="", SECRET_KEY_FILE=str(tmp_path / "key")) == "k" * 60


def test_debug_cannot_be_switched_on(tmp_path: Path) -> None:
    assert show(tmp_path, "DEBUG", DEBUG="1", DJANGO_DEBUG="1") == "False"


def test_the_database_keeps_its_options_beside_the_pool(tmp_path: Path) -> None:
    """TLS options in the address must not get lost."""
    url = "postgres://u:p@db.example.org/portal?sslmode=verify-full"
    options = show(tmp_path, "DATABASES['default']['OPTIONS']", DATABASE_URL=url)
    assert options == "{'sslmode': 'verify-full', 'pool': {'min_size': 0, 'max_size': 8}}"


def test_cookies_are_for_tls_and_this_host_only(tmp_path: Path) -> None:
    code = (
        "from django.conf import settings as s\n"
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SESSION_COOKIE_HTTPONLY)"
    )
    assert python(tmp_path, code).stdout.split() == ["__Host-sessionid", "__Host-csrftoken", "True", "True", "True"]


def test_production_has_nothing_to_complain_about(tmp_path: Path) -> None:
    make_keyring(tmp_path / "keys")
    done = checked(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"REDIS_URL": ""}, "REDIS_URL is not set"),
        ({"REDIS_URL": "redis://redis.example.org:6379/0"}, "has no password"),
        ({"OPSPORTAL_KEY_FILE": "/nowhere/keys"}, "/nowhere/keys does not exist"),
        ({"DATABASE_URL": ""}, "REDIS_URL names another machine"),
        ({"DATABASE_URL": "", "REDIS_URL": "unix:///run/redis/redis.sock"}, "web and workers must run on this machine"),
        ({"OPSPORTAL_EMBEDDED": "1"}, "SESSION_COOKIE_SECURE"),
    ],
)
def test_the_check_names_what_is_unsafe(tmp_path: Path, changes: dict[str, str], said: str) -> None:
    make_keyring(tmp_path / "keys")
    done = checked(tmp_path, **changes)
    assert done.returncode != 0
    assert said in done.stderr


def test_keys_that_others_can_read_are_named(tmp_path: Path) -> None:
    make_keyring(tmp_path / "keys")
    (tmp_path / "keys").chmod(0o644)
    assert "can be read by others" in checked(tmp_path).stderr
