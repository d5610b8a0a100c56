"""What steps of a build leave on record: called by the engine once a step is proved. Doing it twice changes nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings

from opsportal.operations import targets
from opsportal.operations.models import Operation, Step
from opsportal.operations.steps import Condition
from releases import evidence
from releases.models import Artefact, Build


def version(operation_id: int, step_key: str, output: bytes) -> str:
    """Reads the version commit once more, with the command that proved it."""
    operation = Operation.objects.get(pk=operation_id)
    step = next(step for step in operation.frozen().steps if step.key == step_key)
    found = evidence.version_facts(_ask(step.probe[0], step.target))
    files = int(found["files"])
    Build.objects.filter(operation=operation_id).update(version_commit=found["head"], built_commit=found["head"], version_files=files)
    return f"{files} files changed in commit {found['head'][:12]}."


def _ask(condition: Condition, target: str) -> str:
    transport = targets.connect(target)
    try:
        return transport.run(condition.command, timeout=condition.timeout).out
    finally:
        transport.close()


def maven(operation_id: int, step_key: str, output: bytes) -> str:
    """Modules and tests, as the progress reader understood them."""
    return note_progress(operation_id)


def note_progress(operation_id: int) -> str:
    """Also called when a build ends badly: then these are what one wants to see."""
    step = Step.objects.filter(operation=operation_id, key="maven").first()
    reader = step.progress.get("reader") if step else None
    if not step or not reader:
        return ""
    modules = [{name: module[name] for name in ("name", "state", "seconds")} for module in reader["modules"]]
    Build.objects.filter(operation=operation_id).update(tests=reader["tests"], modules=modules)
    tests = reader["tests"]
    return f"{len(modules)} modules, {tests['run']} tests." if tests["run"] else f"{len(modules)} modules, no tests."


def manifest(operation_id: int, step_key: str, output: bytes) -> str:
    """One artefact for each package. Raises `ValueError` when there is none."""
    build = Build.objects.get(operation=operation_id)
    found = evidence.packages(output.decode("utf-8", "replace"))
    if not found:
        raise ValueError("no package was found in the workspace")
    for package in found:
        said = {name: getattr(package, name) for name in ("kind", "name", "version", "release", "architecture", "size", "sha256")}
        Artefact.objects.update_or_create(build=build, file=package.file, defaults=said)
    build.artefacts.exclude(file__in=[package.file for package in found]).delete()
    return f"{len(found)} packages, {sum(package.size for package in found):,} bytes."


def stored(operation_id: int, step_key: str, output: bytes) -> str:
    """Compares every stored file with the manifest. Raises `ValueError` for one that differs or is missing."""
    folder = settings.STATE_DIR / "artefacts" / str(operation_id)
    artefacts = list(Artefact.objects.filter(build__operation=operation_id))
    for artefact in artefacts:
        path = folder / artefact.file
        if not path.exists():
            raise ValueError(f"{artefact.file} is missing in the store")
        if _sha256(path) != artefact.sha256:
            raise ValueError(f"{artefact.file} is not the file that the manifest lists")
    Artefact.objects.filter(build__operation=operation_id).update(stored=True)
    return f"{len(artefacts)} artefacts, each compared by SHA-256."


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
