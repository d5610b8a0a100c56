"""People for a workshop: at each seat one who asks and one who approves, who meet their own practice cloud on the lab page."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from pathlib import Path

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User

from opsportal.lab.inventory_seed import cloud_name
from opsportal.web.sight import Limits

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
ROLES = {"seat{}": "operator", "seat{}-approver": "approver"}
NAME = re.compile(r"seat([0-9]{1,3})(-approver)?")


def seat_of(user: AbstractBaseUser | AnonymousUser | User) -> str:
    """The seat whose participant this is, or ""."""
    found = NAME.fullmatch(user.get_username())
    return found[1] if found else ""


def limits(user: AbstractBaseUser | AnonymousUser | User) -> Limits | None:
    """A participant meets the cloud of the own seat, and what the two of that seat do. Everybody else sees all."""
    seat = seat_of(user)
    return Limits((cloud_name(seat),), tuple(pattern.format(seat) for pattern in ROLES)) if seat else None


def make(seats: Iterable[str], file: Path) -> int:
    """Makes those who are missing, adds their names and passwords to `file`, and says how many they were."""
    wanted = {pattern.format(seat): role for seat in seats for pattern, role in ROLES.items()}
    there = set(User.objects.filter(username__in=wanted).values_list("username", flat=True))
    lines = [_made(name, role) for name, role in wanted.items() if name not in there]
    if lines:
        file.touch(mode=0o600)
        with file.open("a") as out:
            out.writelines(lines)
    return len(lines)


def _made(name: str, role: str) -> str:
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))
    user = User.objects.create_user(name, password=password)
    user.groups.add(Group.objects.get_or_create(name=role)[0])
    return f"{name}\t{password}\n"
