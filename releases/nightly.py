"""Builds by themselves: a schedule takes the next number and builds only when its branch or its pull requests moved.

Each due time makes at most one build, whatever dies in between: the build's draft carries the time in its one-time key, and a
claim that nobody finished is taken again. Runs that were missed while the portal was down are made up for once.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from croniter import croniter
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from opsportal.celery import app
from opsportal.operations import approval, audit, planning, reading, registry
from opsportal.operations.errors import Refused
from opsportal.operations.facts import FactError, FactSet, Reading
from opsportal.operations.models import Operation
from opsportal.operations.plan import canonical
from opsportal.operations.states import OperationState
from opsportal.web.access import has_role
from releases import building, queries, versions
from releases import planning as chain
from releases.facts.checkout import Tree
from releases.models import Build, Schedule, Source
from releases.versions import Version

logger = logging.getLogger(__name__)

RUNBOOK = "build-release"
CLAIMED_FOR = timedelta(minutes=20)
"""Longer than the time limit of the task: after this, who claimed it is dead."""

TRIES = 5
"""New numbers to try when other builds take the same one meanwhile."""

LOOKING = "A worker looks whether something moved."


def following(cron: str, after: datetime) -> datetime:
    """The next time of a schedule, in UTC."""
    found: datetime = croniter(cron, after).get_next(datetime)
    return found


def times(cron: str, number: int = 5) -> list[datetime]:
    """The next times from now on."""
    found = [timezone.now()]
    for _ in range(number):
        found.append(following(cron, found[-1]))
    return found[1:]


def due() -> QuerySet[Schedule]:
    """Schedules whose time has come and that no worker has."""
    now = timezone.now()
    free = Q(last_at=None) | Q(last_at__lt=F("next_at")) | Q(last_at__lt=now - CLAIMED_FOR)
    return Schedule.objects.filter(free, enabled=True, next_at__lte=now)


def wake(schedule_id: int) -> None:
    """Once the transaction commits. A broker that is away is no error: the next round sends it again."""

    def out() -> None:
        try:
            app.send_task("releases.tasks.run_schedule", args=[schedule_id], queue="ssh", retry=False)
        except Exception as error:  # whatever the broker's client raises
            logger.warning("schedule %s was not sent to a worker: %s", schedule_id, error)

    transaction.on_commit(out)


def run(schedule_id: int) -> None:
    """In a worker: one due time of a schedule, if nobody else has it. What came of it stands on the schedule."""
    if not due().filter(pk=schedule_id).update(last_at=timezone.now(), last_outcome=LOOKING):
        return
    schedule = Schedule.objects.select_related("source", "owner").get(pk=schedule_id)
    try:
        said = _run(schedule)
    except (FactError, Refused) as error:
        said = f"Could not build: {error}"
    except Exception:
        logger.exception("schedule %s failed", schedule_id)
        said = "Could not build because of a fault of the portal's own. It is in the portal's log."
    _finish(schedule, said)


def _finish(schedule: Schedule, said: str) -> None:
    """On to the next time, unless somebody set another meanwhile."""
    Schedule.objects.filter(pk=schedule.pk).update(last_outcome=said[:300])
    Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at).update(next_at=following(schedule.cron, timezone.now()))


def _run(schedule: Schedule) -> str:
    if made := Operation.objects.filter(token__in=list(_tokens(schedule))).exclude(state__in=_NOT_SUBMITTED).first():
        return _started(made)
    if not (schedule.owner.is_active and has_role(schedule.owner, "operator")):
        return _disable(schedule)
    if going := queries.running_of(schedule):
        return f"Skipped: build {going.pk}, {going.version}, of this schedule has not ended."
    found = find(schedule)
    if found.digest == schedule.built_of:
        last = Build.objects.filter(schedule=schedule).order_by("-pk").first()
        return f"Nothing moved since build {last.pk}, {last.version}." if last else "Nothing moved since the last build."
    return _build(schedule, found)


_NOT_SUBMITTED = (OperationState.DRAFT, OperationState.DISCARDED)


def _tokens(schedule: Schedule) -> Iterator[str]:
    """One-time keys of this due time, one for each number that is tried."""
    for number in range(TRIES):
        yield f"schedule-{schedule.pk}-{schedule.next_at:%Y%m%dT%H%M%S}-{number}"


def _disable(schedule: Schedule) -> str:
    said = f"{schedule.owner} may no longer run builds, so this schedule is off. Somebody with the role of operator can take it over."
    with transaction.atomic():
        Schedule.objects.filter(pk=schedule.pk).update(enabled=False)
        audit.record("portal", "schedule.disable", subject=f"{schedule.source}: {schedule}", detail={"why": said})
    return said


@dataclass(frozen=True)
class Found:
    """What a build would be made of now, and the readings that say so: the plan is made of the very same."""

    tree: Tree
    digest: str
    readings: dict[str, Reading]


def find(schedule: Schedule) -> Found:
    """Resolves branch and pull requests. Raises `FactError`."""
    params = registry.get(RUNBOOK).parse(params_of(schedule))
    readings: dict[str, Reading] = {}
    (tree, parts), _ = reading.gather(lambda facts: _parts(params, facts), readings)
    return Found(tree, hashlib.sha256(canonical(parts).encode()).hexdigest(), readings)


def _parts(params: Any, facts: FactSet) -> tuple[Tree, list[Any]]:
    """What the source is, and what the digest is made of."""
    commit = chain.commit(params, facts).commit
    pulls = [[pull.number, pull.sha256] for pull in chain.pulls(params, facts)]
    return chain.checkout(params, facts), [commit, pulls]


def params_of(schedule: Schedule, version: str = "") -> dict[str, Any]:
    return {**schedule.build_params(), "schedule": schedule.pk, "numbering": "new", "version": version}


def next_version(source: Source, tree: Tree) -> str:
    """What the wizard suggests, or the number after the highest that was built when that is taken. Raises `Refused`."""
    try:
        own = versions.parse(tree.version)
    except ValueError:
        raise Refused(f"The root pom says {tree.version or 'no version'}, which is no number to count on from. Build it by hand.") from None
    taken = versions.taken(source.pk)
    wished = building.suggestion(own, taken, tree, source.brand)
    return wished if wished not in taken else versions.next_free(own.base, [str(Version(own.numbers)), *taken])


def _build(schedule: Schedule, found: Found) -> str:
    for token in _tokens(schedule):
        operation = _planned(schedule, found, token)
        if operation.state == OperationState.DRAFT and _submit(schedule, operation, found):
            return _started(operation)
    raise Refused(f"Other builds of {schedule.source} took the next {TRIES} numbers first. It is tried again next time.")


def _planned(schedule: Schedule, found: Found, token: str) -> Operation:
    """The draft of this key, with the plan made. It may be one that an earlier worker left behind."""
    params = {**registry.get(RUNBOOK).fresh(), **params_of(schedule, next_version(schedule.source, found.tree))}
    with transaction.atomic():
        operation = planning.create(RUNBOOK, user=schedule.owner, token=token, params=params)
        planning.keep_readings(operation, found.readings)
    planning.work(operation.pk)
    operation.refresh_from_db()
    return operation


def _submit(schedule: Schedule, operation: Operation, found: Found) -> bool:
    """Takes the number and hands the build on, in one transaction. False when another build has the number now."""
    owner = User.objects.get(pk=schedule.owner_id)
    blocks = [finding["message"] for finding in operation.findings if finding["level"] == "block"]
    try:
        if blocks:
            raise Refused(" ".join(blocks))
        with transaction.atomic():
            source = Source.objects.select_for_update().get(pk=schedule.source_id)
            if operation.params["version"] in versions.taken(source.pk):
                planning.discard(operation, owner)
                return False
            approval.submit(operation, user=owner, reason=f"Schedule “{schedule}”")
            Schedule.objects.filter(pk=schedule.pk).update(built_of=found.digest)
    except Refused:
        planning.discard(operation, owner)
        raise
    return True


def _started(operation: Operation) -> str:
    build = Build.objects.filter(operation=operation).first()
    return f"Started build {build.pk}, {build.version}." if build else f"Started operation {operation.pk}."


def switch(schedule: Schedule, user: User, *, on: bool) -> None:
    """On, with the switcher's rights from then on, or off."""
    fields: dict[str, Any] = {"enabled": on}
    if on:
        fields |= {"owner": user, "next_at": following(schedule.cron, timezone.now())}
    with transaction.atomic():
        if Schedule.objects.filter(pk=schedule.pk, enabled=not on).update(**fields):
            audit.record(user, "schedule.enable" if on else "schedule.disable", subject=f"{schedule.source}: {schedule}")


def run_now(schedule: Schedule, user: User) -> None:
    """Makes it due. Raises `Refused` for one that is off."""
    with transaction.atomic():
        if not Schedule.objects.filter(pk=schedule.pk, enabled=True).update(next_at=Now()):
            raise Refused("This schedule is off. Switch it on first.")
        audit.record(user, "schedule.run", subject=f"{schedule.source}: {schedule}")
        wake(schedule.pk)
