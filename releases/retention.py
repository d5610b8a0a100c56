"""What stays on disk: the newest workspaces of a source and the artefacts of its newest successful builds. Records always stay.

A workspace may be shared by a build and its retries, so workspaces go by name, once nothing that uses them can go on.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from hosts.models import Host
from opsportal.operations import audit, followers, leases, targets
from opsportal.operations.errors import Refused
from opsportal.operations.models import Lock, Operation
from opsportal.operations.states import FINAL, OPEN, OperationState
from opsportal.transport.command import Command
from opsportal.transport.errors import TransportError
from releases import downloading
from releases.models import Artefact, Build, Source
from releases.workspace import Workspace

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SHARED = {"m2", "mirrors"}
REMOVAL_SECONDS = 600
SHOWN = 20
AT_ONCE = 500
"""Builds whose artefacts one run removes of one source."""

STALE_LOCK = timedelta(hours=2)

REMOVE = """\
set -eu
base=$1 name=$2
[ -d "$base" ] || exit 0
cd "$base"
wipe() { [ ! -e ".gone-$name" ] || { chmod -R u+rwX -- ".gone-$name" 2>/dev/null || :; rm -rf -- ".gone-$name"; }; }
wipe
[ ! -L "$name" ] || { echo "$base/$name is a link" >&2; exit 65; }
[ ! -e "$name" ] || mv -- "$name" ".gone-$name"
wipe
"""
"""Renamed before it is removed: a workspace is there whole or not at all, and what a removal left behind goes with the next."""


@dataclass(frozen=True)
class Tree:
    """One workspace on one target, with the builds that used it, newest first."""

    target: str
    name: str
    builds: list[Build]

    @property
    def newest(self) -> Build:
        return self.builds[0]

    @property
    def ran(self) -> bool:
        """Something may be there: one of its builds began."""
        return any(build.operation.started_at for build in self.builds)

    @property
    def ended(self) -> bool:
        return all(build.operation.final for build in self.builds)


def trees(source: Source) -> list[Tree]:
    """What was not removed yet, newest first."""
    found: dict[tuple[str, str], Tree] = {}
    there = Build.objects.filter(source=source, workspace_gone_at=None).select_related("operation", "source")
    for build in there.defer("operation__plan", "operation__looks", "operation__findings", "modules", "tests").order_by("-pk"):
        found.setdefault((build.target, build.workspace), Tree(build.target, build.workspace, [])).builds.append(build)
    return list(found.values())


def _wanted_again(those: Iterable[Tree]) -> set[int]:
    """Operations that somebody takes up right now: their workspace is needed."""
    numbers = [build.operation_id for tree in those for build in tree.builds]
    return set(Operation.objects.filter(after__in=numbers, kind=Operation.Kind.RETRY, state__in=OPEN).values_list("after_id", flat=True))


def due_trees(source: Source) -> list[Tree]:
    """Workspaces that go with the next run: all but the newest, those in use, and the last failed one that can be taken up."""
    those = trees(source)
    again = _wanted_again(those)
    staying = [tree for tree in those if tree.ran][: source.keep_workspaces]
    failed = next((tree for tree in those if tree.newest.operation.state in (OperationState.FAILED, OperationState.CANCELLED)), None)
    if failed is not None and not followers.can_retry(failed.newest.operation):
        staying.append(failed)
    return [
        tree for tree in those
        if tree not in staying and tree.ended and not any(build.operation_id in again for build in tree.builds)
    ]  # fmt: skip


def with_artefacts(source: Source) -> QuerySet[Build]:
    """Ended builds whose artefacts are stored, newest first."""
    stored = Artefact.objects.filter(build=OuterRef("pk"), stored=True)
    found = Build.objects.filter(Exists(stored), source=source, artefacts_gone_at=None, operation__state__in=FINAL)
    return found.select_related("operation", "source").defer("operation__plan", "operation__looks", "modules", "tests").order_by("-pk")


def due_artefacts(source: Source) -> QuerySet[Build]:
    """Builds whose artefacts go with the next run. What did not succeed loses them once a newer build has succeeded."""
    good = Q(operation__state=OperationState.SUCCEEDED)
    kept = list(with_artefacts(source).filter(good).values_list("pk", flat=True)[: source.keep_artefacts])
    old_good = good & Q(pk__lt=kept[-1]) if len(kept) == source.keep_artefacts and kept else Q(pk=None)
    old_bad = ~good & Q(pk__lt=kept[0]) if kept else Q(pk=None)
    return with_artefacts(source).filter(old_good | old_bad, keep=False)


@dataclass
class Outcome:
    """What one run did: numbers, and one sentence for each thing that it could not do."""

    workspaces: int = 0
    artefacts: int = 0
    failed: list[str] = field(default_factory=list)


def apply() -> Outcome:
    """All sources, once. What cannot be reached is tried again with the next run."""
    outcome, silent = Outcome(), set[str]()
    _let_go_of_stale_locks()
    for source in Source.objects.all():
        for build in list(due_artefacts(source)[:AT_ONCE]):
            forget(build, "portal", f"{source} keeps the artefacts of its {source.keep_artefacts} newest successful builds")
            outcome.artefacts += 1
        for tree in due_trees(source):
            if tree.target not in silent:
                _remove(tree, outcome, silent)
    _finish_what_was_begun()
    return outcome


def _remove(tree: Tree, outcome: Outcome, silent: set[str]) -> None:
    try:
        with _held(tree) as free:
            if free:
                remove_tree(tree.target, tree.name)
                _record(tree, "")
                outcome.workspaces += 1
    except TransportError as error:
        if _removed_from_inventory(tree.target):
            _record(tree, "The build host is not in the inventory any more: whatever is left of it is there.")
            return
        silent.add(tree.target)
        outcome.failed.append(f"{tree.target}: {error}")
        logger.warning("the workspace %s on %s was not removed: %s", tree.name, tree.target, error)
    except Refused as refused:
        outcome.failed.append(refused.message)
        logger.warning("the workspace %s was not removed: %s", tree.name, refused)


def remove_tree(target: str, name: str) -> None:
    """Removes one workspace. Raises `Refused` for what is not one, `TransportError` when the target does not answer."""
    base = Workspace(target, "", 0).base
    if not NAME.fullmatch(name) or name in SHARED:
        raise Refused(f"{name!r} is not the name of a workspace, so nothing was removed.")
    if target == "local":
        _inside(Path(str(base)) / name)
    transport = targets.connect(target)
    try:
        result = transport.run(Command(script=REMOVE, argv=(str(base), name)), timeout=REMOVAL_SECONDS)
    finally:
        transport.close()
    if result.exit:
        raise Refused(f"The workspace {name} on {target} could not be removed: {result.err.strip()[-300:]}")


def _inside(path: Path) -> None:
    """Only what really lies right under the portal's own folder is removed, wherever links lead."""
    folder = path.parent.resolve()
    if path.is_symlink() or path.resolve().parent != folder or not folder.is_relative_to(Path(settings.STATE_DIR).resolve()):
        raise Refused(f"{path} does not lie in the portal's own folder, so nothing was removed.")


