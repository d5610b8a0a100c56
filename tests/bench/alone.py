"""A portal in this process, with an empty database of its own and no other processes: for figures of one part alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django


@contextmanager
def portal_alone(state: Path) -> Iterator[Any]:
    """A viewer's client. Requests go through every middleware and come back as HTML, without network."""
    state.mkdir(parents=True, exist_ok=True)
    os.environ |= {"DJANGO_SETTINGS_MODULE": "opsportal.settings", "OPSPORTAL_STATE_DIR": str(state), "OPSPORTAL_EMBEDDED": "1"}
    os.environ |= {"SECRET_KEY": "bench" * 12, "REDIS_URL": f"unix://{state}/redis.sock"}
    django.setup()
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command
    from django.test import Client
    from django.test.utils import setup_test_environment, teardown_test_environment

    call_command("migrate", verbosity=0, skip_checks=True)
    call_command("collectstatic", interactive=False, verbosity=0)
    setup_test_environment(debug=False)
    viewer = User.objects.create_user("vera")
    viewer.groups.add(Group.objects.get_or_create(name="viewer")[0])
    client = Client()
    client.force_login(viewer)
    yield client
    teardown_test_environment()
