"""Two builds side by side: patches, artefacts, options, steps and tests. Works on rows that were read; asks no database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from releases.models import Artefact, Build

Change = Literal["added", "removed", "changed", "same"]


@dataclass(frozen=True)
class Pair:
    """One thing in both builds: `old` and `new` are None where it is missing."""

    name: str
    old: Any
    new: Any
    same: bool = False

    @property
    def change(self) -> Change:
        if self.old is None:
            return "added"
        if self.new is None:
            return "removed"
        return "same" if self.same else "changed"

    @property
    def tone(self) -> str:
        """A look for badges."""
        return {"added": "ok", "removed": "warn", "changed": "note", "same": "none"}[self.change]


def _paired(old: Mapping[str, Any], new: Mapping[str, Any], same: Callable[[Any, Any], bool]) -> list[Pair]:
    """In the order of the new one; what only the old one has comes last."""
    names = list(dict.fromkeys([*new, *old]))
    pairs = [(name, old.get(name), new.get(name)) for name in names]
    return [Pair(name, one, two, one is not None and two is not None and same(one, two)) for name, one, two in pairs]


def patches(older: Build, newer: Build) -> list[Pair]:
    """Pull requests by number. The same number with other bytes was changed in between."""
    old, new = ({str(patch["number"]): patch for patch in build.patches} for build in (older, newer))
    return _paired(old, new, lambda one, two: one.get("sha256") == two.get("sha256"))


def reordered(older: Build, newer: Build) -> bool:
    """The patches that both have were applied in another order."""
    both = {str(patch["number"]) for patch in older.patches} & {str(patch["number"]) for patch in newer.patches}
    old, new = ([str(patch["number"]) for patch in build.patches if str(patch["number"]) in both] for build in (older, newer))
    return old != new


def artefacts(older: Build, newer: Build) -> list[Pair]:
    """By package and architecture, so that another version of a package stands beside the one before."""
    old, new = ({_called(one): one for one in build.artefacts.all()} for build in (older, newer))
    return _paired(old, new, lambda one, two: one.sha256 == two.sha256)


def _called(artefact: Artefact) -> str:
    return f"{artefact.name} ({artefact.kind}{f', {artefact.architecture}' if artefact.architecture else ''})"


def options(older: Build, newer: Build) -> list[Pair]:
    """Everything that was chosen, including the branch."""
    return _paired(_chosen(older), _chosen(newer), lambda one, two: bool(one == two))


def _chosen(build: Build) -> dict[str, Any]:
    return {"Branch or tag": build.ref, **{_label(name): _said(value) for name, value in build.options.items()}}


LABELS = {
    "rpm": "RPM packages",
    "deb": "Debian packages",
    "jdk": "JDK",
    "warm": "Maven's repository of earlier builds",
    "target": "Machine",
}


def _label(name: str) -> str:
    return LABELS.get(name, name.replace("_", " ").capitalize())


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return "none" if value in ("", None) else str(value)


def shown_options(build: Build) -> list[tuple[str, str]]:
    """What was chosen, in words, for the page of one build."""
    return [(_label(name), _said(value)) for name, value in build.options.items() if name != "target"]


@dataclass(frozen=True)
class Durations:
    """One step in both builds, in seconds; None where it did not run to its end."""

    title: str
    old: float | None
    new: float | None

    @property
    def slower(self) -> float | None:
        """Seconds that the newer one took more, negative when it was faster."""
        return None if self.old is None or self.new is None else self.new - self.old


def steps(older: Build, newer: Build) -> list[Durations]:
    old, new = ({step.key: step for step in build.operation.steps.all()} for build in (older, newer))
    keys = dict.fromkeys([*new, *old])
    return [Durations((new.get(key) or old[key]).title, _seconds(old.get(key)), _seconds(new.get(key))) for key in keys]


def _seconds(step: Any) -> float | None:
    if step is None or step.started_at is None or step.ended_at is None:
        return None
    return float((step.ended_at - step.started_at).total_seconds())


TESTS = ("run", "failures", "errors", "skipped")


def tests(older: Build, newer: Build) -> list[Pair]:
    """The four counts of surefire; nothing when neither build ran tests."""
    if not (older.tests or newer.tests):
        return []
    old, new = ({name: build.tests.get(name, 0) for name in TESTS} if build.tests else {} for build in (older, newer))
    return _paired(old, new, lambda one, two: bool(one == two))


def failing(older: Build, newer: Build) -> list[Pair]:
    """Tests that fail in one or in both."""
    old, new = (_failing(build.tests.get("failed", [])) for build in (older, newer))
    return _paired(old, new, lambda one, two: True)


def _failing(failed: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{one['suite']}.{one['test']}": one for one in failed}


@dataclass(frozen=True)
class Comparison:
    patches: list[Pair]
    reordered: bool
    artefacts: list[Pair]
    options: list[Pair]
    steps: list[Durations]
    tests: list[Pair]
    failing: list[Pair]


def compare(older: Build, newer: Build) -> Comparison:
    return Comparison(
        patches(older, newer), reordered(older, newer), artefacts(older, newer), options(older, newer), steps(older, newer),
        tests(older, newer), failing(older, newer),
    )  # fmt: skip
