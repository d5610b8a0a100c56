"""A plan as a person reads it: numbered steps with targets by name, what each does in words, diffs, and what differs from another plan."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.module_loading import import_string
from pydantic import ValidationError

from opsportal.operations import targets
from opsportal.operations.models import FactReading, Operation
from opsportal.operations.plan import Plan
from opsportal.operations.steps import CannotUndo, Effect, NothingToUndo, PutFile, PutStored, Step

DIFF_LINES = 4000
"""A file with more lines than this is not compared line by line on a page."""

EFFECTS = {
    Effect.NONE: "Changes nothing.",
    Effect.IDEMPOTENT: "Doing it twice does no harm.",
    Effect.NON_IDEMPOTENT: "Done once only: it is never sent a second time unless somebody decides so.",
}


PROOFS = {
    "run": "Its exit code alone.",
    "put": "The file is read back and compared.",
    "stored": "The file is read back and compared.",
    "secret": "The file is read back and compared.",
    "fetch": "Every file arrives whole.",
    "wait": "That it holds.",
    "expect": "That it holds.",
}


@dataclass(frozen=True)
class Line:
    """One line of a diff. `sort` is "add", "del", "hunk" or ""."""

    sort: str
    text: str


@dataclass(frozen=True)
class Paragraph:
    """One step of the letter. `place` is the target's name, `page` its address or "", `usual` seconds it usually takes or None."""

    number: int
    step: Step
    place: str
    page: str
    usual: float | None = None

    @property
    def effect(self) -> str:
        return EFFECTS[self.step.effect]

    @property
    def stopping(self) -> str:
        if self.step.interruptible:
            return "May be stopped while it runs."
        return "Is not stopped once it runs: Cancel takes effect after it."

    @property
    def proof(self) -> str:
        """What proves it by itself, where the plan names no probe."""
        return PROOFS[self.step.action.kind]

    @property
    def way_back(self) -> str:
        """How it is undone, in words; the command is shown beside it."""
        undo = self.step.undo
        if isinstance(undo, CannotUndo):
            return f"There is no way back. {undo.reason}"
        return "Leaves nothing behind that would have to be undone." if isinstance(undo, NothingToUndo) else "Can be undone."

    @property
    def lines(self) -> list[Line]:
        return diff(self.step.action) if isinstance(self.step.action, PutFile) else []

    @property
    def undo_lines(self) -> list[Line]:
        return diff(self.step.undo) if isinstance(self.step.undo, PutFile) else []


@dataclass(frozen=True)
class Letter:
    """The plan of one operation. `fault` says why it cannot be shown; `because` why there is nothing to do."""

    paragraphs: tuple[Paragraph, ...] = ()
    fault: str = ""
    because: str = ""

    @property
    def usual(self) -> float | None:
        """Seconds for all steps together, as far as earlier runs tell."""
        known = [one.usual for one in self.paragraphs if one.usual is not None]
        return sum(known) if known else None

    @property
    def untimed(self) -> int:
        """How many steps no earlier run tells about."""
        return sum(one.usual is None for one in self.paragraphs)

    @property
    def dangerous(self) -> list[Paragraph]:
        return [one for one in self.paragraphs if one.step.danger]

    @property
    def files(self) -> list[Paragraph]:
        """The steps which write a file."""
        return [one for one in self.paragraphs if isinstance(one.step.action, PutFile | PutStored)]

    @property
    def places(self) -> list[tuple[str, str]]:
        """Name and page of each target once."""
        return list(dict.fromkeys((one.place, one.page) for one in self.paragraphs))

    def at(self, index: int) -> Paragraph | None:
        """The step counted from 0."""
        return self.paragraphs[index] if index < len(self.paragraphs) else None


def write(operation: Operation, usual: Mapping[str, float] | None = None) -> Letter:
    """The letter of an operation's frozen plan; an empty one while there is none."""
    if not operation.plan:
        return Letter()
    try:
        plan = operation.frozen()
    except ValidationError:
        return Letter(fault="This plan was written by another version of the portal, which this one cannot read.")
    names = targets.names({step.target for step in plan.steps})
    paragraphs = (_paragraph(number, step, names, usual or {}) for number, step in enumerate(plan.steps, 1))
    return Letter(tuple(paragraphs), because=plan.because)


def _paragraph(number: int, step: Step, names: Mapping[str, tuple[str, str]], usual: Mapping[str, float]) -> Paragraph:
    place, page = names[step.target]
    return Paragraph(number, step, place, page, usual.get(step.key))