@contextmanager
def _held(tree: Tree) -> Iterator[bool]:
    """Holds the workspace's lock for the build that used it last, so that no operation begins in it. False when somebody else has it."""
    operation, resource = tree.newest.operation, f"workspace:{tree.name}"
    if leases.acquire(operation, [resource]):
        yield False
        return
    try:
        yield not _wanted_again([tree])
    finally:
        Lock.objects.filter(operation=operation, resource=resource).delete()


def _let_go_of_stale_locks() -> None:
    """Of a run that was killed: an operation that has ended holds nothing."""
    old = timezone.now() - STALE_LOCK
    Lock.objects.filter(resource__startswith="workspace:", operation__state__in=FINAL, since__lt=old).delete()


def _removed_from_inventory(target: str) -> bool:
    kind, _, number = target.partition(":")
    return kind == "host" and number.isdigit() and not Host.objects.filter(pk=int(number)).exists()


@transaction.atomic
def _record(tree: Tree, note: str) -> None:
    Build.objects.filter(pk__in=[build.pk for build in tree.builds]).update(workspace_gone_at=Now())
    source = tree.newest.source
    detail = {"workspace": tree.name, "target": tree.target, "rule": f"{source} keeps {source.keep_workspaces} workspaces", "note": note}
    audit.record("portal", "workspace.remove", tree.newest.operation, subject=str(tree.newest), detail=detail)


