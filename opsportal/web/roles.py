"""Roles are groups. They exist after every migration, so nobody has to remember to make them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from opsportal.web.access import ROLES


def create_roles(using: str = "default", **_signal: Any) -> None:
    """Receiver of `post_migrate`; does nothing for roles that are there."""
    for name in ROLES:
        Group.objects.using(using).get_or_create(name=name)
