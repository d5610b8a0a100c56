"""Sources, builds and artefacts for tests: rows as the runbook leaves them, and files in the store where a test needs them."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.utils import timezone

from opsportal.operations.models import Operation, Step
from releases.models import Artefact, Build, Source

PATCH = {
    "number": "12", "title": "Live migrate volumes between two pools", "sha256": "ab" * 32, "authors": ["Ada Lovelace"],
    "url": "https://github.com/apache/cloudstack/pull/12", "commits": [{"subject": "Live migrate volumes", "author": "Ada Lovelace"}],
}  # fmt: skip
OPTIONS = {
    "profiles": "systemvm",
    "skip_tests": False,
    "threads": "",
    "rpm": "centos7",
    "deb": True,
    "release_number": 1,
    "target": "local",
}
TESTS = {
    "run": 412, "failures": 1, "errors": 0, "skipped": 3, "suites": 40,
    "failed": [{"suite": "com.cloud.storage.VolumeTest", "test": "resizes", "message": "expected:<1> but was:<2>", "line": 7}],
}  # fmt: skip
MODULES = [
    {"name": "Apache CloudStack", "state": "ok", "seconds": 1.2},
    {"name": "Apache CloudStack Server", "state": "ok", "seconds": 312.0},
    {"name": "Apache CloudStack Plugin - Hypervisor Xenserver", "state": "failed", "seconds": 96.4},
]


def operator_named(name: str = "olga") -> User:
    user, made = User.objects.get_or_create(username=name)
    if made:
        user.groups.add(Group.objects.get_or_create(name="operator")[0])
    return user


def source(name: str = "CloudStack", **fields: Any) -> Source:
    given = {
        "url": "https://github.com/apache/cloudstack",
        "default_branch": "4.8",
        "pulls_url": "https://github.com/apache/cloudstack/pull",
    }
    return Source.objects.create(name=name, **{**given, **fields})


def operation(state: str = "succeeded", **fields: Any) -> Operation:
    now = timezone.now()
    given: dict[str, Any] = {
        "runbook": "build-release", "title": "Build a release", "subject": "4.8.0.16 of CloudStack", "state": state,
        "requester": operator_named(), "token": secrets.token_hex(8), "settled": True, "submitted_at": now,
    }  # fmt: skip
    if state in ("succeeded", "failed", "cancelled"):
        given |= {"started_at": now - timedelta(minutes=40), "ended_at": now - timedelta(minutes=2)}
    elif state == "running":
        given |= {"started_at": now - timedelta(minutes=4)}
    return Operation.objects.create(**{**given, **fields})


def build(of: Source, version: str = "4.8.0.16", state: str = "succeeded", **fields: Any) -> Build:
    """Fields that begin with `operation_` are the operation's."""
    theirs = {name.removeprefix("operation_"): fields.pop(name) for name in list(fields) if name.startswith("operation_")}
    given = {
        "ref": "4.8", "commit": hashlib.sha1(version.encode()).hexdigest(), "patches": [PATCH], "options": OPTIONS,  # noqa: S324
        "workspace": f"build-{secrets.token_hex(6)}", "target": "local",
    }  # fmt: skip
    return Build.objects.create(operation=operation(state, **theirs), source=of, version=version, **{**given, **fields})


def steps(of: Build, *keys: str, state: str = "succeeded") -> list[Step]:
    now = timezone.now()
    return [
        Step.objects.create(
            operation=of.operation,
            index=index,
            key=key,
            title=f"Do {key}",
            target="local",
            state=state,
            first_line=100 * index,
            started_at=now - timedelta(minutes=10),
            ended_at=now - timedelta(minutes=10) + timedelta(seconds=30 * (index + 1)),
        )
        for index, key in enumerate(keys)
    ]


def artefact(
    of: Build, file: str = "cloudstack-management-4.8.0.16-1.el7.x86_64.rpm", data: bytes = b"a package", **fields: Any
) -> Artefact:
    """With its file in the store, unless it is not `stored`."""
    given = {
        "kind": file.rpartition(".")[2],
        "name": "cloudstack-management",
        "version": of.version,
        "release": "1.el7",
        "architecture": "x86_64",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "stored": True,
    }
    made = Artefact.objects.create(build=of, file=file, **{**given, **fields})
    if made.stored:
        folder = Path(settings.STATE_DIR) / "artefacts" / str(of.operation_id)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(data)
    return made


def workspace(of: Build) -> Path:
    """The folder on this machine that the build worked in, with a little in it."""
    folder = Path(settings.STATE_DIR) / "workspaces" / of.workspace
    (folder / "src" / "target").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "pom.xml").write_text("<project/>")
    return folder


def many(of: Source, number: int) -> None:
    """A history of `number` builds, one every two hours, with two artefacts each."""
    states, now, user = ["succeeded"] * 6 + ["failed", "cancelled"], timezone.now(), operator_named()
    operations = Operation.objects.bulk_create(
        (
            Operation(
                runbook="build-release",
                title="Build a release",
                state=states[n % len(states)],
                requester=user,
                token=f"many-{of.pk}-{n}",
                settled=True,
                started_at=now - timedelta(hours=2 * (number - n)),
                ended_at=now - timedelta(hours=2 * (number - n)) + timedelta(minutes=20 + n % 17),
                plan="x" * 2000,
            )
            for n in range(number)
        ),
        batch_size=2000,
    )
    builds = Build.objects.bulk_create(
        (
            Build(
                operation=one,
                source=of,
                version=f"4.8.0.{n}",
                ref=["4.8", "main"][n % 2],
                commit=f"{n:040x}",
                patches=[PATCH],
                options=OPTIONS,
                workspace=f"build-{n:012x}",
                target="local",
                workspace_gone_at=now,
                keep=n % 1000 == 3,
            )
            for n, one in enumerate(operations)
        ),
        batch_size=2000,
    )
    for n, one in enumerate(builds):
        one.created_at = now - timedelta(hours=2 * (number - n))
    Build.objects.bulk_update(builds, ["created_at"], batch_size=500) if number < 2000 else None
    Artefact.objects.bulk_create(
        (
            Artefact(
                build=one,
                kind="rpm",
                file=f"{part}-{one.version}.rpm",
                name=part,
                version=one.version,
                size=10**7,
                sha256="cd" * 32,
                stored=True,
            )
            for one in builds
            for part in ("cloudstack-management", "cloudstack-common")
        ),
        batch_size=4000,
    )
