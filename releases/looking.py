"""What pages of releases show and only a worker can read: asked for, answered once by one worker, kept with its age.

Losing a message costs half a minute: what is asked for stands in the database, and the schedule sends it again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from pydantic import TypeAdapter

from opsportal.celery import app
from opsportal.operations import reading
from opsportal.operations.facts import FactError, FactSet
from opsportal.operations.plan import canonical
from releases import retention
from releases.facts.checkout import Checkout
from releases.facts.history import Between
from releases.facts.mirror import Refs, Resolved
from releases.facts.remote import Remote
from releases.facts.usage import DiskUsage
from releases.models import Look, Source

logger = logging.getLogger(__name__)

CLAIMED_FOR = timedelta(minutes=16)
"""After this a claim is void: the worker that made it is dead. Longer than the time limit of the task."""

RESEND_AFTER = timedelta(seconds=10)
KEEP = timedelta(days=60)
"""Looks at addresses and histories are forgotten after this; they are read again when somebody asks."""


def address(about: str, facts: FactSet) -> dict[str, Any]:
    """Does a repository answer, and does it have the branch? `about` is JSON of url and branch."""
    asked = json.loads(about)
    answer = facts(Remote("local", asked["url"]))
    found = asked["branch"] in answer.branches or asked["branch"] in answer.tags
    return {"default": answer.default, "branches": answer.branches, "tags": answer.tags, "branch": asked["branch"], "found": found}


def source(about: str, facts: FactSet) -> dict[str, Any]:
    """Fetches the mirror and looks at the default branch. `about` is the source's primary key."""
    one = Source.objects.get(pk=int(about))
    names = facts(Refs("local", one.pk, one.url))
    commit = facts(Resolved("local", one.pk, one.url, one.default_branch))
    tree = facts(Checkout("local", one.pk, commit.commit))
    return {
        "url": one.url, "branch": one.default_branch, "fetched": names.fetched, "branches": names.branches, "tags": names.tags[:200],
        "commit": _plain(commit), "tree": _plain(tree),
    }  # fmt: skip


def commits(about: str, facts: FactSet) -> dict[str, Any]:
    """`about` is a source's primary key and two commits, the older first."""
    number, older, newer = about.split()
    return _plain(facts(Between("local", int(number), older, newer)))


def disk(about: str, facts: FactSet) -> dict[str, Any]:
    """What builds take on a target, and what lies there that no build's record names. `about` is the target."""
    used = _plain(facts(DiskUsage(about)))
    return {**used, "strangers": retention.unknown_workspaces(about, used["workspaces"])}


def _plain(value: Any) -> dict[str, Any]:
    """A fact's value as plain JSON."""
    plain: dict[str, Any] = TypeAdapter(type(value)).dump_python(value, mode="json")
    return plain


class Kind(NamedTuple):
    read: Callable[[str, FactSet], dict[str, Any]]
    queue: str
    lasts: bool
    """The answer never changes, so nobody has to ask twice."""


KINDS = {
    "address": Kind(address, "ssh", lasts=False),
    "source": Kind(source, "ssh", lasts=False),
    "commits": Kind(commits, "ssh", lasts=True),
    "disk": Kind(disk, "build", lasts=False),
}


def about_address(url: str, branch: str) -> str:
    return canonical({"url": url, "branch": branch})


def about_commits(source_id: int, older: str, newer: str) -> str:
    return f"{source_id} {older} {newer}"


def kept(kind: str, about: str) -> Look | None:
    return Look.objects.filter(kind=kind, about=about).first()


def ask(kind: str, about: str) -> Look:
    """Have a worker read it, unless it is being read or its answer is one that lasts."""
    now = timezone.now()
    look, made = Look.objects.get_or_create(kind=kind, about=about, defaults={"asked_at": now})
    if not made and not look.waiting and (look.error or not KINDS[kind].lasts):
        Look.objects.filter(pk=look.pk).update(asked_at=now, claimed_at=None)
        look.refresh_from_db()
    if look.waiting:
        send(look)
    return look


def send(look: Look) -> None:
    """Once the transaction commits. A broker that is away is no error: the schedule sends it again."""

    def out() -> None:
        try:
            app.send_task("releases.tasks.answer", args=[look.pk], queue=KINDS[look.kind].queue, retry=False)
        except Exception as error:  # whatever the broker's client raises
            logger.warning("look %s was not sent to a worker: %s", look.pk, error)

    transaction.on_commit(out)


_WAITING = Q(answered_at=None) | Q(answered_at__lt=F("asked_at"))


def _unclaimed() -> Q:
    return Q(claimed_at=None) | Q(claimed_at__lt=timezone.now() - CLAIMED_FOR)


def forgotten() -> list[Look]:
    """Asked for a while ago, and no worker has it."""
    return list(Look.objects.filter(_WAITING, _unclaimed(), asked_at__lt=timezone.now() - RESEND_AFTER).order_by("id")[:50])


def answer(look_id: int) -> None:
    """In a worker: reads what is asked for, if nobody else does, and keeps the answer or what stood in the way."""
    mine = timezone.now()
    if not Look.objects.filter(_WAITING, _unclaimed(), pk=look_id).update(claimed_at=mine):
        return
    look = Look.objects.get(pk=look_id)
    found, error = _read(look)
    fields: dict[str, Any] = {"error": error} if error else {"error": "", "answer": found}
    Look.objects.filter(pk=look_id, claimed_at=mine).update(answered_at=timezone.now(), claimed_at=None, **fields)


def _read(look: Look) -> tuple[dict[str, Any], str]:
    try:
        return reading.gather(lambda facts: KINDS[look.kind].read(look.about, facts), {})[0], ""
    except FactError as error:
        return {}, str(error)
    except Exception:
        logger.exception("look %s failed", look)
        return {}, "The portal could not read this because of a fault of its own. It is in the portal's log."


def trim() -> int:
    """Forgets old answers about addresses and histories. Says how many."""
    old = Look.objects.filter(kind__in=["address", "commits"], asked_at__lt=timezone.now() - KEEP)
    return old.delete()[0]