def diff(action: PutFile) -> list[Line]:
    """What changes in the file, with three lines around each change."""
    before, after = _lines(action.before), _lines(action.content)
    if len(before) + len(after) > DIFF_LINES:
        return [Line("hunk", f"{len(before):,} lines become {len(after):,}: too many to compare on a page.")]
    lines = [_line(text) for text in list(difflib.unified_diff(before, after, lineterm=""))[2:]]
    return [*lines, *_last_line(action)]


def _lines(text: str) -> list[str]:
    """Only a line feed ends a line; a carriage return is a difference to be shown."""
    return text.removesuffix("\n").split("\n") if text else []


def _line(text: str) -> Line:
    sort = {"+": "add", "-": "del", "@": "hunk"}.get(text[:1], "")
    return Line(sort, text)


def _last_line(action: PutFile) -> Iterator[Line]:
    """A missing line end is a difference, too."""
    if action.content and not action.content.endswith("\n"):
        yield Line("hunk", "The new file has no line end after its last line.")
    if action.existed and action.before and not action.before.endswith("\n"):
        yield Line("hunk", "The file had no line end after its last line.")


@dataclass(frozen=True)
class Change:
    """How a plan differs from an earlier one. `sort` is "new", "gone" or "changed"."""

    sort: str
    title: str
    lines: tuple[Line, ...] = ()


def changes(old: Operation, new: Operation) -> list[Change]:
    """What is new, gone or different in the newer plan, step by step; [] when either cannot be read. A retry leaves out what was done."""
    try:
        before, after = old.frozen(), new.frozen()
        begun = before.after(new.from_step) if new.from_step else before
    except (ValidationError, StopIteration):
        return []
    return list(_changes(begun, after)) if new.runbook == old.runbook else []


def _changes(before: Plan, after: Plan) -> Iterator[Change]:
    was, now = {step.key: step for step in before.steps}, {step.key: step for step in after.steps}
    for key in was | now:
        if key not in now:
            yield Change("gone", was[key].title)
        elif key not in was:
            yield Change("new", now[key].title)
        elif was[key] != now[key]:
            told = difflib.unified_diff(list(_told(was[key])), list(_told(now[key])), lineterm="", n=1)
            yield Change("changed", now[key].title, tuple(_line(text) for text in list(told)[2:202]))


def _told(step: Step) -> Iterator[str]:
    """All that a step says, line by line, so that two of them can be compared."""
    yield f"target: {step.target}"
    for name in ("title", "why", "effect", "interruptible", "danger"):
        yield f"{name}: {getattr(step, name)}"
    for name in ("action", "expect", "probe", "undo", "opens"):
        yield from _flat(name, getattr(step, name))


def _flat(name: str, value: Any) -> Iterator[str]:
    if hasattr(value, "display"):
        yield from (f"{name}: {line}" for line in value.display().splitlines())
    elif hasattr(value, "__dataclass_fields__"):
        for field in value.__dataclass_fields__:
            yield from _flat(f"{name} {field}", getattr(value, field))
    elif isinstance(value, tuple):
        for number, item in enumerate(value, 1):
            yield from _flat(f"{name} {number}", item)
    else:
        yield from (f"{name}: {line}" for line in str(value).splitlines() or [""])


@dataclass(frozen=True)
class Told:
    """A fact as the page names it."""

    what: str
    about: str
    place: str
    page: str
    reading: FactReading


def facts(readings: Iterable[FactReading]) -> list[Told]:
    """Facts by the first sentence of their class, with the name of their target."""
    read = list(readings)
    split = [_split(reading.key) for reading in read]
    names = targets.names({target for _, target, _ in split})
    return [Told(_says(path), about, *names[target], reading) for (path, target, about), reading in zip(split, read, strict=True)]


def called(keys: Iterable[str]) -> list[str]:
    """Facts for a sentence, by their keys: what each tells, and of which targets."""
    split = [_split(key) for key in keys]
    names = targets.names({target for _, target, _ in split})
    places: dict[str, list[str]] = {}
    for path, target, _ in split:
        known = places.setdefault(_says(path), [])
        known.extend(name for name in (names[target][0],) if name not in known)
    return [f"{what} ({', '.join(where)})" for what, where in places.items()]


def _split(key: str) -> tuple[str, str, str]:
    """The class's path, the target, and the JSON of its other fields, as `Fact.key` joined them."""
    path, _, rest = key.partition("@")
    target, brace, fields = rest.partition("{")
    return path, target, brace + fields


def _says(path: str) -> str:
    """The first sentence of a fact's docstring; its path when this version of the portal has no such fact."""
    try:
        said = str(import_string(path).__doc__ or "").strip()
    except ImportError:
        return path
    name = path.rpartition(".")[2]
    return name if not said or said.startswith(f"{name}(") else said.splitlines()[0].rstrip(".")
