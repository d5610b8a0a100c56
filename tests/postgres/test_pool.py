"""Connections to PostgreSQL: a pool of few serves many, also where pages stay open."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from tests.postgres.server import ROOT, server

pytestmark = pytest.mark.postgres

MANY = """
import django, threading
django.setup()
from django.contrib.auth.models import User
from django.db import connection, connections

counts, seen = [], []
def ask():
    counts.append(User.objects.count())
    connection.close()
threads = [threading.Thread(target=ask) for _ in range(60)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
with connection.cursor() as cursor:
    cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
    print(len(counts), cursor.fetchone()[0])
connections.close_all()
connection.close_pool()
"""


def test_many_threads_share_a_few_connections(tmp_path: Path) -> None:
    with server() as url:
        env = {**os.environ, "DATABASE_URL": url, "DATABASE_POOL": "3", "DJANGO_SETTINGS_MODULE": "opsportal.settings"}
        env |= {"OPSPORTAL_EMBEDDED": "1", "SECRET_KEY": "x" * 60, "OPSPORTAL_STATE_DIR": str(tmp_path)}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        done = subprocess.run([sys.executable, "-c", MANY], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answered, connections = done.stdout.split()
    assert answered == "60"
    assert int(connections) <= 3


@pytest.mark.django_db
def test_this_run_is_on_postgresql() -> None:
    assert connection.vendor == "postgresql"
