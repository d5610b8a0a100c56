"""Who may use the portal, and as what. Every change is audited in its own transaction, and an administrator always remains."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from opsportal.operations import audit
from opsportal.operations.errors import Refused
from opsportal.web.access import ROLES
from opsportal.web.models import Account

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
"""Without those that look like others, for a password that is read to somebody over the telephone."""


def listing(words: str = "") -> QuerySet[User]:
    """Everybody, or those whose name holds `words`; active people first."""
    found = User.objects.prefetch_related("groups").order_by("-is_active", "username")
    return found.filter(Q(username__icontains=words) | Q(first_name__icontains=words)) if words else found


def administrators() -> QuerySet[User]:
    """Those who can sign in and give roles."""
    return User.objects.filter(Q(groups__name="administrator") | Q(is_superuser=True), is_active=True).distinct()


def new_password() -> str:
    """About 99 bits in four groups: "k7m2p-…"."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def add(username: str, full_name: str, roles: Iterable[str], *, by: User) -> tuple[User, str]:
    """The person and the password to hand over; it is stored nowhere in clear."""
    password = new_password()
    with transaction.atomic():
        user = User.objects.create_user(username, password=password, first_name=full_name)
        user.groups.set(Group.objects.filter(name__in=roles))
        Account.objects.create(user=user, must_change_password=True)
        audit.record(by, "person.add", subject=username, detail={"roles": sorted(roles)}, alarming="administrator" in roles)
    return user, password


def rename(user: User, full_name: str, *, by: User) -> None:
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(first_name=full_name)
        audit.record(by, "person.rename", subject=user.username, detail={"name": full_name})


def set_roles(user: User, roles: Iterable[str], *, by: User) -> None:
    """Roles count from the next click on: they are read from the database with every request."""
    with _administrator_remains():
        before = {name for name in user.groups.values_list("name", flat=True) if name in ROLES}
        others = user.groups.exclude(name__in=ROLES)
        user.groups.set([*others, *Group.objects.filter(name__in=roles)])
        gained = "administrator" in roles and "administrator" not in before
        audit.record(by, "person.roles", subject=user.username, detail={"before": sorted(before), "after": sorted(roles)}, alarming=gained)


def deactivate(user: User, *, by: User) -> None:
    """They cannot sign in any more, are signed out, and their approvals count no longer. What they did keeps their name."""
    if user.pk == by.pk:
        raise Refused("You cannot deactivate yourself. Another administrator can.")
    with _administrator_remains():
        User.objects.filter(pk=user.pk).update(is_active=False)
        _end_sessions(user)
        audit.record(by, "person.deactivate", subject=user.username, alarming=True)


def activate(user: User, *, by: User) -> None:
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=True)
        audit.record(by, "person.activate", subject=user.username, alarming=True)


def reset_password(user: User, *, by: User) -> str:
    """A new initial password. The old one, and every session, is worth nothing from now on."""
    if user.pk == by.pk:
        raise Refused("Change your own password under your name in the menu.")
    password = new_password()
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        Account.objects.update_or_create(user=user, defaults={"must_change_password": True})
        _end_sessions(user)
        audit.record(by, "person.reset", subject=user.username, alarming=True)
    return password


def end_sessions(user: User, *, by: User) -> int:
    """Signs the person out everywhere; returns from how many browsers."""
    with transaction.atomic():
        number = _end_sessions(user)
        audit.record(by, "person.sign_out", subject=user.username, detail={"sessions": number})
    return number


def sessions() -> Counter[str]:
    """How many browsers each person (by primary key, as text) is signed in from."""
    return Counter(who for who, _ in _live_sessions())


def _live_sessions() -> Iterator[tuple[str, str]]:
    """Whose, and its key. Django keeps the owner inside the signed data, so all are read; a portal has few."""
    for session in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if who := session.get_decoded().get("_auth_user_id"):
            yield str(who), session.session_key


def _end_sessions(user: User) -> int:
    keys = [key for who, key in _live_sessions() if who == str(user.pk)]
    Session.objects.filter(session_key__in=keys).delete()
    return len(keys)


@contextmanager
def _administrator_remains() -> Iterator[None]:
    """A change after which nobody could give roles any more is taken back. The group's row makes two such changes wait for each other."""
    with transaction.atomic():
        list(Group.objects.select_for_update().filter(name="administrator"))
        yield
        if not administrators().exists():
            raise Refused("This is the last administrator. Give somebody else the role first: without one, nobody could.")
