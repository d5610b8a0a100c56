"""The practice source in a test's own portal: its forge on loopback, its registration, and git to look behind the scenes."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings

from opsportal.lab import practice_source
from opsportal.lab.forge import Forge
from opsportal.operations import reading
from opsportal.operations.facts import Fact, FactSet, Reading
from releases.facts.mirror import Names, Refs
from releases.models import Source

T = TypeVar("T")


@contextlib.contextmanager
def forge(pristine: Path, folder: Path, *, push: bool = False) -> Iterator[Forge]:
    """Serves a copy of the repository, and the portal may talk to it."""
    repository = Path(shutil.copytree(pristine, folder / practice_source.NAME))
    with Forge(repository, push=push).running() as running:
        settings.GIT_HOSTS = [*settings.GIT_HOSTS, running.url]
        yield running


def register(at: Forge, **fields: Any) -> Source:
    url = f"{at.url}/{practice_source.NAME}"
    given = {"url": url, "push_url": url, "default_branch": "4.8", "pulls_url": f"{at.url}/pull", "pulls": "patch"}
    return Source.objects.create(name="Practice", **{**given, **fields})


def git(repository: Path, *argv: str) -> str:
    return practice_source.git(repository, *argv).decode().strip()


def read(fact: Fact[T]) -> T:
    """One fact, as a worker reads it. Raises `FactError`."""
    return reading.gather(lambda facts: facts(fact), {})[0]


def given(*known: tuple[Fact[Any], Any]) -> FactSet:
    """Facts that a guard finds, without reading anything."""
    return FactSet({fact.key(): Reading(fact.adapter().dump_python(value, mode="json")) for fact, value in known})


def commit(repository: Path, branch: str, path: str, text: str, *, message: str = "Change a file") -> str:
    """Somebody else pushes: one file on a branch of a bare repository. Answers the new commit."""
    ref = f"refs/heads/{branch}"
    lines = [f"commit {ref}", "committer Somebody <somebody@practice.example> 1500000000 +0000", *_data(message), f"from {ref}^0"]
    stream = "\n".join([*lines, f"M 100644 inline {path}", *_data(text), ""])
    practice_source.git(repository, "fast-import", "--quiet", stdin=stream.encode())
    return git(repository, "rev-parse", ref)


def _data(text: str) -> list[str]:
    return [f"data {len(text.encode())}", text]


def error_of(act: Callable[[], object], kind: type[Exception]) -> str:
    """The sentence it is refused with."""
    try:
        act()
    except kind as error:
        return str(error)
    raise AssertionError("it was not refused")


def fetched(source: Source) -> Names:
    """The source's mirror is there."""
    return read(Refs("local", source.pk, source.url))