def forget(build: Build, actor: User | str, why: str) -> None:
    """Removes a build's artefacts from the store. Raises `Refused` for a build that is kept, runs, or has none."""
    with transaction.atomic():
        free = Build.objects.filter(pk=build.pk, keep=False, artefacts_gone_at=None, operation__state__in=FINAL)
        if not free.update(artefacts_gone_at=Now()):
            raise Refused("The artefacts of this build cannot be forgotten: it is kept, has not ended, or they are gone already.")
        audit.record(actor, "artefacts.forget", build.operation, subject=str(build), detail={"why": why})
    _wipe(downloading.folder(build))
    build.refresh_from_db(fields=["artefacts_gone_at"])


def _wipe(path: Path) -> None:
    if path.is_dir():
        _inside(path)
        shutil.rmtree(path, ignore_errors=True)


def _finish_what_was_begun() -> None:
    """Removes the folders of builds whose artefacts are on record as gone: a crash may have come in between."""
    store = Path(settings.STATE_DIR) / "artefacts"
    folders = {int(path.name): path for path in store.glob("*") if path.name.isdigit()} if store.is_dir() else {}
    gone = Build.objects.filter(artefacts_gone_at__isnull=False, operation__in=list(folders)[:5000])
    for number in gone.values_list("operation_id", flat=True):
        _wipe(folders[number])


def keep(build: Build, user: User, *, wanted: bool) -> None:
    """Somebody wants the artefacts of this build whatever the retention says, or no longer does."""
    with transaction.atomic():
        if Build.objects.filter(pk=build.pk, keep=not wanted).update(keep=wanted):
            audit.record(user, "build.keep" if wanted else "build.let_go", build.operation, subject=str(build))
    build.keep = wanted


def newer_successes(build: Build) -> int:
    newer = Build.objects.filter(source=build.source_id, pk__gt=build.pk, operation__state=OperationState.SUCCEEDED)
    return newer.filter(Exists(Artefact.objects.filter(build=OuterRef("pk"), stored=True)), artefacts_gone_at=None).count()


def outlook(build: Build) -> str:
    """How long the artefacts of a build stay, in a sentence; "" when there are none."""
    if build.artefacts_gone_at or not build.operation.final:
        return ""
    if build.keep:
        return "Kept by hand: they stay until somebody lets them go."
    number = build.source.keep_artefacts if build.operation.state == OperationState.SUCCEEDED else 1
    left = number - newer_successes(build)
    if left <= 0:
        return "They go with the next clean-up, within the hour."
    return f"They stay until {left} newer build{'s' if left > 1 else ''} of {build.source} {'have' if left > 1 else 'has'} succeeded."


@dataclass(frozen=True)
class Next:
    """What goes with the next run, of one source."""

    source: Source
    workspaces: list[Tree]
    artefacts: list[Build]
    """The newest of those that go."""

    @property
    def anything(self) -> bool:
        return bool(self.workspaces or self.artefacts)


def upcoming(source: Source) -> Next:
    return Next(source, [tree for tree in due_trees(source) if tree.ran], list(due_artefacts(source)[:SHOWN]))


def unknown_workspaces(target: str, sizes: dict[str, int]) -> list[dict[str, object]]:
    """Folders on a target that no build's record names: shown to people, never removed. With the operation that made it, where one did."""
    names = [name for name in sizes if not name.startswith(".gone-")]
    known = set(Build.objects.filter(target=target, workspace__in=names, workspace_gone_at=None).values_list("workspace", flat=True))
    strangers = [name for name in names if name not in known]
    return [{"name": name, "size": sizes[name], "operation": _maker(name)} for name in strangers[:200]]


def _maker(name: str) -> int | None:
    named = Operation.objects.filter(Q(locks__icontains=f'"workspace:{name}"'))
    return named.order_by("-pk").values_list("pk", flat=True).first() if NAME.fullmatch(name) else None


def places() -> list[str]:
    """Targets where workspaces may be."""
    found = Build.objects.filter(workspace_gone_at=None).order_by().values_list("target", flat=True).distinct()
    return sorted({"local", *found})
