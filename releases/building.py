"""A build on record: what it is about, its row when it is submitted, what it left when it ended, and what pages show of its patches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from opsportal.operations.models import FactReading, Operation
from releases import records, versions
from releases.facts.checkout import Tree
from releases.facts.mirror import Commit, Resolved
from releases.facts.patches import Pull, Tried
from releases.facts.portal import SourceData
from releases.models import Build, Source
from releases.versions import Version

if TYPE_CHECKING:
    from releases.runbooks.build_release import BuildParams

OPTIONS = (
    "profiles",
    "skip_tests",
    "threads",
    "arguments",
    "jdk",
    "warm",
    "rpm",
    "noredist",
    "release_number",
    "deb",
    "target",
    "numbering",
)
CARRIED = ("built_commit", "version_commit", "version_files", "tests", "modules")
"""What a retry takes over from the build it goes on with."""


def subject(params: BuildParams) -> str:
    """ "4.8.0.16 of Practice, 4.8 with 2 pull requests"."""
    source = Source.objects.filter(pk=params.source).first()
    if source is None:
        return ""
    version = params.version if params.numbering == "new" and params.version else ""
    number = len(params.patches)
    patches = f" with {number} pull request{'s' if number > 1 else ''}" if number else ""
    return f"{f'{version} of ' if version else ''}{source.name}{f', {params.ref}' if params.ref else ''}{patches}"


def suggestion(own: Version, taken: Iterable[str], tree: Tree, brand: str) -> str:
    """The next number. Where all four count, the source's own number with a brand is safer, if the source has one."""
    if tree.checker == "four" and brand:
        return str(Version(own.numbers, brand))
    return versions.next_free(own.base, [*taken, str(Version(own.numbers))])


def submitted(operation_id: int) -> None:
    """Makes the row, in the transaction that submits: from here on the build is in the history."""
    operation = Operation.objects.select_related("after").get(pk=operation_id)
    params: BuildParams = operation.parsed()
    looks = operation.looks
    earlier = Build.objects.filter(operation=operation.after_id).first() if operation.kind == Operation.Kind.RETRY else None
    Build.objects.get_or_create(
        operation=operation,
        defaults={
            "source_id": params.source,
            "version": params.version if params.numbering == "new" else looks.get("version", {}).get("own", ""),
            "ref": params.ref,
            "commit": _commit(operation).commit,
            "patches": [_patch_record(row) for row in looks.get("patches", {}).get("pulls", []) if "number" in row],
            "options": {name: getattr(params, name) for name in OPTIONS},
            "schedule_id": params.schedule or None,
            "workspace": params.workspace,
            "target": params.target,
            **({name: getattr(earlier, name) for name in CARRIED} if earlier else {}),
        },
    )


def _commit(operation: Operation) -> Commit:
    kind = f"{Resolved.__module__}.{Resolved.__qualname__}@"
    row = FactReading.objects.filter(operation=operation, key__startswith=kind, revision__gt=0, error="").order_by("-id").first()
    if row is None:
        raise LookupError("the plan of this build rests on no commit")
    return TypeAdapter(Commit).validate_python(row.value)


def _patch_record(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("number", "title", "sha256", "commits", "authors", "url")}


def finished(operation_id: int, state: str) -> None:
    """A build that failed in Maven keeps its modules and tests too."""
    records.note_progress(operation_id)


def pull_row(pull: Pull, source: SourceData) -> dict[str, Any]:
    """One pull request as pages show it and as the build records it."""
    return {
        "number": pull.number,
        "title": pull.title,
        "sha256": pull.sha256,
        "size": pull.size,
        "url": source.pull_address(pull.number),
        "commits": [asdict(patch) for patch in pull.patches],
        "authors": list(dict.fromkeys(patch.author for patch in pull.patches)),
        "files": list(pull.files)[:200],
        "insertions": sum(patch.insertions for patch in pull.patches),
        "deletions": sum(patch.deletions for patch in pull.patches),
    }


def trial_rows(found: Tried) -> dict[str, Any]:
    """How it went: for each pull request the commits it became and its diff; and where it stopped."""
    return {
        "applied": {
            one.number: {"head": one.head, "commits": list(one.commits), "diff": one.diff, "cut": len(one.diff) >= 100_000}
            for one in found.applied
        },
        "conflict": asdict(found.conflict) if found.conflict else None,
        "head": found.head,
    }
